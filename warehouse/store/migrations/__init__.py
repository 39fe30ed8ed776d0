"""Alembic migrations of the operational store, run in-process by `migrate` (there is no alembic.ini)."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session


MIGRATION_LOCK = 0x50C1A1F1
"""Key of the advisory lock on PostgreSQL: any number that no other program uses there."""
INDEX_LOCK = MIGRATION_LOCK + 1
INDEX_WAIT_S = 3_600
LOCK_NOT_AVAILABLE = "55P03"
LOCK_WAIT = "3s"
LOCK_ATTEMPTS = 10
LOCK_PAUSE_S = 2.0
LARGE_INDEXES = (
    ("0028", "ix_publications_published_at", "publications (published_at)"),
    (
        "0029",
        "ix_publications_turn",
        "publications (account_id, due_at, id) WHERE status = 'scheduled' OR status = 'published' AND rest = 'waiting'",
    ),
    (
        "0029",
        "ix_publications_planned",
        "publications (due_at) WHERE status = 'scheduled' OR status = 'published' AND rest = 'waiting'",
    ),
    ("0029", "ix_publications_failed_parts", "publications (status) WHERE rest = 'failed'"),
    (
        "0029",
        "ix_publications_open",
        "publications (scheduled_at) WHERE status IN ('scheduled', 'claimed', 'sending')",
    ),
    ("0033", "ix_posts_state", "posts (workspace_id, origin, status, id)"),
    (
        "0033",
        "ix_posts_approval",
        "posts (workspace_id, approval_state, id) WHERE approval_state IS NOT NULL",
    ),
    ("0033", "ix_publications_of_account", "publications (account_id, post_id)"),
    ("0033", "ix_publications_of_platform", "publications (workspace_id, platform, post_id)"),
)
"""Indexes of tables that may have millions of rows: revision, name and definition.

A plain CREATE INDEX inside the migration keeps writers out for as long as it is built. A migration that adds such an
index lists it here too, and skips one that is there (`env.py`).
"""


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
    head = newest_revision()
    with engine.connect() as connection:
        if _current_revision(connection) == head:
            return
    _build_large_indexes(engine)
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            _migrate_at_once(writer or engine, head)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            if attempt == LOCK_ATTEMPTS:
                raise SetupError(
                    f"the store's tables are in use, and could not be changed in {attempt} attempts: end long "
                    "transactions (see pg_stat_activity), or stop the other processes, and try again; nothing was "
                    "changed"
                ) from error
            time.sleep(LOCK_PAUSE_S)
        else:
            return


def _migrate_at_once(engine: Engine, head: str) -> None:
    """Apply what is missing in one transaction, that waits for no lock longer than LOCK_WAIT.

    While a change of a table waits for its lock, everything else that wants the table waits behind it.
    """
    from alembic import command  # noqa: PLC0415 (see migrate)

    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
        current = _current_revision(connection)
        if current is not None and current not in _list_revisions():
            raise SetupError(
                f"the store was created by a newer version of SocialFlow (schema {current}): update this program; "
                "nothing was changed"
            )
        if current != head:
            command.upgrade(alembic_config(connection), "head")


def _build_large_indexes(engine: Engine) -> None:
    """Build the missing indexes of large tables on PostgreSQL beside their writers.

    An index that cannot be built yet, since its columns come with an earlier step, is built by its migration.
    """
    if engine.dialect.name != "postgresql":
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        current = _current_revision(connection)
        if current is None or current not in _list_revisions():
            return
        missing = [one for one in LARGE_INDEXES if one[0] > current]
        if not missing:
            return
        _await_turn(connection)
        try:
            for _, name, definition in missing:
                _build_index(connection, name, definition)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": INDEX_LOCK})


def _await_turn(connection: Connection) -> None:
    """Wait until no other process builds indexes. Asked again and again: the build waits for sessions that wait."""
    asked = text("SELECT pg_try_advisory_lock(:key)")
    for _ in range(INDEX_WAIT_S):
        if connection.execute(asked, {"key": INDEX_LOCK}).scalar():
            return
        time.sleep(1)
    raise SetupError("another process has been building the store's indexes for an hour: try again later")


def _build_index(connection: Connection, name: str, definition: str) -> None:
    known = connection.execute(
        text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
    ).scalar()
    if known is False:  # what an interrupted attempt left
        connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
    if not known:
        with suppress(ProgrammingError):
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {definition}"))


def require_current(engine: Engine) -> None:
    """Raise SetupError if the store's schema is not this version's. Changes nothing."""
    with engine.connect() as connection:
        current = _current_revision(connection)
    if current is None:
        raise SetupError(
            "the store is empty: create its tables with `socialflow up`, or restore lost ones from a backup"
        )
    if current != newest_revision():
        age = "an older" if current in _list_revisions() else "a newer"
        remedy = "run `socialflow upgrade`" if age == "an older" else "update this program"
        raise SetupError(f"the store was created by {age} version of SocialFlow (schema {current}): {remedy}")


def read_revision(session: Session) -> str:
    """Return the revision of the store's tables as they are now."""
    return str(session.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


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


def newest_revision() -> str:
    """Return the revision of this version's tables."""
    return _list_revisions()[-1]


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
