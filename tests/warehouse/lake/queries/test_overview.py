"""The overview's definitions, and that nothing unmeasured is ever called 0."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from warehouse.errors import InvalidInputError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import rebuild_marts
from warehouse.lake.queries.accounts import get_account_figures, list_account_days
from warehouse.lake.queries.overview import get_overview
from warehouse.lake.queries.posts import get_post_metrics
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK: dict[str, Any] = {"workspace_id": "ws_1", "start": DAY, "end": DAY + timedelta(days=7)}
NUMBERS = ("total_posts", "total_engagement", "follower_growth")


def test_an_empty_lake_measures_nothing(lake: Lake) -> None:
    overview = get_overview(lake, **WEEK)
    assert {name: overview[name] for name in NUMBERS} == {
        "total_posts": 0,
        "total_engagement": None,
        "follower_growth": None,
    }
    assert overview["top_performing"] == overview["by_platform"] == []
    assert overview["as_of"] is None
    assert overview["period"] == {"from": DAY, "to": DAY + timedelta(days=7)}
    assert overview["coverage"] == {
        "publications": 0,
        "measured": 0,
        "share": None,
        "follower_accounts": 0,
        "suspicious_counts": 0,
    }
    assert overview["previous"]["change"] == dict.fromkeys(NUMBERS)
    assert [row["date"] for row in overview["series"]] == [date(2026, 3, day) for day in range(2, 9)]
    assert {row["engagement"] for row in overview["series"]} == {None}
    assert set(NUMBERS) <= set(overview["definitions"])


@pytest.fixture(scope="module")
def filled(  # noqa: PLR0917 (fixtures)
    lake_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    make_account: Make,
    make_publication: Make,
    make_snapshot: Make,
    make_count: Make,
) -> Iterator[Lake]:
    """Two accounts on two platforms; a post on both; one not measured; one a period earlier. To be read only."""
    home = tmp_path_factory.mktemp("overview") / "home"
    shutil.copytree(lake_template, home)
    with Lake.open(WarehouseSettings(home=home), threads=1) as lake:
        fill(lake, make_account, make_publication, make_snapshot, make_count)
        yield lake


def fill(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make, make_count: Make
) -> None:
    load_accounts(lake, [make_account(), make_account("acct_b", platform="mastodon")])
    at = {
        name: DAY + timedelta(days=days) for name, days in {"1": 0, "2": 1, "3": 1, "4": -3, "5": 7}.items()
    }
    load_publications(
        lake,
        [
            *(make_publication(name, published_at=instant) for name, instant in at.items()),
            make_publication("1b", post_id="post_1", account_id="acct_b", platform="mastodon"),
        ],
    )
    load_post_snapshots(
        lake,
        [
            make_snapshot("1", hours=1, likes=5),
            make_snapshot("1", hours=30, likes=20, comments=3, shares=1, saves=1),
            make_snapshot("1b", hours=31, likes=2, account_id="acct_b"),
            make_snapshot("2", hours=5, published_at=at["2"], likes=0),
            make_snapshot("3", hours=5, published_at=at["3"], impressions=100),
            make_snapshot("4", hours=48, published_at=at["4"], likes=10),
            make_snapshot("5", hours=1, published_at=at["5"], likes=1000),
        ],
        "run_1",
    )
    load_account_snapshots(
        lake,
        [
            *(
                make_count(followers, days=days)
                for followers, days in ((90, -1), (100, 0.5), (97, 2), (104, 6.5))
            ),
            make_count(50, days=3, account_id="acct_b"),
            make_count(999, days=7, account_id="acct_b"),
        ],
        "run_1",
    )


def test_the_numbers_follow_their_definitions(filled: Lake) -> None:
    overview = get_overview(filled, **WEEK)
    assert overview["total_posts"] == 3, "a post on two accounts counts once; the period's end is outside"
    assert overview["total_engagement"] == 25 + 2 + 0
    assert overview["follower_growth"] == 4, (
        "last minus first; an account counted once in the period has no growth"
    )
    assert overview["top_performing"] == [
        {"post_id": "post_1", "engagement": 27},
        {"post_id": "post_2", "engagement": 0},
    ], "a post that was not measured is not at the bottom of a ranking, but in none"
    assert overview["as_of"] == DAY + timedelta(days=6.5)
    assert overview["coverage"] == {
        "publications": 4,
        "measured": 3,
        "share": 0.75,
        "follower_accounts": 1,
        "suspicious_counts": 0,
    }
    previous = overview["previous"]
    assert previous["period"] == {"from": DAY - timedelta(days=7), "to": DAY}
    assert [previous[name] for name in NUMBERS] == [1, 10, None]
    assert previous["top_performing"] == [{"post_id": "post_4", "engagement": 10}]
    assert previous["change"] == {"total_posts": 2.0, "total_engagement": 1.7, "follower_growth": None}


def test_platforms_and_days_add_up(filled: Lake) -> None:
    overview = get_overview(filled, **WEEK)
    assert overview["by_platform"] == [
        {"platform": "mastodon", "total_posts": 1, "total_engagement": 2, "follower_growth": None},
        {"platform": "twitter", "total_posts": 3, "total_engagement": 25, "follower_growth": 4},
    ]
    series = overview["series"]
    assert series[:3] == [
        {"date": date(2026, 3, 2), "posts": 1, "engagement": 27, "follower_growth": None},
        {"date": date(2026, 3, 3), "posts": 2, "engagement": 0, "follower_growth": None},
        {"date": date(2026, 3, 4), "posts": 0, "engagement": None, "follower_growth": -3},
    ]
    for total, column in (("total_posts", "posts"), ("total_engagement", "engagement")):
        assert sum(row[column] or 0 for row in series) == overview[total]
    assert sum(row["follower_growth"] or 0 for row in series) == overview["follower_growth"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"platform": "mastodon"}, [1, 2, None]),
        ({"platform": "twitter"}, [3, 25, 4]),
        ({"account_id": "acct_a"}, [3, 25, 4]),
        ({"account_id": "acct_b", "platform": "twitter"}, [0, None, None]),
    ],
)
def test_platform_and_account_narrow_it_down(
    filled: Lake, chosen: dict[str, Any], expected: list[int | None]
) -> None:
    overview = get_overview(filled, **WEEK, **chosen)
    assert [overview[name] for name in NUMBERS] == expected


def test_another_workspace_sees_nothing(filled: Lake) -> None:
    overview = get_overview(filled, **(WEEK | {"workspace_id": "ws_2"}))
    assert [overview[name] for name in NUMBERS] == [0, None, None]
    assert overview["previous"]["total_posts"] == 0
    assert overview["as_of"] is None
    assert get_post_metrics(filled, "ws_2", "post_1") == {"post_id": "post_1", "publications": []}
    assert get_account_figures(filled, **(WEEK | {"workspace_id": "ws_2"})) == {}


def test_looking_back_counts_only_what_was_measured_by_then(filled: Lake) -> None:
    as_of = DAY + timedelta(days=1, hours=1)
    overview = get_overview(filled, **WEEK, as_of=as_of)
    assert overview["total_posts"] == 3
    assert overview["total_engagement"] == 5
    assert overview["follower_growth"] is None
    assert overview["as_of"] <= as_of
    late = get_overview(filled, **WEEK, as_of=DAY + timedelta(days=400))
    assert late == get_overview(filled, **WEEK)


def test_at_most_ten_perform_best(lake: Lake, make_publication: Make, make_snapshot: Make) -> None:
    names = [f"{number:02}" for number in range(12)]
    load_publications(lake, [make_publication(name) for name in names])
    load_post_snapshots(lake, [make_snapshot(name, likes=int(name)) for name in names], "run_1")
    top = get_overview(lake, **WEEK)["top_performing"]
    assert top == [{"post_id": f"post_{number:02}", "engagement": number} for number in range(11, 1, -1)]


def test_an_empty_or_naive_period_is_refused(lake: Lake) -> None:
    with pytest.raises(InvalidInputError, match="after"):
        get_overview(lake, workspace_id="ws_1", start=DAY, end=DAY)
    with pytest.raises(InvalidInputError, match="time zone") as raised:
        get_overview(lake, workspace_id="ws_1", start=DAY.replace(tzinfo=None), end=DAY)
    assert raised.value.field == "from"


def test_a_posts_metrics_are_its_snapshots_over_time(filled: Lake) -> None:
    metrics = get_post_metrics(filled, "ws_1", "post_1")
    first, second = metrics["publications"]
    assert (first["publication_id"], second["publication_id"]) == ("pub_1", "pub_1b")
    assert [(row["age_hours"], row["engagement"], row["saves"]) for row in first["snapshots"]] == [
        (1, 5, None),
        (30, 25, 1),
    ]
    assert first["published_at"] == DAY
    assert get_post_metrics(filled, "ws_1", "post_9")["publications"] == []


def test_a_publication_that_was_never_measured_has_no_snapshots(lake: Lake, make_publication: Make) -> None:
    load_publications(lake, [make_publication()])
    (publication,) = get_post_metrics(lake, "ws_1", "post_1")["publications"]
    assert publication["snapshots"] == []


def test_the_days_of_an_account(filled: Lake) -> None:
    asked = WEEK | {"start": DAY - timedelta(days=1), "end": DAY + timedelta(days=3)}
    rows = list_account_days(filled, **asked, account_id="acct_a")
    assert [(row["date"], row["followers"], row["follower_growth"]) for row in rows] == [
        (date(2026, 3, 1), 90, None),
        (date(2026, 3, 2), 100, 10),
        (date(2026, 3, 4), 97, -3),
    ]
    assert list_account_days(filled, **(asked | {"workspace_id": "ws_2"}), account_id="acct_a") == []


def test_the_figures_of_accounts(filled: Lake) -> None:
    figures = get_account_figures(filled, **WEEK)
    assert figures["acct_a"] == {
        "followers": 104,
        "followers_at": DAY + timedelta(days=6.5),
        "follower_growth": 4,
        "follower_growth_rate": 0.04,
        "suspicious_counts": 0,
        "publications": 3,
        "measured": 2,
        "engagement": 25,
        "engagement_mean": 12.5,
    }
    assert figures["acct_b"]["follower_growth"] is None, "counted once"
    assert figures["acct_b"]["followers"] == 50
    assert get_account_figures(filled, **WEEK, account_id="acct_b") == {"acct_b": figures["acct_b"]}


def test_times_and_days_are_in_one_zone_that_the_answer_names(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make, make_count: Make
) -> None:
    """Berlin changes its clock on 29 March 2026: 22:30 UTC is of the same day before it, of the next day after it."""
    load_accounts(lake, [make_account()])
    at = [datetime(2026, 3, day, 22, 30, tzinfo=UTC) for day in (27, 28, 29, 30)]
    load_publications(
        lake, [make_publication(str(number), published_at=instant) for number, instant in enumerate(at)]
    )
    load_post_snapshots(
        lake,
        [
            make_snapshot(str(number), published_at=instant, likes=10**number, hours=1)
            for number, instant in enumerate(at)
        ],
        "run",
    )
    load_account_snapshots(
        lake,
        [make_count(100 + number, captured_at=instant) for number, instant in enumerate(at)],
        "run",
    )
    berlin = ZoneInfo("Europe/Berlin")
    start, end = datetime(2026, 3, 27, tzinfo=berlin), datetime(2026, 4, 1, tzinfo=berlin)
    overview = get_overview(lake, workspace_id="ws_1", start=start, end=end, zone=berlin)
    assert overview["timezone"] == "Europe/Berlin"
    assert [edge.isoformat() for edge in overview["period"].values()] == [
        "2026-03-27T00:00:00+01:00",
        "2026-04-01T00:00:00+02:00",
    ]
    assert [(row["date"].day, row["engagement"], row["follower_growth"]) for row in overview["series"]] == [
        (27, 1, None),
        (28, 10, 1),
        (29, None, None),
        (30, 100, 1),
        (31, 1000, 1),
    ]
    assert sum(row["posts"] for row in overview["series"]) == overview["total_posts"] == 4
    in_utc = get_overview(lake, workspace_id="ws_1", start=start, end=end)
    assert in_utc["timezone"] == "UTC"
    assert [row["date"].day for row in in_utc["series"] if row["posts"]] == [27, 28, 29, 30]


SUSPICIOUS = [
    # counts of the days, growth, suspicious ones
    ((1220, 0, 1250), 30, 1),
    ((1220, 0, 0, 1250), 30, 2),
    ((0, 1220, 1250), 30, 1),
    ((1220, 1250, 0), 30, 1),
    ((1220, 2500, 1250), 30, 1),
    ((1220, 2500, 1250, 1260), 40, 1),
    ((1220, 1250, 700), 30, 1),  # not confirmed yet
    ((1220, 2500, 2600), 1380, 0),  # a jump that stays is real
    ((90, 0, 80), -10, 0),  # a small account may lose all
    ((0, 40, 100, 180), 180, 0),
]


def test_suspicious_counts_of_followers_are_left_out_and_counted(
    lake: Lake, make_account: Make, make_count: Make, read_marts: Make
) -> None:
    """Each case is the account of a workspace of its own; a load holds one day of all."""
    load_accounts(lake, [make_account(f"acct_{n}", workspace_id=f"ws_{n}") for n in range(len(SUSPICIOUS))])
    for day in range(4):
        load_account_snapshots(
            lake,
            [
                make_count(counts[day], days=day, account_id=f"acct_{n}", workspace_id=f"ws_{n}")
                for n, (counts, _, _) in enumerate(SUSPICIOUS)
                if day < len(counts)
            ],
            "run",
        )
    summed = lake.query(
        "SELECT account_id, sum(follower_growth) AS growth, sum(suspicious) AS suspicious"
        " FROM marts.account_daily GROUP BY account_id"
    )
    stored = {row["account_id"]: (row["growth"], row["suspicious"]) for row in summed}
    for n, (counts, growth, suspicious) in enumerate(SUSPICIOUS):
        week = WEEK | {"workspace_id": f"ws_{n}"}
        overview = get_overview(lake, **week)
        told = (overview["follower_growth"], overview["coverage"]["suspicious_counts"])
        assert told == (growth, suspicious), counts
        assert sum(row["follower_growth"] or 0 for row in overview["series"]) == growth, counts
        figures = get_account_figures(lake, **week)[f"acct_{n}"]
        assert (figures["follower_growth"], figures["suspicious_counts"]) == (growth, suspicious), counts
        days = list_account_days(lake, **week, account_id=f"acct_{n}")
        assert sum(row["follower_growth"] or 0 for row in days) == growth, counts
        assert stored[f"acct_{n}"] == (growth, suspicious), counts
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up


def test_the_days_of_an_account_are_in_its_zone(lake: Lake, make_account: Make, make_count: Make) -> None:
    load_accounts(lake, [make_account(timezone="Asia/Tokyo")])
    load_account_snapshots(lake, [make_count(100, days=0.5), make_count(103, days=0.75)], "run")
    days = list_account_days(lake, **WEEK, account_id="acct_a")
    assert [(row["date"].day, row["followers"], row["follower_growth"]) for row in days] == [
        (2, 100, None),
        (3, 103, 3),
    ]
