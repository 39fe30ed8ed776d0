"""Followers, tokens and times: once when due, each account for itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.sandbox.tokens import revoke_tokens
from connectors.types import Platform
from flows.ingestion.followers import read_due_followers
from flows.ingestion.history import read_histories
from flows.timing.refresh import compute_all_optimal_times
from flows.token_refresh import refresh_account
from flows.tokens.due_tokens import refresh_ending_tokens
from warehouse.lake.queries.timing import get_optimal_times

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.types import Account
    from tests.flows.conftest import Floor


async def test_followers_are_read_once_a_day(floor: Floor) -> None:
    first = await read_due_followers(floor.resources, floor.pool, run_id="test", clock=floor.clock)
    assert (first.accounts, first.counts) == (4, {"snapshots": 4})
    assert (
        await read_due_followers(floor.resources, floor.pool, run_id="test", clock=floor.clock)
    ).accounts == 0
    floor.clock.advance(days=1)
    rows = floor.resources.lake.query("SELECT count(*) AS n FROM raw.account_snapshots WHERE followers > 0")
    assert rows == [{"n": 4}]


async def test_followers_of_a_failing_account_stay_due(floor: Floor) -> None:
    floor.fault("error_500_before", "bluesky", "followers", count=None)
    report = await read_due_followers(floor.resources, floor.pool, run_id="test", clock=floor.clock)
    assert [name.split()[0] for name in report.failures] == ["bluesky"]
    assert report.counts == {"snapshots": 3}
    floor.world.faults.clear()
    again = await read_due_followers(floor.resources, floor.pool, run_id="test", clock=floor.clock)
    assert (again.accounts, again.counts, again.failures) == (1, {"snapshots": 1}, {})


async def test_only_tokens_that_end_soon_are_refreshed(floor: Floor) -> None:
    assert (await refresh_ending_tokens(floor.resources, floor.pool, clock=floor.clock)).accounts == 0
    before = floor.account("twitter")
    floor.clock.advance(hours=1, minutes=55)
    report = await refresh_ending_tokens(floor.resources, floor.pool, clock=floor.clock)
    assert report.failures == {}
    assert report.counts["refreshed"] == report.accounts >= 1
    after = floor.account("twitter")
    assert before.token_expires_at is not None
    assert after.token_expires_at is not None
    assert after.token_expires_at > before.token_expires_at
    assert after.credentials != before.credentials


async def test_two_keepers_never_spend_one_rotating_token_twice(floor: Floor) -> None:
    floor.clock.advance(hours=1, minutes=55)
    keepers = (refresh_ending_tokens(floor.resources, floor.pool, clock=floor.clock) for _ in range(4))
    reports = await asyncio.gather(*keepers)
    assert [report.failures for report in reports] == [{}, {}, {}, {}]
    # The sandbox locks an account out that spends a rotating token twice: it still works, so nobody did.
    owner = next(item for item in floor.world.accounts if item.platform is Platform.TWITTER)
    assert [key for key, _ in floor.world.spent if key == owner.key] == [owner.key]
    assert floor.account("twitter").status == "active"


async def test_a_lease_outlasts_the_longest_refresh(floor: Floor) -> None:
    patient = floor.pool._settings.model_copy(update={"request_timeout": 600.0})
    floor.pool._settings = patient
    leases: list[timedelta] = []
    original = floor.pool.open

    def look(account: Account) -> Connector:
        until = floor.account("twitter").refresh_lease_until
        assert until is not None
        leases.append(until - floor.clock())
        return original(account)

    floor.pool.open = look  # type: ignore[method-assign]  # looks at the lease while it is held
    account_id = floor.accounts["twitter"].id
    result = await refresh_account(floor.resources.store, floor.pool, account_id, clock=floor.clock)
    assert (result, len(leases)) == ("refreshed", 1)
    assert leases[0] > timedelta(seconds=2 * 600)


async def test_a_refused_refresh_marks_the_account_and_fails_the_run(floor: Floor) -> None:
    owner = next(item for item in floor.world.accounts if item.platform is Platform.TWITTER)
    revoke_tokens(owner)
    floor.clock.advance(hours=1, minutes=55)
    report = await refresh_ending_tokens(floor.resources, floor.pool, clock=floor.clock)
    assert [name.split()[0] for name in report.failures] == ["twitter"]
    assert floor.account("twitter").status == "revoked"
    assert "connect the account again" in (floor.account("twitter").status_reason or "")
    assert floor.account("bluesky").status == "active"


async def test_times_are_computed_for_every_account_in_its_own_zone(floor: Floor) -> None:
    await read_histories(floor.resources, floor.pool, run_id="history", clock=floor.clock)
    floor.clock.advance(hours=1)
    summary = compute_all_optimal_times(floor.resources, clock=floor.clock)
    assert (summary["accounts"], summary["rows"]) == (4, 4 * 168)
    row = floor.accounts["mastodon"]
    advice = get_optimal_times(
        floor.resources.lake, workspace_id=row.workspace_id, account_id=row.id, limit=3
    )
    assert len(advice) == 3
    assert {item["computed_at"] for item in advice} == {floor.clock()}


async def test_an_account_without_a_post_is_advised_too(floor: Floor) -> None:
    assert compute_all_optimal_times(floor.resources, clock=floor.clock)["rows"] == 4 * 168
