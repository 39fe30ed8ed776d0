"""Keep the marts up: after a load, only the rows that it may have changed are made again.

    raw.post_snapshots -> publication_latest, publication_at_age, engagement_daily
    raw.account_snapshots -> account_daily
    these -> post_performance, slot_engagement

`warehouse/sql/marts/` has one SELECT a mart; it reads what is to be made again from temporary tables named touched_*.
Snapshots that follow all that is known of their publication, nearly every load's, go on from its newest
(`continued`), so that a load costs what it brings and not what the lake holds; other publications are `recounted` from
raw. All functions but `rebuild_marts` work within a transaction of `Lake.write`.
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

_SINCE = "day >= $since::DATE"
_ANY_PUBLICATION = (
    "SELECT publication_id FROM "
    "(SELECT publication_id FROM dims.publications UNION SELECT publication_id FROM raw.post_snapshots)"
)
_FIRST_DAY = date(1, 1, 1)


def find_newest_known(cursor: DuckDBPyConnection, publications: str) -> None:
    """Put what the marts know of the publications that a SELECT names into `newest_known`: a load begins with it."""
    _touch("publications", cursor, publications)
    cursor.execute(load_sql("marts/newest_known"))


def refresh_after_post_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Bring the marts up to date for the snapshots in `added`, which are of the day `since` (UTC) or later.

    Reads `newest_known` as it was before them.
    """
    _touch("publications", cursor, "SELECT DISTINCT publication_id FROM added")
    # What a load only repeated is not made again, so it must not be taken away either.
    cursor.execute("DELETE FROM newest_known WHERE publication_id NOT IN (FROM touched_publications)")
    cursor.execute(load_sql("marts/continued"))
    _refresh_publications(cursor, since)
    _refresh_totals(cursor)


def refresh_after_publications(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`, which are in the lake already."""
    find_newest_known(cursor, "SELECT publication_id FROM changed")
    _continue_none(cursor)
    _refresh_publications(cursor, None)
    _refresh_totals(cursor)


def refresh_after_accounts(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`: another zone makes other slots."""
    _touch("accounts", cursor, "SELECT account_id FROM changed")
    _refresh_slots(cursor)


def refresh_after_account_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Bring the marts up to date for the counts in `added`, which are of the day `since` (UTC) or later."""
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM added")
    _refresh_accounts(cursor, since)
    published = f"(published_at AT TIME ZONE 'UTC')::DATE >= DATE '{since}'"
    accounts = "account_id IN (FROM touched_accounts)"
    _touch(
        "posts",
        cursor,
        f"SELECT DISTINCT post_id FROM marts.publication_latest WHERE {accounts} AND {published}",  # noqa: S608 (a date of ours)
    )
    _refresh_posts(cursor)


def rebuild_marts(lake: Lake) -> dict[str, int]:
    """Make every mart that loads keep up again from raw and dims, in one transaction; returns rows per mart."""
    return lake.run_write(make_again)


def make_again(cursor: DuckDBPyConnection) -> dict[str, int]:
    """Do the work of `rebuild_marts`."""
    for mart in KEYS:
        cursor.execute(f"DELETE FROM marts.{mart}")  # noqa: S608 (our own names)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM raw.account_snapshots")
    _refresh_accounts(cursor, _FIRST_DAY)
    chunks = 1 + _count(cursor.execute("SELECT count(*) FROM raw.post_snapshots")) // CHUNK_ROWS
    for chunk in range(chunks):
        find_newest_known(cursor, f"{_ANY_PUBLICATION} WHERE hash(publication_id) % {chunks} = {chunk}")
        _continue_none(cursor)
        _refresh_publications(cursor, _FIRST_DAY)
    _touch("posts", cursor, "SELECT DISTINCT post_id FROM dims.publications")
    _refresh_posts(cursor)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM dims.publications")
    _refresh_slots(cursor)
    return {
        mart: _count(cursor.execute(f"SELECT count(*) FROM marts.{mart}"))  # noqa: S608 (our own names)
        for mart in KEYS
    }


def _continue_none(cursor: DuckDBPyConnection) -> None:
    """Have all of `touched_publications` recounted: their dimensions changed, or the marts are empty."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE added AS FROM raw.post_snapshots LIMIT 0")
    cursor.execute("CREATE OR REPLACE TEMP TABLE continued AS FROM newest_known LIMIT 0")


def _refresh_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Make the rows of `touched_publications` again; since = None: their dimensions changed, not raw."""
    cursor.execute(load_sql("marts/history"))
    cursor.execute(load_sql("marts/described"))
    recounted = _count(cursor.execute(load_sql("marts/recounted")))
    if recounted:
        cursor.execute(load_sql("marts/recounted_history"))
        cursor.execute(load_sql("marts/recounted_described"))
    cursor.execute(load_sql("marts/steps"))
    lines = _count(cursor.execute(load_sql("marts/lines")))
    if recounted or lines:
        _make("publication_at_age", cursor)
        _put("publication_at_age", cursor, "SELECT publication_id, age_hours FROM fresh")
    if since is not None:
        held = _count(cursor.execute(load_sql("marts/held_days"), {"since": since}))
        _make("engagement_daily", cursor, since=since)
        _put("engagement_daily", cursor, "SELECT publication_id, day FROM held" if held else None)
    _make("publication_latest", cursor)
    _put("publication_latest", cursor, "SELECT publication_id FROM newest_known")
    # The post and the account that a publication belonged to before are not the same without it.
    for what in ("post", "account"):
        key = f"{what}_id"
        _touch(f"{what}s", cursor, f"SELECT {key} FROM fresh UNION SELECT {key} FROM newest_known")  # noqa: S608 (our own names)


def _refresh_totals(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_posts` and `touched_accounts` again, from publication_latest."""
    _refresh_posts(cursor)
    _refresh_slots(cursor)


def _refresh_posts(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_posts` again, and the places of the posts that they are compared with."""
    cursor.execute(load_sql("marts/post_totals"))
    cursor.execute(load_sql("marts/places_before"))
    changed = _count(cursor.execute(load_sql("marts/changed_months")))
    cursor.execute(load_sql("marts/places"))
    _make("post_performance", cursor)
    if changed:
        cursor.execute(load_sql("marts/moved_posts"))
    _put("post_performance", cursor, "FROM touched_posts UNION SELECT post_id FROM fresh")


def _refresh_slots(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_accounts` again; most of an account's slots come out as they were, and stay."""
    slots = "FROM marts.slot_engagement WHERE account_id IN (FROM touched_accounts)"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE held AS {slots}")
    _make("slot_engagement", cursor)
    cursor.execute("CREATE OR REPLACE TEMP TABLE gone AS FROM held EXCEPT FROM fresh")
    cursor.execute("CREATE OR REPLACE TEMP TABLE fresh AS FROM fresh EXCEPT FROM held")
    _put("slot_engagement", cursor, "SELECT account_id, weekday, hour FROM gone")


def _refresh_accounts(cursor: DuckDBPyConnection, since: date) -> None:
    """Make the days of `touched_accounts` from `since` on again."""
    days = f"FROM marts.account_daily WHERE account_id IN (FROM touched_accounts) AND {_SINCE}"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE held AS {days}", {"since": since})
    _make("account_daily", cursor, since=since)
    _put("account_daily", cursor, "SELECT account_id, day FROM held")


def _touch(what: str, cursor: DuckDBPyConnection, keys: str) -> None:
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE touched_{what} AS {keys}")


def _make(mart: str, cursor: DuckDBPyConnection, **params: date) -> None:
    """Put what the mart's SELECT says now into `fresh`, with the mart's own columns and types."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS FROM marts.{mart} LIMIT 0")
    cursor.execute(f"INSERT INTO fresh BY NAME {load_sql(f'marts/{mart}')}", params)


def _put(mart: str, cursor: DuckDBPyConnection, gone: str | None) -> None:
    """Insert `fresh` in the place of the rows whose keys a SELECT names (None: there are none)."""
    if gone is not None:
        keys = ", ".join(KEYS[mart])
        cursor.execute(f"DELETE FROM marts.{mart} WHERE ({keys}) IN ({gone})")  # noqa: S608 (our own names)
    cursor.execute(f"INSERT INTO marts.{mart} FROM fresh")


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
