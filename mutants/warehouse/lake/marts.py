"""Keep the marts up: after a load, only the rows that it may have changed are made again.

    raw.post_snapshots -> publication_latest, publication_at_age, engagement_daily
    raw.account_snapshots -> account_daily
    these -> post_performance, slot_engagement

`warehouse/sql/marts/` has one SELECT a mart; it reads what is to be made again from temporary tables named touched_*.
Snapshots that follow all that is known of their publication, nearly every load's, go on from its newest, so that a load
costs what it brings and not what the lake holds; other publications are `recounted` from raw. All functions work
within a transaction of `Lake.write`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from warehouse.errors import SetupError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
    "(SELECT publication_id FROM dims.publications UNION SELECT publication_id FROM raw.post_snapshots)"
)
_FIRST_DAY = date(1, 1, 1)


def find_newest_known(cursor: DuckDBPyConnection, rows: str) -> int:
    """Put what the marts know of the publications in a table into `newest_known`: a load begins with it.

    Returns how many publications the table has. Raises SetupError where the marts hold one of them twice: each load
    would double that again, in raw too.
    """
    touched = _touch_publications(cursor, rows)
    if _count(cursor.execute(load_sql("marts/find_newest_known"))) > touched:
        raise SetupError(
            "marts.publication_latest holds a publication twice, so nothing was loaded: "
            "run `socialflow lake rebuild-marts`"
        )
    return touched


def refresh_after_post_snapshots(cursor: DuckDBPyConnection, since: date, *, repeated: bool) -> None:
    """Bring the marts up to date for the snapshots in `added`, which are of the day `since` (UTC) or later.

    Reads `newest_known` as it was before them. `repeated`: it was asked for more than what was added.
    """
    if repeated:
        _touch_publications(cursor, "added")
        # What a load only repeated is not made again, so it must not be taken away either.
        cursor.execute(
            "DELETE FROM newest_known WHERE publication_id NOT IN (SELECT publication_id FROM touched_publications)"
        )
    cursor.execute(load_sql("marts/find_recounted_publications"))
    cursor.execute(load_sql("marts/find_publications_with_several"))
    _refresh_publications(cursor, since)


def refresh_after_publications(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`, which are in the lake already."""
    find_newest_known(cursor, "changed")
    _recount_all(cursor)
    _refresh_publications(cursor, None)


def refresh_after_accounts(cursor: DuckDBPyConnection) -> None:
    """Bring the marts up to date for the dimension rows in `changed`: another zone makes other slots."""
    _touch("accounts", cursor, "SELECT account_id FROM changed")
    _forget_latest(cursor)
    _refresh_slots(cursor)


def refresh_after_account_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Bring the marts up to date for the counts in `added`, which are of the day `since` (UTC) or later."""
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM added")
    _refresh_accounts(cursor, since)
    published = f"utc_time(published_at)::DATE >= DATE '{since}'"
    accounts = "account_id IN (FROM touched_accounts)"
    _touch(
        "posts",
        cursor,
        f"SELECT DISTINCT post_id FROM marts.publication_latest WHERE {accounts} AND {published}",  # noqa: S608 (a date of ours)
    )
    _refresh_whole_posts(cursor)


def make_again(cursor: DuckDBPyConnection) -> dict[str, int]:
    """Make every mart that loads keep up again from raw and dims; return rows per mart."""
    for mart in KEYS:
        cursor.execute(f"DELETE FROM marts.{mart}")  # noqa: S608 (our own names)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM raw.account_snapshots")
    _refresh_accounts(cursor, _FIRST_DAY)
    chunks = 1 + _count(cursor.execute("SELECT count(*) FROM raw.post_snapshots")) // CHUNK_ROWS
    for chunk in range(chunks):
        find_newest_known(cursor, f"{_ANY_PUBLICATION} WHERE hash(publication_id) % {chunks} = {chunk}")
        _recount_all(cursor)
        _make_publications(cursor, _FIRST_DAY)
        _put("publication_latest", cursor, "FROM latest", gone=None)
    _touch("posts", cursor, "SELECT DISTINCT post_id FROM dims.publications")
    _refresh_whole_posts(cursor)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM dims.publications")
    _refresh_slots(cursor)
    return {
        mart: _count(cursor.execute(f"SELECT count(*) FROM marts.{mart}"))  # noqa: S608 (our own names)
        for mart in KEYS
    }


def _recount_all(cursor: DuckDBPyConnection) -> None:
    """Have all of `touched_publications` recounted: their dimensions changed, or the marts are empty."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE added AS FROM raw.post_snapshots LIMIT 0")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE recounted AS SELECT publication_id FROM touched_publications"
    )
    cursor.execute("CREATE OR REPLACE TEMP TABLE several (publication_id VARCHAR)")


def _refresh_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Make all that depends on `touched_publications` again; since = None: their dimensions changed, not raw."""
    _make_publications(cursor, since)
    # The post and the account that a publication belonged to before are not the same without it.
    for what in ("post", "account"):
        key = f"{what}_id"
        _touch(f"{what}s", cursor, f"SELECT {key} FROM latest UNION SELECT {key} FROM newest_known")  # noqa: S608 (our own names)
    cursor.execute(load_sql("marts/find_ranks_before"))
    cursor.execute(load_sql("marts/find_shared_posts"))
    _refresh_posts(cursor)
    _refresh_slots(cursor)
    # Last: a table that this transaction has changed is read more slowly, and posts and slots read it.
    _put("publication_latest", cursor, "FROM latest", gone="SELECT publication_id FROM newest_known")


def _make_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Make the ages and days of `touched_publications` again, and put what is newest of them into `latest`."""
    cursor.execute(load_sql("marts/describe_publications"))
    recounted = _count(cursor.execute("SELECT count(*) FROM recounted"))
    several = _count(cursor.execute("SELECT count(*) FROM several"))
    cursor.execute(load_sql("marts/collect_new_snapshots"))
    if recounted or several:
        cursor.execute(load_sql("marts/collect_recounted_snapshots"))
    lines = _count(cursor.execute(load_sql("marts/find_reached_ages")))
    if recounted or lines:
        _make("publication_at_age", cursor)
        _put("publication_at_age", cursor, "FROM fresh", gone="SELECT publication_id, age_hours FROM fresh")
    if since is not None:
        params = {"since": since}
        held = _count(cursor.execute(load_sql("marts/find_held_days"), params))
        gone = "SELECT publication_id, day FROM held" if held else None
        _put("engagement_daily", cursor, load_sql("marts/build_engagement_daily"), params, gone=gone)
    _forget_latest(cursor)
    cursor.execute(f"INSERT INTO latest BY NAME {load_sql('marts/build_publication_latest')}")


def _forget_latest(cursor: DuckDBPyConnection) -> None:
    """Empty `latest`: what the table holds is what is newest."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE latest AS FROM marts.publication_latest LIMIT 0")


def _refresh_whole_posts(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_posts` again from publication_latest alone."""
    _forget_latest(cursor)
    cursor.execute(load_sql("marts/find_ranks_before"))
    cursor.execute("CREATE OR REPLACE TEMP TABLE shared_posts AS FROM touched_posts")
    _refresh_posts(cursor)


def _refresh_posts(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_posts` again, and the places of the posts that they are compared with."""
    # Where there is nothing to find, DuckDB need not look for it: a scan of an empty join takes 6 ms, LIMIT 0 none.
    shared = _count(cursor.execute("SELECT count(*) FROM shared_posts"))
    cursor.execute(load_sql("marts/find_other_publications") + ("" if shared else " LIMIT 0"))
    cursor.execute(load_sql("marts/find_followers_at_publishing"))
    cursor.execute(load_sql("marts/sum_posts"))
    changed = _count(cursor.execute(load_sql("marts/find_changed_months")))
    for step in ("rank_posts", "find_moved_posts"):
        cursor.execute(load_sql(f"marts/{step}") + ("" if changed else " LIMIT 0"))
    gone = "FROM touched_posts UNION SELECT post_id FROM moved_posts"
    _put("post_performance", cursor, load_sql("marts/build_post_performance"), gone=gone)


def _refresh_slots(cursor: DuckDBPyConnection) -> None:
    """Make the rows of `touched_accounts` again; most of an account's slots come out as they were, and stay."""
    slots = "FROM marts.slot_engagement WHERE account_id IN (FROM touched_accounts)"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE held AS {slots}")
    _make("slot_engagement", cursor)
    cursor.execute("CREATE OR REPLACE TEMP TABLE gone AS FROM held EXCEPT FROM fresh")
    new = "FROM fresh EXCEPT FROM held"
    _put("slot_engagement", cursor, new, gone="SELECT account_id, weekday, hour FROM gone")


def _refresh_accounts(cursor: DuckDBPyConnection, since: date) -> None:
    """Make the days of `touched_accounts` from `since` on again."""
    params = {"since": since}
    days = f"FROM marts.account_daily WHERE account_id IN (FROM touched_accounts) AND {_SINCE}"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE held AS {days}", params)
    gone = "SELECT account_id, day FROM held"
    _put("account_daily", cursor, load_sql("marts/build_account_daily"), params, gone=gone)


def _touch_publications(cursor: DuckDBPyConnection, rows: str) -> int:
    counted = f"SELECT publication_id, count(*) AS snapshots FROM {rows} GROUP BY publication_id"  # noqa: S608 (our own names)
    return _touch("publications", cursor, counted)


def _touch(what: str, cursor: DuckDBPyConnection, keys: str) -> int:
    return _count(cursor.execute(f"CREATE OR REPLACE TEMP TABLE touched_{what} AS {keys}"))


def _make(mart: str, cursor: DuckDBPyConnection) -> None:
    """Put what the mart's SELECT says now into `fresh`, with the mart's own columns and types."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS FROM marts.{mart} LIMIT 0")
    cursor.execute(f"INSERT INTO fresh BY NAME {load_sql(f'marts/build_{mart}')}")


def _put(
    mart: str,
    cursor: DuckDBPyConnection,
    rows: str,
    params: dict[str, date] | None = None,
    *,
    gone: str | None,
) -> None:
    """Insert what a SELECT gives in the place of the rows whose keys another names (None: there are none)."""
    if gone is not None:
        keys = ", ".join(KEYS[mart])
        cursor.execute(f"DELETE FROM marts.{mart} WHERE ({keys}) IN ({gone})")  # noqa: S608 (our own names)
    cursor.execute(f"INSERT INTO marts.{mart} BY NAME {rows}", params or {})


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
