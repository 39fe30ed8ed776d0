"""Keep the minimum and maximum that DuckLake has for each column of a table from being too narrow.

DuckLake (1.5.5) has none for a column if the first rows ever inserted into the table begin with ones without a value in
it (in one file, or in the first of several). The next insert then sets them to its own. DuckDB trusts these values:
filters find nothing, and ORDER BY returns numbers that are not in the table. A table that had a row before is not
affected.

So each table gets a row before its first, which is deleted in the next transaction. Tables of a lake that is upgraded
get two, with the lowest and the highest values, because their ranges may be wrong already: a range only ever widens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.errors import SetupError
from warehouse.sql import list_migrations

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INSERTED_BY, DELETED_BY = (
    next(number for number, name in list_migrations() if name.endswith(what))
    for what in ("_widen_ranges", "_delete_range_rows")
)
"""Numbers of the migrations. Each is a transaction: a row that is deleted where it was inserted has no effect."""

_COLUMNS = """
SELECT schema_name || '.' || table_name, column_name, data_type, is_nullable
FROM duckdb_columns()
JOIN (SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake') USING (schema_name, table_name)
WHERE database_name = 'lake' AND schema_name IN ('raw', 'dims', 'marts', 'quality')
ORDER BY 1, column_index
"""
_LOW, _HIGH = "''", "chr(1114111)"
"""In the table's key: no id of ours."""
_VALUES = {
    "VARCHAR": ("''", _HIGH, "''"),
    "BIGINT": ("-9007199254740992", "9007199254740992", "0"),
    "INTEGER": ("-2147483648", "2147483647", "0"),
    "DOUBLE": ("-1e300", "1e300", "0"),
    "BOOLEAN": ("false", "true", "false"),
    "DATE": ("DATE '1900-01-01'", "DATE '2200-01-01'", "DATE '2000-01-01'"),
    "TIMESTAMP WITH TIME ZONE": (
        "TIMESTAMPTZ '1900-01-01 00:00:00+00'",
        "TIMESTAMPTZ '2200-01-01 00:00:00+00'",
        "TIMESTAMPTZ '2000-01-01 00:00:00+00'",
    ),
}
"""The lowest and the highest value of a type, and one for a column that needs any."""


def insert_range_rows(cursor: DuckDBPyConnection, *, is_new: bool) -> None:
    """Insert the rows into every table; `is_new`: none has ever had a row."""
    for table, columns in _list_tables(cursor).items():
        if is_new:
            rows = [["NULL" if nullable else _value(kind, 2) for _name, kind, nullable in columns]]
        else:
            rows = [[_value(kind, place) for _name, kind, _nullable in columns] for place in (0, 1)]
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        cursor.execute(f"INSERT INTO {table} VALUES {values}")  # noqa: S608 (our own names and values)


def delete_range_rows(cursor: DuckDBPyConnection) -> None:
    """Delete the rows of `insert_range_rows`."""
    for table, columns in _list_tables(cursor).items():
        key = next((name for name, kind, nullable in columns if kind == "VARCHAR" and not nullable), None)
        if key is None:
            raise SetupError(
                f"{table} has no text that each row has: its range rows cannot be told from others"
            )
        cursor.execute(f"DELETE FROM {table} WHERE {key} IN ({_LOW}, {_HIGH})")  # noqa: S608 (same)


def _value(kind: str, place: int) -> str:
    """Return a value of a type as SQL; other types (lists) have no range."""
    return _VALUES[kind][place] if kind in _VALUES else "NULL"


def _list_tables(cursor: DuckDBPyConnection) -> dict[str, list[tuple[str, str, bool]]]:
    """Return name, type and whether it may be NULL of the columns of each table, in their order."""
    rows = cursor.execute(_COLUMNS).fetchall()
    tables: dict[str, list[tuple[str, str, bool]]] = {}
    for table, name, kind, nullable in rows:
        tables.setdefault(table, []).append((name, kind, nullable))
    return tables
