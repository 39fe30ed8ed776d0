"""Tell what a file is by its first bytes, and say what to do about one that holds no posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from warehouse.lake.import_.archives import shown
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["text", "json", "workbook", "zip", "tar", "gzip", "parquet", "car"]

_CSV_REMEDY = "export the posts as CSV or XLSX"

_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF", f"it has no table that can be read exactly; {_CSV_REMEDY}"),
    (b"\x89PNG", "a picture (PNG)", _CSV_REMEDY),
    (b"\xff\xd8\xff", "a picture (JPEG)", _CSV_REMEDY),
    (b"GIF8", "a picture (GIF)", _CSV_REMEDY),
    (b"RIFF", "a picture, a sound or a video (RIFF)", _CSV_REMEDY),
    (b"Rar!", "a RAR archive", "unpack it and import the file inside, or pack it as zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and import the file inside, or pack it as zip"),
    (b"SQLite format 3", "an SQLite database", "write the table of posts to CSV and import that"),
    (b"\x7fELF", "a program", _CSV_REMEDY),
    (b"MZ", "a program", _CSV_REMEDY),
    (b"{\\rtf", "a text document (RTF)", "open it and save the table as CSV"),
    (b"OggS", "a sound", _CSV_REMEDY),
    (b"ID3", "a sound", _CSV_REMEDY),
    (b"bplist", "a property list of macOS", _CSV_REMEDY),
    (b"ARROW1", "an Arrow file", "write it as Parquet and import that"),
    (b"Obj\x01", "an Avro file", "write it as Parquet or CSV and import that"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it and import the file inside"),
    (b"-----BEGIN PGP", "an encrypted file (PGP)", "decrypt it and import the file inside"),
    (b"age-encryption.org", "an encrypted file (age)", "decrypt it and import the file inside"),
    (b"Salted__", "an encrypted file (OpenSSL)", "decrypt it and import the file inside"),
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def find_kind(path: Path) -> Kind:
    """Return the kind of a file. Raises FileRefusedError: missing, empty, or a kind that holds no posts."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if len(head) >= 512 and head[257:262] == b"ustar":
                return "tar"
    except IsADirectoryError as error:
        raise FileRefusedError(
            f"{shown(path)} is a folder: give one file, or pack the folder as zip"
        ) from error
    except OSError as error:
        raise FileRefusedError(f"cannot read {shown(path)}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise FileRefusedError(f"{shown(path)} is not a file's name") from error
    return kind_of(head, path)


def kind_of(head: bytes, path: Path | str) -> Kind:
    """Return the kind of a file by its first bytes. Raises FileRefusedError."""
    name = shown(path)
    if not head:
        raise FileRefusedError(f"{name} is empty: export it again, or check that its download was complete")
    for magic, what, remedy in _REFUSED:
        if head.startswith(magic):
            raise FileRefusedError(f"{name} is {what}: {remedy}")
    if head[4:8] == b"ftyp":
        raise FileRefusedError(f"{name} is a video or a picture: {_CSV_REMEDY}")
    if head[8:12] == b"DUCK":
        raise FileRefusedError(
            f"{name} is a DuckDB database: write the table of posts to Parquet and import that"
        )
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    if _looks_like_car(head):
        return "car"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    _refuse_markup(start[:512].lower(), name)
    return "json" if start[:1] in {b"{", b"["} or start[:10].lower() == b"window.ytd" else "text"


_KINDS: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", "parquet"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "tar"),
    (b"\xfd7zXZ\x00", "tar"),
    (OLE, "workbook"),
    (b"\x09\x08", "workbook"),
    (b"\x09\x04", "workbook"),
    (b"\x09\x02", "workbook"),
)


def _refuse_markup(lowered: bytes, name: str) -> None:
    if (
        lowered.startswith((b"<!doctype html", b"<html", b"<head", b"<table", b"<body"))
        or b"<html" in lowered[:300]
    ):
        raise FileRefusedError(
            f"{name} is a web page, whatever its name says: open it in a spreadsheet and save it as XLSX, or choose "
            "CSV or JSON where you downloaded it"
        )
    if lowered.startswith(b"<?xml"):
        raise FileRefusedError(f"{name} is XML: open it in a spreadsheet and save it as XLSX, or export CSV")
    if lowered.startswith(b"version https://git-lfs"):
        raise FileRefusedError(f"{name} only names a file kept elsewhere (Git LFS): fetch the file itself")


def _looks_like_car(head: bytes) -> bool:
    """Return whether a CAR begins here: a length, then a CBOR map with `roots` and `version`."""
    return b"eroots" in head[:12] and b"gversion" in head[:200]


def describe_zip(names: list[str], path: Path) -> Kind | None:
    """Return "workbook" for a zip that is one, None for any other zip. Raises FileRefusedError for documents."""
    found = set(names)
    if "xl/workbook.xml" in found or "xl/workbook.bin" in found or {"mimetype", "content.xml"} <= found:
        return "workbook"
    name = shown(path)
    for member, what in (
        ("word/document.xml", "a Word document"),
        ("ppt/presentation.xml", "a presentation"),
    ):
        if member in found:
            raise FileRefusedError(
                f"{name} is {what}: copy its table into a spreadsheet and save that as XLSX"
            )
    if "Index/Document.iwa" in found or any(member.endswith(".iwa") for member in found):
        raise FileRefusedError(f"{name} is a document of Apple's Numbers or Pages: export it as Excel or CSV")
    if "AndroidManifest.xml" in found:
        raise FileRefusedError(f"{name} is an Android app: {_CSV_REMEDY}")
    return None
