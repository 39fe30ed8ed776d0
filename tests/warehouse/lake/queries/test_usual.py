"""Posts against their account's usual, at equal age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, log
from typing import TYPE_CHECKING

import pytest

from warehouse.lake.queries.accounts import list_account_groups
from warehouse.lake.queries.usual import compare_at_age, get_age_bands, get_usual_ratios

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake

WS = "ws_usual"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def add(lake: Lake, account: str, values: list[float | None], *, days_ago: int, post: str = "") -> None:
    """Add publications that were measured (or not) at the age of 24 hours."""
    with lake.write() as cursor:
        for number, value in enumerate(values):
            at = NOW - timedelta(days=days_ago, minutes=number)
            name = f"{post or account}-{days_ago}-{number}"
            cursor.execute(
                "INSERT INTO marts.publication_at_age (workspace_id, publication_id, post_id, account_id, platform, "
                "published_at, age_hours, engagement) VALUES ($ws, $pub, $post, $account, 'mastodon', $at, 24, $value)",
                {
                    "ws": WS,
                    "pub": f"{name}-{account}",
                    "post": post or name,
                    "account": account,
                    "at": at,
                    "value": value,
                },
            )


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """A large and a small account; the small one did twice its usual, the large one as usual; one is new."""
    add(lake, "large", [900, 1000, 1100, 1000, 1000, None], days_ago=30)
    add(lake, "small", [9, 10, 11, 10, 10], days_ago=30)
    add(lake, "large", [1000, 1000], days_ago=2)
    add(lake, "small", [20, 21], days_ago=2)
    add(lake, "new", [5, 6], days_ago=2)
    add(lake, "large", [1500], days_ago=3, post="both")
    add(lake, "small", [15], days_ago=3, post="both")
    add(lake, "large", [None], days_ago=3, post="half")
    add(lake, "small", [15], days_ago=3, post="half")
    return lake


def test_a_post_is_compared_with_the_median_of_its_accounts(filled: Lake) -> None:
    ratios = get_usual_ratios(
        filled, workspace_id=WS, post_ids=["both", "half", "new-2-0", "none", "small-2-0"], now=NOW
    )
    assert set(ratios) == {"both", "half", "new-2-0", "small-2-0"}
    assert ratios["both"].engagement == 1515
    assert ratios["both"].ratio == pytest.approx(1515 / (1000 + 11), rel=0.02)
    assert (ratios["half"].engagement, ratios["half"].ratio) == (None, None), "a part was not measured"
    assert (ratios["new-2-0"].engagement, ratios["new-2-0"].ratio) == (5, None), (
        "too few to say what is usual"
    )
    assert get_usual_ratios(filled, workspace_id="ws_other", post_ids=["both"], now=NOW) == {}
    assert get_usual_ratios(filled, workspace_id=WS, post_ids=[], now=NOW) == {}


def test_a_period_is_compared_account_by_account(filled: Lake) -> None:
    asked = {"workspace_id": WS, "end": NOW}
    two_days = NOW - timedelta(days=2, hours=12)
    lift = compare_at_age(filled, start=two_days, **asked)  # type: ignore[arg-type]  # its values are of these types
    assert (lift.posts, lift.compared) == (6, 4), "the new account has no usual"
    gains = [log(21) - (log(10) + log(11) * 3 + log(12)) / 5, log(22) - (log(10) + log(11) * 3 + log(12)) / 5]
    large = log(1001) - (log(901) + log(1001) * 3 + log(1101)) / 5
    # The posts of three days ago are before the period: they make the usual, too.
    assert lift.lift is not None
    assert lift.low is not None
    assert lift.high is not None
    assert exp((sum(gains) + 2 * large) / 4) - 1 == pytest.approx(lift.lift, abs=0.15)
    assert lift.low < lift.lift < lift.high
    nothing = compare_at_age(filled, start=NOW - timedelta(hours=1), **asked)  # type: ignore[arg-type]  # same
    assert (nothing.posts, nothing.lift, nothing.engagement_mean) == (0, None, None)
    small = compare_at_age(filled, start=two_days, account_id="small", **asked)  # type: ignore[arg-type]  # same
    assert small.lift is not None
    assert small.lift > 0.5


def test_the_band_and_the_groups_leave_out_what_was_not_measured(filled: Lake) -> None:
    (band,) = get_age_bands(filled, workspace_id=WS, account_id="large", now=NOW)
    assert band["posts"] == 8
    assert band["low"] <= band["middle"] == 1000 <= band["high"]
    assert get_age_bands(filled, workspace_id=WS, account_id="new", now=NOW) == []
    span = {"start": NOW - timedelta(days=60), "end": NOW}
    assert list_account_groups(filled, workspace_id=WS, account_id="large", **span) == [], "no details known"
