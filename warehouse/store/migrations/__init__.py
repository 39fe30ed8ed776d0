"""Alembic migrations of the operational store, run in-process by `migrate` (there is no alembic.ini)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


MIGRATION_LOCK = 0x50C1A1F1
"""Names the advisory lock on PostgreSQL; any number that no other program uses there."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration that points Alembic at this folder and, where given, this connection."""
    config = Config()
    # Alembic reads options with %-interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> None:
    """Bring the store to this version's schema; of several processes one does, the others wait and find it done.

    Raises SetupError for a store made by a newer version: an old program must not write to it.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    # Looked at without a write lock first: nearly every start finds nothing to do.
    with engine.connect() as connection:
        if _current_revision(connection) == head:
            return
    with engine.execution_options(socialflow_write=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        current = _current_revision(connection)
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise SetupError(
                f"the store was made by a newer version of SocialFlow (schema {current}): update this program; "
                "nothing was changed"
            )
        if current != head:
            command.upgrade(alembic_config(connection), "head")


def _current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
