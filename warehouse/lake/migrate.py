"""Migrate the lake's tables: numbered migrations, each applied once, by one process under the lock."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import SetupError
from warehouse.lake.column_ranges import DELETED_BY, INSERTED_BY, delete_range_rows, insert_range_rows
from warehouse.lake.growth import learn_growth
from warehouse.lake.marts import rebuild_all_marts
from warehouse.lake.views import SINCE_VERSION, create_views
from warehouse.sql import list_migrations, load_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    """Apply all missing migrations, and return their names. The caller holds the lock."""
    version = check_version(cursor, shown)
    missing = [(number, name) for number, name in list_migrations() if number > version]
    if not missing:
        return []
    shared = [one for one in missing if one[0] < INSERTED_BY]
    later = [one for one in missing if one[0] > DELETED_BY]
    if shared:
        _apply(cursor, shared, rebuild=version > 0)
    if version < INSERTED_BY:
        _apply_ranges(cursor, missing, INSERTED_BY, lambda: insert_range_rows(cursor, is_new=not version))
    if version < DELETED_BY:
        _apply_ranges(cursor, missing, DELETED_BY, lambda: delete_range_rows(cursor))
    if later:
        _apply(cursor, later, rebuild=version > 0)
    return [name for _, name in missing]


def _apply(cursor: DuckDBPyConnection, missing: list[tuple[int, str]], *, rebuild: bool) -> None:
    # One transaction for all: a commit that alters tables costs DuckLake up to a second, and a partly migrated
    # lake is of no use.
    with _transaction(cursor):
        for _, name in missing:
            for statement in duckdb.extract_statements(load_sql(f"migrations/{name}")):
                cursor.execute(statement)
        if missing[-1][0] >= SINCE_VERSION:
            create_views(cursor)
        _note(cursor, missing)
        if rebuild:
            # The lake already has rows: rebuild its marts, including new ones, by the rules of this version.
            rebuild_all_marts(cursor)
            learn_growth(cursor, datetime.now(UTC))


def _apply_ranges(
    cursor: DuckDBPyConnection, missing: list[tuple[int, str]], number: int, work: Callable[[], None]
) -> None:
    with _transaction(cursor):
        work()
        _note(cursor, [one for one in missing if one[0] == number])


def _note(cursor: DuckDBPyConnection, applied: list[tuple[int, str]]) -> None:
    cursor.execute(
        "INSERT INTO schema_version SELECT unnest($numbers), unnest($names), $now::TIMESTAMPTZ",
        {"numbers": [m[0] for m in applied], "names": [m[1] for m in applied], "now": datetime.now(UTC)},
    )


@contextmanager
def _transaction(cursor: DuckDBPyConnection) -> Iterator[None]:
    cursor.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")
