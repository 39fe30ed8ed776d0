"""Placements in the lake, and the report on what they were worth."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from warehouse.lake.load import load_post_snapshots, load_publications
from warehouse.lake.queries.placement_lift import get_placement_lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

    Make = Callable[..., Any]

START = datetime(2026, 3, 2, tzinfo=UTC)


def load_experiment(
    lake: Lake, make_publication: Make, make_snapshot: Make, *, gain: float, seed: int = 1
) -> None:
    """120 posts, every third at random; what the advice placed earns `gain` times as much."""
    rng = random.Random(seed)
    publications, snapshots = [], []
    for number in range(120):
        placement = "random" if number % 3 == 0 else "recommended"
        published_at = START + timedelta(hours=7 * number)
        publications.append(
            make_publication(str(number), published_at=published_at, placement=placement, placement_share=0.3)
        )
        likes = int(200 * 2.718 ** rng.gauss(0, 0.3) * (gain if placement == "recommended" else 1))
        snapshots += [
            make_snapshot(str(number), published_at=published_at, hours=hours, likes=likes * share)
            for hours, share in ((24, 1), (200, 3))
        ]
    load_publications(lake, publications)
    load_post_snapshots(lake, snapshots, "run_1")


def test_a_known_gain_is_found_and_called_proven(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_experiment(lake, make_publication, make_snapshot, gain=1.5)
    told = get_placement_lift(lake, workspace_id="ws_1", age="24h")
    low, high = told["interval_95"]
    assert low < 50 < high
    assert low > 0
    assert "the advice works" in told["verdict"]
    assert (told["recommended"], told["random"]) == (
        {"posts": 80, "publications": 80},
        {"posts": 40, "publications": 40},
    )
    assert (told["accounts"], told["unmeasured"], told["too_young"], told["reason"]) == (1, 0, 0, None)
    assert told["interval_80"][0] > low
    assert told["as_of"] == START + timedelta(hours=7 * 119 + 200)


def test_no_gain_is_not_proven_and_a_loss_is_said(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_experiment(lake, make_publication, make_snapshot, gain=1.0)
    assert "not proven either way" in get_placement_lift(lake, workspace_id="ws_1", age="24h")["verdict"]


def test_harm_is_said(lake: Lake, make_publication: Make, make_snapshot: Make) -> None:
    load_experiment(lake, make_publication, make_snapshot, gain=0.5)
    assert "does harm" in get_placement_lift(lake, workspace_id="ws_1", age="24h")["verdict"]


def test_what_was_not_drawn_or_not_measured_does_not_count(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    nothing = get_placement_lift(lake, workspace_id="ws_1", age="24h")
    assert (nothing["lift_pct"], nothing["interval_95"]) == (None, None)
    assert "random_share" in nothing["reason"]
    rows = [
        make_publication("own", placement="manual"),
        make_publication("tried", placement="exploration"),
        make_publication("before", placement="recommended"),
        make_publication("drawn", placement="random", placement_share=0.2),
        make_publication("lost", placement="recommended", placement_share=0.2),
        make_publication(
            "young", placement="recommended", placement_share=0.2, published_at=START + timedelta(hours=20)
        ),
        make_publication("theirs", workspace_id="ws_2", placement="random", placement_share=0.2),
    ]
    load_publications(lake, rows)
    names = ("own", "tried", "before", "drawn", "theirs")
    readings = [make_snapshot(name, likes=5) for name in names]
    load_post_snapshots(lake, [*readings, make_snapshot("own", hours=50, likes=6)], "run_1")
    told = get_placement_lift(lake, workspace_id="ws_1", age="24h")
    assert (told["random"]["publications"], told["recommended"]["publications"]) == (1, 0)
    assert (told["unmeasured"], told["too_young"], told["lift_pct"]) == (1, 1, None)
    assert told["reason"].startswith("Too few posts measured at 24h")
    for narrowed in ({"platform": "mastodon"}, {"account_id": "acct_b"}):
        assert get_placement_lift(lake, workspace_id="ws_1", age="24h", **narrowed)["as_of"] is None


def test_a_history_read_again_does_not_forget_how_a_post_was_placed(
    lake: Lake, make_publication: Make
) -> None:
    def placements() -> dict[str, tuple[Any, Any]]:
        rows = lake.query("SELECT publication_id, placement, placement_share FROM dims.publications")
        return {row["publication_id"]: (row["placement"], row["placement_share"]) for row in rows}

    load_publications(lake, [make_publication("a", placement="random", placement_share=0.2)])
    load_publications(
        lake, [make_publication("a", text="now known"), make_publication("b", origin="external")]
    )
    assert placements() == {"pub_a": ("random", 0.2), "pub_b": (None, None)}
    load_publications(lake, [make_publication("a", text="now known", placement="manual")])
    assert placements()["pub_a"] == ("manual", None)
