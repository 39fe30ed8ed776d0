"""Insert thousands of rows by the driver itself: SQLAlchemy's executemany costs more than the database's work."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Table

from warehouse.store.models import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, FromClause
    from sqlalchemy.orm import Session

_CACHE_KIB = 16 * 1024
"""SQLite's usual 2 MB would write each page of a dozen indexes many times in one transaction."""


def insert_missing(
    session: Session, table: FromClause, columns: Mapping[str, Sequence[Any]], constants: Mapping[str, Any]
) -> int:
    """Insert the rows whose keys are free; return their number.

    `columns`: the values of each column, in the order of the rows; `constants`: values that all rows have. Instants are
    aware, and JSON columns take JSON as text. Columns that neither names must allow NULL.
    """
    if not isinstance(table, Table):
        raise TypeError(f"{table} is no table")
    rows = len(next(iter(columns.values())))
    if not rows:
        return 0
    if session.get_bind().dialect.name == "postgresql":
        return _insert_into_postgresql(session, table, columns, constants)
    return _insert_into_sqlite(session, table, columns, constants)


@contextmanager
def much_memory(session: Session) -> Iterator[None]:
    """Give the session's connection to SQLite the memory that many inserts into large indexes need."""
    if session.get_bind().dialect.name != "sqlite":
        yield
        return
    connection = session.connection()
    before = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size = {int(before)}")


def _insert_into_sqlite(
    session: Session, table: Table, columns: Mapping[str, Sequence[Any]], constants: Mapping[str, Any]
) -> int:
    values: list[Any] = []
    for name, given in columns.items():
        convert = _converter(session, table.c[name])
        values.append(given if convert is None else map(convert, given))
    for name, value in constants.items():
        convert = _converter(session, table.c[name])
        values.append(repeat(value if convert is None else convert(value)))
    names = [*columns, *constants]
    statement = (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)}) "  # noqa: S608 (names of our own tables)
        "ON CONFLICT DO NOTHING"
    )
    cursor = session.connection().connection.cursor()
    try:
        rows = zip(*values, strict=False)  # the constants never end
        cursor.executemany(statement, rows)  # type: ignore[arg-type]  # sqlite3 takes any iterable
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _insert_into_postgresql(
    session: Session, table: Table, columns: Mapping[str, Sequence[Any]], constants: Mapping[str, Any]
) -> int:
    dialect = session.get_bind().dialect
    kinds = {name: table.c[name].type.compile(dialect=dialect) for name in (*columns, *constants)}
    arrays = ", ".join(f"%s::{kinds[name]}[]" for name in columns)
    chosen = [*(f"given.{name}" for name in columns), *(f"%s::{kinds[name]}" for name in constants)]
    statement = (
        f"INSERT INTO {table.name} ({', '.join([*columns, *constants])}) SELECT {', '.join(chosen)} "  # noqa: S608 (names of our own tables)
        f"FROM unnest({arrays}) AS given ({', '.join(columns)}) ON CONFLICT DO NOTHING"
    )
    params = (*constants.values(), *map(list, columns.values()))
    return session.connection().exec_driver_sql(statement, params).rowcount


def _converter(session: Session, column: Column[Any]) -> Callable[[Any], Any] | None:
    """Return what turns a value into the database's form, as SQLAlchemy does it; None = it is in that form."""
    if isinstance(column.type, JSON):
        return None
    if isinstance(column.type, UtcDateTime):
        return _write_instant
    dialect = session.get_bind().dialect
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _write_instant(value: datetime | None) -> str | None:
    """Return an instant as SQLAlchemy stores it in SQLite, at a tenth of the cost: millions have to be written."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"a naive time reached the store: {value!r}")
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]
