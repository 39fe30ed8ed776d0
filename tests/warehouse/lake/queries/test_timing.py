"""Optimal times from the lake's posts into the lake's table."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from warehouse.errors import InvalidInputError
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.queries.timing import (
    TimingPart,
    get_optimal_times,
    plan_timing,
    read_timing_part,
    refresh_optimal_times,
    refresh_timing_part,
)
from warehouse.lake.queries.timing_posts import read_age_curve
from warehouse.timing.age import DEFAULT_AGE_CURVE
from warehouse.timing.model import MODEL_VERSION, compute_optimal_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = MONDAY + timedelta(days=60)


def load_posts(lake: Lake, make_publication: Make, make_snapshot: Make, account_id: str = "acct_a") -> None:
    """50 days of posts at 6 and 18 o'clock UTC; those at 18 earn three times as much."""
    publications, snapshots = [], []
    for day in range(50):
        for hour, likes in ((6, 40), (18, 120)):
            name = f"{account_id}{day}_{hour}"
            published_at = MONDAY + timedelta(days=day, hours=hour)
            origin = "external" if day % 2 else "socialflow"
            publications.append(
                make_publication(name, published_at=published_at, account_id=account_id, origin=origin)
            )
            for hours, share in ((1, 0.4), (72, 1)):
                snapshots.append(
                    make_snapshot(
                        name,
                        published_at=published_at,
                        hours=hours,
                        likes=int(share * (likes + day)),
                        account_id=account_id,
                    )
                )
    load_publications(lake, publications)
    load_post_snapshots(lake, snapshots, "run_1")


def test_every_account_gets_its_week_in_its_own_zone(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_accounts(
        lake,
        [
            make_account(timezone="America/New_York"),
            make_account("acct_b", timezone="Asia/Tokyo"),
            make_account("acct_new"),
        ],
    )
    load_posts(lake, make_publication, make_snapshot)
    load_posts(lake, make_publication, make_snapshot, "acct_b")
    summary = refresh_optimal_times(lake, now=NOW)
    assert summary == {
        "accounts": 3,
        "posts": 200,
        "failures": {},
        "rows": 3 * 168,
        "platforms": ["twitter"],
        "model_version": MODEL_VERSION,
        "computed_at": NOW,
    }
    best = {row["account_id"]: row for row in get_optimal_times(lake, workspace_id="ws_1", limit=1)}
    assert (best["acct_a"]["timezone"], best["acct_a"]["account_posts"]) == ("America/New_York", 100)
    assert best["acct_a"]["hour"] in (13, 14), "18:00 UTC is 13:00 in winter, 14:00 in summer"
    assert best["acct_b"]["hour"] == 3, "18:00 UTC is 3:00 in Tokyo, all year"
    assert best["acct_a"]["expected_lift"] > 0.2
    assert (best["acct_new"]["account_posts"], best["acct_new"]["basis"]) == (0, "prior")
    assert 0 <= best["acct_new"]["expected_lift"] <= 0.05
    assert {row["computed_at"] for row in best.values()} == {NOW}
    assert best["acct_a"]["handle"] == "a"


def test_a_second_refresh_replaces_the_first(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_accounts(lake, [make_account()])
    load_posts(lake, make_publication, make_snapshot)
    refresh_optimal_times(lake, now=NOW)
    refresh_optimal_times(lake, now=NOW + timedelta(days=1))
    rows = get_optimal_times(lake, workspace_id="ws_1")
    assert len(rows) == 168
    assert {row["computed_at"] for row in rows} == {NOW + timedelta(days=1)}
    assert [row["expected_lift"] for row in rows] == sorted(
        (row["expected_lift"] for row in rows), reverse=True
    )


def test_how_engagement_grows_is_learned_from_the_lakes_own_snapshots(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    """Every post has 40 % of its engagement after an hour, and the default curve says 55 %."""
    load_accounts(lake, [make_account()])
    assert read_age_curve(lake, "twitter") is DEFAULT_AGE_CURVE
    load_posts(lake, make_publication, make_snapshot)
    curve = read_age_curve(lake, "twitter")
    assert np.exp(curve.at(np.array([1.0, 48.0]))) == pytest.approx([0.4, 1.0], abs=0.02)
    assert read_age_curve(lake, "mastodon") is DEFAULT_AGE_CURVE, "each platform has its own"


def test_a_post_seen_young_counts_for_what_it_will_have(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_accounts(lake, [make_account()])
    load_posts(lake, make_publication, make_snapshot)
    refresh_optimal_times(lake, now=NOW)
    before = {row["hour"]: row for row in get_optimal_times(lake, workspace_id="ws_1") if row["weekday"] == 1}
    # 40 more posts at 12, known by their first hour only: 64 likes then, 160 when grown up, more than any other.
    publications, snapshots = [], []
    for day in range(40):
        at = MONDAY + timedelta(days=day, hours=12)
        publications.append(make_publication(f"young{day}", published_at=at))
        snapshots.append(make_snapshot(f"young{day}", published_at=at, hours=1, likes=64 + day // 2))
    load_publications(lake, publications)
    load_post_snapshots(lake, snapshots, "run_2")
    refresh_optimal_times(lake, now=NOW)
    after = {row["hour"]: row for row in get_optimal_times(lake, workspace_id="ws_1") if row["weekday"] == 1}
    assert after[12]["n_posts"] > before[12]["n_posts"]
    assert after[12]["expected_lift"] > after[18]["expected_lift"] > after[6]["expected_lift"]


def test_each_accounts_prior_leaves_itself_out(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    """The lone account with posts has no prior: its answer is that of the model without one."""
    load_accounts(lake, [make_account(), make_account("acct_m", platform="mastodon")])
    load_posts(lake, make_publication, make_snapshot)
    refresh_optimal_times(lake, now=NOW)
    rows = lake.frame("SELECT * FROM marts.optimal_times ORDER BY account_id, weekday, hour")
    posts = lake.frame("SELECT * FROM marts.publication_latest")
    alone = compute_optimal_times(posts, as_of=NOW, age_curve=read_age_curve(lake, "twitter"))
    own = rows[rows["account_id"] == "acct_a"].reset_index(drop=True)
    for column in ("expected_lift", "lift_low", "lift_high", "p_better", "score", "n_posts", "n_nearby"):
        np.testing.assert_allclose(own[column], alone[column], rtol=1e-6, err_msg=column)
    for column in ("basis", "confidence"):
        assert list(own[column]) == list(alone[column]), column
    other = rows[rows["account_id"] == "acct_m"].groupby("hour")["expected_lift"].mean()
    assert other.idxmax() in (17, 18, 19), "an account without posts leans on the other platforms' profile"
    assert 0 < other.max() <= 0.05


def test_answers_are_narrowed_and_workspaces_kept_apart(lake: Lake, make_account: Make) -> None:
    load_accounts(
        lake,
        [
            make_account(),
            make_account("acct_m", platform="mastodon"),
            make_account("acct_x", workspace_id="ws_2"),
        ],
    )
    refresh_optimal_times(lake, now=NOW)

    def accounts(**chosen: Any) -> set[str]:
        return {row["account_id"] for row in get_optimal_times(lake, **({"workspace_id": "ws_1"} | chosen))}

    assert accounts() == {"acct_a", "acct_m"}
    assert accounts(platform="mastodon") == {"acct_m"}
    assert accounts(account_id="acct_x") == set()
    assert accounts(workspace_id="ws_2") == {"acct_x"}
    assert len(get_optimal_times(lake, workspace_id="ws_1", limit=5)) == 10


def test_a_lake_without_accounts_has_no_advice(lake: Lake) -> None:
    assert refresh_optimal_times(lake, now=NOW)["rows"] == 0
    assert get_optimal_times(lake, workspace_id="ws_1") == []


def test_slots_and_posting_times_move_with_the_accounts_zone(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_accounts(lake, [make_account(timezone="America/New_York")])
    load_posts(lake, make_publication, make_snapshot)
    refresh_optimal_times(lake, now=NOW)
    (before,) = get_optimal_times(lake, workspace_id="ws_1", limit=1)
    load_accounts(lake, [make_account(timezone="Asia/Tokyo")])
    (after,) = get_optimal_times(lake, workspace_id="ws_1", limit=1)
    ahead = (NOW.astimezone(ZoneInfo("Asia/Tokyo")).utcoffset() or timedelta()) - (
        NOW.astimezone(ZoneInfo("America/New_York")).utcoffset() or timedelta()
    )
    hours = ahead // timedelta(hours=1)
    moved = (before["weekday"] * 24 + before["hour"] + hours) % 168
    assert (after["weekday"] * 24 + after["hour"], after["timezone"]) == (moved, "Asia/Tokyo")
    assert after["expected_lift"] == before["expected_lift"]
    assert len(get_optimal_times(lake, workspace_id="ws_1")) == 168
    zones = lake.query(
        "SELECT DISTINCT a.timezone AS account, s.timezone AS slots, t.timezone AS times FROM dims.accounts AS a "
        "JOIN marts.slot_engagement AS s USING (account_id) JOIN marts.optimal_times AS t USING (account_id)"
    )
    assert zones == [dict.fromkeys(("account", "slots", "times"), "Asia/Tokyo")]


def load_fleet(lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make) -> None:
    """Thirty accounts on one platform, from whose posts a profile and a kernel are learned, and two on another."""
    chance = np.random.default_rng(20)
    accounts, publications, snapshots = [], [], []
    for number in range(32):
        account_id = f"acct_{number:02}"
        platform = "mastodon" if number % 16 == 5 else "twitter"
        zone = ("UTC", "Asia/Tokyo", "America/New_York")[number % 3]
        accounts.append(make_account(account_id, platform=platform, timezone=zone))
        for post in range(40 if number != 7 else 0):
            at = MONDAY + timedelta(days=post, hours=int(chance.integers(24)))
            name = f"{number}_{post}"
            of = {"account_id": account_id, "platform": platform}
            kind = "video" if post % 3 else "text"
            publications.append(make_publication(name, published_at=at, kind=kind, **of))
            likes = int(chance.lognormal(4 + (at.hour == 18), 1))
            snapshots.append(
                make_snapshot(name, published_at=at, hours=72, likes=likes, account_id=account_id)
            )
    load_accounts(lake, accounts)
    load_publications(lake, publications)
    load_post_snapshots(lake, snapshots, "run_1")


TIMING_MARTS = ("optimal_times", "timing_accounts", "posting_habits")


def read_timing(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    return {
        mart: [tuple(row.values()) for row in lake.query(f"FROM marts.{mart} ORDER BY ALL")]
        for mart in TIMING_MARTS
    }


def test_parts_come_out_as_the_whole(
    lake: Lake, make_account: Make, make_publication: Make, make_snapshot: Make
) -> None:
    load_fleet(lake, make_account, make_publication, make_snapshot)
    whole = refresh_optimal_times(lake, now=NOW)
    at_once = read_timing(lake)
    with lake.write() as cursor:
        for mart in TIMING_MARTS:  # an account that is gone, and no other rows
            cursor.execute(f"DELETE FROM marts.{mart} WHERE account_id <> 'acct_03'")  # noqa: S608 (our own names)
            cursor.execute(f"UPDATE marts.{mart} SET account_id = 'acct_gone'")  # noqa: S608 (our own names)
    plan = plan_timing(lake, now=NOW, parts=4)
    assert plan.summary == whole
    assert [(part.platform, part.first, part.last) for part in plan.parts] == [
        ("mastodon", "acct_05", "acct_21"),
        ("twitter", "acct_00", "acct_08"),
        ("twitter", "acct_09", "acct_16"),
        ("twitter", "acct_17", "acct_25"),
        ("twitter", "acct_26", "acct_31"),
    ]
    assert {len(rows) for rows in read_timing(lake).values()} == {0}
    for part in reversed(plan.parts):
        assert read_timing_part(part.as_dict()) == part
        refresh_timing_part(lake, part)
    in_parts = read_timing(lake)
    for mart in TIMING_MARTS:
        assert len(in_parts[mart]) == len(at_once[mart]) > 0
        for one, other in zip(in_parts[mart], at_once[mart], strict=True):
            for value, wanted in zip(one, other, strict=True):
                if isinstance(wanted, float):
                    assert math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9)
                else:
                    assert value == wanted
    # A part that comes after a newer run changes nothing.
    refresh_optimal_times(lake, now=NOW + timedelta(days=1))
    newer = read_timing(lake)
    assert refresh_timing_part(lake, plan.parts[0])["accounts"] == 0
    assert read_timing(lake) == newer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"now": "yesterday"}, "part is not what"),
        ({"now": "2026-03-02T00:00:00"}, "time zone"),
        ({"fleet": {}}, "part.fleet is not what"),
        ({"fleet": None}, "part is not what"),
    ],
)
def test_a_part_that_nobody_planned_is_refused(lake: Lake, changes: dict[str, Any], message: str) -> None:
    plain = TimingPart("twitter", "a", "b", NOW, {"profile": [1.0]}).as_dict() | changes
    with pytest.raises(InvalidInputError, match=message) as raised:
        refresh_timing_part(lake, read_timing_part(plain))
    assert raised.value.field == "part"
