"""Alembic migrations of the operational store, run in-process by `migrate` (there is no alembic.ini)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine


MIGRATION_LOCK = 0x50C1A1F1
"""Key of the advisory lock on PostgreSQL: any number that no other program uses there."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Return an Alembic configuration for this folder and, if given, this connection."""
    from alembic.config import Config  # noqa: PLC0415 (see migrate)

    # Alembic's default is sys.stdout as of its import, which may be closed by now.
    config = Config(stdout=sys.stdout)
    # Alembic reads options with %-interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine, writer: Engine | None = None) -> None:
    """Migrate the store to this version's schema. Of several processes one migrates, the others wait.

    `writer` takes the write lock when its transaction begins; then `engine` only reads. Raises SetupError for a store
    of a newer version, because an old program must not write to it.
    """
    # Check without a write lock and without Alembic first: nearly every start has nothing to migrate, and a
    # publisher starts each minute (importing Alembic costs 10 MB and 1/6 s).
    head = _newest_revision()
    with engine.connect() as connection:
        if _current_revision(connection) == head:
            return
    from alembic import command  # noqa: PLC0415 (see above)

    with (writer or engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        current = _current_revision(connection)
        if current is not None and current not in _list_revisions():
            raise SetupError(
                f"the store was created by a newer version of SocialFlow (schema {current}): update this program; "
                "nothing was changed"
            )
        if current != head:
            command.upgrade(alembic_config(connection), "head")


def require_current(engine: Engine) -> None:
    """Raise SetupError if the store's schema is not this version's. Changes nothing."""
    with engine.connect() as connection:
        current = _current_revision(connection)
    if current is None:
        raise SetupError(
            "the store is empty: create its tables with `socialflow up`, or restore lost ones from a backup"
        )
    if current != _newest_revision():
        age = "an older" if current in _list_revisions() else "a newer"
        remedy = "start `socialflow up` once" if age == "an older" else "update this program"
        raise SetupError(f"the store was created by {age} version of SocialFlow (schema {current}): {remedy}")


def list_pending(connection: Connection) -> tuple[str | None, list[Path]]:
    """Return the store's revision (None = an empty database) and the files of the migrations it lacks, oldest first.

    Raises SetupError for a store of a newer version.
    """
    current = _current_revision(connection)
    if current is not None and current not in _list_revisions():
        raise SetupError(
            f"the store was created by a newer version of SocialFlow (schema {current}): update this program"
        )
    return current, [path for path in _list_files() if current is None or path.name[:4] > current]


def _list_files() -> list[Path]:
    return sorted((Path(__file__).parent / "versions").glob("[0-9]*_*.py"))


def _list_revisions() -> list[str]:
    """Return all revisions, oldest first: each file name begins with its revision, in four digits."""
    return [path.name.split("_", 1)[0] for path in _list_files()]


def _newest_revision() -> str:
    return _list_revisions()[-1]


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
