"""Questions in SQL: one reading statement, on a connection that can reach the lake and nothing else.

A read-only ATTACH alone would not do: table functions such as sqlite_scan open any file (the operational
store among them), and DuckLake's maintenance functions delete files. So the connection reaches no file
outside the lake's data folder, and only table functions known to be harmless are let through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from warehouse.errors import InvalidInputError
from warehouse.lake.attach import attach_lake
from warehouse.lake.connect import fetch_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

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

_ONLY = "only one reading statement is run here: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
_EXPLAIN = re.compile(
    r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^)]*\)\s*)?", re.IGNORECASE | re.DOTALL
)


def run_sql(
    settings: WarehouseSettings, sql: str, *, limit: int | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one reading statement on the lake and return (column names, at most `limit` rows).

    Tables are named as in docs/warehouse.md (marts.publication_latest, ...). Works beside running writers.

    Raises InvalidInputError: not one reading statement, or DuckDB refuses it (its own words).
    Raises SetupError: there is no lake, or it cannot be opened.
    """
    connection = open_console(settings)
    try:
        check_statement(connection, sql)
        return fetch_rows(connection.execute(sql), limit)
    except duckdb.Error as error:
        raise InvalidInputError(str(error), field="sql") from error
    finally:
        connection.close()


def open_console(settings: WarehouseSettings) -> DuckDBPyConnection:
    """Return a connection to the lake, read-only, that reaches no other file and cannot be set otherwise."""
    connection = attach_lake(settings, read_only=True)
    data_path = settings.resolved_lake_data_path.replace("'", "''")
    connection.execute("USE lake")
    connection.execute("SET preserve_insertion_order = true")
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
            f"{_ONLY} (found {len(statements)}; a PIVOT needs its values named: ON column IN (...))",
            field="sql",
        )
    text = statements[0].query
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        text = _EXPLAIN.sub("", text)
    row = connection.execute("SELECT json_serialize_sql($sql)", {"sql": text}).fetchone()
    tree = orjson.loads(row[0]) if row else {"error": True}
    # Only SELECT and its kin can be turned into a tree, so everything that changes something ends here.
    if tree["error"]:
        raise InvalidInputError(f"{_ONLY}", field="sql")
    for name in _table_functions(tree):
        if name.lower() not in TABLE_FUNCTIONS:
            raise InvalidInputError(
                f"the table function {name} is not available here: ask the lake's tables", field="sql"
            )


def _table_functions(node: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON value)
    if isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield node["function"].get("function_name", "")
        for value in node.values():
            yield from _table_functions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _table_functions(value)
