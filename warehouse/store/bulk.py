"""Insert and update many rows in one statement: SQLAlchemy's unit of work and executemany cost more than the database.

PostgreSQL takes the rows as one array for each column: a tenth of the time of one statement for each row, which the
driver would send otherwise. SQLite, without a network, runs one prepared statement again and again.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import JSON, Table, bindparam, func, insert, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import manager_of_class

from warehouse.store.models import Base, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, FromClause, Insert
    from sqlalchemy.orm import Session

Row = TypeVar("Row", bound=Base)
_ROWS = "rows_"
"""Prefix of the parameters, which must not be names of columns."""
_CACHE_KIB = 16 * 1024
"""SQLite's usual 2 MB would write each page of a dozen indexes many times in one transaction."""


def insert_new(session: Session, model: type[Row], rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Insert rows in the caller's transaction and return them as if loaded by the session.

    Omitted columns get their default.
    """
    if not rows:
        return []
    whole = complete_rows(model, rows)
    insert_rows(session, model, whole)
    made = load_rows(model, whole)
    for one in made:
        make_transient_to_detached(one)
    session.add_all(made)
    return made


def insert_rows(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all have the same keys, after what the session has pending.

    Columns with default values must be among them.
    """
    if not rows:
        return
    session.flush()
    if session.get_bind().dialect.name == "postgresql" and len(rows) > 1:
        session.connection().execute(_insert_arrays(model, tuple(rows[0])), _in_columns(rows))
    else:
        session.connection().execute(_insert(model), list(rows))


def update_rows(
    session: Session,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    **shared: Any,  # noqa: ANN401 (column values)
) -> None:
    """Set the columns of `rows` in the rows with their `id`s, and `shared` in all of them.

    All rows have the same keys. Objects that the session has loaded do not change, and neither does `updated_at` unless
    it is given.
    """
    if not rows:
        return
    target = table.__table__
    names = [name for name in rows[0] if name != "id"]
    if session.get_bind().dialect.name == "postgresql":
        given = _unnest(target, ["id", *names])
        statement = update(table).where(target.c.id == given.c.id)
        statement = statement.values({name: given.c[name] for name in names} | shared)
        session.connection().execute(statement, _in_columns(rows))
        return
    statement = update(table).where(target.c.id == bindparam(f"{_ROWS}id"))
    statement = statement.values({name: bindparam(_ROWS + name) for name in names} | shared)
    session.connection().execute(statement, [{_ROWS + key: row[key] for key in row} for row in rows])


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


def complete_rows(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with all columns."""
    return [{**_defaults(model), **row} for row in rows]


def load_rows(model: type[Row], rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the objects of complete rows, to be read: they belong to no session."""
    return [_load(model, row) for row in rows]


def _load(model: type[Row], row: dict[str, Any]) -> Row:
    """Return the object of a stored row, built the way the ORM loads one."""
    one: Row = manager_of_class(model).new_instance()
    one.__dict__.update(row)
    return one


@cache
def _insert(model: type[Base]) -> Insert:
    # Built once: building a statement and its cache key takes longer than running it.
    return insert(model.__table__)  # type: ignore[arg-type]  # a mapped class's table is one


@cache
def _insert_arrays(model: type[Base], names: tuple[str, ...]) -> Insert:
    given = _unnest(model.__table__, names)
    return insert(model).from_select(list(names), given.select(), include_defaults=False)


def _unnest(target: FromClause, names: Sequence[str]) -> Any:  # noqa: ANN401 (a table-valued alias)
    # One dimension: a JSON value may be a list itself.
    arrays = [bindparam(_ROWS + name, type_=ARRAY(target.c[name].type, dimensions=1)) for name in names]
    return func.unnest(*arrays).table_valued(*names, name="given").render_derived()


def _in_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {_ROWS + name: [row[name] for row in rows] for name in rows[0]}


@cache
def _defaults(model: type[Base]) -> dict[str, Any]:
    """Return the constant column defaults; defaults computed by a function or the database are omitted."""
    values: dict[str, Any] = {}
    for column in model.__table__.columns:
        default = column.default
        if default is None:
            values[column.key] = None
        elif default.is_scalar:
            values[column.key] = default.arg
    return values


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
