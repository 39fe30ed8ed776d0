"""Half-life, engagement by age and frequency, on a lake whose law of growth is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.queries.decay import get_decay, get_frequency
from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
OFTEN = (0.25, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 30, 36, 48, 60, 72, 96, 120, 168, 336, 720)
TAU = {"acct_fast": 4.0, "acct_slow": 30.0, "acct_rare": 4.0, "acct_coarse": 4.0}
POSTS = {"acct_fast": 60, "acct_slow": 60, "acct_rare": 6, "acct_coarse": 20}


def share(hours: float, tau: float) -> float:
    return 1 - float(np.exp(-hours / tau))


def half_life(tau: float, reference: float) -> float:
    """The age at which 1 - exp(-t / tau) is half of what it is at the reference age."""
    return -tau * log(1 - share(reference, tau) / 2)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Posts that grow as 1 - exp(-t / tau), tau within a tenth from post to post; measured often, but for coarse."""
    draw = np.random.default_rng(4)
    platforms = {"acct_slow": "mastodon"}
    publications: list[Any] = []
    snapshots: list[Any] = []
    for account, number in ((account, n) for account, posts in POSTS.items() for n in range(posts)):
        platform = platforms.get(account, "twitter")
        # On even days one post, on odd days three, which get half as much each.
        day, many = number // 2, number % 4 != 0
        at = START + timedelta(
            days=day if account == "acct_rare" else number // 4 * 2 + many, hours=9 + number % 4
        )
        name = f"pub_{account}_{number}"
        publications.append(
            PublicationDim(name, f"post_{name}", "ws_1", account, platform, "external", "text", at)
        )
        final = 4000 * (0.5 if many else 1.0) * float(draw.uniform(0.95, 1.05))
        tau = TAU[account] * float(draw.uniform(0.9, 1.1))
        for hours in (24, 168, 720) if account == "acct_coarse" else OFTEN:
            likes = round(final * share(hours, tau))
            snapshots.append(
                PostSnapshot("ws_1", name, account, at + timedelta(hours=hours), at, likes=likes)
            )
    publications.append(
        PublicationDim("pub_small", "post_small", "ws_1", "acct_fast", "twitter", "external", "text", START)
    )
    snapshots += [
        PostSnapshot("ws_1", "pub_small", "acct_fast", START + timedelta(hours=hours), START, likes=3)
        for hours in (1, 168, 720)
    ]
    publications.append(
        PublicationDim("pub_never", "post_never", "ws_1", "acct_fast", "twitter", "external", "text", START)
    )
    with Lake.open(WarehouseSettings(home=tmp_path_factory.mktemp("decay") / "home"), threads=1) as opened:
        load_accounts(
            opened,
            [AccountDim(name, "ws_1", platforms.get(name, "twitter"), name, timezone="UTC") for name in TAU],
        )
        load_publications(opened, publications)
        load_post_snapshots(opened, snapshots, "run")
        yield opened


def by_name(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {group["account_id"] or group["platform"] or "all": group for group in answer["groups"]}


@pytest.mark.parametrize(("reference", "hours"), [("7d", 168), ("30d", 720)])
def test_half_lives_are_those_of_the_law(lake: Lake, reference: str, hours: int) -> None:
    answer = get_decay(lake, workspace_id="ws_1", start=START, end=END, reference=reference)
    groups = by_name(answer)
    assert list(groups)[:3] == ["all", "mastodon", "twitter"]
    for account in ("acct_fast", "acct_slow"):
        half, truth = groups[account]["half_life"], half_life(TAU[account], hours)
        assert half["hours"] == pytest.approx(truth, rel=0.06), account
        low, high = half["interval"]
        assert low <= half["hours"] <= high
        assert half["range"][0] <= low
        assert high <= half["range"][1]
        assert half["posts"] == 60
        for age in groups[account]["ages"]:
            expected = share(age["age_hours"], TAU[account]) / share(hours, TAU[account])
            assert age["share"] == pytest.approx(expected, rel=0.08), age
        gained = [age["gained"] for age in groups[account]["ages"]]
        assert sum(gained) == pytest.approx(1, abs=1e-9)
    assert groups["mastodon"]["half_life"] == groups["acct_slow"]["half_life"]
    # Too few posts, and posts that were not measured before half was reached: not known, and no guess.
    assert groups["acct_rare"]["half_life"] == {"hours": None, "posts": 6, "interval": None, "range": None}
    assert {age["share"] for age in groups["acct_rare"]["ages"]} == {None}
    assert groups["acct_coarse"]["half_life"] == {"hours": None, "posts": 0, "interval": None, "range": None}
    assert [age["age_hours"] for age in groups["acct_coarse"]["ages"]] == [24, 168, 720][: 2 + (hours == 720)]
    assert answer["coverage"] == {
        "publications": 148, "too_young": 1, "unmeasured": 0, "too_small": 1, "used": 146
    }  # fmt: skip


def test_filters_and_an_empty_lake_of_another_workspace(lake: Lake) -> None:
    asked: dict[str, Any] = {"workspace_id": "ws_1", "start": START, "end": END}
    assert set(by_name(get_decay(lake, **asked, platform="mastodon"))) == {"all", "mastodon", "acct_slow"}
    assert set(by_name(get_frequency(lake, **asked, account_id="acct_fast"))) == {
        "all",
        "twitter",
        "acct_fast",
    }
    for get in (get_decay, get_frequency):
        assert get(lake, workspace_id="ws_2", start=START, end=END)["groups"] == []  # type: ignore[operator]


def test_frequency_compares_days_within_accounts(lake: Lake) -> None:
    groups = by_name(get_frequency(lake, workspace_id="ws_1", start=START + timedelta(days=2), end=END))
    one, three = groups["acct_fast"]["days"]
    assert (one["posts_per_day"], one["days"], one["posts"]) == (1, 14, 14)
    assert (three["posts_per_day"], three["days"], three["posts"]) == (3, 14, 42)
    assert one["relative"] / three["relative"] == pytest.approx(2, rel=0.03)
    assert three["interval"][0] <= three["relative"] <= three["interval"][1]
    assert groups["all"]["days"][0]["relative"] == pytest.approx(2, rel=0.05)
    coarse = {day["posts_per_day"]: day for day in groups["acct_coarse"]["days"]}
    assert (coarse[1]["compared"], coarse[1]["relative"], coarse[1]["interval"]) == (4, None, None)
