"""What the checks find in a load, and that the data stays; payloads that go while their numbers stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import get_pipeline_state, maintain_lake
from warehouse.lake.quality import check_silence, list_findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

DAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"likes": 8, "impressions": 500}, []),
        ({"likes": 4, "impressions": 500}, [("counter_fell", "warning", "likes", 4, 5)]),
        (
            {"likes": -1, "impressions": 500},
            [("counter_fell", "warning", "likes", -1, 5), ("negative", "failed", "likes", -1, 0)],
        ),
        (
            {"likes": 8, "impressions": 500, "reach": 501},
            [("reach_above_impressions", "failed", "reach", 501, 500)],
        ),
        ({"likes": 5, "impressions": 800}, [("impressions_doubled", "warning", "impressions", 800, 400)]),
        ({"likes": 9, "impressions": 800}, []),  # doubled, and so did all else: a post that goes round
        ({"likes": None, "impressions": None}, []),  # not reported is not a fall
    ],
)
def test_each_new_snapshot_is_held_against_the_one_before(
    lake: Lake,
    make_publication: Make,
    make_snapshot: Make,
    counters: dict[str, int | None],
    expected: list[tuple[Any, ...]],
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(hours=1, likes=5, impressions=400)], "run_1")
    for _ in range(2):  # a replay finds nothing twice
        load_post_snapshots(lake, [make_snapshot(hours=3, **counters)], "run_2")
    found = lake.query("SELECT * FROM quality.findings ORDER BY check_name")
    names = ("check_name", "severity", "metric", "value", "compared_with")
    assert [tuple(row[name] for name in names) for row in found] == expected
    assert {row["run_id"] for row in found} <= {"run_2"}
    assert list_findings(lake, "run_1") == []
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 2}], "the data stays"


def test_followers_that_jump_and_accounts_that_fall_silent(
    lake: Lake, make_account: Make, make_count: Make
) -> None:
    load_accounts(lake, [make_account()])
    load_account_snapshots(lake, [make_count(1_000, days=0), make_count(1_040, days=1)], "run_1")
    load_account_snapshots(lake, [make_count(3_000, days=2)], "run_2")
    check_silence(lake, "run_3", DAY + timedelta(days=4), timedelta(days=3))
    silent = DAY + timedelta(days=6)
    for run in ("run_4", "run_5"):  # one silence is told of once
        check_silence(lake, run, silent, timedelta(days=3))
    rows = lake.query("SELECT run_id, check_name, value, compared_with FROM quality.findings ORDER BY run_id")
    assert [tuple(row.values()) for row in rows] == [
        ("run_2", "followers_jumped", 3_000, 1_040),
        ("run_4", "account_silent", 96, 72),
    ]
    state = get_pipeline_state(lake, datetime.now(UTC))
    assert (state["warnings"], state["failed_checks"]) == (1, 0)


def test_a_payload_goes_with_time_and_its_numbers_stay(
    lake: Lake, make_publication: Make, make_snapshot: Make, make_count: Make, read_marts: Make
) -> None:
    load_publications(lake, [make_publication()])
    load_post_snapshots(lake, [make_snapshot(likes=3, raw={"favs": 3}, api_version="v25.0")], "run_1")
    load_account_snapshots(lake, [make_count(5, raw={"followers": 5}, api_version="2")], "run_1")
    before = read_marts(lake)
    now = datetime.now(UTC)
    keep = lake.settings.keep_raw_payloads
    assert maintain_lake(lake, now + keep - timedelta(hours=1))["payloads_dropped"] == 0
    assert maintain_lake(lake, now + keep + timedelta(hours=1))["payloads_dropped"] == 2
    (row,) = lake.query("SELECT raw, likes, run_id, api_version FROM raw.post_snapshots")
    assert tuple(row.values()) == (None, 3, "run_1", "v25.0")
    (row,) = lake.query("SELECT raw, followers, api_version FROM raw.account_snapshots")
    assert tuple(row.values()) == (None, 5, "2")
    assert read_marts(lake) == before
