"""Copy the operational store into an empty one on another database, table by table.

A table is copied in one transaction, so that an interrupted move finds each table empty or complete, and goes on.
Nothing in the target is overwritten: rows that are not the source's are a reason to refuse.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, func, select, text
from sqlalchemy.exc import DataError, IntegrityError

from warehouse import store as store_package
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.installation import is_arriving, mark_arriving, read_place
from warehouse.store.models import Base, Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from warehouse.store.database import Store

BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class TableCopy:
    """One table on both sides."""

    name: str
    rows: int
    sha256: str
    """Of all rows in the order of their key, as JSON with sorted names."""


def copy_as_of_now(source: Store, target: Store) -> list[TableCopy]:
    """Copy every table into a new store as of one moment, while others write to the source; compare and return them.

    On PostgreSQL everything is read in one REPEATABLE READ transaction, which blocks nobody.
    """
    copies = []
    instance = Base.metadata.tables[Instance.__tablename__]
    with source.read() as reading:
        reading.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        with target.write() as writing:
            writing.execute(instance.delete())
        for table in list_tables():
            with target.write() as writing:
                for rows in _read(reading, table):
                    writing.execute(table.insert(), rows)
            wanted = _fingerprint(reading, table)
            with target.read() as session:
                found = _fingerprint(session, table)
            if found != wanted:
                raise ConflictError(
                    f"{table.name} differs after it was copied ({wanted.rows} and {found.rows} rows): check the disk",
                    code="copy_differs",
                )
            copies.append(wanted)
    return copies


def move_store(source: Store, target: Store, *, say: Callable[[str], None]) -> list[TableCopy]:
    """Copy every table, and compare count and hash of all rows; return them. The source must be at rest.

    From the first row on, no publisher starts on the target, until `settle` says that everything is there.
    Raises ConflictError if the target has rows of its own, or a copy differs; InvalidInputError for a row that the
    target's database cannot store.
    """
    tables = [table for table in list_tables() if table.name != Instance.__tablename__]  # that one: `settle`
    wanted, there = {}, {}
    for table in tables:
        with source.read() as session:
            wanted[table.name] = _fingerprint(session, table)
        with target.read() as session:
            found = there[table.name] = _fingerprint(session, table)
        if found.rows and found != wanted[table.name]:
            raise ConflictError(
                f"the target's table {table.name} has {found.rows} rows that are not this installation's: "
                "move into an empty database (before `socialflow upgrade`)",
                code="target_not_empty",
            )
    mark_arriving(target)
    for table in tables:
        if there[table.name] != wanted[table.name]:
            _copy_table(source, target, table)
            with target.read() as session:
                found = _fingerprint(session, table)
            if found != wanted[table.name]:
                raise _changed(wanted[table.name], found)
        say(f"  {table.name}: {wanted[table.name].rows} rows")
    return list(wanted.values())


def require_new(target: Store) -> None:
    """Raise ConflictError if the target has rows, unless an interrupted attempt has left them."""
    with target.read() as session:
        if is_arriving(session):
            return
        for table in list_tables():
            rows = session.scalar(select(func.count()).select_from(table)) or 0
            if rows and table.name != Instance.__tablename__:
                raise ConflictError(
                    f"the database is in use (its table {table.name} has {rows} rows): restore into an empty database "
                    "(before `socialflow upgrade`)",
                    code="target_not_empty",
                )


def require_unchanged(source: Store, copies: Sequence[TableCopy]) -> None:
    """Raise ConflictError if a table of the source has changed since it was copied: somebody works on it."""
    tables = {table.name: table for table in list_tables()}
    for wanted in copies:
        with source.read() as session:
            found = _fingerprint(session, tables[wanted.name])
        if found != wanted:
            raise _changed(wanted, found)


def settle(source: Store, target: Store, *, with_place: bool = False) -> None:
    """Give the target the installation's identity and its own place: everything is there, and it may be started.

    `with_place`: the target keeps what the source says of its place, instead of its own: that it was restored.
    """
    table = Base.metadata.tables[Instance.__tablename__]
    with source.read() as session:
        row = dict(session.execute(select(table)).mappings().one())
    with target.write() as session:
        session.execute(table.delete())
        place = row["place"] if with_place else read_place(target, session)
        session.execute(table.insert(), [{**row, "place": place}])


def _changed(wanted: TableCopy, found: TableCopy) -> ConflictError:
    return ConflictError(
        f"{wanted.name} differs after it was copied ({wanted.rows} and {found.rows} rows): something else writes to "
        "one of the databases; stop it, and move again into an empty place",
        code="copy_differs",
    )


def list_tables() -> Sequence[Table]:
    """Return every table of the store, a referenced one before those that refer to it."""
    for module in pkgutil.walk_packages(store_package.__path__, "warehouse.store."):
        if "migrations" not in module.name:
            import_module(module.name)  # importing a module registers its tables
    return Base.metadata.sorted_tables


def _copy_table(source: Store, target: Store, table: Table) -> None:
    with source.read() as reading, target.write() as writing:
        for rows in _read(reading, table):
            _insert(writing, table, rows)
        if target.dialect == "postgresql":
            _continue_numbers(writing, table)


def _insert(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows. Raises InvalidInputError, which names the row that the database cannot store.

    PostgreSQL stores no NUL in a text, no longer text than its column allows, and no NaN in JSON; SQLite does.
    """
    try:
        with session.begin_nested():
            session.execute(table.insert(), rows)
    except (DataError, IntegrityError) as error:
        for row in rows:
            try:
                with session.begin_nested():
                    session.execute(table.insert(), [row])
            except (DataError, IntegrityError) as reason:
                key = ", ".join(f"{column.name}={row[column.name]}" for column in table.primary_key.columns)
                raise InvalidInputError(
                    f"the new database cannot store the row {key} of {table.name} "
                    f"({str(reason.orig).splitlines()[0]}): correct or delete it in the old one, then move again",
                    field=table.name,
                    code="row_not_storable",
                ) from error
        raise


def _continue_numbers(session: Session, table: Table) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer) and column.autoincrement:
            sequence = session.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": table.name, "column": column.name},
            )
            newest = session.scalar(select(column).order_by(column.desc()).limit(1))
            if sequence is not None and newest is not None:
                session.execute(
                    text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": newest}
                )


def _fingerprint(session: Session, table: Table) -> TableCopy:
    digest = hashlib.sha256()
    count = 0
    for rows in _read(session, table):
        for row in rows:
            digest.update(json.dumps(row, sort_keys=True, default=_as_text).encode())
        count += len(rows)
    return TableCopy(table.name, count, digest.hexdigest())


def _read(session: Session, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).execution_options(yield_per=BATCH_ROWS)
    keys = list(table.primary_key.columns)
    # PostgreSQL's own collation would order ids differently from SQLite's bytes.
    order = [key if isinstance(key.type, Integer) else _in_bytes(session, key) for key in keys]
    result = session.execute(query.order_by(*order))
    for batch in result.mappings().partitions(BATCH_ROWS):
        yield [dict(row) for row in batch]


def _in_bytes(session: Session, column: Any) -> Any:  # noqa: ANN401 (a column of any type)
    is_text = getattr(column.type, "collation", "none") is None
    return column.collate("C") if is_text and session.get_bind().dialect.name == "postgresql" else column


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
