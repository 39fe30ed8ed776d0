"""Read a file of past posts (CSV or Parquet). All columns are read as text; invalid rows are reported by line."""

from __future__ import annotations

import csv
import glob
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import pyarrow as pa

from warehouse.errors import InvalidInputError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

REQUIRED = ("published_at", "likes", "comments", "shares")
OPTIONAL = ("kind", "impressions", "post_id", "account", "captured_at", "paid")

_CHUNK_ROWS = 50_000
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})")


class RejectedRow(NamedTuple):
    """One problem of one row. Such a row is not imported."""

    line: int
    """CSV: line on which the record starts (the header is line 1). Parquet: row number from 1."""
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """Contents of a file."""

    rows: pa.Table
    """Valid rows: line, account, post_id, published_at, captured_at (UTC), derived (captured_at is not from
    the file), kind, likes, comments, shares, impressions, paid (NULL = not reported)."""
    rejected: list[RejectedRow]
    total: int
    """Rows in the file, including invalid and repeated ones."""
    notes: list[str]
    """Notes for the user: ignored columns, kinds read as text, the assumed time of measuring."""


def read_history(
    path: Path, *, timezone: str = "UTC", account_name: str | None = None, now: datetime | None = None
) -> HistoryFile:
    """Read a CSV or Parquet file with published_at, likes, comments, shares and optional OPTIONAL columns.

    Times without an offset are in `timezone` (IANA name or fixed offset such as -05:00). An empty count means not
    reported. Rows after `now` are rejected.

    A kind other than text, link, photo, video and their common synonyms is read as text. A row without post_id gets
    one from its account, time and kind. Of rows with the same post_id (and captured_at) the first counts; identical
    repeats are skipped, others are rejected.

    Raises InvalidInputError: no such file, an empty one, a missing or repeated column, an unknown zone.
    """
    zone, offset_minutes = parse_zone(timezone)
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": "false"})
    with connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 2")
        columns, ragged = _load_lines(connection, path)
        _require_columns(columns, account_name)
        for statement in duckdb.extract_statements(load_sql("history/create_macros")):
            connection.execute(statement)
        connection.execute(
            load_sql("history/parse_lines"),
            {
                "zone": zone,
                "offset_minutes": offset_minutes,
                "account": account_name,
                "now": now or datetime.now(UTC),
            },
        )
        connection.execute(load_sql("history/identify_rows"))
        rows = connection.execute(load_sql("history/select_rows")).to_arrow_table()
        rejected = [
            RejectedRow(*row)
            for row in connection.execute(load_sql("history/select_rejected_rows")).fetchall()
        ]
        total = _scalar(connection, "SELECT count(*) FROM parsed") + len(ragged)
        notes = _notes(connection, columns, rows, account_name)
    return HistoryFile(rows, sorted([*rejected, *ragged]), total, notes)


def parse_zone(timezone: str) -> tuple[str | None, int]:
    """Return (IANA name, 0) or (None, minutes east of UTC). Raises InvalidInputError."""
    if match := _OFFSET.fullmatch(timezone.strip()):
        minutes = int(match["hours"]) * 60 + int(match["minutes"])
        if minutes <= 14 * 60 and int(match["minutes"]) < 60:
            return None, -minutes if match["sign"] == "-" else minutes
    else:
        try:
            return ZoneInfo(timezone.strip()).key, 0
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
            pass
    raise InvalidInputError(
        f"{timezone!r} is not a time zone: use a name such as Europe/Berlin, or an offset such as -05:00",
        field="timezone",
    )


def _load_lines(connection: DuckDBPyConnection, path: Path) -> tuple[list[str], list[RejectedRow]]:
    """Fill the table `lines` with text; return the file's column names and the malformed rows."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}", field="path") from error
    if not start:
        raise InvalidInputError(
            f"{path} is empty: it needs a header with {', '.join(REQUIRED)}, then one line per post",
            field="path",
        )
    connection.execute(
        "CREATE TABLE lines (line BIGINT, "
        + ", ".join(f"{name} VARCHAR" for name in REQUIRED + OPTIONAL)
        + ")"
    )
    return (_load_parquet if start == b"PAR1" else _load_csv)(connection, path)


def _load_parquet(connection: DuckDBPyConnection, path: Path) -> tuple[list[str], list[RejectedRow]]:
    params = {"path": glob.escape(str(path))}
    try:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet($path)", params).fetchall()
        columns = [str(row[0]) for row in described]
        known = _known_columns(columns)
        quoted = {name: columns[index].replace('"', '""') for name, index in known.items()}
        chosen = "".join(f', CAST("{column}" AS VARCHAR) AS {name}' for name, column in quoted.items())
        rows = f"SELECT file_row_number + 1 AS line{chosen}"  # our own names, and quoted names of the file
        source = "read_parquet($path, file_row_number = true)"
        connection.execute(f"INSERT INTO lines BY NAME {rows} FROM {source}", params)
    except duckdb.Error as error:
        first_line = str(error).splitlines()[0]
        raise InvalidInputError(
            f"{path} is not a readable Parquet file: {first_line}", field="path"
        ) from error
    return columns, []


def _load_csv(connection: DuckDBPyConnection, path: Path) -> tuple[list[str], list[RejectedRow]]:
    """Read with Python's csv module: it reports the line of each record, and continues after an invalid record."""
    ragged: list[RejectedRow] = []
    # surrogateescape: a byte that is not UTF-8 must affect only its own row.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header_line = file.readline()
        delimiter = max(",;\t|", key=header_line.count)
        file.seek(0)
        records = _records(csv.reader(file, delimiter=delimiter), ragged)
        _, header = next(records, (1, []))
        columns = [name.strip() for name in header]
        known = _known_columns(columns)
        good = _right_shape(records, len(columns), ragged)
        while chunk := list(islice(good, _CHUNK_ROWS)):
            data: dict[str, Any] = {"line": [line for line, _ in chunk]}
            for name, index in known.items():
                data[name] = pa.array([record[index] for _, record in chunk], pa.string())
            _insert(connection, pa.table(data))
    return columns, ragged


def _records(reader: Iterator[list[str]], ragged: list[RejectedRow]) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record that is not blank."""
    last_line = 0
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            ragged.append(RejectedRow(last_line + 1, "row", f"is not valid CSV: {error}"))
            last_line = reader.line_num  # type: ignore[attr-defined]  # csv's reader has it
            continue
        if record:
            yield last_line + 1, record
        last_line = reader.line_num  # type: ignore[attr-defined]  # csv's reader has it


def _right_shape(
    records: Iterator[tuple[int, list[str]]], width: int, ragged: list[RejectedRow]
) -> Iterator[tuple[int, list[str]]]:
    for line, record in records:
        if len(record) != width:
            reason = f"has {len(record)} fields, the header has {width}: check its commas and quotes"
            ragged.append(RejectedRow(line, "row", reason))
        elif any(not value.isascii() and _has_stray_byte(value) for value in record):
            ragged.append(RejectedRow(line, "row", "is not UTF-8 text: save the file as UTF-8"))
        else:
            yield line, record


def _has_stray_byte(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _insert(connection: DuckDBPyConnection, table: pa.Table) -> None:
    connection.register("chunk", table)
    connection.execute("INSERT INTO lines BY NAME FROM chunk")
    connection.unregister("chunk")


def _known_columns(columns: list[str]) -> dict[str, int]:
    """Return the index of each known column. Raises InvalidInputError for a repeated column."""
    known: dict[str, int] = {}
    for index, column in enumerate(columns):
        name = column.strip().lower()
        if name not in REQUIRED + OPTIONAL:
            continue
        if name in known:
            raise InvalidInputError(f"the column {name} is repeated: keep one", field=name)
        known[name] = index
    return known


def _require_columns(columns: list[str], account_name: str | None) -> None:
    known = _known_columns(columns)
    for name in REQUIRED:
        if name not in known:
            found = ", ".join(columns) or "none"
            raise InvalidInputError(
                f"the file has no column {name}: rename or add it (empty if unknown); found: {found[:300]}",
                field=name,
            )
    if account_name is None and "account" not in known:
        raise InvalidInputError(
            "the file has no column account: add it, or name the account of all rows (--account)",
            field="account",
        )


def _notes(
    connection: DuckDBPyConnection, columns: list[str], rows: pa.Table, account_name: str | None
) -> list[str]:
    notes = []
    known = set(_known_columns(columns).values())
    ignored = [column for index, column in enumerate(columns) if index not in known]
    if ignored:
        notes.append(f"columns ignored: {', '.join(ignored)}")
    others = _scalar(
        connection,
        "SELECT count(DISTINCT cleaned(account)) FROM lines WHERE cleaned(account) <> $account::VARCHAR",
        {"account": account_name},
    )
    if others:
        notes.append(
            f"all rows are imported into one account, but the column account names {others} others: "
            "omit --account to keep them separate"
        )
    kinds = connection.execute(
        "SELECT DISTINCT unknown_kind FROM parsed WHERE unknown_kind IS NOT NULL ORDER BY 1 LIMIT 20"
    ).fetchall()
    if kinds:
        notes.append(f"kinds read as text: {', '.join(kind for (kind,) in kinds)}")
    derived = rows.filter(rows["derived"]) if len(rows) else rows
    if len(derived):
        moment: datetime = derived["captured_at"][0].as_py()
        notes.append(
            "the file does not say when its counts were read (no captured_at): "
            f"the time of its newest post is used, {moment:%Y-%m-%d %H:%M} UTC"
        )
    return notes


def _scalar(connection: DuckDBPyConnection, sql: str, params: dict[str, Any] | None = None) -> int:
    row = connection.execute(sql, params or {}).fetchone()
    return int(row[0]) if row else 0
