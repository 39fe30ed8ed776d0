"""Read JSON item by item: an array anywhere near the top, JSON Lines, and the scripts of X's archives."""

from __future__ import annotations

import codecs
import io
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast

import ijson
import orjson

from connectors.printable import printable
from warehouse.lake.import_.archives import shown
from warehouse.lake.import_.tables import HEAD_RECORDS, MAX_COLUMNS, Record, Table, cell_text
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.lake.import_.archives import Archive

_CHUNK = 1 << 20
_MAX_DEPTH = 64
_SCAN_EVENTS = 200_000
_MAX_LINE = 16 << 20


def read_items(archive: Archive, name: str, prefix: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array. `prefix`: its place in ijson's words ("item", "orderedItems.item").

    None = the first array of objects in the file, or one object a line. Numbers are int and Decimal, as written.
    Raises FileRefusedError, also in the middle.
    """
    with _refuse_broken(name):
        if prefix is None and _is_lines(archive, name):
            yield from _read_lines(archive, name)
            return
        place = prefix or _find_array(archive, name)
        with archive.open(name) as file:
            for item in ijson.items(_after_script(file), place):
                if isinstance(item, dict):
                    yield item


def open_json(archive: Archive, name: str) -> Table:
    """Return a file of objects as a table: nested keys are joined with points, lists stay JSON."""
    columns: dict[str, int] = {}
    for item in read_items(archive, name):
        for key in flatten(item):
            if key not in columns:
                if len(columns) >= MAX_COLUMNS:
                    raise FileRefusedError(
                        f"{shown(name)} has objects with more than {MAX_COLUMNS} different keys"
                    )
                columns[key] = len(columns)
    if not columns:
        raise FileRefusedError(f"{shown(name)} is JSON without a list of objects: it holds no table of posts")
    header = list(columns)

    def read() -> Iterator[Record]:
        yield Record(0, header)
        for number, item in enumerate(read_items(archive, name), 1):
            flat = flatten(item)
            yield Record(number, [flat.get(key, "") for key in header])

    return Table(
        name="" if archive.is_plain else name,
        source="json",
        head=list(islice(read(), HEAD_RECORDS)),
        read=read,
    )


def flatten(item: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Return the values of an object by their path, as text."""
    flat: dict[str, str] = {}
    for key, value in item.items():
        if isinstance(value, dict) and value and depth < 8:
            flat |= flatten(value, f"{prefix}{key}.", depth + 1)
        elif isinstance(value, dict | list):
            flat[f"{prefix}{key}"] = dump(value) if value else ""
        else:
            flat[f"{prefix}{key}"] = cell_text(value)
    return flat


def dump(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Return JSON text of what ijson read."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # nested too deeply, an integer beyond 64 bits, lone surrogates
        return ""


def mend_text(text: str) -> str:
    """Return a text of Meta's downloads as it was written: its UTF-8 bytes stand there as Latin-1 characters."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _is_lines(archive: Archive, name: str) -> bool:
    """Return whether each line is an object of its own."""
    head = archive.head(name, 1 << 18).removeprefix(codecs.BOM_UTF8).lstrip()
    first, end, rest = head.partition(b"\n")
    if not first.startswith(b"{") or (end and not rest.strip()):
        return first.startswith(b"{") and first.rstrip().endswith(b"}") and not _has_array(first)
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return bool(end)


def _has_array(line: bytes) -> bool:
    """Return whether the only line is an object that holds the list."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return True
    return any(isinstance(part, list) and part and isinstance(part[0], dict) for part in value.values())


def _read_lines(archive: Archive, name: str) -> Iterator[dict[str, Any]]:
    with archive.open(name) as file:
        number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            line = line.removeprefix(codecs.BOM_UTF8).strip()
            if not line:
                continue
            # ijson keeps numbers as written; it reads one line as a document of one value.
            for item in ijson.items(io.BytesIO(line), ""):
                if not isinstance(item, dict):
                    raise FileRefusedError(f"line {number} of {shown(name)} is not a JSON object")
                yield item


def _find_array(archive: Archive, name: str) -> str:
    """Return the place of the first array of objects, near the start of the file."""
    with archive.open(name) as file:
        for count, (prefix, event, _) in enumerate(ijson.parse(_after_script(file))):
            if event == "start_map" and (prefix == "item" or prefix.endswith(".item")):
                return str(prefix)
            if count > _SCAN_EVENTS or prefix.count(".") > _MAX_DEPTH:
                break
    raise FileRefusedError(f"{shown(name)} is JSON without a list of objects: it holds no table of posts")


def _after_script(file: IO[bytes]) -> IO[bytes]:
    """Skip a byte order mark and the `window.YTD... =` of X's archives; UTF-16 becomes UTF-8."""
    start = file.read(4096)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = io.TextIOWrapper(_Joined(start, file), "utf-16")  # type: ignore[type-var]  # read only
        return io.BytesIO(text.read(_MAX_LINE * 16).encode())
    start = start.removeprefix(codecs.BOM_UTF8)
    if start.lstrip().startswith(b"window."):
        start = start[start.find(b"=") + 1 :]
    return cast("IO[bytes]", _Joined(start, file))


class _Joined(io.BufferedIOBase):
    """A stream with its first bytes put back."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._start:
            return self._rest.read(-1 if size is None else size)
        if size is None or size < 0:
            start, self._start = self._start, b""
            return start + self._rest.read()
        start, self._start = self._start[:size], self._start[size:]
        return start

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size if size >= 0 else _CHUNK)


@contextmanager
def _refuse_broken(name: str) -> Iterator[None]:
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
        if isinstance(error, FileRefusedError):
            raise
        reason = printable(str(error).strip().splitlines()[0] if str(error).strip() else "")[:120]
        raise FileRefusedError(
            f"{shown(name)} is damaged or incomplete JSON ({reason}): download it again"
        ) from error
