"""Steps around a send: matching posts, rejected tokens, publications taken over by another publisher."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from connectors.capabilities import CAPABILITIES
from connectors.errors import UnavailableError
from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.tokens import expire_tokens
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Credentials, FitRule, Media, Platform, PostContent
from flows.publishing.publication_sender import TAKEN_MARGIN, PublicationSender, _SendState
from flows.publishing.settings import PublisherSettings
from flows.publishing.store_writer import StoreWriter
from tests.connectors.harness import PNG, SANDBOX, Clock, account_of
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.planning.approvals import hash_media
from warehouse.store.access.workspaces import ensure_default_workspace, pause_publishing, update_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import open_account, save_credentials, take_refresh_lease
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.approvals import approve_post, list_media_to_approve
from warehouse.store.posts.media import MediaUpload, add_upload
from warehouse.store.posts.posts import PostDraft, Target, create_post, reschedule_post, retry_post
from warehouse.store.publishing.claims import ClaimedPublication, claim_due, claim_unknown
from warehouse.store.publishing.ledger import list_events
from warehouse.store.publishing.lookups import OtherPublications, read_other_publications
from warehouse.store.publishing.outcomes import Granted, Outcome, PartCounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import IO

    from warehouse.store.database import Store

LEASE = timedelta(seconds=90)
SETTINGS = PublisherSettings()
PICTURE = Media(url=f"{SANDBOX}/_sandbox/media/a.png")
UPLOAD = Media(url="upload:med_1")


class MovingUploads:
    """An installation whose public address is another one each time that it is asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.fitted: list[tuple[str, FitRule]] = []

    @asynccontextmanager
    async def open(self, _media_id: str) -> AsyncIterator[IO[bytes]]:
        raise UnavailableError("not read in these tests")
        yield

    def address(self, media_id: str) -> str:
        self.asked += 1
        return f"{SANDBOX}/_sandbox/media/{media_id}-{self.asked}.png"

    def address_fitted(self, media_id: str, rule: FitRule) -> str:
        self.fitted.append((media_id, rule))
        return self.address(media_id)


class ChangingHost(httpx.AsyncBaseTransport):
    """A media host, beside the simulated platforms, whose files can be changed."""

    def __init__(self, platforms: httpx.AsyncBaseTransport) -> None:
        self._platforms = platforms
        self.files: dict[str, bytes] = {}
        self.is_down = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "cdn.example":
            return await self._platforms.handle_async_request(request)
        if self.is_down:
            return httpx.Response(503)
        content = self.files.get(str(request.url))
        return httpx.Response(404) if content is None else httpx.Response(200, content=content)


@dataclass
class Scene:
    world: SandboxWorld
    store: Store
    pool: ConnectorPool
    writer: StoreWriter
    sender: PublicationSender
    clock: Clock
    accounts: dict[str, AccountRow]
    host: ChangingHost

    def schedule(self, platform: str, text: str = "Hello", **more: Any) -> str:
        account = self.accounts[platform]
        content = PostContent(text=text, **more)
        self._upload(account.workspace_id)
        draft = PostDraft(text, [Target(account, content)], self.clock(), allow_duplicate=True)
        with self.store.write() as session:
            post = create_post(session, account.workspace_id, draft, self.clock())
            return session.scalars(select(Publication.id).where(Publication.post_id == post.id)).one()

    def _upload(self, workspace_id: str) -> None:
        with self.store.write() as session:
            if session.get(MediaUpload, "med_1") is None:
                add_upload(
                    session,
                    workspace_id,
                    "med_1",
                    content_type="image/png",
                    size=4,
                    sha256="0" * 64,
                    filename="a.png",
                    now=self.clock(),
                )

    def claim(self, publication_id: str, owner: str = "me") -> ClaimedPublication:
        with self.store.write() as session:
            claimed = claim_due(
                session, owner=owner, now=self.clock(), horizon=self.clock(), limit=100, lease=LEASE
            )
        return next(item for item in claimed if item.id == publication_id)

    def claim_unknown(self, publication_id: str) -> ClaimedPublication:
        with self.store.write() as session:
            claimed = claim_unknown(session, owner="me", now=self.clock(), limit=100, lease=LEASE)
        return next(item for item in claimed if item.id == publication_id)

    async def send(
        self, publication_id: str, on_leave: Callable[[Granted], None] = lambda _granted: None
    ) -> Outcome | None:
        """Claim, send, and record what it came to."""
        outcome = await self.sender.send(self.claim(publication_id), on_leave)
        if outcome is not None:
            await self.writer.record(outcome)
        return outcome

    async def look(self, publication_id: str, *, after: timedelta = timedelta(seconds=30)) -> Outcome:
        self.clock.now += after
        outcome = await self.sender.find_out(self.claim_unknown(publication_id))
        await self.writer.record(outcome)
        return outcome

    def get(self, publication_id: str) -> Publication:
        with self.store.read() as session:
            return session.get_one(Publication, publication_id)

    def change(self, publication_id: str, **values: Any) -> None:
        with self.store.write() as session:
            row = session.get_one(Publication, publication_id)
            for name, value in values.items():
                setattr(row, name, value)

    def account(self, platform: str) -> AccountRow:
        with self.store.read() as session:
            return session.get_one(AccountRow, self.accounts[platform].id)

    def fail(self, kind: Any, platform: str, operation: Any = "publish", count: int | None = 1) -> None:
        self.world.faults.add(
            FaultRule(kind=kind, platform=Platform(platform), operation=operation, count=count)
        )

    def out(self, platform: str) -> list[str]:
        return [post.text for post in self.world.published(Platform(platform), via="api")]

    def requests(self, platform: str, operation: str = "publish") -> int:
        return self.world.requests[f"{platform}:{operation}"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads() -> MovingUploads:
    return MovingUploads()


@pytest.fixture
async def scene(store: Store, clock: Clock, uploads: MovingUploads) -> AsyncIterator[Scene]:
    world = SandboxWorld(now=clock, history_days=0)
    settings = ConnectorSettings(
        twitter_base_url=SANDBOX,
        instagram_base_url=SANDBOX,
        twitter_client_id="client-of-the-tests",
        allow_private_instances=True,
        request_timeout=2,
        read_attempts=1,
        poll_interval=0.01,
    )
    host = ChangingHost(httpx.ASGITransport(create_sandbox_app(world)))
    source: Any = uploads
    async with ConnectorPool(settings, transport=host, clock=clock, uploads=source) as pool:
        accounts = {}
        for owner in world.accounts:
            if owner.platform in {"twitter", "mastodon", "bluesky", "instagram"}:
                verified = await pool.open(account_of(owner)).verify()
                with store.write() as session:
                    workspace = ensure_default_workspace(session, clock())
                    row = connect_account(
                        session, store.cipher, workspace.id, verified, owner.platform, clock()
                    )
                accounts[str(owner.platform)] = row
        world.requests.clear()
        async with StoreWriter(store, owner="me", lease=LEASE, clock=clock) as writer:
            sender = PublicationSender(store, pool, writer, settings=SETTINGS, clock=clock)
            yield Scene(world, store, pool, writer, sender, clock, accounts, host)


# -- before the request leaves


async def test_sending_is_committed_before_the_request_leaves(scene: Scene) -> None:
    publication = scene.schedule("mastodon")
    seen: list[tuple[Granted, str, int]] = []

    def on_leave(granted: Granted) -> None:
        seen.append((granted, scene.get(publication).status, scene.requests("mastodon")))

    outcome = await scene.send(publication, on_leave)
    assert outcome is not None
    assert outcome.kind == "published"
    assert seen == [(Granted(1, scene.clock()), "sending", 0)]


async def test_what_another_publisher_took_over_is_not_sent(scene: Scene) -> None:
    publication = scene.schedule("mastodon")
    claimed = scene.claim(publication)
    scene.change(publication, lease_owner="another")
    left: list[Granted] = []
    assert await scene.sender.send(claimed, left.append) is None
    assert (left, scene.out("mastodon"), scene.requests("mastodon")) == ([], [], 0)


async def test_what_was_paused_meanwhile_is_not_sent(scene: Scene) -> None:
    publication = scene.schedule("mastodon")
    claimed = scene.claim(publication)
    with scene.store.write() as session:
        pause_publishing(session, scene.accounts["mastodon"].workspace_id, scene.clock())
    assert await scene.sender.send(claimed, lambda _granted: None) is None
    assert scene.get(publication).status == "scheduled"
    assert scene.requests("mastodon") == 0


async def test_a_lease_that_is_lost_on_the_way_stops_the_connector(scene: Scene) -> None:
    # Bluesky's connector saves its record before it writes it: by then another publisher owns the publication.
    publication = scene.schedule("bluesky")
    outcome = await scene.sender.send(
        scene.claim(publication), lambda _granted: scene.change(publication, lease_owner="another")
    )
    assert outcome is not None
    assert (outcome.kind, outcome.message) == (
        "unknown",
        "the lease on this publication was lost while it was being sent",
    )
    assert (scene.out("bluesky"), scene.requests("bluesky")) == ([], 0)
    await scene.writer.record(outcome)
    assert scene.get(publication).status == "sending", "it is the other publisher's now"


async def test_a_machine_that_slept_longer_than_the_lease_sends_nothing(scene: Scene) -> None:
    # Between the commit and the request: another publisher may have taken it over, looked, and sent it.
    publication = scene.schedule("mastodon")
    outcome = await scene.send(publication, lambda _granted: scene.clock.advance(seconds=90))
    assert outcome == Outcome(publication, "unknown", "lease_lost", "its lease ended before it was sent")
    assert (scene.requests("mastodon"), scene.get(publication).status) == (0, "unknown")
    shorter = scene.schedule("mastodon", "Shorter")
    outcome = await scene.send(shorter, lambda _granted: scene.clock.advance(seconds=89.9))
    assert outcome is not None
    assert outcome.kind == "published"


async def test_the_wait_grows_with_the_attempts(scene: Scene) -> None:
    publication = scene.schedule("mastodon")
    for seconds in (5, 15, 45):
        scene.fail("rate_limited", "mastodon")
        scene.world.faults.rules[-1].retry_after = 0.0
        outcome = await scene.send(publication)
        assert outcome is not None
        assert outcome.next_at is not None
        assert 0.8 * seconds <= (outcome.next_at - scene.clock()).total_seconds() <= 1.2 * seconds
        scene.clock.now = outcome.next_at


async def test_an_upload_without_an_address_fails_before_anything_leaves(scene: Scene) -> None:
    scene.pool._uploads = None
    publication = scene.schedule("instagram", media=(UPLOAD,))
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind, outcome.code) == (publication, "failed", "content_rejected")
    assert "give the URL of the media" in (outcome.message or "")
    assert not scene.requests("instagram")


async def test_a_picture_that_may_be_converted_is_when_it_is_sent_and_not_when_it_is_looked_for(
    scene: Scene, uploads: MovingUploads
) -> None:
    sent = scene.schedule("instagram", media=(UPLOAD,))
    outcome = await scene.send(sent)
    assert outcome is not None
    assert outcome.kind == "published"
    assert uploads.fitted == []
    publication = await lose(scene, "instagram", after=True, text="Second", media=(UPLOAD,), fit=True)
    rule = CAPABILITIES[Platform.INSTAGRAM].fit_rule
    assert uploads.fitted == [("med_1", rule)]
    assert (await scene.look(publication)).kind == "found"
    assert uploads.fitted == [("med_1", rule)]


async def test_an_account_that_cannot_be_opened_fails_its_posts(scene: Scene) -> None:
    with scene.store.write() as session:
        session.get_one(AccountRow, scene.accounts["mastodon"].id).instance_url = "ftp://nowhere"
    publication = scene.schedule("mastodon")
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind) == (publication, "failed")
    assert (outcome.message or "").endswith("; connect the account again")
    assert scene.get(publication).attempts == 0
    scene.change(publication, status="unknown", unknown_since=scene.clock(), due_at=scene.clock())
    look = await scene.look(publication)
    assert (look.publication_id, look.kind) == (publication, "needs_review")
    assert (look.message or "").endswith("Reconnect the account, check there, then resolve it")


# -- a refused token


async def test_a_refused_token_is_refreshed_once_and_the_post_goes_out(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter")
    publication = scene.schedule("twitter")
    outcome = await scene.send(publication)
    assert outcome is not None
    assert outcome.kind == "published"
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (2, 1)
    assert scene.out("twitter") == ["Hello"]
    assert scene.get(publication).attempts == 1
    assert scene.account("twitter").status == "active"
    # The next post uses the new token at once.
    await scene.send(scene.schedule("twitter", "Next"))
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (3, 1)


async def test_a_token_that_cannot_be_refreshed_fails_the_post_at_once(scene: Scene) -> None:
    scene.fail("unauthorized", "mastodon")
    outcome = await scene.send(scene.schedule("mastodon"))
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "reauthenticate")
    reason = "Mastodon (sandbox.test) answered 401: The access token was revoked"
    assert outcome.message == f"{reason}; connect the account again"
    assert (scene.account("mastodon").status, scene.account("mastodon").status_reason) == ("revoked", reason)
    assert scene.requests("mastodon") == 1


async def test_a_second_refusal_is_final(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    publication = scene.schedule("twitter")
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind, outcome.code) == (publication, "failed", "reauthenticate")
    assert outcome.message == "X (Twitter) answered 401: Unauthorized; connect the account again"
    assert outcome.next_at is None
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (2, 1)
    account = scene.account("twitter")
    assert (account.status, account.status_reason) == ("revoked", "X (Twitter) answered 401: Unauthorized")


async def test_an_account_that_was_connected_again_meanwhile_stays(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    publication, connected = scene.schedule("twitter"), []
    refused = scene.sender._open

    async def open_and_reconnect(account_id: str) -> Any:
        connector = await refused(account_id)
        connected.append(connector)
        if len(connected) == 2:  # the token that the refresh brought is in use; its owner connects anew
            with scene.store.write() as session:
                fresh = Credentials(SecretStr("token-of-the-owner"), SecretStr("refresh-of-the-owner"))
                save_credentials(session, scene.store.cipher, account_id, fresh, scene.clock())
        return connector

    scene.sender._open = open_and_reconnect  # type: ignore[method-assign]  # a moment that no clock brings about
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind, outcome.code) == (publication, "retry", "token_replaced")
    assert outcome.next_at is not None
    assert timedelta(seconds=4) <= outcome.next_at - scene.clock() <= timedelta(seconds=6)
    assert scene.account("twitter").status == "active"
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (2, 1)


async def test_an_account_that_was_disconnected_meanwhile_is_final(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    publication, opened = scene.schedule("twitter"), []
    refused = scene.sender._open

    async def open_and_disconnect(account_id: str) -> Any:
        connector = await refused(account_id)
        opened.append(connector)
        if len(opened) == 2:
            with scene.store.write() as session:
                session.get_one(AccountRow, account_id).credentials = None
        return connector

    scene.sender._open = open_and_disconnect  # type: ignore[method-assign]  # a moment that no clock brings about
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "reauthenticate")
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (2, 1)


@pytest.mark.parametrize("platform", ["twitter", "bluesky"])
async def test_an_account_opened_with_the_old_token_during_a_refresh_is_opened_again(
    scene: Scene, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = await lose(scene, platform, after=False)
    expire_tokens(next(item for item in scene.world.accounts if item.platform == platform))
    kind: Any = type(scene.pool.open(open_account(scene.account(platform), scene.store.cipher)))
    refresh = kind.refresh_token

    async def refresh_while_another_opens(connector: Any) -> Any:
        fresh = await refresh(connector)  # the new token is not stored yet
        await scene.sender._open(scene.accounts[platform].id)
        return fresh

    monkeypatch.setattr(
        kind, "refresh_token", refresh_while_another_opens
    )  # a moment that no clock brings about
    outcome = await scene.look(publication)
    assert (outcome.kind, outcome.code) == ("not_found", "not_found")
    assert scene.requests(platform, "refresh") == 1
    assert scene.account(platform).status == "active"


async def test_a_retry_goes_on_where_the_refusal_came(scene: Scene) -> None:
    publication = scene.schedule("twitter", "one", thread=("two", "three"))
    claimed = scene.claim(publication)
    saves = scene.writer.save_state

    async def save_and_refuse(publication_id: str, state: Any) -> bool:
        if len(state["sent_parts"]) == 1:
            scene.fail("unauthorized", "twitter")
        return await saves(publication_id, state)

    scene.writer.save_state = save_and_refuse  # type: ignore[method-assign]  # a moment that no clock brings about
    outcome = await scene.sender.send(claimed, lambda _granted: None)
    assert outcome is not None
    assert outcome.kind == "published"
    assert scene.out("twitter") == ["one", "two", "three"]
    assert scene.requests("twitter", "refresh") == 1


async def test_a_refresh_that_cannot_be_tried_now_waits(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    scene.fail("error_500_before", "twitter", "refresh", count=None)
    publication = scene.schedule("twitter")
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind) == (publication, "retry")
    assert outcome.code == "token_refresh_failed"
    assert outcome.next_at is not None
    assert timedelta(seconds=4) <= outcome.next_at - scene.clock() <= timedelta(seconds=6)
    assert scene.requests("twitter") == 1
    assert scene.account("twitter").status == "active"
    # The second attempt waits three times as long.
    scene.clock.now = outcome.next_at
    again = await scene.send(publication)
    assert again is not None
    assert again.next_at is not None
    assert timedelta(seconds=12) <= again.next_at - scene.clock() <= timedelta(seconds=18)


async def test_a_refresh_that_is_limited_waits_until_then(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    scene.world.faults.add(
        FaultRule(kind="rate_limited", platform=Platform.TWITTER, operation="refresh", retry_after=1200.0)
    )
    outcome = await scene.send(scene.schedule("twitter"))
    assert outcome is not None
    assert outcome.next_at is not None
    assert outcome.next_at - scene.clock() >= timedelta(minutes=19)


async def test_a_refresh_under_way_elsewhere_is_waited_for(scene: Scene) -> None:
    scene.fail("unauthorized", "twitter", count=None)
    with scene.store.write() as session:
        until = scene.clock() + timedelta(minutes=1)
        assert take_refresh_lease(session, scene.accounts["twitter"].id, now=scene.clock(), until=until)
    publication = scene.schedule("twitter")
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.publication_id, outcome.kind, outcome.code) == (publication, "retry", "token_refreshing")
    assert outcome.message == "another process is renewing the access token"
    assert outcome.next_at is not None
    assert timedelta(seconds=0.8) <= outcome.next_at - scene.clock() <= timedelta(seconds=1.2)
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (1, 0)
    assert scene.account("twitter").status == "active"


async def test_credentials_that_another_process_brought_are_used_without_a_refresh(scene: Scene) -> None:
    await scene.send(scene.schedule("twitter", "First"))
    owner = next(item for item in scene.world.accounts if item.platform is Platform.TWITTER)
    scene.world.tokens.issue(owner, scene.clock().timestamp())
    with scene.store.write() as session:
        fresh = Credentials(SecretStr(owner.access_token), SecretStr(owner.refresh_token or ""))
        save_credentials(session, scene.store.cipher, scene.accounts["twitter"].id, fresh, scene.clock())
    outcome = await scene.send(scene.schedule("twitter", "Second"))
    assert outcome is not None
    assert outcome.kind == "published"
    assert scene.requests("twitter", "refresh") == 0


async def test_credentials_are_read_again_after_five_seconds(scene: Scene) -> None:
    first = await scene.sender._open(scene.accounts["twitter"].id)
    scene.clock.advance(seconds=4.9)
    assert await scene.sender._open(scene.accounts["twitter"].id) is first
    scene.clock.advance(seconds=0.1)
    assert await scene.sender._open(scene.accounts["twitter"].id) is not first


async def test_a_missing_permission_leads_to_no_refresh_and_is_named(scene: Scene) -> None:
    scene.fail("forbidden", "twitter")
    outcome = await scene.send(scene.schedule("twitter"))
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "permission_missing")
    assert (scene.requests("twitter"), scene.requests("twitter", "refresh")) == (1, 0)
    account = scene.account("twitter")
    assert account.status == "active"
    assert "not permitted to perform this action" in (account.status_reason or "")
    await scene.send(scene.schedule("twitter", "Allowed again"))
    assert scene.account("twitter").status_reason is None


# -- finding out


async def lose(scene: Scene, platform: str, *, after: bool, text: str = "Hello", **more: Any) -> str:
    scene.fail("reset_after" if after else "reset_before", platform)
    publication = scene.schedule(platform, text, **more)
    outcome = await scene.send(publication)
    assert outcome is not None
    assert outcome.kind == "unknown"
    return publication


async def test_a_lost_answer_is_found_and_a_lost_request_is_sent_again(scene: Scene) -> None:
    publication = await lose(scene, "mastodon", after=True)
    assert (await scene.look(publication)).kind == "found"
    other = await lose(scene, "mastodon", after=False, text="Other")
    outcome = await scene.look(other)
    assert (outcome.kind, outcome.next_at) == ("not_found", scene.clock())
    assert (await scene.send(other)).kind == "published"  # type: ignore[union-attr]  # it was granted
    assert scene.out("mastodon") == ["Hello", "Other"]


async def test_answers_that_get_lost_again_and_again_are_tried_ever_more_seldom(scene: Scene) -> None:
    publication = await lose(scene, "mastodon", after=False)
    assert (await scene.look(publication)).next_at == scene.clock()
    for seconds in (5, 15):
        scene.fail("reset_before", "mastodon")
        scene.clock.now = max(scene.clock(), scene.get(publication).due_at or scene.clock())
        await scene.send(publication)
        outcome = await scene.look(publication)
        assert outcome.kind == "not_found"
        assert outcome.next_at is not None
        wait = (outcome.next_at - scene.clock()).total_seconds()
        assert 0.8 * seconds <= wait <= 1.2 * seconds


async def test_an_upload_is_found_under_whatever_address_it_has_by_now(
    scene: Scene, uploads: MovingUploads
) -> None:
    publication = await lose(scene, "instagram", after=True, media=(UPLOAD,))
    assert (await scene.look(publication)).kind == "found"
    assert uploads.asked == 2
    assert len(scene.out("instagram")) == 1
    # Without any address it is looked for all the same.
    lost = await lose(scene, "instagram", after=True, text="Second", media=(UPLOAD,))
    scene.pool._uploads = None
    assert (await scene.look(lost)).kind == "found"


async def test_a_look_with_a_refused_token_refreshes_once(scene: Scene) -> None:
    publication = await lose(scene, "twitter", after=True)
    scene.fail("unauthorized", "twitter", "read")
    assert (await scene.look(publication)).kind == "found"
    assert scene.requests("twitter", "refresh") == 1


async def test_a_look_that_stays_refused_is_a_persons(scene: Scene) -> None:
    publication = await lose(scene, "twitter", after=True)
    scene.fail("unauthorized", "twitter", "read", count=None)
    outcome = await scene.look(publication)
    assert (outcome.publication_id, outcome.kind, outcome.code) == (
        publication,
        "needs_review",
        "reauthenticate",
    )
    assert "the platform cannot be queried" in (outcome.message or "")
    assert scene.requests("twitter", "refresh") == 1
    assert scene.account("twitter").status == "revoked"
    assert len(scene.out("twitter")) == 1


async def test_a_look_whose_refresh_fails_is_repeated_and_in_the_end_a_persons(scene: Scene) -> None:
    publication = await lose(scene, "twitter", after=True)
    scene.fail("unauthorized", "twitter", "read", count=None)
    scene.fail("error_500_before", "twitter", "refresh", count=None)
    outcome = await scene.look(publication)
    assert (outcome.kind, outcome.code) == ("still_unknown", "token_refresh_failed")
    assert outcome.next_at is not None
    assert timedelta(seconds=12) <= outcome.next_at - scene.clock() <= timedelta(seconds=18)
    late = await scene.look(publication, after=timedelta(hours=1))
    assert late.kind == "still_unknown"
    assert late.next_at is not None
    assert late.next_at - scene.clock() == timedelta(minutes=5)
    last = await scene.look(publication, after=timedelta(hours=6))
    assert (last.kind, last.code, last.next_at) == ("needs_review", "token_refresh_failed", None)


async def test_parts_that_are_out_are_told(scene: Scene) -> None:
    scene.fail("reset_after", "mastodon")
    publication = scene.schedule("mastodon", "one", thread=("two", "three"))
    await scene.send(publication)
    outcome = await scene.look(publication)
    first = scene.world.published(Platform.MASTODON, via="api")[0].external_id
    assert outcome.kind == "not_found"
    assert outcome.message == (
        f"part 1 was found ({SANDBOX}/@harborlight/{first}), part 2 of 3 is not there: sending continues there"
    )
    assert (await scene.send(publication)).kind == "published"  # type: ignore[union-attr]  # it was granted
    assert scene.out("mastodon") == ["one", "two", "three"]


async def test_several_parts_without_an_address_are_told_by_their_ids(scene: Scene) -> None:
    publication = scene.schedule("mastodon", "one", thread=("two", "three"))
    parts = [{"id": number, "permalink": None} for number in ("11", "12")]
    claimed = replace(scene.claim(publication), attempts=1, send_state={"sent_parts": parts})
    progress = _SendState(claimed, scene.writer)
    outcome = Outcome(publication, "not_found", parts=PartCounts(before=1, out=2, total=3))
    outcome = scene.sender._send_again(claimed, outcome, progress)
    assert outcome.message == (
        "part 1 was out before (11), part 2 was found (12), part 3 of 3 is not there: sending continues there"
    )
    assert outcome.next_at is None


async def test_a_publication_that_waits_for_another_is_not_handed_over(scene: Scene) -> None:
    # Two of one account at once: what the one finds may be the other's, until that has found out by itself.
    scene.world.settings.mastodon_markdown, scene.world.settings.mastodon_source = True, False
    lost = await lose(scene, "mastodon", after=False, text="Never arrived")
    other = await lose(scene, "mastodon", after=True, text="<i></i>")
    outcome = await scene.look(lost)
    assert (outcome.kind, outcome.code) == ("still_unknown", "unclaimed_posts")
    scene.change(other, status="canceled")
    outcome = await scene.look(lost)
    assert (outcome.kind, outcome.code) == ("needs_review", "unclaimed_posts")


async def test_the_post_of_another_open_publication_is_not_in_the_way(scene: Scene) -> None:
    lost = await lose(scene, "mastodon", after=False, text="Never arrived")
    other = await lose(scene, "mastodon", after=True, text="Arrived, and nobody knows it yet")
    assert (await scene.look(lost)).kind == "not_found"
    assert (await scene.look(other, after=timedelta(minutes=2))).kind == "found"


async def test_a_look_without_a_first_attempt_starts_at_the_due_time(scene: Scene) -> None:
    publication = await lose(scene, "mastodon", after=True)
    scene.change(publication, first_attempt_at=None)
    assert (await scene.look(publication)).kind == "found"


# -- whose post a post is


def read(scene: Scene, *, except_id: str, minutes_ago: float = 5) -> OtherPublications:
    with scene.store.read() as session:
        since = scene.clock() - timedelta(minutes=minutes_ago)
        account_id = scene.accounts["mastodon"].id
        return read_other_publications(session, account_id, since=since, except_id=except_id)


@pytest.fixture
def pair(scene: Scene) -> tuple[str, str]:
    return scene.schedule("mastodon", "Ours"), scene.schedule("mastodon", "Theirs")


@pytest.mark.parametrize(
    ("values", "taken", "is_open", "settling"),
    [
        ({"status": "published", "external_id": "7", "minutes": 1}, {"7"}, False, False),
        ({"status": "published", "external_id": "7", "minutes": 5}, {"7"}, False, False),
        ({"status": "published", "external_id": "7", "minutes": 6}, set(), False, False),
        ({"status": "sending", "attempts": 1, "minutes": 600}, set(), True, True),
        ({"status": "unknown", "attempts": 1, "minutes": 600}, set(), True, True),
        ({"status": "needs_review", "attempts": 1, "minutes": 600}, set(), True, False),
        ({"status": "needs_review", "attempts": 0, "minutes": 1}, set(), False, False),
        ({"status": "scheduled", "attempts": 0, "minutes": 1}, set(), False, False),
        ({"status": "scheduled", "attempts": 1, "minutes": 1}, set(), False, False),
        ({"status": "failed", "attempts": 1, "minutes": 1, "parts": True}, {"p1", "p2"}, False, False),
        ({"status": "unknown", "attempts": 1, "minutes": 600, "parts": True}, {"p1", "p2"}, True, True),
        ({"status": "scheduled", "attempts": 1, "minutes": 6, "parts": True}, set(), False, False),
    ],
)
async def test_what_another_publication_claims(
    *,
    scene: Scene,
    pair: tuple[str, str],
    values: dict[str, Any],
    taken: set[str],
    is_open: bool,
    settling: bool,
) -> None:
    ours, theirs = pair
    values = dict(values)
    at = scene.clock() - timedelta(minutes=values.pop("minutes"))
    if values.pop("parts", False):
        values["send_state"] = {"content": "x", "sent_parts": [{"id": "p1"}, {"id": "p2"}]}
    published_at = at if values["status"] == "published" else None
    scene.change(theirs, **values, updated_at=at, published_at=published_at)
    scene.change(ours, external_id="mine", status="unknown", attempts=1, updated_at=scene.clock())
    found = read(scene, except_id=ours)
    assert found.taken == taken
    assert [content.text for content in found.open] == (["Theirs"] if is_open else [])
    assert found.settling is settling


async def test_a_post_counts_by_its_own_time_and_by_that_of_the_last_change(scene: Scene) -> None:
    ours = scene.schedule("mastodon", "Ours")
    long_ago = scene.clock() - timedelta(hours=1)
    for number, (published_at, updated_at) in enumerate(
        ((scene.clock(), long_ago), (long_ago, scene.clock()), (long_ago, long_ago))
    ):
        other = scene.schedule("mastodon", f"Other {number}")
        scene.change(
            other,
            status="published",
            external_id=str(number),
            published_at=published_at,
            updated_at=updated_at,
        )
    assert read(scene, except_id=ours).taken == {"0", "1"}


async def test_one_that_still_finds_out_by_itself_is_enough(scene: Scene) -> None:
    ours, *others = (scene.schedule("mastodon", text) for text in ("Ours", "One", "Two"))
    for first, second in (("unknown", "needs_review"), ("needs_review", "unknown")):
        for other, status in zip(others, (first, second), strict=True):
            scene.change(other, status=status, attempts=1)
        assert read(scene, except_id=ours).settling is True
    for other in others:
        scene.change(other, status="needs_review")
    assert read(scene, except_id=ours).settling is False


async def test_other_accounts_claim_nothing_here(scene: Scene) -> None:
    ours, foreign = scene.schedule("mastodon"), scene.schedule("twitter")
    scene.change(
        foreign, status="published", external_id="7", published_at=scene.clock(), updated_at=scene.clock()
    )
    assert read(scene, except_id=ours) == OtherPublications(frozenset(), (), settling=False)


async def test_a_known_publication_is_not_taken_for_a_lost_one(scene: Scene) -> None:
    await scene.send(scene.schedule("mastodon", "The same words"))
    scene.clock.advance(seconds=1)
    lost = await lose(scene, "mastodon", after=False, text="The same words")
    assert (await scene.look(lost)).kind == "not_found"
    assert timedelta(minutes=7) == TAKEN_MARGIN


async def test_what_a_publication_published_is_in_its_ledger(scene: Scene) -> None:
    publication = await lose(scene, "mastodon", after=True)
    await scene.look(publication)
    with scene.store.read() as session:
        events = [(event.event, event.attempt, event.owner) for event in list_events(session, publication)]
    assert events == [
        ("scheduled", 0, None),
        ("claimed", 0, "me"),
        ("sending", 1, "me"),
        ("unknown", 1, "me"),
        ("found", 1, "me"),
    ]


async def test_a_token_that_no_request_can_carry_fails_the_post(scene: Scene) -> None:
    with scene.store.write() as session:
        row = session.get_one(AccountRow, scene.accounts["twitter"].id)
        account = open_account(row, scene.store.cipher)
        broken = replace(account.credentials, access_token=SecretStr("with space"))
        row.credentials = scene.store.cipher.encrypt_credentials(broken)
    outcome = await scene.send(scene.schedule("twitter"))
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "reauthenticate")
    assert scene.requests("twitter") == 0


# -- approved media


APPROVED_URL = "https://cdn.example/a.png"


async def approve(scene: Scene, publication_id: str) -> None:
    """Approve a post as every interface does: read its media, then approve it with their hashes."""
    row = scene.get(publication_id)
    with scene.store.read() as session:
        media = list_media_to_approve(session, row.workspace_id, row.post_id)
    hashes = await hash_media(media, scene.pool.hash_media)
    with scene.store.write() as session:
        approve_post(
            session,
            row.workspace_id,
            row.post_id,
            "key_boss",
            scene.clock(),
            max_lateness=timedelta(hours=1),
            media_hashes=hashes,
        )


def require_approval(scene: Scene) -> None:
    with scene.store.write() as session:
        update_workspace(session, scene.accounts["mastodon"].workspace_id, approval_required=True)


# Mastodon gets the bytes from us; Instagram downloads them from the URL.
@pytest.mark.parametrize("platform", ["mastodon", "bluesky", "instagram"])
async def test_media_swapped_after_the_approval_stop_the_post(scene: Scene, platform: str) -> None:
    require_approval(scene)
    scene.host.files[APPROVED_URL] = PNG + b"as approved"
    publication = scene.schedule(platform, media=(Media(url=APPROVED_URL),))
    await approve(scene, publication)
    scene.host.files[APPROVED_URL] = PNG + b"something else"
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "media_changed")
    assert "not the file that was approved" in outcome.message
    assert APPROVED_URL in outcome.message
    assert scene.out(platform) == []
    assert scene.get(publication).status == "failed"

    # A retry compares again; the restored file is sent.
    retry(scene, publication)
    again = await scene.send(publication)
    assert again is not None
    assert again.code == "media_changed"
    scene.host.files[APPROVED_URL] = PNG + b"as approved"
    retry(scene, publication)
    if platform != "instagram":  # its simulation reads no other host
        sent = await scene.send(publication)
        assert sent is not None
        assert sent.kind == "published"


async def test_a_cover_swapped_after_the_approval_stops_the_post(scene: Scene) -> None:
    require_approval(scene)
    scene.host.files[APPROVED_URL] = PNG + b"as approved"
    video = Media(url=f"{SANDBOX}/_sandbox/media/a.mp4", kind="video")
    publication = scene.schedule("instagram", media=(video,), options={"cover": APPROVED_URL})
    await approve(scene, publication)
    scene.host.files[APPROVED_URL] = PNG + b"something else"
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "media_changed")
    assert APPROVED_URL in outcome.message
    assert scene.out("instagram") == []


def retry(scene: Scene, publication_id: str) -> None:
    row = scene.get(publication_id)
    with scene.store.write() as session:
        retry_post(session, row.workspace_id, row.post_id, scene.clock())


async def test_a_host_of_media_that_is_down_has_the_post_tried_again_after_a_wait(scene: Scene) -> None:
    require_approval(scene)
    scene.host.files[APPROVED_URL] = PNG
    publication = scene.schedule("instagram", media=(Media(url=APPROVED_URL),))
    await approve(scene, publication)
    scene.host.is_down = True
    outcome = await scene.send(publication)
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("retry", "media_not_read")
    assert "503" in outcome.message
    assert outcome.next_at is not None
    assert timedelta(seconds=2) < outcome.next_at - scene.clock() < timedelta(seconds=10)
    assert not scene.requests("instagram")


async def test_media_that_cannot_be_read_now_are_tried_again_and_gone_ones_fail(scene: Scene) -> None:
    require_approval(scene)
    url = f"{SANDBOX}/_sandbox/media/a.png"
    publication = scene.schedule("instagram", media=(Media(url=url),))
    await approve(scene, publication)
    claimed = scene.claim(publication)
    moved = replace(claimed, approved_media={APPROVED_URL: "0" * 64})
    content = claimed.content.model_copy(update={"media": (Media(url=APPROVED_URL),)})
    outcome = await scene.sender.send(replace(moved, content=content), lambda _granted: None)
    assert outcome is not None
    assert (outcome.kind, outcome.code) == ("failed", "content_rejected")
    assert "404" in outcome.message


async def test_a_changed_post_is_approved_with_the_new_media(scene: Scene) -> None:
    require_approval(scene)
    scene.host.files[APPROVED_URL] = PNG + b"first"
    publication = scene.schedule("mastodon", media=(Media(url=APPROVED_URL),))
    await approve(scene, publication)
    row = scene.get(publication)
    scene.host.files[APPROVED_URL] = PNG + b"second"
    with scene.store.write() as session:
        reschedule_post(session, row.workspace_id, row.post_id, scene.clock(), scene.clock())
        assert session.get_one(Post, row.post_id).approved_media is None
    await approve(scene, publication)
    sent = await scene.send(publication)
    assert sent is not None
    assert sent.kind == "published"


async def test_what_cannot_be_read_is_not_approved(scene: Scene) -> None:
    require_approval(scene)
    publication = scene.schedule("mastodon", media=(Media(url=APPROVED_URL),))
    with pytest.raises(InvalidInputError, match="404") as refused:
        await approve(scene, publication)
    assert (refused.value.field, refused.value.code) == ("media", "media_not_read")
    scene.host.files[APPROVED_URL] = b"<html>not a picture"
    with pytest.raises(InvalidInputError, match="is no image"):
        await approve(scene, publication)
    assert scene.get(publication).due_at is None


async def test_media_replaced_while_they_were_read_are_not_approved(scene: Scene) -> None:
    require_approval(scene)
    publication = scene.schedule("mastodon", media=(Media(url=APPROVED_URL),))
    row = scene.get(publication)
    with scene.store.write() as session, pytest.raises(ConflictError) as stale:
        approve_post(
            session,
            row.workspace_id,
            row.post_id,
            "key_boss",
            scene.clock(),
            max_lateness=timedelta(hours=1),
            media_hashes={"https://cdn.example/older.png": "0" * 64},
        )
    assert stale.value.code == "stale"
