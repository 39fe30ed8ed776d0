"""Migrate the lake's tables: numbered migrations, each applied once, by one process under the lock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import SetupError
from warehouse.lake.growth import learn_growth
from warehouse.lake.marts import rebuild_all_marts
from warehouse.lake.views import SINCE_VERSION, create_views
from warehouse.sql import list_migrations, load_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEWEST_VERSION = list_migrations()[-1][0]


def read_version(cursor: DuckDBPyConnection) -> int:
    """Return the number of the lake's newest migration; 0 for an empty lake."""
    exists = cursor.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'main' "
        "AND table_name = 'schema_version'"
    ).fetchone()
    if exists is None or not exists[0]:
        return 0
    row = cursor.execute("SELECT max(version) FROM lake.main.schema_version").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def check_version(cursor: DuckDBPyConnection, shown: str) -> int:
    """Return the lake's version. Raises SetupError if it was created by a newer SocialFlow."""
    version = read_version(cursor)
    if version > NEWEST_VERSION:
        raise SetupError(
            f"the lake at {shown} was created by a newer SocialFlow (version {version}, this one supports "
            f"{NEWEST_VERSION}): install the newer one; nothing was changed"
        )
    return version


def migrate(cursor: DuckDBPyConnection, shown: str) -> list[str]:
    """Apply all missing migrations or none, and return their names. The caller holds the lock."""
    version = check_version(cursor, shown)
    missing = [(number, name) for number, name in list_migrations() if number > version]
    if not missing:
        return []
    # One transaction for all: a commit that alters tables costs DuckLake up to a second, and a partly migrated
    # lake is of no use.
    cursor.execute("BEGIN TRANSACTION")
    try:
        for _, name in missing:
            for statement in duckdb.extract_statements(load_sql(f"migrations/{name}")):
                cursor.execute(statement)
        if missing[-1][0] >= SINCE_VERSION:
            create_views(cursor)
        cursor.execute(
            "INSERT INTO schema_version SELECT unnest($numbers), unnest($names), $now::TIMESTAMPTZ",
            {"numbers": [m[0] for m in missing], "names": [m[1] for m in missing], "now": datetime.now(UTC)},
        )
        if version:
            # The lake already has rows: rebuild its marts, including new ones, by the rules of this version.
            rebuild_all_marts(cursor)
            learn_growth(cursor, datetime.now(UTC))
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")
    return [name for _, name in missing]
