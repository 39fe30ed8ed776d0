"""Find the tables of a file and the format that they are of."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import duckdb

from connectors.printable import printable
from warehouse.lake.import_.archives import Archive, open_plain, open_tar, open_zip, shown, unzip_single
from warehouse.lake.import_.delimited import open_delimited
from warehouse.lake.import_.formats import ALL, ARCHIVES, REPOSITORY
from warehouse.lake.import_.formats.base import Format, normalize
from warehouse.lake.import_.formats.bluesky_repository import read_tables as read_repository
from warehouse.lake.import_.formats.linkedin import join_top_posts
from warehouse.lake.import_.formats.own import REQUIRED
from warehouse.lake.import_.json_items import open_json
from warehouse.lake.import_.kinds import describe_zip, find_kind, kind_of
from warehouse.lake.import_.tables import Record, Table
from warehouse.lake.import_.types import COUNTS, MEASURES, FileRefusedError
from warehouse.lake.import_.workbooks import open_workbook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from warehouse.lake.import_.types import ReadOptions, RememberedMapping

MAPPABLE = (
    "published_at",
    "external_id",
    "account",
    "platform",
    "permalink",
    "text",
    "kind",
    "measured_at",
    *COUNTS,
    *MEASURES,
)
"""Fields that a column can be mapped to; `-` ignores a column."""

MAPPED_COLUMNS = 200
"""Columns that a refusal lists, so that a form can ask what they mean."""

_ALIASES = {"post_id": "external_id", "captured_at": "measured_at", "link": "permalink", "url": "permalink"}


@dataclass(slots=True)
class Match:
    """Tables of one format, with the place of their header."""

    format: Format
    tables: list[Table]
    header: list[str]
    """Column names as the file has them; unnamed ones are called after their place."""
    places: dict[str, int]
    """Column of each field."""
    header_at: int
    """Place of the header among the records of each table."""
    notes: list[str]
    ignored: frozenset[int] = frozenset()
    """Columns that a mapping ignores: neither read nor kept."""
    mapping: Mapping[str, str] | None = None
    """The given or remembered mapping that says what the columns mean."""


def recognise(path: Path, folder: Path, options: ReadOptions) -> Match:
    """Return what a file is. `folder` takes unpacked members. Raises FileRefusedError."""
    kind = find_kind(path)
    if kind == "gzip":
        return _recognise_gzip(path, folder, options)
    if kind == "tar":
        return _recognise_archive(open_tar(path, folder), folder, options)
    if kind == "zip":
        archive = open_zip(path)
        if describe_zip(archive.all_names, path) == "workbook":
            archive.close()
            return _choose(_workbook_tables(path, options), path, options)
        return _recognise_archive(archive, folder, options)
    if kind == "workbook":
        return _choose(_workbook_tables(path, options), path, options)
    return _recognise_archive(open_plain(path), folder, options)


def _recognise_gzip(path: Path, folder: Path, options: ReadOptions) -> Match:
    """Read a .tar.gz, or the one file of a .gz."""
    inner = unzip_single_head(path)
    if len(inner) >= 512 and inner[257:262] == b"ustar":
        return _recognise_archive(open_tar(path, folder), folder, options)
    return recognise(unzip_single(path, folder), folder, options)


def unzip_single_head(path: Path) -> bytes:
    """Return the first bytes of what a .gz holds."""
    import gzip  # noqa: PLC0415 (few files need it)

    from warehouse.lake.import_.archives import refuse_broken  # noqa: PLC0415 (same)

    with refuse_broken(path), gzip.open(path) as file:
        return file.read(512)


def _recognise_archive(archive: Archive, folder: Path, options: ReadOptions) -> Match:
    if not archive.members:
        _refuse_memberless(archive)
    if options.mapping is None:
        for known in ARCHIVES:
            if known.open is not None and (tables := known.open(archive, folder)):
                header = tables[0].head[0].cells
                return Match(known, tables, header, _match_header(known, header), 0, [])
    tables = []
    refusals: list[FileRefusedError] = []
    for name in sorted(archive.members):
        try:
            found = _open_member(archive, name, folder, options)
        except FileRefusedError as error:
            if archive.is_plain:
                raise
            refusals.append(error)
            continue
        if isinstance(found, Match):
            return found
        tables += found
    if not tables and refusals:
        raise refusals[0]
    return _choose(tables, archive.path, options)


def _refuse_memberless(archive: Archive) -> NoReturn:
    if any(name.lower().endswith((".html", ".htm")) for name in archive.all_names):
        raise FileRefusedError(
            f"{shown(archive.path)} holds web pages: ask for the download again in the format JSON"
        )
    raise FileRefusedError(f"{shown(archive.path)} holds no file of posts (CSV, JSON, XLSX, CAR)")


def _open_member(archive: Archive, name: str, folder: Path, options: ReadOptions) -> list[Table] | Match:
    kind = kind_of(archive.head(name, 4096), name if not archive.is_plain else archive.path)
    if kind == "car":
        tables = read_repository(archive, name)
        places = _match_header(REPOSITORY, tables[0].head[0].cells)
        return Match(REPOSITORY, tables, tables[0].head[0].cells, places or {}, 0, [])
    if kind == "parquet":
        return [_open_parquet(archive.extract(name, folder))]
    if kind == "json":
        return [open_json(archive, name)]
    if kind in {"workbook", "zip"}:
        return _workbook_tables(archive.extract(name, folder), options)
    if kind == "text":
        return open_delimited(archive, name)
    raise FileRefusedError(f"{shown(name)} is an archive in an archive: unpack it and import the file inside")


def _workbook_tables(path: Path, options: ReadOptions) -> list[Table]:
    tables = open_workbook(path, sheet=options.sheet)
    joined = [join_top_posts(table) for table in tables]
    return [new or table for new, table in zip(joined, tables, strict=True)]


def _open_parquet(path: Path) -> Table:
    try:
        with duckdb.connect(":memory:") as connection:
            described = connection.execute(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($path))",
                {"path": escape_glob(path)},
            ).fetchall()
    except duckdb.Error as error:
        raise unreadable_parquet(path, error) from error
    names = [str(name) for name, _ in described]
    return Table(
        name="",
        source="parquet",
        head=[Record(0, names)],
        read=lambda: iter(()),
        float_columns=frozenset(name for name, kind in described if kind in {"DOUBLE", "FLOAT"}),
        parquet=path,
    )


def unreadable_parquet(path: Path, error: Exception) -> FileRefusedError:
    """Return the refusal of a damaged Parquet file."""
    reason = printable((str(error).splitlines() or [""])[0].replace(str(path), path.name))[:150]
    return FileRefusedError(f"{shown(path)} is not a readable Parquet file ({reason}): write it again")


def escape_glob(path: Path) -> str:
    """Return a path that DuckDB takes as it is."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _choose(tables: list[Table], path: Path, options: ReadOptions) -> Match:
    if options.mapping is not None:
        return _map(tables, options.mapping, path)
    candidates = [
        (_score(known, table, places), known, table, place, places)
        for table in tables
        for place, record in enumerate(table.head)
        if len(record.cells) > 1
        for known, places in _fitting_formats(record.cells)
    ]
    if not candidates:
        return _refuse_or_remembered(tables, path, options)
    _, known, table, place, places = max(candidates, key=lambda candidate: candidate[0])
    header = table.head[place].cells
    if known.name == "own":
        _require_own(header, path)
    same = [other for other in tables if other is table or _continues(other, table, known, place)]
    notes = []
    others = sorted({other.name for other in tables if other.name} - {one.name for one in same})
    if others and len(others) < 20:
        notes.append(f"not read: {', '.join(printable(name) for name in others)}")
    return Match(known, same, name_columns(header), places, place, notes)


def _fitting_formats(cells: Sequence[str]) -> Iterator[tuple[Format, dict[str, int]]]:
    headers = {normalize(cell) for cell in cells}
    for known in ALL:
        if _is_of(known, headers):
            yield known, _match_header(known, cells)


def _score(known: Format, table: Table, places: Mapping[str, int]) -> int:
    """Return how much of a format a table has; the member that the format names goes before all others."""
    return len(places) + 100 * bool(known.member and re.search(known.member, table.name, re.IGNORECASE))


def _continues(other: Table, table: Table, known: Format, place: int) -> bool:
    """Return whether another member holds more rows of the same table: exports are cut by month."""
    return (
        not known.member
        and other.source == table.source
        and other.name != table.name
        and len(other.head) > place
        and other.head[place].cells == table.head[place].cells
    )


def _is_of(known: Format, headers: set[str]) -> bool:
    def has(mark: str) -> bool:
        return mark in headers or any(name in headers for name in known.fields.get(mark, ()))

    return not headers & known.forbidden and any(all(has(mark) for mark in marks) for marks in known.marks)


def _match_header(known: Format, cells: Sequence[str]) -> dict[str, int]:
    """Return the column of each field. Raises FileRefusedError if a column that is read is there twice."""
    headers = [normalize(cell) for cell in cells]
    places: dict[str, int] = {}
    counted = Counter(headers)
    for name, candidates in known.fields.items():
        for candidate in candidates:
            if candidate in counted:
                if counted[candidate] > 1:
                    raise FileRefusedError(f"the column {candidate} is repeated: keep one", field=candidate)
                places.setdefault(name, headers.index(candidate))
                break
    return places


def _require_own(header: Sequence[str], path: Path) -> None:
    headers = {normalize(cell) for cell in header}
    for name in REQUIRED:
        if name not in headers:
            found = printable(", ".join(header))[:300]
            raise FileRefusedError(
                f"{shown(path)}: the file has no column {name}: rename or add it (empty if unknown), or say which "
                f"column it is with --map COLUMN={name}; found: {found}",
                field=name,
            )


def name_columns(header: Sequence[str]) -> list[str]:
    """Return the names of all columns; an unnamed one is called after its place."""
    return [cell.replace("\ufeff", "").strip() or f"column {place}" for place, cell in enumerate(header, 1)]


def _map(tables: list[Table], mapping: Mapping[str, str], path: Path) -> Match:
    fields, ignored = check_mapping(mapping)
    wanted = {normalize(column) for column in [*fields.values(), *ignored]}
    for table in tables:
        for place, record in enumerate(table.head):
            header = name_columns(record.cells)
            headers = [normalize(cell) for cell in header]
            if not wanted <= set(headers):
                continue
            mapped = Format(
                name="mapped",
                title="Mapped file",
                platform=None,
                fields={name: (normalize(column),) for name, column in fields.items()},
                days=True,
            )
            left = frozenset(headers.index(normalize(column)) for column in ignored)
            return Match(
                mapped, [table], header, _match_header(mapped, header), place, [], left, dict(mapping)
            )
    known = {normalize(cell) for table in tables for record in table.head[:1] for cell in record.cells}
    missing = [column for column in mapping if normalize(column) not in known] or list(mapping)
    found = ", ".join(name_columns(tables[0].head[0].cells)) if tables and tables[0].head else "nothing"
    raise FileRefusedError(
        f"{shown(path)} has no column {printable(missing[0])}: its columns are {printable(found)[:400]}",
        field="map",
    )


def check_mapping(mapping: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the column of each field, and the ignored columns. Raises FileRefusedError for an unknown field."""
    fields: dict[str, str] = {}
    ignored = []
    for column, target in mapping.items():
        name = _ALIASES.get(target.strip().lower(), target.strip().lower())
        if name == "-":
            ignored.append(column)
            continue
        if name not in MAPPABLE:
            raise FileRefusedError(
                f"{printable(target)} is not a field: use {', '.join(MAPPABLE)}, or - to ignore the column",
                field="map",
            )
        if name in fields:
            raise FileRefusedError(
                f"{printable(fields[name])} and {printable(column)} are both mapped to {name}: keep one",
                field="map",
            )
        fields[name] = column
    if "published_at" not in fields:
        raise FileRefusedError(
            "a mapping needs the time of publishing: --map COLUMN=published_at", field="map"
        )
    return fields, ignored


def _refuse_or_remembered(tables: list[Table], path: Path, options: ReadOptions) -> Match:
    for remembered in options.remembered:
        found = _fitting(remembered, tables)
        if found is not None:
            match = _map(found, remembered.columns, path)
            match.notes.append(
                f"columns as remembered under {printable(remembered.name)!r}: `socialflow import-maps remove` "
                "forgets them"
            )
            match.format = replace(match.format, title=f"Mapped file ({printable(remembered.name)})")
            return match
    columns = max((name_columns(table.head[0].cells) for table in tables if table.head), key=len, default=[])
    guess = next(
        (name for name in columns if re.search(r"date|time|when|created|publi", name, re.IGNORECASE)), None
    )
    example = f"--map {printable(guess or (columns or ['COLUMN'])[0])!r}=published_at"
    raise FileRefusedError(
        f"{shown(path)} is no export that is known (no column published_at either): name its columns with "
        f"{example} and the like; found: {printable(', '.join(columns))[:300] or 'none'}",
        field="published_at",
        columns=columns[:MAPPED_COLUMNS],
    )


def _fitting(remembered: RememberedMapping, tables: list[Table]) -> list[Table] | None:
    """Return the table whose header is that of a remembered mapping."""
    for table in tables:
        for record in table.head:
            if sorted({normalize(cell) for cell in name_columns(record.cells)}) == sorted(remembered.header):
                return [table]
    return None
