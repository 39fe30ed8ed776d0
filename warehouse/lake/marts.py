"""Keep the marts up: after a load, only the rows that it may have changed are made again, from raw and dims.

    raw.post_snapshots -> publication_latest, publication_at_age, engagement_daily
    raw.account_snapshots -> account_daily
    these -> post_performance, slot_engagement

`warehouse/sql/marts/` has one SELECT a mart; it reads what is to be made again from temporary tables named touched_*.
Rows that come out as they were stay untouched: a delete costs DuckLake a file, and a needless commit its readers'
caches. All functions but `rebuild_marts` work within a transaction of `Lake.write`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.lake.connect import Lake

KEYS = {
    "account_daily": ("account_id", "day"),
    "publication_latest": ("publication_id",),
    "publication_at_age": ("publication_id", "age_hours"),
    "engagement_daily": ("publication_id", "day"),
    "post_performance": ("post_id",),
    "slot_engagement": ("account_id", "weekday", "hour"),
}
"""The marts that loads keep up, with the columns that name a row; each after those that it is made of."""

CHUNK_ROWS = 2_000_000
"""Snapshots that a rebuild holds in memory at once."""

_PUBLICATIONS = "publication_id IN (FROM touched_publications)"
_ACCOUNTS = "account_id IN (FROM touched_accounts)"
_SINCE = "day >= $since::DATE"
_ANY_PUBLICATION = (
    "SELECT publication_id FROM "
    "(SELECT publication_id FROM dims.publications UNION SELECT publication_id FROM raw.post_snapshots)"
)
_FIRST_DAY = date(1, 1, 1)


def refresh_after_post_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Bring the marts up to date for `touched_publications`, which have new snapshots on `since` (UTC) or later."""
    _refresh_publications(cursor, since)


def refresh_after_publications(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`, which are in the lake already."""
    _touch("publications", cursor, "SELECT publication_id FROM changed")
    _refresh_publications(cursor, None)


def refresh_after_accounts(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`: another zone makes other slots."""
    _touch("accounts", cursor, "SELECT account_id FROM changed")
    _touch("posts", cursor, "SELECT NULL::VARCHAR AS post_id LIMIT 0")
    cursor.execute(load_sql("marts/near"))
    _replace("slot_engagement", cursor, _ACCOUNTS)


def refresh_after_account_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Bring the marts up to date for `touched_accounts`, which have new counts on `since` (UTC) or later."""
    _replace("account_daily", cursor, f"{_ACCOUNTS} AND {_SINCE}", since=since)
    cursor.execute(load_sql("marts/posts_since"), {"since": since})
    _touch("accounts", cursor, "SELECT NULL::VARCHAR AS account_id LIMIT 0")
    cursor.execute(load_sql("marts/near"))
    _refresh_posts(cursor)


def rebuild_marts(lake: Lake) -> dict[str, int]:
    """Make every mart that loads keep up again from raw and dims, in one transaction; returns rows per mart."""
    return lake.run_write(make_again)


def make_again(cursor: DuckDBPyConnection) -> dict[str, int]:
    """Do the work of `rebuild_marts`."""
    for mart in KEYS:
        cursor.execute(f"DELETE FROM marts.{mart}")  # noqa: S608 (our own names)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM raw.account_snapshots")
    _replace("account_daily", cursor, f"{_ACCOUNTS} AND {_SINCE}", since=_FIRST_DAY)
    chunks = 1 + _count(cursor.execute("SELECT count(*) FROM raw.post_snapshots")) // CHUNK_ROWS
    for chunk in range(chunks):
        _touch("publications", cursor, f"{_ANY_PUBLICATION} WHERE hash(publication_id) % {chunks} = {chunk}")
        _refresh_counters(cursor, _FIRST_DAY)
    _touch("posts", cursor, "SELECT DISTINCT post_id FROM dims.publications")
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM dims.publications")
    _refresh_totals(cursor)
    return {
        mart: _count(cursor.execute(f"SELECT count(*) FROM marts.{mart}"))  # noqa: S608 (our own names)
        for mart in KEYS
    }


def _refresh_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Make all rows that depend on `touched_publications` again; since = None: their dimensions changed, not raw."""
    _refresh_counters(cursor, since)
    _touch("posts", cursor, "SELECT DISTINCT post_id FROM belonging")
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM belonging")
    _refresh_totals(cursor)


def _refresh_counters(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Make the rows of the publications themselves again; leaves what they belong to, and did, in `belonging`."""
    cursor.execute(load_sql("marts/history"))
    cursor.execute(load_sql("marts/touched_dims"))
    _replace("publication_latest", cursor, _PUBLICATIONS)
    # The post and the account that a publication belonged to before are not the same without it.
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE belonging AS "
        "SELECT post_id, account_id FROM fresh UNION SELECT post_id, account_id FROM held"
    )
    _replace("publication_at_age", cursor, _PUBLICATIONS)
    if since is not None:
        _replace("engagement_daily", cursor, f"{_PUBLICATIONS} AND {_SINCE}", since=since)


def _refresh_totals(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_posts` and `touched_accounts` again, from the marts of their publications."""
    cursor.execute(load_sql("marts/near"))
    _refresh_posts(cursor)
    _replace("slot_engagement", cursor, _ACCOUNTS)


def _refresh_posts(cursor: DuckDBPyConnection) -> None:
    cursor.execute(load_sql("marts/post_totals"))
    _hold("post_performance", cursor, "post_id IN (FROM touched_posts)")
    if _count(cursor.execute(load_sql("marts/changed_months"))):
        cursor.execute(load_sql("marts/hold_changed_months"))
    _settle("post_performance", cursor)


def _touch(what: str, cursor: DuckDBPyConnection, keys: str) -> None:
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE touched_{what} AS {keys}")


def _replace(mart: str, cursor: DuckDBPyConnection, scope: str, **params: date) -> None:
    """Make the rows of the mart within `scope` what its SELECT says now."""
    _hold(mart, cursor, scope, **params)
    _settle(mart, cursor, **params)


def _hold(mart: str, cursor: DuckDBPyConnection, scope: str, **params: date) -> None:
    """Put the mart's rows within `scope` aside as `held`: those that may change."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE held AS FROM marts.{mart} WHERE {scope}", params)


def _settle(mart: str, cursor: DuckDBPyConnection, **params: date) -> None:
    """Put what the mart's SELECT says in the place of `held`; equal rows stay where they are."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE fresh AS FROM held LIMIT 0")
    cursor.execute(f"INSERT INTO fresh BY NAME {load_sql(f'marts/{mart}')}", params)
    keys = ", ".join(KEYS[mart])
    stale = f"SELECT {keys} FROM (FROM held EXCEPT FROM fresh)"  # noqa: S608 (our own names)
    if _count(cursor.execute(f"CREATE OR REPLACE TEMP TABLE stale AS {stale}")):
        cursor.execute(f"DELETE FROM marts.{mart} WHERE ({keys}) IN (FROM stale)")  # noqa: S608 (our own names)
    if _count(cursor.execute("CREATE OR REPLACE TEMP TABLE added AS FROM fresh EXCEPT FROM held")):
        cursor.execute(f"INSERT INTO marts.{mart} FROM added")


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
