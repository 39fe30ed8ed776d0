"""Posts that ask for their time at the same moment, on both databases, over a real lake."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from connectors.types import ListedPost, Platform, PostContent
from tests.warehouse.conftest import NOON, World, connect
from warehouse.errors import InvalidInputError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.scheduling.optimal_placement import place_post
from warehouse.scheduling.placement import WANTED_GAP
from warehouse.settings import WarehouseSettings
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.models import AccountRow
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.posts.posts import PostDraft, Target, create_post, reschedule_post
from warehouse.store.schedules.placements import get_policy, list_placements, list_planned, set_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.store.database import Session


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake in which one workspace's account ids are whatever `advise` says."""
    with Lake.open(WarehouseSettings(home=tmp_path_factory.mktemp("lake") / "home")) as opened:
        yield opened


def advise(lake: Lake, world: World) -> None:
    """Every hour of both accounts' weeks; Tuesday evening is best, and hours beside it nearly as good."""
    rows = [
        (world.workspace_id, account_id, platform, weekday, hour, 0.3 - abs(24 * weekday + hour - 42) / 1000)
        for platform, account_id in world.accounts.items()
        for weekday in range(7)
        for hour in range(24)
    ]
    load_accounts(
        lake, [AccountDim(row_id, world.workspace_id, name, name) for name, row_id in world.accounts.items()]
    )
    values = ", ".join(
        f"('{ws}', '{account}', '{platform}', 'UTC', {weekday}, {hour}, {lift}, {lift - 0.1}, {lift + 0.1}, 0.9, 3, 9, "
        f"'own', 'low', 50, 400, 'test', TIMESTAMPTZ '2026-03-02 00:00:00+00')"
        for ws, account, platform, weekday, hour, lift in rows
    )
    with lake.write() as cursor:
        cursor.execute(f"INSERT INTO marts.optimal_times VALUES {values}")  # noqa: S608 (our own values)


def place(session: Session, lake: Lake, world: World, text: str, *platforms: str) -> datetime:
    """Create a post at its advised time."""
    accounts = list_target_accounts(
        session, world.workspace_id, platforms=[Platform(name) for name in platforms]
    )
    placement = place_post(session, lake, world.workspace_id, accounts, NOON, seed=None)
    content = PostContent(text=text)
    draft = PostDraft(
        content=text,
        targets=[Target(account, content) for account in accounts],
        scheduled_at=placement.candidate.at,
        details={"placement": placement.as_details()},
    )
    create_post(session, world.workspace_id, draft, NOON)
    return placement.candidate.at


def fill(world: World, *, minutes: int) -> None:
    """Put a post on X so many minutes after each hour of a fortnight: found there, which is quickest to record."""
    listed = [
        ListedPost(
            external_id=f"{minutes}-{hour}",
            published_at=NOON + timedelta(hours=hour, minutes=minutes),
            text="",
            kind="text",
        )
        for hour in range(15 * 24)
    ]
    with world.store.write() as session:
        account = session.get_one(AccountRow, world.accounts["twitter"])
        record_external_posts(session, account, listed, NOON)


def test_requests_at_the_same_moment_never_take_the_same_time(world: World, lake: Lake) -> None:
    advise(lake, world)
    together = threading.Barrier(6)

    def request(number: int) -> datetime:
        platforms = ("twitter", "mastodon") if number % 2 else ("twitter",)
        together.wait(timeout=30)
        with world.store.write() as session:
            return place(session, lake, world, f"post {number}", *platforms)

    with ThreadPoolExecutor(6) as pool:
        found = sorted(pool.map(request, range(6)))
    assert all(later - earlier >= WANTED_GAP for earlier, later in pairwise(found))
    # As good as six requests one after the other: around the best hour, none far away.
    assert max(found) - min(found) <= timedelta(hours=12)


def test_a_full_fortnight_narrows_the_gap_and_then_is_refused(world: World, lake: Lake) -> None:
    advise(lake, world)
    fill(world, minutes=30)
    with world.store.write() as session:
        at = place(session, lake, world, "between", "twitter")
    assert at.minute == 0, "half an hour from two neighbours is all that is left"
    fill(world, minutes=5)
    with world.store.write() as session, pytest.raises(InvalidInputError) as raised:
        place(session, lake, world, "no room", "twitter")
    assert raised.value.code == "no_free_time"


def test_an_account_without_advice_follows_the_others_and_is_named(world: World, lake: Lake) -> None:
    with world.store.write() as session, pytest.raises(InvalidInputError) as raised:
        place(session, lake, world, "too early", "twitter")
    assert raised.value.code == "no_advised_time"
    advise(lake, world)
    world.accounts["bluesky"] = connect(world.store, world.workspace_id, "bluesky", "fresh")
    with world.store.write() as session:
        accounts = list_target_accounts(
            session, world.workspace_id, platforms=[Platform.TWITTER, Platform.BLUESKY]
        )
        placement = place_post(session, lake, world.workspace_id, accounts, NOON, seed=None)
    assert placement.candidate.at == datetime.fromisoformat("2026-03-03T18:00:00Z")
    assert "nothing has been computed yet for 1 of 2 accounts" in placement.reason


def test_a_move_by_hand_makes_a_post_manual(world: World, lake: Lake) -> None:
    advise(lake, world)
    with world.store.write() as session:
        at = place(session, lake, world, "x", "twitter", "mastodon")
        ids = [world.accounts["twitter"]]
        span = {"start": NOON, "end": NOON + timedelta(days=14)}
        (planned,) = list_planned(session, ids, **span)
        assert (planned.at, planned.placement) == (at, "recommended")
        assert list_placements(session, [planned.post_id])[planned.post_id]["kind"] == "recommended"
        assert list_planned(session, ids, **span, except_post_id=planned.post_id) == []
        reschedule_post(session, world.workspace_id, planned.post_id, at + timedelta(hours=1), NOON)
        (moved,) = list_planned(session, ids, **span)
        assert moved.placement == "manual"


def test_a_policy_is_off_until_set_and_keeps_what_is_not_named(world: World) -> None:
    with world.store.write() as session:
        assert get_policy(session, world.workspace_id).random_share == 0
        set_policy(session, world.workspace_id, NOON, random_share=0.2)
        set_policy(session, world.workspace_id, NOON, weekly_exploration=True)
        with pytest.raises(InvalidInputError):
            set_policy(session, world.workspace_id, NOON, random_share=0.51)
    with world.store.read() as session:
        policy = get_policy(session, world.workspace_id)
        assert (policy.random_share, policy.weekly_exploration) == (0.2, True)
