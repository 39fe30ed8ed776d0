"""What this version would change in a store and a lake of an older version, without changing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError

from warehouse.errors import SetupError
from warehouse.lake.attach import attach_lake, describe_lake, local_catalog
from warehouse.lake.migrate import check_version
from warehouse.sql import list_migrations
from warehouse.store.database import create_engines, driver_reason
from warehouse.store.migrations import list_pending

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings


@dataclass(frozen=True, slots=True)
class Step:
    """One migration that has not been applied yet."""

    number: str
    title: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The migrations that a start of this version would apply, oldest first."""

    store_version: str | None
    """Number of the store's newest migration; None = there is no store yet."""
    store_steps: list[Step]
    lake_version: int | None
    """Same for the lake."""
    lake_steps: list[Step]

    @property
    def is_needed(self) -> bool:
        """Whether data that exist would be changed."""
        return bool((self.store_version and self.store_steps) or (self.lake_version and self.lake_steps))


def plan_upgrade(settings: WarehouseSettings) -> Upgrade:
    """Compare store and lake with this version; nothing is created or changed.

    Raises SetupError for a store or a lake of a newer version, or one that cannot be read.
    """
    version, files = _read_store(settings)
    lake_version = _read_lake(settings)
    return Upgrade(
        version,
        [Step(path.name[:4], read_title(path)) for path in files],
        lake_version,
        [
            Step(f"{number:04}", name.split("_", 1)[1].replace("_", " "))
            for number, name in list_migrations()
            if number > (lake_version or 0)
        ],
    )


def read_title(path: Path) -> str:
    """Return the first line of a migration's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or path.stem).splitlines()[0]


def _read_store(settings: WarehouseSettings) -> tuple[str | None, list[Path]]:
    url = settings.resolved_database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return None, []  # to connect would create an empty file
    reader, _ = create_engines(url)
    try:
        with reader.connect() as connection:
            return list_pending(connection)
    except DatabaseError as error:
        shown = make_url(url).render_as_string(hide_password=True)
        raise SetupError(f"cannot use the store at {shown}: {driver_reason(error)}") from error
    finally:
        reader.dispose()


def _read_lake(settings: WarehouseSettings) -> int | None:
    catalog = local_catalog(settings)
    if not (catalog.is_file() if catalog is not None else _has_catalog(settings)):
        return None
    with attach_lake(settings, read_only=True) as connection:
        connection.execute("USE lake")
        # 0 = a catalog without our tables: their creation failed, for example for want of the bucket.
        return check_version(connection, describe_lake(settings)) or None


def _has_catalog(settings: WarehouseSettings) -> bool:
    """Whether the PostgreSQL database of the catalog has one; a new database is empty."""
    words = settings.resolved_lake_catalog.partition(":")[2]
    try:
        with psycopg.connect(words, connect_timeout=10) as session:
            row = session.execute("SELECT to_regclass('ducklake_metadata') IS NOT NULL").fetchone()
    except psycopg.Error as error:
        words = str(error).strip() or type(error).__name__
        raise SetupError(f"the lake's catalog cannot be read: {words.splitlines()[0][:200]}") from error
    return row is not None and bool(row[0])
