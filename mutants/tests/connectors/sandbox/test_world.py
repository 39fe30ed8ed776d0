from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import correlation, fmean
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform

if TYPE_CHECKING:
    from tests.connectors.sandbox.harness import Clock


def describe(world: SandboxWorld) -> tuple[list[object], list[object]]:
    at = world.time()
    posts = [
        (post.platform, post.external_id, post.created, post.text, post.kind, world.counters(post, at))
        for post in world.published()
    ]
    accounts = [
        (a.key, a.handle, a.external_id, a.access_token, a.app_password, a.followers(at), world.truth(a))
        for a in world.accounts
    ]
    return accounts, posts


def test_the_same_seed_and_moment_tell_the_same_world(clock: Clock) -> None:
    assert describe(SandboxWorld(5, clock, 20)) == describe(SandboxWorld(5, clock, 20))


def test_another_seed_tells_another_world(clock: Clock) -> None:
    accounts, posts = describe(SandboxWorld(5, clock, 20))
    other_accounts, other_posts = describe(SandboxWorld(6, clock, 20))
    assert not set(accounts) & set(other_accounts)
    assert not {post[1] for post in posts} & {post[1] for post in other_posts}


def test_a_world_started_later_tells_the_same_past(clock: Clock) -> None:
    ids = {post.external_id for post in SandboxWorld(5, clock, 20).published()}
    clock.advance(days=1, hours=3)
    later = SandboxWorld(5, clock, 22)
    assert ids <= {post.external_id for post in later.published()}


def test_tokens_of_an_earlier_start_still_name_their_account(clock: Clock) -> None:
    token = SandboxWorld(5, clock, 1).accounts[0].access_token
    clock.advance(minutes=30)
    claims = SandboxWorld(5, clock, 1).tokens.read(token)
    assert claims is not None
    assert claims.account_key == "twitter:0"
    assert SandboxWorld(6, clock, 1).tokens.read(token) is None


def test_half_a_year_has_two_to_four_posts_a_day_all_before_now(clock: Clock) -> None:
    world = SandboxWorld(7, clock)
    start = time.process_time()
    posts = world.published()
    assert time.process_time() - start < 1.0
    for account in world.accounts:
        own = [post for post in posts if post.account is account]
        assert 182 * 2 <= len(own) <= 183 * 4
        assert max(post.published_at for post in own) < clock()
        assert min(post.published_at for post in own) >= clock() - timedelta(days=182)
        assert [post.number for post in own] == sorted({post.number for post in own})


def test_ids_are_unique_on_a_platform_with_many_accounts(clock: Clock) -> None:
    posts = SandboxWorld(7, clock, 10, accounts_per_platform=25).published()
    keys = [(post.platform, post.external_id) for post in posts]
    assert len(keys) == len(set(keys))


def test_posts_made_at_one_instant_get_rising_ids(world: SandboxWorld) -> None:
    account = world.accounts[0]
    posts = [world.add_post(account, text=str(n), kind="text", at=world.time()) for n in range(500)]
    numbers = [post.number for post in posts]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > max(post.number for post in world.published(via="history") if post.account is account)


def test_a_live_post_joins_the_history_whether_or_not_it_was_read_before(world: SandboxWorld) -> None:
    for account in world.accounts[:2]:
        if account is world.accounts[1]:
            world.timeline(account)
        post = world.add_post(account, text="live", kind="text", at=world.time())
        assert world.timeline(account)[-1] is post
        assert len(world.timeline(account)) > 20
        assert world.published(account=account, via="api") == [post]


def test_engagement_gathers_with_age_and_stops_when_the_post_is_deleted(
    world: SandboxWorld, clock: Clock
) -> None:
    account = world.accounts[0]
    post = world.add_post(account, text="live", kind="photo", at=world.time())
    assert world.counters(post, world.time()).engagement == 0
    clock.advance(hours=3)
    at_three_hours = world.counters(post, world.time())
    world.delete_post(post, world.time())
    clock.advance(hours=40)
    assert at_three_hours.engagement > 0
    assert world.counters(post, world.time()) == at_three_hours
    assert world.find_post(Platform.TWITTER, post.external_id) is None
    assert post in world.published()


def test_the_truth_is_asked_by_account_or_name(world: SandboxWorld) -> None:
    account = world.accounts[0]
    assert world.truth(account) == world.truth(account.external_id) == account.audience.curve
    with pytest.raises(KeyError):
        world.truth("nobody")


def test_a_long_history_holds_the_hidden_curve_in_the_audiences_own_hours() -> None:
    world = SandboxWorld(3, lambda: datetime(2026, 3, 4, tzinfo=UTC), 3000, noise_sd=0.1)
    account = next(item for item in world.accounts if item.timezone != "Europe/London")
    at = world.time() + 10 * 86_400
    by_slot: dict[int, list[float]] = {}
    for post in world.timeline(account):
        counters = world.counters(post, at)
        local = post.published_at.astimezone(ZoneInfo(account.timezone))
        per_follower = (counters.engagement + 1) / account.followers(post.created)
        by_slot.setdefault(local.weekday() * 24 + local.hour, []).append(per_follower)
    slots = [slot for slot, values in by_slot.items() if len(values) >= 10]
    assert len(slots) > 100
    observed = [fmean(by_slot[slot]) for slot in slots]
    assert correlation(observed, [world.truth(account)[slot] for slot in slots]) > 0.8
