"""Bring a table of any source into a temporary DuckDB as text: one row per record, one column per column."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from warehouse.lake.import_.formats.base import normalize
from warehouse.lake.import_.recognise import escape_glob, unreadable_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from warehouse.lake.import_.recognise import Match
    from warehouse.lake.import_.tables import Record, Table
    from warehouse.lake.import_.types import ReadOptions

CHUNK_ROWS = 20_000


def stage(connection: DuckDBPyConnection, match: Match, options: ReadOptions) -> None:
    """Fill `lines` (line, c0, c1, ...) and `unreadable` (line, field, reason)."""
    width = len(match.header)
    columns = ", ".join(f"c{place} VARCHAR" for place in range(width))
    connection.execute(f"CREATE TABLE lines (line BIGINT, {columns})")
    connection.execute("CREATE TABLE unreadable (line BIGINT, field VARCHAR, reason VARCHAR)")
    for table in match.tables:
        if table.parquet is not None:
            _stage_parquet(connection, table)
            continue
        offset = _next_line(connection) if len(match.tables) > 1 else 0
        _stage_records(connection, match, table, offset, options)


def _next_line(connection: DuckDBPyConnection) -> int:
    """Return what to add to the lines of the next of several tables, so that each row has its own."""
    row = connection.execute("SELECT coalesce(max(line), 0) FROM lines").fetchone()
    return int(row[0]) if row else 0


def _stage_parquet(connection: DuckDBPyConnection, table: Table) -> None:
    chosen = []
    for place, name in enumerate(table.head[0].cells):
        quoted = '"' + name.replace('"', '""') + '"'
        text = f"CAST({quoted} AS VARCHAR)"
        if name in table.float_columns:  # see tables.number_text
            text = f"regexp_replace({text}, '^(-?\\d+\\.\\d{{3}})$', '\\10')"
        chosen.append(f"{text} AS c{place}")
    path = table.parquet
    if path is None:
        return
    statement = (
        f"INSERT INTO lines BY NAME SELECT file_row_number + 1 AS line, {', '.join(chosen)} "
        "FROM read_parquet($path, file_row_number = true)"
    )
    try:
        connection.execute(statement, {"path": escape_glob(path)})
    except duckdb.Error as error:
        raise unreadable_parquet(path, error) from error


def _stage_records(
    connection: DuckDBPyConnection, match: Match, table: Table, offset: int, options: ReadOptions
) -> None:
    width = len(match.header)
    records = islice(table.read(), match.header_at + 1, None)
    names = ["line", *(f"c{place}" for place in range(width))]
    # A CSV with a preamble has no fixed width: its rows are as wide as its header or shorter.
    done = 0
    for good, bad in _chunks(records, match, table):
        if good:
            lines = pa.array([line + offset for line, _ in good], pa.int64())
            cells = [
                pa.array(column, pa.string()) for column in zip(*(cells for _, cells in good), strict=True)
            ]
            connection.register("chunk", pa.table([lines, *cells], names=names))
            connection.execute("INSERT INTO lines BY NAME FROM chunk")
            connection.unregister("chunk")
        if bad:
            connection.executemany("INSERT INTO unreadable VALUES (?, ?, ?)", bad)
        done += len(good) + len(bad)
        options.progress("reading", done, 0)


def _chunks(
    records: Iterator[Record], match: Match, table: Table
) -> Iterator[tuple[list[tuple[int, list[str]]], list[tuple[int, str, str]]]]:
    header = [normalize(name) for name in match.header]
    width = len(header)
    strict = table.source == "text"
    single = len(match.tables) == 1
    while chunk := list(islice(records, CHUNK_ROWS)):
        good: list[tuple[int, list[str]]] = []
        bad: list[tuple[int, str, str]] = []
        for line, cells, reason in chunk:
            joined = "".join(cells)
            if reason is None and len(cells) == width and joined.isascii() and "\0" not in joined:
                problem = None  # nearly all rows
            else:
                problem = reason or _find_problem(cells, joined, width, strict=strict)
            if problem is not None:
                bad.append((line, "row", problem))
                continue
            fitting = cells if len(cells) == width else _fit(cells, width)
            if single or [normalize(cell) for cell in fitting] != header:
                good.append((line, fitting))
        yield good, bad


def _fit(cells: list[str], width: int) -> list[str]:
    return [*cells[:width], *([""] * (width - len(cells)))]


def _find_problem(cells: list[str], joined: str, width: int, *, strict: bool) -> str | None:
    if strict and len(cells) != width and (len(cells) < width or any(cells[width:])):
        return f"has {len(cells)} fields, the header has {width}: check its separators and quotes"
    if "\0" in joined:
        return "contains a NUL character: export the file again"
    if not joined.isascii() and any("\ud800" <= character <= "\udfff" for character in joined):
        return "is not UTF-8 text: save the file as UTF-8"
    return None
