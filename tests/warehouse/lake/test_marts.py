"""What the marts say: equal ages, posts over their accounts, slots; right however and whenever rows come in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import rebuild_marts
from warehouse.lake.queries.overview import get_overview
from warehouse.lake.queries.posts import rank_posts

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday


def at_age(lake: Lake, age_hours: int) -> tuple[Any, ...]:
    (row,) = lake.query(
        "SELECT likes, impressions, engagement, before_hours, after_hours FROM marts.publication_at_age "
        "WHERE age_hours = $age",
        {"age": age_hours},
    )
    return tuple(row.values())


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ([(20, 100), (28, 200)], (150, None, 150, 20, 28)),
        ([(24, 7)], (7, None, 7, None, 24)),  # exactly then
        ([(12, 50), (26, 120)], (110, None, 110, 12, 26)),
        ([(25, 100)], (None, None, None, None, 25)),  # seen once: no straight line from the publishing
        ([(-1, 5), (25, 100)], (None, None, None, None, 25)),  # a clock that was behind counts for nothing
        ([(23.9, 100)], (None, None, None, None, None)),  # nothing after: nothing beyond the last snapshot
        ([(12, 50), (36, 120)], (None, None, None, 12, 36)),  # neither is near
        ([(2000, 100)], (None, None, None, None, 2000)),  # nobody looked: a post found months later
        ([(20, None), (28, 200)], (None, None, None, 20, 28)),
        ([(20, 100), (28, 90)], (95, None, 95, 20, 28)),  # a correction is a line too
    ],
)
def test_counters_at_an_age_are_on_the_line_between_two_real_snapshots(
    lake: Lake,
    make_publication: Make,
    make_snapshot: Make,
    snapshots: list[tuple[float, int | None]],
    expected: tuple[Any, ...],
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=hours, likes=likes) for hours, likes in snapshots], "run")
    assert at_age(lake, 24) == expected


def test_publishing_counts_as_a_snapshot_in_the_first_hours(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=1.25, likes=100)], "run")
    assert at_age(lake, 1) == (80, None, 80, 0, 1.25)


def test_counters_at_an_age_are_rounded_once_where_they_are_summed(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    """Half of 1, 1, 1 and 2 is 2.5, not 1 + 1 + 1 + 1; of two such posts it is 5, not 6."""
    load_publications(lake, [make_publication("1"), make_publication("2", post_id="post_1")])
    for hours, counts in ((23, (0, 0, 0, 0)), (25, (1, 1, 1, 2))):
        counters = dict(zip(("likes", "comments", "shares", "saves"), counts, strict=True))
        load_post_snapshots(lake, [make_snapshot(name, hours=hours, **counters) for name in "12"], "run")
    rows = lake.query("SELECT likes, engagement FROM marts.publication_at_age WHERE age_hours = 24")
    assert rows == [{"likes": 0.5, "engagement": 2.5}] * 2
    assert lake.query("SELECT DISTINCT engagement_24h FROM marts.publication_latest") == [
        {"engagement_24h": 2.5}
    ]
    assert lake.query("SELECT engagement_24h FROM marts.post_performance") == [{"engagement_24h": 5}]
    ranking = rank_posts(
        lake,
        snapshot_id=lake.snapshot_id(),
        workspace_id="ws_1",
        start=DAY,
        end=DAY + timedelta(days=1),
    )
    assert (ranking.rows[0]["engagement"], ranking.rows[0]["saves"]) == (5, 2)


def test_ages_follow_a_corrected_time_of_publishing(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=24, likes=100)], "run")
    assert at_age(lake, 24)[0] == 100
    load_publications(lake, [make_publication(published_at=DAY - timedelta(hours=24))])
    assert at_age(lake, 24)[0] is None
    (slot,) = lake.query("SELECT weekday, hour FROM marts.slot_engagement")
    assert (slot["weekday"], slot["hour"]) == (6, 0)


def test_a_post_is_the_sum_of_its_publications_with_rates_over_those_that_have_both(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make, make_count: Make
) -> None:
    load_accounts(lake, [make_account(), make_account("acct_b", platform="bluesky")])
    elsewhere = {"account_id": "acct_b"}
    load_publications(
        lake,
        [
            make_publication(),
            make_publication("2", post_id="post_1", platform="bluesky", kind="link", **elsewhere),
        ],
    )
    load_post_snapshots(
        lake,
        [
            make_snapshot("1", hours=24, likes=30, saves=2, impressions=1000),
            make_snapshot("2", hours=24, likes=8, **elsewhere),
        ],
        "run",
    )
    (post,) = lake.query("SELECT * FROM marts.post_performance")
    assert (post["platforms"], post["kind"], post["publications"], post["measured"]) == (
        ["bluesky", "twitter"],
        None,
        2,
        2,
    )
    assert (post["likes"], post["saves"], post["clicks"], post["engagement"]) == (38, 2, None, 40)
    assert (post["engagement_rate_impressions"], post["followers"]) == (32 / 1000, None)
    assert (post["engagement_24h"], post["engagement_7d"], post["rank_24h"]) == (40, None, 1)

    # The count of the day itself wins over that of an earlier day, whichever comes in first.
    load_account_snapshots(lake, [make_count(500, days=0.5), make_count(90, days=3, **elsewhere)], "run")
    load_account_snapshots(lake, [make_count(400, days=-2), make_count(80, days=-9, **elsewhere)], "run")
    (post,) = lake.query("SELECT followers, engagement_rate_followers FROM marts.post_performance")
    assert post == {"followers": 580, "engagement_rate_followers": 40 / 580}

    # Shown and followed, but no engagement is reported: the rates are over those that report it.
    load_publications(lake, [make_publication("4", post_id="post_1")])
    load_post_snapshots(lake, [make_snapshot("4", hours=24, impressions=5000)], "run")
    (post,) = lake.query(
        "SELECT publications, measured, engagement, engagement_rate_impressions, engagement_rate_followers "
        "FROM marts.post_performance"
    )
    assert tuple(post.values()) == (3, 2, 40, 32 / 1000, 40 / 580)
    # Without a count of followers, engagement is left out of that rate.
    load_accounts(lake, [make_account("acct_c")])
    load_publications(lake, [make_publication("5", post_id="post_1", account_id="acct_c")])
    load_post_snapshots(lake, [make_snapshot("5", hours=24, likes=50, account_id="acct_c")], "run")
    (post,) = lake.query("SELECT engagement, engagement_rate_followers FROM marts.post_performance")
    assert tuple(post.values()) == (90, 40 / 580)

    # One of two accounts is measured late: the post cannot be compared at that age.
    load_publications(lake, [make_publication("3", post_id="post_1")])
    load_post_snapshots(lake, [make_snapshot("3", hours=100, likes=1)], "run")
    (post,) = lake.query("SELECT engagement, engagement_24h, rank_24h FROM marts.post_performance")
    assert tuple(post.values()) == (91, None, None)


def test_at_each_age_a_post_is_the_sum_of_all_measured_publications_or_unknown(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    """Two exact publications and one on the line between two snapshots: unrounded until the sum is known."""
    ages = "SELECT engagement_1h, engagement_24h, engagement_7d, engagement_30d FROM marts.post_performance"
    hours = (1, 24, 168, 720)
    publications = [make_publication(name, post_id="post_1") for name in "1234"]
    load_publications(lake, publications)
    halves = [
        make_snapshot(name, hours=age * (1 + side / 10), likes=likes)
        for name in "12"
        for age in hours
        for side, likes in ((-1, age), (1, age + 1))
    ]
    load_post_snapshots(lake, halves, "run")
    # Never measured at all, publications 3 and 4 do not make the sum unknown.
    (post,) = lake.query(ages)
    assert tuple(post.values()) == (3, 49, 337, 1441)
    load_post_snapshots(lake, [make_snapshot("3", hours=4000, likes=7)], "run")
    (post,) = lake.query(ages)
    assert tuple(post.values()) == (None, None, None, None)
    for position, age in enumerate(hours):
        load_post_snapshots(lake, [make_snapshot("3", hours=age, likes=5)], "run")
        (post,) = lake.query(ages)
        known = [count is not None for count in post.values()]
        assert known == [place <= position for place in range(4)]
    assert tuple(post.values()) == (8, 54, 342, 1446)


def test_places_are_among_the_months_posts_of_the_workspace(
    lake: Lake, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    def place() -> dict[str, int | None]:
        rows = lake.query("SELECT post_id, rank_24h FROM marts.post_performance ORDER BY post_id")
        return {row["post_id"].removeprefix("post_"): row["rank_24h"] for row in rows}

    april = DAY + timedelta(days=31)
    publications = [make_publication(name) for name in "1234"]
    foreign = {"workspace_id": "ws_2", "account_id": "acct_z"}
    publications += [make_publication("5", published_at=april), make_publication("6", **foreign)]
    load_publications(lake, publications)
    load_post_snapshots(
        lake,
        [
            *(make_snapshot(name, likes=likes) for name, likes in (("1", 5), ("2", 9), ("3", 5))),
            make_snapshot("5", published_at=april, likes=1),
            make_snapshot("6", likes=2, **foreign),
        ],
        "run",
    )
    assert place() == {"1": 2, "2": 1, "3": 2, "4": None, "5": 1, "6": 1}
    load_post_snapshots(lake, [make_snapshot("4", likes=7)], "run")
    assert place() == {"1": 3, "2": 1, "3": 3, "4": 2, "5": 1, "6": 1}
    # The best one belongs to another post from now on, whose place it takes along.
    load_publications(lake, [make_publication("2", post_id="post_9", published_at=april)])
    load_post_snapshots(lake, [make_snapshot("2", published_at=april, likes=4)], "run")
    assert place() == {"1": 2, "3": 2, "4": 1, "5": 2, "6": 1, "9": 1}
    before = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == before


def test_slots_are_of_the_accounts_own_week_and_move_with_its_zone(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    def slots() -> list[tuple[Any, ...]]:
        columns = (
            "timezone, weekday, hour, publications, measured, engagement, engagement_median, measured_24h"
        )
        return [
            tuple(row.values())
            for row in lake.query(f"SELECT {columns} FROM marts.slot_engagement ORDER BY ALL")  # noqa: S608 (from above)
        ]

    load_accounts(lake, [make_account(timezone="America/New_York")])
    load_publications(lake, [make_publication(name) for name in "123"])
    load_post_snapshots(lake, [make_snapshot("1", likes=4), make_snapshot("2", hours=90, likes=7)], "run")
    assert slots() == [("America/New_York", 6, 19, 3, 2, 11, 5.5, 1)]
    load_accounts(lake, [make_account(timezone="Mars/Olympus")])
    assert slots() == [("UTC", 0, 0, 3, 2, 11, 5.5, 1)]
    load_publications(
        lake, [make_publication("1", account_id="acct_b", published_at=DAY + timedelta(hours=5))]
    )
    assert slots() == [("UTC", 0, 0, 2, 1, 7, 7, 0), ("UTC", 0, 5, 1, 1, 4, 4, 0)]


def test_a_late_snapshot_changes_the_days_after_it_and_no_others(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=24 * day, likes=10 * day) for day in (1, 3, 4)], "run")
    load_post_snapshots(lake, [make_snapshot(hours=48, likes=25)], "run_late")
    rows = lake.query("SELECT day, gain, correction, counted_from FROM marts.engagement_daily ORDER BY day")
    assert [(row["day"], row["gain"], row["correction"]) for row in rows] == [
        (date(2026, 3, 3), 10, 0),
        (date(2026, 3, 4), 15, 0),
        (date(2026, 3, 5), 5, 0),
        (date(2026, 3, 6), 10, 0),
    ]
    assert rows[2]["counted_from"] == DAY + timedelta(hours=48)


def test_a_publication_that_a_load_only_repeats_keeps_its_rows(
    lake: Lake, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    load_publications(lake, [make_publication("1"), make_publication("2")])
    load_post_snapshots(lake, [make_snapshot("1", likes=5)], "run_1")
    load_post_snapshots(lake, [make_snapshot("1", likes=5), make_snapshot("2", likes=7)], "run_2")
    rows = lake.query("SELECT publication_id, likes FROM marts.publication_latest ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [("pub_1", 5), ("pub_2", 7)]
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up


def test_a_day_goes_on_over_several_loads_and_over_a_snapshot_without_counters(
    lake: Lake, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    load_publications(lake, [make_publication()])
    for run, (hours, likes) in enumerate([(1, 4), (3, 9), (5, None), (7, 8), (25, 20), (26, 20)]):
        load_post_snapshots(lake, [make_snapshot(hours=hours, likes=likes)], f"run_{run}")
    rows = lake.query("SELECT day, gain, correction, counted_to FROM marts.engagement_daily ORDER BY day")
    assert [tuple(row.values()) for row in rows] == [
        (date(2026, 3, 2), 9, -1, DAY + timedelta(hours=7)),
        (date(2026, 3, 3), 12, 0, DAY + timedelta(hours=26)),
    ]
    assert at_age(lake, 24) == (
        pytest.approx(8 + 12 * 17 / 18, abs=0.001),
        None,
        pytest.approx(19.333, abs=0.001),
        7,
        25,
    )
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up


def test_a_snapshot_without_a_counter_keeps_its_last_value_in_every_mart(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    """A platform reported saves and impressions, a later file has neither: nothing falls."""
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=24, likes=10, saves=90, impressions=500)], "run_1")
    load_post_snapshots(lake, [make_snapshot(hours=800, likes=12)], "run_2", source="import")
    for rebuilt in (False, True):
        if rebuilt:
            rebuild_marts(lake)
        for mart in ("publication_latest", "post_performance", "posts_wide"):
            counters = f"SELECT likes, saves, impressions, engagement FROM marts.{mart}"  # noqa: S608 (our own names)
            assert lake.query(counters) == [
                {"likes": 12, "saves": 90, "impressions": 500, "engagement": 102}
            ], mart
        assert lake.query("SELECT carried, engagement_24h FROM marts.publication_latest") == [
            {"carried": ["impressions", "saves"], "engagement_24h": 100}
        ]
        assert lake.query("SELECT engagement FROM marts.slot_engagement") == [{"engagement": 102}]
        assert lake.query("SELECT gain, correction FROM marts.engagement_daily ORDER BY day") == [
            {"gain": 100, "correction": 0},
            {"gain": 2, "correction": 0},
        ]
    later = DAY + timedelta(days=50)
    for as_of in (None, later):
        overview = get_overview(lake, workspace_id="ws_1", start=DAY, end=later, as_of=as_of)
        assert overview["total_engagement"] == 102
