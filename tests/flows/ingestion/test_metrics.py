"""Measuring: fetch, lake, mark; a death between two of them loses and doubles nothing."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import flows.ingestion.metrics
from connectors.sandbox.tokens import expire_tokens, revoke_tokens
from connectors.sandbox.world import SandboxWorld
from connectors.types import Platform
from flows.errors import DoubtfulDataError
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.resources import Resources
from flows.settings import FlowSettings
from tests.connectors.harness import Clock
from tests.flows.conftest import build_floor
from warehouse.lake.marts import rebuild_all_marts
from warehouse.settings import WarehouseSettings
from warehouse.store.models import Publication
from warehouse.store.publishing.story import tell_story
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.models import WebhookEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flows.run_report import RunReport
    from tests.flows.conftest import Death, Floor


async def measure(floor: Floor, **more: object) -> RunReport:
    return await read_due_metrics(
        floor.resources,
        floor.pool,
        run_id="test",
        clock=floor.clock,
        **more,  # type: ignore[arg-type]  # options as they come
    )


@dataclass
class ReadHome:
    """A home whose accounts' histories are read, with the platforms and the clock of that moment."""

    home: Path
    world: SandboxWorld
    clock: Clock


@pytest.fixture(scope="module")
def read_home(migrated_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ReadHome:
    """Read the histories once: a copy of the home is there in a fiftieth of the time."""
    home = tmp_path_factory.mktemp("read") / "home"
    shutil.copytree(migrated_home, home)
    clock = Clock(datetime.now(UTC).replace(microsecond=0))
    world = SandboxWorld(now=clock, history_days=4)

    async def read(resources: Resources) -> None:
        async with build_floor(resources, world, clock) as floor:
            await read_histories(resources, floor.pool, run_id="history", clock=clock)

    with Resources(WarehouseSettings(home=home), FlowSettings()) as resources:
        asyncio.run(read(resources))
    return ReadHome(home, world, clock)


@pytest.fixture
async def read_floor(warehouse_settings: WarehouseSettings, read_home: ReadHome) -> AsyncIterator[Floor]:
    """Histories are read, and two days later many publications are due again."""
    shutil.copytree(read_home.home, warehouse_settings.home, dirs_exist_ok=True)
    world, clock = copy.deepcopy((read_home.world, read_home.clock))
    clock.advance(days=2)
    # Two-hour tokens would have been refreshed meanwhile.
    for account in world.accounts:
        world.tokens.issue(account, world.time())
    with Resources(warehouse_settings, FlowSettings()) as resources:
        async with build_floor(resources, world, clock) as floor:
            yield floor


async def test_what_is_due_is_measured_once(read_floor: Floor) -> None:
    before = len(read_floor.snapshot_keys())
    report = await measure(read_floor)
    assert report.failures == {}
    assert report.counts["due"] == report.counts["measured"] == report.counts["snapshots"] > 0
    assert len(read_floor.snapshot_keys()) == before + report.counts["snapshots"]
    assert (await measure(read_floor)).counts["due"] == 0


async def test_a_death_between_lake_and_mark_leads_to_the_same_rows_again_and_never_to_doubles(
    read_floor: Floor, monkeypatch: pytest.MonkeyPatch, death: type[Death]
) -> None:
    marked = flows.ingestion.metrics.record_measured

    def die(*_arguments: object, **_more: object) -> None:
        raise death

    monkeypatch.setattr(flows.ingestion.metrics, "record_measured", die)
    with pytest.raises(BaseExceptionGroup, check=lambda group: group.subgroup(death) is not None):
        await measure(read_floor)
    in_lake = len(read_floor.snapshot_keys())

    monkeypatch.setattr(flows.ingestion.metrics, "record_measured", marked)
    # The clock stands still: the same moments are read again, and each is in the lake already or new, once.
    report = await measure(read_floor)
    assert report.counts["measured"] == report.counts["due"] > 0
    assert len(read_floor.snapshot_keys()) == in_lake + report.counts["snapshots"]
    assert report.counts["snapshots"] < report.counts["due"]
    read_floor.assert_no_doubles()


async def test_two_runs_at_once_double_nothing(read_floor: Floor) -> None:
    await asyncio.gather(measure(read_floor), measure(read_floor))
    read_floor.assert_no_doubles()
    assert (await measure(read_floor)).counts["due"] == 0


async def test_a_post_that_is_promoted_later_is_known_with_its_next_measurement(read_floor: Floor) -> None:
    def known() -> set[str]:
        query = "SELECT platform FROM dims.publications WHERE paid"
        return {row["platform"] for row in read_floor.resources.lake.query(query)}

    assert known() == set()
    for post in read_floor.world.published(Platform.TWITTER):
        post.details = {**(post.details or {}), "promoted": True}
    report = await measure(read_floor)
    assert report.failures == {}
    assert known() == {"twitter"}


async def test_a_deleted_post_is_never_asked_for_again(read_floor: Floor) -> None:
    with read_floor.resources.store.write() as session:
        create_endpoint(
            session,
            read_floor.resources.store.cipher,
            read_floor.accounts["bluesky"].workspace_id,
            url="https://receiver.example/hook",
            events=["post.deleted"],
            now=read_floor.clock(),
        )
    newest = read_floor.world.published(Platform("bluesky"))[-1]
    read_floor.world.delete_post(newest, read_floor.world.time())
    report = await measure(read_floor)
    assert report.counts["deleted"] == 1
    with read_floor.resources.store.read() as session:
        row = session.query(Publication).filter_by(external_id=newest.external_id).one()
        story = tell_story(session, row, (), read_floor.clock())
        events = [json.loads(event.body) for event in session.query(WebhookEvent)]
    assert (row.platform_deleted_at, row.next_snapshot_at) == (read_floor.clock(), None)
    assert story[-1] == "It was published and later deleted on the platform."
    assert "found deleted on the platform" in story[-2]
    (event,) = [event for event in events if event["type"] == "post.deleted"]
    assert event["data"]["publication"]["id"] == row.id
    assert event["data"]["publication"]["deleted_at"]
    await measure(read_floor)
    with read_floor.resources.store.read() as session:
        assert session.query(WebhookEvent).filter_by(type="post.deleted").count() == 1


async def test_one_failing_account_stops_no_other(read_floor: Floor) -> None:
    read_floor.fault("forbidden", "twitter", "metrics", count=None)
    report = await measure(read_floor)
    assert [name.split()[0] for name in report.failures] == ["twitter"]
    assert report.counts["measured"] > 0
    read_floor.world.faults.clear()
    rest = await measure(read_floor)
    assert (rest.accounts, rest.counts["due"]) == (1, rest.counts["measured"])
    assert rest.counts["measured"] > 0
    assert read_floor.account("twitter").last_error is None


async def test_an_expired_token_is_refreshed_in_passing(read_floor: Floor) -> None:
    (owner,) = [item for item in read_floor.world.accounts if item.platform is Platform.TWITTER]
    expire_tokens(owner)
    report = await measure(read_floor)
    assert report.failures == {}
    assert read_floor.account("twitter").status == "active"


async def test_a_revoked_token_marks_its_account_with_the_reason(read_floor: Floor) -> None:
    (owner,) = [item for item in read_floor.world.accounts if item.platform is Platform.MASTODON]
    revoke_tokens(owner)
    report = await measure(read_floor)
    assert [name.split()[0] for name in report.failures] == ["mastodon"]
    row = read_floor.account("mastodon")
    assert row.status == "revoked"
    assert row.status_reason
    # It failed once, visibly; the next run leaves it alone.
    assert (await measure(read_floor)).failures == {}


async def test_looking_ahead_takes_what_is_due_soon(read_floor: Floor) -> None:
    await measure(read_floor)
    assert (await measure(read_floor, ahead=timedelta(days=30))).counts["measured"] > 0


async def test_what_a_run_cannot_take_waits_for_the_next(read_floor: Floor) -> None:
    read_floor.resources.flows.snapshots_per_account = 2
    first = await measure(read_floor)
    assert first.counts["measured"] <= 8
    total = first.counts["measured"]
    while (found := (await measure(read_floor)).counts["measured"]) > 0:
        total += found
    assert total > 8
    read_floor.assert_no_doubles()


async def test_a_budget_of_paid_reads_holds_and_what_waits_is_told(read_floor: Floor) -> None:
    read_floor.resources.flows.reads_per_day = {Platform.TWITTER: 3}
    with read_floor.resources.store.read() as session:
        due = session.query(Publication).filter(
            Publication.platform == "twitter", Publication.next_snapshot_at <= read_floor.clock()
        )
        waiting = due.count()
    assert waiting > 3
    report = await measure(read_floor)
    assert report.counts["held_back"] == waiting - 3
    assert "SOCIALFLOW_READS_PER_DAY" in report.deferred["twitter"]
    rows = read_floor.resources.lake.query(
        "SELECT DISTINCT api_version FROM raw.post_snapshots JOIN dims.publications USING (publication_id) "
        "WHERE platform = 'twitter'"
    )
    assert rows == [{"api_version": "2"}]
    second = await measure(read_floor)
    assert second.counts["measured"] == 0
    assert second.counts["held_back"] == waiting - 3


async def test_a_number_that_cannot_be_true_marks_the_run_and_stays(read_floor: Floor) -> None:
    lake = read_floor.resources.lake
    with lake.write() as cursor:
        # Instagram alone reports reach: as if what it said before had been far more than its next answers.
        cursor.execute("UPDATE raw.post_snapshots SET likes = 1000000 WHERE likes IS NOT NULL")
        rebuild_all_marts(cursor)  # the marts, from which the next load goes on
    report = await measure(read_floor)
    assert {row["check_name"] for row in report.findings} == {"counter_fell"}
    report.raise_if_doubtful()  # a fall is a warning
    report.findings.append({"check_name": "negative", "severity": "failed", "findings": 2, "accounts": 1})
    with pytest.raises(DoubtfulDataError, match="2 x negative"):
        report.raise_if_doubtful()
