"""The publisher against the simulated platforms: what each answer leads to, and what the platforms hold in the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.tokens import expire_tokens, revoke_tokens
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Media, Platform, PostContent
from flows.errors import PublishingBehindError
from flows.publishing.publisher import Publisher, run_publisher
from flows.publishing.settings import PublisherSettings
from flows.publishing.watchdog import raise_if_behind
from tests.connectors.harness import SANDBOX, account_of
from warehouse.store.access.workspaces import ensure_default_workspace, pause_publishing, resume_publishing
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post
from warehouse.store.publishing.ledger import list_events, verify_ledger
from warehouse.store.publishing.publications import cancel_publication, get_publication

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flows.publishing.report import PublishReport
    from warehouse.store.database import Store

HOUR = timedelta(hours=1)
ALL = ("twitter", "instagram", "mastodon", "bluesky")
QUICK = PublisherSettings(
    poll=timedelta(milliseconds=50), settle=timedelta(milliseconds=100), look_ahead=timedelta(seconds=2)
)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Stage:
    """Simulated platforms, a store, and one connected account on each platform."""

    world: SandboxWorld
    store: Store
    pool: ConnectorPool
    accounts: dict[str, AccountRow]

    def schedule(
        self, platform: str, text: str = "hello there", *, in_seconds: float = 0, **more: Any
    ) -> str:
        media = (Media(url=f"{SANDBOX}/_sandbox/media/a.png"),) if platform == "instagram" else ()
        content = PostContent(text=text, media=media, **more)
        draft = PostDraft(
            content=text,
            targets=[Target(account=self.accounts[platform], content=content)],
            scheduled_at=utc_now() + timedelta(seconds=in_seconds),
            allow_duplicate=True,
        )
        with self.store.write() as session:
            post = create_post(session, self.accounts[platform].workspace_id, draft, utc_now())
            return session.scalars(select(Publication.id).where(Publication.post_id == post.id)).one()

    async def publish(self, seconds: float = 0.5, settings: PublisherSettings = QUICK) -> PublishReport:
        return await run_publisher(
            self.store, self.pool, horizon=timedelta(seconds=seconds), max_lateness=HOUR, settings=settings
        )

    def get(self, publication_id: str) -> Publication:
        with self.store.read() as session:
            assert verify_ledger(session, publication_id) == []
            return session.get_one(Publication, publication_id)

    async def reaches(self, publication_id: str, *statuses: str) -> None:
        """Wait until the publication has one of these statuses. Raises TimeoutError after 30 s."""
        async with asyncio.timeout(30):
            while self.get(publication_id).status not in statuses:
                await asyncio.sleep(0.02)

    def events(self, publication_id: str) -> list[str]:
        with self.store.read() as session:
            return [row.event for row in list_events(session, publication_id)]

    def out(self, platform: str) -> list[str]:
        """Return the texts that the platform's own record holds."""
        return [post.text for post in self.world.published(Platform(platform), via="api")]

    def fault(self, kind: Any, platform: str | None = None, operation: Any = "publish", **more: Any) -> None:
        where = Platform(platform) if platform else None
        self.world.faults.add(FaultRule(kind=kind, platform=where, operation=operation, **more))


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    world = SandboxWorld(history_days=2)
    settings = ConnectorSettings(
        twitter_base_url=SANDBOX,
        instagram_base_url=SANDBOX,
        twitter_client_id="client-of-the-tests",
        allow_private_instances=True,
        poll_interval=0.01,
        request_timeout=0.5,
    )
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with ConnectorPool(settings, transport=transport) as pool:
        accounts = {}
        for item in world.accounts:
            verified = await pool.open(account_of(item)).verify()
            with store.write() as session:
                workspace = ensure_default_workspace(session, utc_now())
                row = connect_account(session, store.cipher, workspace.id, verified, item.platform, utc_now())
            accounts[str(item.platform)] = row
        yield Stage(world, store, pool, accounts)


@pytest.mark.parametrize("platform", ALL)
async def test_a_post_goes_out_once_and_on_time(stage: Stage, platform: str) -> None:
    publication = stage.schedule(platform, in_seconds=0.3)
    report = await stage.publish(0.6)
    row = stage.get(publication)
    assert (row.status, len(stage.out(platform))) == ("published", 1)
    assert row.external_id
    assert row.next_snapshot_at is not None
    assert 0 <= report.lateness[0] < 1
    assert stage.events(publication) == ["scheduled", "claimed", "sending", "published"]


async def test_a_post_made_while_the_publisher_runs_goes_out(stage: Stage) -> None:
    running = asyncio.create_task(stage.publish(1.0))
    await asyncio.sleep(
        0.2
    )  # the publisher is in its loop by now; were it not, the post would go out all the same
    publication = await asyncio.to_thread(stage.schedule, "mastodon")
    await running
    assert stage.get(publication).status == "published"


@pytest.mark.parametrize("platform", ALL)
@pytest.mark.parametrize("kind", ["error_500_after", "reset_after", "error_500_before", "reset_before"])
async def test_an_unknown_outcome_is_found_out(stage: Stage, platform: str, kind: str) -> None:
    stage.fault(kind, platform)
    publication = stage.schedule(platform)
    await stage.publish(0.3)
    # Housekeeping looks every five seconds; a new publisher looks at once.
    for _ in range(6):
        if stage.get(publication).status == "published":
            break
        await asyncio.sleep(0.3)
        await stage.publish(0.3)
    assert stage.get(publication).status == "published"
    assert len(stage.out(platform)) == 1
    events = stage.events(publication)
    assert "unknown" in events
    assert ("found" in events) == kind.endswith("_after")
    assert ("not_found" in events) == kind.endswith("_before")


async def test_a_rate_limit_pauses_the_account_and_nothing_else(stage: Stage) -> None:
    stage.fault("rate_limited", "twitter", retry_after=600.0)
    limited, later = stage.schedule("twitter"), stage.schedule("twitter", "second")
    other = stage.schedule("mastodon")
    # Claimed together and sent one after the other: the second is under way to its turn when the pause begins.
    await stage.publish(settings=QUICK.model_copy(update={"account_concurrency": 1}))
    with stage.store.read() as session:
        until = session.get_one(AccountRow, stage.accounts["twitter"].id).rate_limited_until
    assert until is not None
    assert until > utc_now() + timedelta(minutes=8)
    assert (stage.get(limited).status, stage.get(limited).reason_code) == ("scheduled", "rate_limited")
    assert stage.get(later).status == "scheduled"
    assert stage.events(later) == ["scheduled", "claimed", "released"]
    assert stage.get(other).status == "published"
    assert stage.out("twitter") == []


async def test_an_expired_token_is_refreshed_and_the_post_goes_out(stage: Stage) -> None:
    owner = next(item for item in stage.world.accounts if item.platform is Platform.TWITTER)
    expire_tokens(owner)
    publication = stage.schedule("twitter")
    await stage.publish()
    await asyncio.sleep(1.0)  # the retry waits a second
    await stage.publish()
    assert stage.get(publication).status == "published"
    assert len(stage.out("twitter")) == 1


async def test_a_revoked_token_fails_its_posts_with_the_reason_and_no_others(stage: Stage) -> None:
    owner = next(item for item in stage.world.accounts if item.platform is Platform.MASTODON)
    revoke_tokens(owner)
    failed, fine = stage.schedule("mastodon"), stage.schedule("bluesky")
    next_one = stage.schedule("mastodon", "second", in_seconds=0.3)
    # The one that met the refusal while the other was asking for a new token comes back a second later.
    for _ in range(8):
        await stage.publish()
        if {stage.get(failed).status, stage.get(next_one).status} == {"failed"}:
            break
    assert stage.get(failed).status == "failed"
    assert "connect" in (stage.get(failed).reason or "")
    assert stage.get(next_one).status == "failed"
    assert stage.get(fine).status == "published"
    with stage.store.read() as session:
        account = session.get_one(AccountRow, stage.accounts["mastodon"].id)
    assert account.status == "revoked"
    assert account.status_reason


async def test_a_refusal_is_final_and_says_why(stage: Stage) -> None:
    stage.fault("forbidden", "mastodon")
    publication = stage.schedule("mastodon")
    await stage.publish()
    row = stage.get(publication)
    assert row.status == "failed"
    assert row.reason
    assert stage.out("mastodon") == []


async def test_a_canceled_post_stays_in(stage: Stage) -> None:
    publication = stage.schedule("bluesky", in_seconds=30)
    with stage.store.write() as session:
        workspace_id = stage.accounts["bluesky"].workspace_id
        cancel_publication(session, get_publication(session, workspace_id, publication), utc_now())
    await stage.publish()
    assert stage.out("bluesky") == []


async def test_a_thread_that_broke_midway_goes_on_where_it_stopped(stage: Stage) -> None:
    publication = stage.schedule("mastodon", "one", thread=("two", "three"))
    stage.fault("error_500_after", "mastodon", probability=0.5, seed=3, count=1)
    for _ in range(8):
        await stage.publish(0.3)
        if stage.get(publication).status == "published":
            break
        await asyncio.sleep(0.3)
    assert stage.get(publication).status == "published"
    assert sorted(stage.out("mastodon")) == ["one", "three", "two"]


async def test_many_publishers_at_once_send_each_post_once(stage: Stage) -> None:
    publications = [stage.schedule("mastodon", f"post {number}", in_seconds=0.3) for number in range(30)]
    await asyncio.gather(*(stage.publish(0.8) for _ in range(4)))
    assert sorted(stage.out("mastodon")) == sorted(f"post {number}" for number in range(30))
    assert {stage.get(publication).status for publication in publications} == {"published"}


async def test_a_stopped_publisher_gives_back_what_only_waits(stage: Stage) -> None:
    publication = stage.schedule("twitter", in_seconds=60)
    early = QUICK.model_copy(update={"look_ahead": timedelta(minutes=2)})
    publisher = Publisher(stage.store, stage.pool, settings=early, max_lateness=HOUR)
    running = asyncio.create_task(publisher.run(utc_now() + timedelta(minutes=5)))
    await stage.reaches(publication, "claimed")
    publisher.stop()
    await asyncio.wait_for(running, 30)  # it does not wait for the minute that is left
    assert stage.get(publication).status == "scheduled"
    assert stage.events(publication) == ["scheduled", "claimed", "released"]


async def test_too_late_is_not_sent(stage: Stage) -> None:
    publication = stage.schedule("twitter", in_seconds=-3700)
    report = await stage.publish()
    assert report.overdue == 1
    assert stage.get(publication).status == "needs_review"
    assert stage.out("twitter") == []


async def test_a_paused_workspace_sends_nothing_until_it_is_resumed(stage: Stage) -> None:
    workspace_id = stage.accounts["mastodon"].workspace_id
    with stage.store.write() as session:
        pause_publishing(session, workspace_id, utc_now())
    publication = stage.schedule("mastodon")
    await stage.publish(0.2)
    assert stage.out("mastodon") == []
    with stage.store.write() as session:
        resume_publishing(session, workspace_id)
    await stage.publish(0.2)
    assert stage.get(publication).status == "published"


async def test_what_is_late_or_unresolved_fails_the_run(stage: Stage) -> None:
    report = await stage.publish(0)
    raise_if_behind(stage.store, report, utc_now())
    publication = stage.schedule("twitter", in_seconds=3600)
    raise_if_behind(stage.store, report, utc_now() + HOUR + timedelta(seconds=59))
    with pytest.raises(PublishingBehindError, match=r"1 late, the longest by \d\d s"):
        raise_if_behind(stage.store, report, utc_now() + HOUR + timedelta(seconds=70))
    with stage.store.write() as session:
        row = session.get_one(Publication, publication)
        row.status, row.unknown_since = "unknown", utc_now()
    raise_if_behind(stage.store, report, utc_now() + timedelta(minutes=9))
    with pytest.raises(PublishingBehindError, match="1 of unknown outcome"):
        raise_if_behind(stage.store, report, utc_now() + timedelta(minutes=11))
