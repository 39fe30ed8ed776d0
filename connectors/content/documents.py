"""Documents: count the pages of a PDF. PDFium is not thread-safe, so files are opened one after the other."""

from __future__ import annotations

import threading
from typing import IO

_ONE_AT_A_TIME = threading.Lock()


def count_pages(file: IO[bytes]) -> int | None:
    """Return the number of pages; None if the file is damaged or protected by a password."""
    import pypdfium2  # type: ignore[import-untyped]  # noqa: PLC0415 (a native library: only for a document)

    file.seek(0)
    with _ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(file)
            try:
                return len(document)
            finally:
                document.close()
        except pypdfium2.PdfiumError:
            return None
