"""Read CSV and TSV: encoding, separator and the records with the line on which each begins."""

from __future__ import annotations

import codecs
import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from warehouse.lake.import_.archives import shown
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from warehouse.lake.import_.archives import Archive

SEPARATORS = ",;\t|"
_CHUNK = 1 << 20
_FIELD_LIMIT = 1 << 20
_SAMPLE_BYTES = 200_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp932",
    "gb18030",
    "big5",
    "euc_kr",
]
"""Encodings that spreadsheets write where they do not write UTF-8."""


def open_delimited(archive: Archive, name: str) -> list[Table]:
    """Return the file as a table for each separator that its head allows, the likeliest first.

    Raises FileRefusedError: no text, or text that ends nowhere near a table.
    """
    encoding, decision = find_encoding(archive, name)
    with archive.open(name) as file:
        start = _decode_head(file, encoding)
    separators, skip = _find_separators(start)
    if not start.strip():
        raise FileRefusedError(f"{shown(name)} contains only white space: export it again")
    tables = []
    for separator in separators:

        def read(separator: str = separator) -> Iterator[Record]:
            with archive.open(name) as raw:
                file = io.TextIOWrapper(raw, encoding, errors="surrogateescape", newline="")
                yield from read_records(file, separator, skip=skip)

        member = archive.members[name]
        size = member.file_size if hasattr(member, "file_size") else member.stat().st_size
        head = list(islice(read_records(io.StringIO(start, newline=""), separator, skip=skip), HEAD_RECORDS))
        tables.append(
            Table(
                name="" if archive.is_plain else name,
                source="text",
                head=head,
                read=read,
                decisions=[decision] if decision else [],
                size=size,
            )
        )
    return tables


def find_encoding(archive: Archive, name: str) -> tuple[str, str | None]:
    """Return the encoding of a text file and, where it had to be found out, a sentence about it.

    Raises FileRefusedError for bytes that are no text.
    """
    head = archive.head(name)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, None if encoding == "utf-8-sig" else f"text read as {encoding.upper()}"
    zeros = head.count(0)
    for encoding, places in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros > len(head) // 4 and places.count(0) > 0.9 * zeros:
            return encoding, f"text read as {encoding.upper()}"
    controls = sum(byte < 9 or 13 < byte < 27 for byte in head)
    if controls > max(16, len(head) // 100):
        raise FileRefusedError(
            f"{shown(name)} contains binary data, not text: export the posts as CSV or XLSX"
        )
    good, stray, sample = _weigh_utf8(archive, name)
    if stray <= good:
        return "utf-8", None
    best = from_bytes(sample, cp_isolation=_LEGACY).best()
    encoding = best.encoding if best is not None else "cp1252"
    return encoding, f"text read as {encoding} (the file is not UTF-8 and does not name its encoding)"


def _weigh_utf8(archive: Archive, name: str) -> tuple[int, int, bytes]:
    """Return how many characters beyond ASCII are UTF-8, how many bytes are not, and lines with such bytes."""
    good = stray = 0
    sample = bytearray()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            text = decoder.decode(chunk)
            if text.isascii():
                continue
            for line in text.splitlines():
                if line.isascii():
                    continue
                escaped = sum("\udc80" <= character <= "\udcff" for character in line)
                stray += escaped
                good += sum(character > "\x7f" for character in line) - escaped
                if escaped and len(sample) < _SAMPLE_BYTES:
                    sample += line.encode("utf-8", "surrogateescape")[:_SAMPLE_BYTES] + b"\n"
    return good, stray, bytes(sample)


def _decode_head(file: IO[bytes], encoding: str) -> str:
    data = file.read(_CHUNK)
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    return decoder.decode(data)


def _find_separators(start: str) -> tuple[list[str], int]:
    """Return the separators in order of likelihood, and the number of lines to skip (`sep=;`)."""
    first, _, rest = start.partition("\n")
    first = first.strip().strip('"')
    if first.lower().startswith("sep=") and len(first) == 5:
        return [first[4]], 1
    del rest
    lines = start.splitlines()[:HEAD_RECORDS]
    scores = {}
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines]
        # A separator stands equally often on many lines; text between them does not.
        common = max(
            set(counts), key=lambda count: (count > 0) * (counts.count(count) * min(count, 50)), default=0
        )
        scores[separator] = counts.count(common) * common if common else 0
    ordered = sorted(SEPARATORS, key=lambda separator: -scores[separator])
    return [separator for separator in ordered if scores[separator]] or [","], 0


def read_records(file: IO[str], separator: str, *, skip: int = 0) -> Iterator[Record]:
    """Yield the records with the line on which each begins; the first line is 1. Blank lines are left out."""
    for _ in range(skip):
        file.readline()
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(file, delimiter=separator)
    last_line = skip
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = str(error)
            if "field larger" in problem:
                problem = "has a field of more than 1 MB: check its quotes"
            yield Record(last_line + 1, [], f"is not valid CSV: {problem}")
            last_line = skip + reader.line_num
            continue
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield Record(last_line + 1, cells)
        last_line = skip + reader.line_num
