"""SQL console: run one read-only statement on a connection restricted to the lake, with a time limit.

A read-only ATTACH is not enough: table functions such as sqlite_scan open any file (including the operational store),
DuckLake's maintenance functions delete files, and the catalog's own database, which in PostgreSQL may also be the
operational store's, is attached with the lake. So the connection can access only files in the lake's data folder,
only table functions known to be harmless, and only the lake's tables.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from warehouse.errors import InvalidInputError, SetupError
from warehouse.lake.attach import attach_lake, describe_lake, read_snapshot
from warehouse.lake.connect import fetch_rows
from warehouse.lake.migrate import check_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.lake.attach import AsOf
    from warehouse.settings import WarehouseSettings

TABLE_FUNCTIONS = frozenset(
    {
        *("unnest", "range", "generate_series", "json_each", "json_tree", "repeat", "repeat_row", "summary"),
        *("duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_schemas", "duckdb_functions"),
        *("duckdb_types", "duckdb_keywords", "pragma_table_info", "pragma_show", "pragma_version"),
        *("ducklake_snapshots", "ducklake_current_snapshot", "ducklake_table_info", "ducklake_table_changes"),
        *("ducklake_table_insertions", "ducklake_table_deletions", "ducklake_list_files", "ducklake_options"),
        *(
            "snapshots",
            "current_snapshot",
            "table_info",
            "table_changes",
            "table_insertions",
            "table_deletions",
        ),
    }
)
"""Table functions that read neither files nor other databases and change nothing."""

CATALOGS = frozenset({"", "lake", "system", "temp", "memory"})
"""Allowed catalogs. The last three contain DuckDB's metadata."""
_METADATA = "__ducklake_metadata"
"""Prefix of the name under which DuckLake attaches its catalog; `duckdb_databases()` does not list it."""
LONGEST_SECONDS = 300.0
MOST_SPILLED = "8GB"
"""Disk space that a statement may use beyond the memory limit."""

BATCH_ROWS = 10_000
"""Rows per batch, which limits memory for large results."""

_ONLY = "only one read-only statement is allowed: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
_EXPLAIN = re.compile(
    r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^)]*\)\s*)?", re.IGNORECASE | re.DOTALL
)


class Answer:
    """A streaming result: DuckDB computes the rows while they are read."""

    def __init__(self, cursor: DuckDBPyConnection, snapshot: tuple[int, datetime] | None = None) -> None:
        self._cursor = cursor
        self.snapshot = snapshot
        """Number and time of the queried snapshot if it is not the newest: older states are thinned out."""
        self.columns = [str(column[0]) for column in cursor.description or []]

    def rows(self, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the (first `limit`) rows; instants are aware UTC datetimes."""
        left = limit
        while left is None or left > 0:
            _, rows = fetch_rows(self._cursor, BATCH_ROWS if left is None else min(left, BATCH_ROWS))
            if not rows:
                return
            yield from rows
            left = None if left is None else left - len(rows)

    def arrow(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the rows as Arrow batches, for files."""
        reader = self._cursor.to_arrow_reader(BATCH_ROWS)
        return reader.schema, _read_batches(reader)


def _read_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except OSError as error:  # how Arrow reports errors of DuckDB
            raise InvalidInputError(str(error), field="sql") from error
        yield batch


@contextmanager
def ask(
    settings: WarehouseSettings, sql: str, *, as_of: AsOf | None = None, seconds: float = LONGEST_SECONDS
) -> Iterator[Answer]:
    """Run one read-only statement on the lake and yield its result, to be read inside the block.

    Tables are named as in docs/warehouse.md (marts.publication_latest, ...). Works while others write; reads one
    snapshot of the lake, the newest or the one of `as_of`. The block may take `seconds`.

    Raises InvalidInputError: not one read-only statement, an error of DuckDB (with its message), no such snapshot, or
    a timeout.
    Raises SetupError: there is no lake, or it cannot be opened.
    """
    connection = open_console(settings, as_of=as_of)
    done, late = threading.Event(), threading.Event()

    def stop_in_time() -> None:
        if not done.wait(seconds):
            late.set()
            while not done.wait(0.1):  # repeat: between two batches there is nothing to interrupt
                connection.interrupt()

    watch = threading.Thread(target=stop_in_time, daemon=True)
    watch.start()
    try:
        check_statement(connection, sql)
        snapshot = None if as_of is None else read_snapshot(connection)
        yield Answer(connection.execute(sql), snapshot)
    except (duckdb.Error, InvalidInputError) as error:
        if late.is_set():
            raise InvalidInputError(
                f"the statement took more than {seconds:g} s and was stopped: narrow it down, or allow more time",
                field="sql",
                code="too_slow",
            ) from None
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(str(error), field="sql") from error
    except RuntimeError as error:  # how DuckDB reports Ctrl-C
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        connection.interrupt()  # close() waits for every thread of a statement that did not end
        done.set()
        watch.join()
        connection.close()


def open_console(settings: WarehouseSettings, *, as_of: AsOf | None = None) -> DuckDBPyConnection:
    """Return a read-only connection to the lake without access to other files and with locked settings.

    Raises SetupError for a lake of a newer version.
    """
    connection = attach_lake(settings, read_only=True, as_of=as_of)
    data_path = settings.resolved_lake_data_path.replace("'", "''")
    connection.execute("USE lake")
    try:
        check_version(connection, describe_lake(settings))
    except SetupError:
        connection.close()
        raise
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"SET max_temp_directory_size = '{MOST_SPILLED}'")
    connection.execute(f"SET allowed_directories = ['{data_path}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def check_statement(connection: DuckDBPyConnection, sql: str) -> None:
    """Raise InvalidInputError unless `sql` is one statement that only reads the lake."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InvalidInputError(str(error), field="sql") from error
    if len(statements) != 1:
        raise InvalidInputError(
            f"{_ONLY} (found {len(statements)}; a PIVOT needs explicit values: ON column IN (...))",
            field="sql",
        )
    text = statements[0].query
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        text = _EXPLAIN.sub("", text)
    row = connection.execute("SELECT json_serialize_sql($sql)", {"sql": text}).fetchone()
    tree = orjson.loads(row[0]) if row else {"error": True}
    # Only SELECT statements can be serialised to a tree, so all modifying statements are refused here.
    if tree["error"]:
        raise InvalidInputError(f"{_ONLY}", field="sql")
    for name in _table_functions(tree):
        if name.lower() not in TABLE_FUNCTIONS:
            raise InvalidInputError(
                f"the table function {name} is not available here: query the lake's tables", field="sql"
            )
    for name in _foreign_names(tree):
        raise InvalidInputError(
            f"{name} is not part of the lake: query its tables, such as marts.publication_latest", field="sql"
        )


def _foreign_names(node: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON value)
    """Yield catalogs other than the lake's that a statement names as catalog, as schema, or in a string."""
    if isinstance(node, dict):
        catalog = str(node.get("catalog_name") or "")
        if catalog.lower() not in CATALOGS:
            yield catalog
        for value in node.values():
            yield from _foreign_names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _foreign_names(value)
    elif isinstance(node, str) and _METADATA in node.lower():
        yield node


def _table_functions(node: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON value)
    if isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield node["function"].get("function_name", "")
        for value in node.values():
            yield from _table_functions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _table_functions(value)
