"""Posts against each other at equal age: by definition, page by page, while numbers move."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.errors import InvalidInputError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_post_snapshots, load_publications
from warehouse.lake.queries.posts import METRICS, rank_posts
from warehouse.lake.rows import PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.lake.queries.posts import Ranking

DAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK: dict[str, Any] = {"workspace_id": "ws_1", "start": DAY, "end": DAY + timedelta(days=7)}


def publication(
    name: str, post: str | None = None, account: str = "acct_a", workspace: str = "ws_1"
) -> PublicationDim:
    platform = "twitter" if account == "acct_a" else "mastodon"
    return PublicationDim(
        f"pub_{name}", f"post_{post or name}", workspace, account, platform, "external", "text", DAY
    )


def snapshot(name: str, hours: float, likes: int, impressions: int | None = None) -> PostSnapshot:
    account = "acct_b" if name.endswith("_b") else "acct_a"
    at = DAY + timedelta(hours=hours)
    return PostSnapshot("ws_1", f"pub_{name}", account, at, DAY, likes=likes, impressions=impressions)


@pytest.fixture(scope="module")
def filled(lake_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """An old post with much, a young one that was ahead at its first day, one on two accounts, one half measured."""
    home = tmp_path_factory.mktemp("rankings") / "home"
    shutil.copytree(lake_template, home)
    with Lake.open(WarehouseSettings(home=home)) as lake:
        load_publications(
            lake,
            [
                *(publication(name) for name in ("old", "young", "both", "half", "silent")),
                publication("both_b", "both", "acct_b"),
                publication("half_b", "half", "acct_b"),
                publication("foreign", None, "acct_c", "ws_2"),
            ],
        )
        load_post_snapshots(
            lake,
            [
                snapshot("old", 24, 10, 1000),
                snapshot("old", 160, 500, 2000),
                snapshot("young", 24, 40, 1000),
                snapshot("both", 24, 15),
                snapshot("both_b", 24, 15),
                snapshot("half", 24, 900),
                snapshot("half_b", 100, 5),
                replace(snapshot("foreign", 24, 9999), workspace_id="ws_2", account_id="acct_c"),
            ],
            "run_1",
        )
        yield lake


def rank(lake: Lake, **asked: Any) -> Ranking:
    return rank_posts(lake, **({"snapshot_id": lake.snapshot_id()} | WEEK | asked))


def names(ranking: Ranking) -> list[str]:
    return [row["post_id"].removeprefix("post_") for row in ranking.rows]


def test_equal_age_compares_like_with_like(filled: Lake) -> None:
    at_a_day = rank(filled)
    assert [(name, row["engagement"]) for name, row in zip(names(at_a_day), at_a_day.rows, strict=True)] == [
        ("young", 40),
        ("both", 30),
        ("old", 10),
    ]
    assert (at_a_day.ranked, at_a_day.unranked) == (3, 2), "half was not measured everywhere, silent nowhere"
    assert names(rank(filled, age=None)) == ["half", "old", "young", "both"]
    (both,) = [row for row in at_a_day.rows if row["post_id"] == "post_both"]
    assert (both["platforms"], both["publications"], both["impressions"]) == (
        ["mastodon", "twitter"],
        2,
        None,
    )


def test_a_filter_leaves_only_what_is_within_it(filled: Lake) -> None:
    on_mastodon = rank(filled, platform="mastodon")
    assert [(row["post_id"], row["engagement"], row["publications"]) for row in on_mastodon.rows] == [
        ("post_both", 15, 1)
    ]
    assert names(rank(filled, account_id="acct_a")) == ["half", "young", "both", "old"]
    assert rank(filled, end=DAY + timedelta(seconds=0), start=DAY - timedelta(days=1)).rows == []
    assert rank(filled, workspace_id="ws_3") == rank(filled, workspace_id="ws_4", metric="clicks")


def test_what_is_not_reported_has_no_place(filled: Lake) -> None:
    by_rate = rank(filled, metric="engagement_rate")
    assert [(row["post_id"], row["engagement_rate"]) for row in by_rate.rows] == [
        ("post_young", 0.04),
        ("post_old", 0.01),
    ]
    assert by_rate.unranked == 3
    for metric in METRICS:
        found = rank(filled, metric=metric)
        assert [row["value"] for row in found.rows] == [row[metric] for row in found.rows]


def test_pages_hold_every_post_once_while_numbers_move(lake: Lake) -> None:
    posts = [f"{number:03}" for number in range(30)]
    load_publications(lake, [publication(name) for name in posts])
    # Many equal values: the id decides among them.
    load_post_snapshots(lake, [snapshot(name, 24, int(name) // 7) for name in posts], "run_1")
    snapshot_id, after, seen, ranks = lake.snapshot_id(), None, [], []
    for page in range(5):
        found = rank(lake, age=None, snapshot_id=snapshot_id, after=after, limit=11)
        seen += names(found)
        ranks += [row["rank"] for row in found.rows]
        if not found.has_more:
            break
        after = (found.rows[-1]["value"], found.rows[-1]["post_id"])
        # The last become the first meanwhile.
        load_post_snapshots(lake, [snapshot(f"{page:03}", 25, 10_000)], f"run_{page + 2}")
    assert seen == sorted(posts, key=lambda name: (-(int(name) // 7), -int(name)))
    assert ranks == [sum(int(other) // 7 > int(name) // 7 for other in posts) + 1 for name in seen]
    assert names(rank(lake, age=None, limit=1)) != seen[:1]


def test_a_snapshot_that_is_gone_is_told(filled: Lake) -> None:
    with pytest.raises(InvalidInputError, match="start again") as raised:
        rank(filled, snapshot_id=10**6)
    assert (raised.value.field, raised.value.code) == ("cursor", "cursor_expired")
