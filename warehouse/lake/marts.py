"""Incremental update of the marts: after a load, rebuild only the rows that it may have changed.

    raw.post_snapshots -> publication_latest, publication_at_age, engagement_daily
    raw.account_snapshots -> suspicious_counts, account_daily
    these -> post_performance

`warehouse.lake.growth` refreshes the growth curves, from which publication_at_age has its estimates.

`warehouse/sql/marts/` has one SELECT per mart, which reads the keys to rebuild from temporary tables named touched_*.
Snapshots later than all known ones of their publication (nearly all of a load) are added to its newest known state, so
that the cost of a load depends on its own size and not on the size of the lake. The other publications
(`recomputed_publications`) are recomputed from raw. All functions work within a transaction of `Lake.write`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from warehouse.errors import SetupError
from warehouse.sql import load_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


KEYS = {
    "suspicious_counts": ("account_id", "captured_at"),
    "account_daily": ("account_id", "day"),
    "publication_latest": ("publication_id",),
    "publication_at_age": ("publication_id", "age_hours"),
    "engagement_daily": ("publication_id", "day"),
    "post_performance": ("post_id",),
}
"""The marts updated by loads, with their key columns, in order of dependency."""

CHUNK_ROWS = 2_000_000
"""Snapshots per chunk of a rebuild, to limit its memory."""

_SINCE = "day >= $since::DATE"
_ANY_PUBLICATION = (
    "(SELECT publication_id FROM dims.publications UNION SELECT publication_id FROM raw.post_snapshots)"
)
_FIRST_DAY = date(1, 1, 1)
_NO_ESTIMATES = (
    "CREATE OR REPLACE TEMP TABLE estimates_at_age AS SELECT publication_id, age_hours, engagement_estimate, "
    "estimate_low, estimate_high, estimate_basis, estimate_posts, estimate_from_hours "
    "FROM marts.publication_at_age LIMIT 0"
)


def find_newest_known(cursor: DuckDBPyConnection, rows: str) -> int:
    """Copy the known state of a table's publications from the marts to `newest_known`. First step of a load.

    Returns the number of publications in the table. Raises SetupError if the marts contain a publication twice: each
    load would double it again, in raw too.
    """
    touched = _touch_publications(cursor, rows)
    cursor.execute("CREATE OR REPLACE TEMP TABLE new_publications (publication_id VARCHAR)")
    if _count(cursor.execute(load_sql("marts/find_newest_known"))) > touched:
        raise SetupError(
            "marts.publication_latest contains a publication twice, so nothing was loaded: "
            "run `socialflow lake rebuild-marts`"
        )
    return touched


def refresh_after_post_snapshots(cursor: DuckDBPyConnection, since: date, *, repeated: bool) -> None:
    """Update the marts for the snapshots in `added`, which are from the day `since` (UTC) or later.

    Reads `newest_known`, the state before these snapshots. `repeated`: `newest_known` also has publications of rows
    that were already loaded.
    """
    if repeated:
        _touch_publications(cursor, "added")
        # Publications without added rows are not rebuilt, so their rows must not be deleted.
        cursor.execute(
            "DELETE FROM newest_known WHERE publication_id NOT IN (SELECT publication_id FROM touched_publications)"
        )
    cursor.execute(load_sql("marts/find_recomputed_publications"))
    cursor.execute(load_sql("marts/find_multi_snapshot_publications"))
    _refresh_publications(cursor, since)


def refresh_after_publications(cursor: DuckDBPyConnection) -> None:
    """Update the marts for the dimension rows in `changed`, which are already in the lake."""
    find_newest_known(cursor, "changed")
    _recompute_all(cursor)
    _refresh_publications(cursor, None)


def recompute_publications(cursor: DuckDBPyConnection, rows: str) -> None:
    """Rebuild all marts of a table's publications from raw and dims, after rows of these were moved or deleted."""
    find_newest_known(cursor, rows)
    _recompute_all(cursor)
    # Slots, posts and days are rebuilt from what is left, so nothing of the earlier state may remain.
    for mart in ("publication_latest", "publication_at_age", "engagement_daily"):
        cursor.execute(
            f"DELETE FROM marts.{mart} WHERE publication_id IN (SELECT publication_id FROM touched_publications)"  # noqa: S608 (our own names)
        )
    _refresh_publications(cursor, _FIRST_DAY)


def refresh_after_accounts(cursor: DuckDBPyConnection) -> None:
    """Update the marts for the dimension rows in `changed`: a new time zone changes the posting times."""
    _touch("accounts", cursor, "SELECT account_id FROM changed")
    if _count(cursor.execute(load_sql("marts/find_moved_times"))):
        cursor.execute(
            "DELETE FROM marts.optimal_times WHERE account_id IN (SELECT account_id FROM moved_times)"
        )
        cursor.execute("INSERT INTO marts.optimal_times BY NAME FROM moved_times")


def refresh_after_account_snapshots(cursor: DuckDBPyConnection, since: date) -> None:
    """Update the marts for the counts in `added`, which are from the day `since` (UTC) or later."""
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM added")
    since = _refresh_accounts(cursor, since)
    published = f"utc_time(published_at)::DATE >= DATE '{since}'"
    accounts = "account_id IN (FROM touched_accounts)"
    _touch(
        "posts",
        cursor,
        f"SELECT DISTINCT post_id FROM marts.publication_latest WHERE {accounts} AND {published}",  # noqa: S608 (a date of ours)
    )
    _refresh_whole_posts(cursor)


def rebuild_all_marts(cursor: DuckDBPyConnection) -> dict[str, int]:
    """Rebuild all marts of KEYS from raw and dims; return rows per mart."""
    for mart in KEYS:
        cursor.execute(f"DELETE FROM marts.{mart}")  # noqa: S608 (our own names)
    _touch("accounts", cursor, "SELECT DISTINCT account_id FROM raw.account_snapshots")
    _refresh_accounts(cursor, _FIRST_DAY)
    chunks = 1 + _count(cursor.execute("SELECT count(*) FROM raw.post_snapshots")) // CHUNK_ROWS
    for chunk in range(chunks):
        find_newest_known(cursor, f"{_ANY_PUBLICATION} WHERE hash(publication_id) % {chunks} = {chunk}")
        _recompute_all(cursor)
        _rebuild_publications(cursor, _FIRST_DAY)
        _replace_rows("publication_latest", cursor, "FROM latest", outdated=None)
    _touch("posts", cursor, "SELECT DISTINCT post_id FROM dims.publications")
    _refresh_whole_posts(cursor)
    return {
        mart: _count(cursor.execute(f"SELECT count(*) FROM marts.{mart}"))  # noqa: S608 (our own names)
        for mart in KEYS
    }


def _recompute_all(cursor: DuckDBPyConnection) -> None:
    """Recompute all of `touched_publications`: their dimensions changed, or the marts are empty."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE added AS FROM raw.post_snapshots LIMIT 0")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE recomputed_publications AS SELECT publication_id FROM touched_publications"
    )
    cursor.execute("CREATE OR REPLACE TEMP TABLE multi_snapshot_publications (publication_id VARCHAR)")


def _refresh_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Rebuild everything that depends on `touched_publications`. since = None: only their dimensions changed."""
    _rebuild_publications(cursor, since)
    # Also the previous post of a publication, which changes when it is moved away.
    _touch("posts", cursor, "SELECT post_id FROM latest UNION SELECT post_id FROM newest_known")
    cursor.execute(load_sql("marts/find_ranks_before"))
    cursor.execute(load_sql("marts/find_shared_posts"))
    _refresh_posts(cursor)
    # Last, because posts read this table, and reads are slower after changes in the same transaction.
    _replace_rows(
        "publication_latest", cursor, "FROM latest", outdated="SELECT publication_id FROM newest_known"
    )


def _rebuild_publications(cursor: DuckDBPyConnection, since: date | None) -> None:
    """Rebuild ages and days of `touched_publications`, and put their newest state into `latest`."""
    cursor.execute(load_sql("marts/describe_publications"))
    recomputed = _count(cursor.execute("SELECT count(*) FROM recomputed_publications"))
    multiple = _count(cursor.execute("SELECT count(*) FROM multi_snapshot_publications"))
    cursor.execute(load_sql("marts/collect_new_snapshots"))
    if recomputed or multiple:
        cursor.execute(load_sql("marts/collect_recomputed_snapshots"))
    reached = _count(cursor.execute(load_sql("marts/find_reached_ages")))
    new = _count(cursor.execute("SELECT count(*) FROM new_publications"))
    if recomputed or reached or new:
        unmeasured = reached and _count(cursor.execute(load_sql("marts/find_new_brackets")))
        _estimate(cursor, any_brackets=bool(unmeasured))
        _rebuild("publication_at_age", cursor)
        _replace_rows(
            "publication_at_age",
            cursor,
            "FROM rebuilt_rows",
            outdated="SELECT publication_id, age_hours FROM rebuilt_rows",
        )
    if since is not None:
        params = {"since": since}
        existing = _count(cursor.execute(load_sql("marts/find_existing_days"), params))
        outdated = "SELECT publication_id, day FROM existing_days" if existing else None
        _replace_rows(
            "engagement_daily", cursor, load_sql("marts/build_engagement_daily"), params, outdated=outdated
        )
    _clear_latest(cursor)
    cursor.execute(f"INSERT INTO latest BY NAME {load_sql('marts/build_publication_latest')}")


def refresh_estimates(cursor: DuckDBPyConnection) -> int:
    """Bring the estimates of publication_at_age in line with the growth curves; return the number of changed rows."""
    _estimate(cursor, any_brackets=_count(cursor.execute(load_sql("marts/find_stored_brackets"))) > 0)
    changed = _count(cursor.execute(load_sql("marts/find_changed_estimates")))
    if changed:
        _replace_rows(
            "publication_at_age",
            cursor,
            "FROM rebuilt_rows",
            outdated="SELECT publication_id, age_hours FROM rebuilt_rows",
        )
    return changed


def _estimate(cursor: DuckDBPyConnection, *, any_brackets: bool) -> None:
    """Estimate the ages in `brackets`; without any, skip the query."""
    cursor.execute(load_sql("marts/estimate_at_ages") if any_brackets else _NO_ESTIMATES)


def _clear_latest(cursor: DuckDBPyConnection) -> None:
    """Empty `latest`: publication_latest is up to date."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE latest AS FROM marts.publication_latest LIMIT 0")


def _refresh_whole_posts(cursor: DuckDBPyConnection) -> None:
    """Rebuild the rows of `touched_posts` from publication_latest only."""
    _clear_latest(cursor)
    cursor.execute(load_sql("marts/find_ranks_before"))
    cursor.execute("CREATE OR REPLACE TEMP TABLE shared_posts AS FROM touched_posts")
    _refresh_posts(cursor)


def _refresh_posts(cursor: DuckDBPyConnection) -> None:
    """Rebuild the rows of `touched_posts`, and the ranks of the posts of the same months."""
    # LIMIT 0 skips a query without results: DuckDB needs 6 ms for the scan of an empty join.
    shared = _count(cursor.execute("SELECT count(*) FROM shared_posts"))
    cursor.execute(load_sql("marts/find_other_publications") + ("" if shared else " LIMIT 0"))
    cursor.execute(load_sql("marts/find_followers_at_publishing"))
    cursor.execute(load_sql("marts/sum_posts"))
    changed = _count(cursor.execute(load_sql("marts/find_changed_months")))
    for step in ("rank_posts", "find_moved_posts"):
        cursor.execute(load_sql(f"marts/{step}") + ("" if changed else " LIMIT 0"))
    outdated = "FROM touched_posts UNION SELECT post_id FROM moved_posts"
    _replace_rows("post_performance", cursor, load_sql("marts/build_post_performance"), outdated=outdated)


def _refresh_accounts(cursor: DuckDBPyConnection, since: date) -> date:
    """Rebuild the days of `touched_accounts` from `since` on; return the first day that may have changed.

    A new count may confirm or contradict an earlier one, whose day then changes too.
    """
    _rebuild("suspicious_counts", cursor)
    if _count(cursor.execute(load_sql("marts/find_changed_suspicions"))):
        row = cursor.execute("SELECT min(utc_time(captured_at)::DATE) FROM changed_suspicions").fetchone()
        since = min(since, row[0]) if row else since
        _replace_rows(
            "suspicious_counts",
            cursor,
            "SELECT * EXCLUDE (appears) FROM changed_suspicions WHERE appears",
            outdated="SELECT account_id, captured_at FROM changed_suspicions WHERE NOT appears",
        )
    params = {"since": since}
    days = f"FROM marts.account_daily WHERE account_id IN (FROM touched_accounts) AND {_SINCE}"
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE existing_account_days AS {days}", params)
    outdated = "SELECT account_id, day FROM existing_account_days"
    _replace_rows("account_daily", cursor, load_sql("marts/build_account_daily"), params, outdated=outdated)
    return since


def _touch_publications(cursor: DuckDBPyConnection, rows: str) -> int:
    counted = f"SELECT publication_id, count(*) AS snapshots FROM {rows} GROUP BY publication_id"  # noqa: S608 (our own names)
    return _touch("publications", cursor, counted)


def _touch(what: str, cursor: DuckDBPyConnection, keys: str) -> int:
    return _count(cursor.execute(f"CREATE OR REPLACE TEMP TABLE touched_{what} AS {keys}"))


def _rebuild(mart: str, cursor: DuckDBPyConnection) -> None:
    """Put the result of the mart's SELECT into `rebuilt_rows`, with the mart's columns and types."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE rebuilt_rows AS FROM marts.{mart} LIMIT 0")
    cursor.execute(f"INSERT INTO rebuilt_rows BY NAME {load_sql(f'marts/build_{mart}')}")


def _replace_rows(
    mart: str,
    cursor: DuckDBPyConnection,
    rows: str,
    params: dict[str, date] | None = None,
    *,
    outdated: str | None,
) -> None:
    """Insert the result of a SELECT after deleting the rows with the keys from `outdated` (None = no such rows)."""
    if outdated is not None:
        keys = ", ".join(KEYS[mart])
        cursor.execute(f"DELETE FROM marts.{mart} WHERE ({keys}) IN ({outdated})")  # noqa: S608 (our own names)
    cursor.execute(f"INSERT INTO marts.{mart} BY NAME {rows}", params or {})


def _count(cursor: DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
