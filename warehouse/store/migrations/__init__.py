"""Alembic migrations of the operational store, run in-process by `migrate` (there is no alembic.ini)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration that points Alembic at this folder and, where given, this connection."""
    config = Config()
    # Alembic reads options with %-interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> None:
    """Bring the store to this version's schema. The caller holds the migration lock.

    Raises SetupError for a store made by a newer version: an old program must not write to it.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    head = scripts.get_current_head()
    if current == head:
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SetupError(
            f"the store was made by a newer version of SocialFlow (schema {current}): update this program; "
            "nothing was changed"
        )
    with engine.execution_options(socialflow_write=True).begin() as connection:
        command.upgrade(alembic_config(connection), "head")
