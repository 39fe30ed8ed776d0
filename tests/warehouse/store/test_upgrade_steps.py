"""Every migration of the store on filled tables: what was there before a step is there after it, unchanged."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    make_url,
    select,
    text,
)

from warehouse.errors import SetupError
from warehouse.store import migrations
from warehouse.store.migrations import alembic_config, list_pending
from warehouse.store.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    Rows = dict[str, list[dict[str, Any]]]

DROPPED = {"0014": "publisher_shifts"}
"""revision -> the table that the step removes: heartbeats took its place."""
REWRITTEN: dict[tuple[str, str], set[str]] = {}
"""(revision, table) -> columns that the step is meant to rewrite."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def empty_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    else:
        url = make_url(request.getfixturevalue("postgres_url"))
        engine = create_engine(url.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    yield engine
    engine.dispose()


def test_each_step_keeps_what_is_there(empty_engine: Engine) -> None:
    with empty_engine.connect() as connection:
        _, files = list_pending(connection)
    for number, path in enumerate(files):
        with empty_engine.begin() as connection:
            before = read(connection)
            command.upgrade(alembic_config(connection), path.name[:4])
            after = read(connection)
            before.pop(DROPPED.get(path.name[:4], ""), None)
            for table, rows in before.items():
                changed = REWRITTEN.get((path.name[:4], table), set())
                assert keep(rows, after[table], changed) == keep(after[table], rows, changed), (
                    path.name,
                    table,
                )
            fill(connection, number)
    with empty_engine.connect() as connection:
        assert list_pending(connection) == (files[-1].name[:4], [])
        counts = {table: len(rows) for table, rows in read(connection).items()}
    assert counts["publications"] == len(files)
    assert all(counts.values())


def keep(rows: list[dict[str, Any]], others: list[dict[str, Any]], changed: set[str]) -> list[dict[str, Any]]:
    """Return the rows with the columns that both sides have."""
    names = (set(rows[0]) & set(others[0])) - changed if rows and others else set()
    return sorted(({name: row[name] for name in sorted(names)} for row in rows), key=repr)


def read(connection: Connection) -> Rows:
    metadata = MetaData()
    metadata.reflect(connection)
    return {
        table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for table in metadata.sorted_tables
        if table.name != "alembic_version"
    }


def fill(connection: Connection, number: int) -> None:
    """Add a row to every table, with a value in every column."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name == "alembic_version":
            continue
        row = {column.name: make_value(connection, table, column, number) for column in table.columns}
        connection.execute(table.insert(), row)


def make_value(connection: Connection, table: Table, column: Column[Any], number: int) -> Any:
    for key in column.foreign_keys:
        if key.column.table is not table:
            newest = select(key.column).order_by(key.column.desc()).limit(1)
            return connection.execute(newest).scalar()
    kind = column.type
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, JSON):
        return {"number": number}
    if isinstance(kind, Integer):
        return number + 1
    if isinstance(kind, Float):
        return number + 0.5
    if isinstance(kind, DateTime):
        return datetime(2026, 3, 1, 12, number)  # noqa: DTZ001 (SQLite's columns hold UTC without a zone)
    if isinstance(kind, LargeBinary):
        return bytes([number])
    if isinstance(kind, String | Text):
        words = f"{number:03} {table.name} {column.name}"
        return words[: kind.length] if kind.length else words
    return date(2026, 3, 1)


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        command.upgrade(alembic_config(connection), "0027")
        fill(connection, 1)
    yield engine
    engine.dispose()


def test_large_indexes_are_built_beside_writers(postgres_engine: Engine) -> None:
    """An index left invalid by an interrupted build is rebuilt; the migration itself then builds no index."""
    statements: list[str] = []
    with postgres_engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_publications_planned ON publications (due_at)"))
        broken = (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_publications_planned'::regclass"
        )
        connection.execute(text(broken))
    event.listen(
        postgres_engine, "before_cursor_execute", lambda _c, _cursor, words, *_rest: statements.append(words)
    )
    migrations.migrate(postgres_engine)
    built = [
        words
        for words in statements
        if "CREATE INDEX" in words and {"publications", "posts"} & {*words.split()}
    ]
    assert len(built) == len({name for _, name, _ in migrations.LARGE_INDEXES})
    assert all("CONCURRENTLY" in words for words in built)
    with postgres_engine.connect() as connection:
        invalid = connection.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).scalar()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert invalid == 0
        assert compare_metadata(context, Base.metadata) == []


def test_a_migration_waits_for_no_lock_for_long(
    postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_WAIT", "50ms")
    monkeypatch.setattr(migrations, "LOCK_ATTEMPTS", 2)
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.0)
    with postgres_engine.connect() as other:
        other.execute(text("LOCK TABLE flow_states IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(SetupError, match="in use, and could not be changed in 2 attempts"):
            migrations.migrate(postgres_engine)
    with postgres_engine.connect() as connection:
        assert list_pending(connection)[0] == "0027"
    migrations.migrate(postgres_engine)
