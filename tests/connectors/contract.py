"""Contract tests of every connector. A platform's test class inherits all of them.

Each test talks to the simulated platform over its own wire protocol; the simulation's record of what is out
decides, never the connector's word.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from connectors.base import Connector, PublishRequest
from connectors.capabilities import validate_content
from connectors.content.editing import find_edit_problems
from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    MediaChangedError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
    UnclaimedPostsError,
    UnsupportedError,
)
from connectors.registry import CONNECTORS, ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultKind, FaultRule, Operation
from connectors.sandbox.world import SandboxPost, SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import (
    METRIC_NAMES,
    Account,
    ApprovedMedia,
    Credentials,
    EditRequest,
    ListedPost,
    Media,
    MediaKind,
    Platform,
    PostContent,
)
from tests.connectors.harness import (
    MP4,
    ODD_ITEMS,
    PNG,
    Clock,
    Flood,
    RewritingTransport,
    SavedState,
    spoil_item,
    spoil_times,
    write_numbers_as_text,
)
from tests.connectors.option_cases import CASES
from tests.connectors.publishing_harness import Desk
from warehouse.store.database import Store

PICTURE = Media(url="http://sandbox.test/_sandbox/media/photo.png", alt_text="a photo")
FILM = Media(url="http://sandbox.test/_sandbox/media/video.mp4", kind="video")

# After each of these, the caller cannot know whether the post is out.
DOUBTS: tuple[FaultKind, ...] = (
    "error_500_before",
    "error_500_after",
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "malformed",
    "html_error",
)
BODIES = (
    "plain text: {token}",
    "<html><p>{token}</p></html>",
    '{{"error": "{token}"}}',
    "[]",
    "null",
    '"{token}"',
)
# A success by its status, a failure by its words.
FAILED_200 = (
    '{"errors": [{"title": "Not Found Error", "detail": "No.", "type": "about:blank"}]}',
    '{"data": null, "errors": [{"message": "No."}]}',
    '{"error": {"code": 1, "message": "No."}, "data": []}',
    '{"error": {"code": "internal_error", "message": "No."}, "data": {}}',
    '{"ok": false, "error_code": 400, "description": "No."}',
)
OUT_AFTER = {"error_500_after", "reset_after", "hang_after", "malformed"}


def pool_can_refresh(platform: Platform) -> bool:
    return CONNECTORS[platform].capabilities.refresh_before is not None


class ConnectorContract:
    """Inherit, and set `platform`; override `content` where a plain text is not enough."""

    platform: ClassVar[Platform]
    content: ClassVar[PostContent] = PostContent(
        text="Opening at nine & closing <late> https://example.com/a?b=1&c=2"
    )

    media_content: ClassVar[PostContent] = PostContent(text="With a photo", media=(PICTURE, PICTURE))

    account_counters: ClassVar[frozenset[str]] = frozenset({"followers", "following", "posts"})
    """What the platform says of an account."""

    absence: ClassVar[Literal["list", "own", "never"]] = "list"
    """What proves that a post is not out: that the account's list holds no candidate, or a record of the attempt."""

    empty_listing: ClassVar[str] = ""
    """What this platform answers for an account without posts, where it is one of the bodies tried below."""

    def live(self, world: SandboxWorld) -> list[SandboxPost]:
        """What went out through the API, in order."""
        return world.published(self.platform, via="api")

    def fail(
        self,
        world: SandboxWorld,
        kind: FaultKind,
        operation: Operation | Literal["any"] = "publish",
        *,
        count: int | None = 1,
        retry_after: float = 60.0,
    ) -> None:
        """Make the next matching requests go wrong; count None = all of them."""
        world.faults.add(
            FaultRule(
                kind=kind, platform=self.platform, operation=operation, count=count, retry_after=retry_after
            )
        )

    def hide(self, error: BaseException, account: Account) -> None:
        """Fail if a secret of the account shows anywhere in the error."""
        secrets = account.credentials
        shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
        for secret in (secrets.access_token, secrets.refresh_token, secrets.app_password):
            assert secret is None or secret.get_secret_value() not in shown

    # -- who is it

    async def test_verify_names_the_account(
        self, connector: Connector, owner: SandboxAccount, clock: Clock
    ) -> None:
        verified = await connector.verify()
        assert verified.external_id == owner.external_id
        assert verified.handle.split("@")[0] == owner.handle
        assert verified.display_name == owner.display_name
        assert verified.followers == owner.followers(clock().timestamp())

    async def test_an_account_without_an_id_finds_its_own(
        self, pool: ConnectorPool, account: Account, saved: SavedState, clock: Clock, world: SandboxWorld
    ) -> None:
        connector = pool.open(replace(account, external_id=""))
        await connector.publish(saved.request(self.content, clock()))
        assert len(self.live(world)) == 1

    # -- publishing

    def test_the_content_of_these_tests_is_valid(self) -> None:
        assert validate_content(self.platform, self.content) == []

    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        text=st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=80),
        link=st.none() | st.sampled_from(["https://a.example/東京", "https://a.example/{a}^🍵?b=c&d=<e>"]),
    )
    async def test_what_is_written_is_what_is_published(
        self, connector: Connector, world: SandboxWorld, clock: Clock, text: str, link: str | None
    ) -> None:
        # A number of its own for each: some platforms refuse the same words twice.
        content = self.content.model_copy(update={"text": f"{len(self.live(world))}: {text}.", "link": link})
        if validate_content(self.platform, content):
            return
        saved = SavedState()
        receipt = await connector.publish(saved.request(content, clock(), key=f"pub_{len(self.live(world))}"))
        (post,) = [post for post in self.live(world) if post.external_id == receipt.external_id]
        assert post.text == connector.capabilities.write_text(content)

    async def test_as_many_links_and_tags_as_are_documented_are_taken_and_one_more_is_refused(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        for limit in connector.capabilities.count_limits:
            marks = [
                {"links": f"https://a.example/{n}", "hashtags": f"#tag{n}", "mentions": f"@user{n}"}[
                    limit.mark
                ]
                for n in range(limit.most + 1)
            ]
            saved.state = {}
            over = self.content.model_copy(update={"text": " ".join(marks), "link": None})
            (problem,) = validate_content(self.platform, over)
            assert (problem.code, problem.field) == (f"too_many_{limit.mark}", "text")
            assert "leave out 1" in problem.detail
            with pytest.raises(ContentRejectedError):
                await connector.publish(saved.request(over, clock(), key="over"))
            saved.state = {}
            most = over.model_copy(update={"text": " ".join(marks[1:])})
            assert validate_content(self.platform, most) == []
            await connector.publish(saved.request(most, clock(), key=f"most_{limit.mark}"))
        assert len(self.live(world)) == len(connector.capabilities.count_limits)

    async def test_publish_puts_the_post_out_once(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        receipt = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        assert post.external_id == receipt.external_id
        assert post.text == self.content.text
        assert abs(receipt.published_at - clock()) <= timedelta(seconds=1)
        assert receipt.published_at.tzinfo is not None
        assert receipt.permalink is not None
        assert receipt.permalink.startswith("http")

    @pytest.mark.parametrize("kind", DOUBTS)
    async def test_a_doubtful_publish_ends_in_exactly_one_post(
        self,
        *,
        kind: FaultKind,
        connector: Connector,
        account: Account,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        first = clock()
        self.fail(world, kind)
        with pytest.raises(OutcomeUnknownError) as caught:
            await connector.publish(saved.request(self.content, first))
        self.hide(caught.value, account)
        assert world.requests[f"{self.platform}:publish"] == 1, "a write is never retried"
        assert len(self.live(world)) == (kind in OUT_AFTER)

        clock.advance(seconds=2)
        found = await connector.find_publication(saved.request(self.content, first))
        assert (found is not None) == (kind in OUT_AFTER)
        receipt = found or await connector.publish(saved.request(self.content, first))
        assert [post.external_id for post in self.live(world)] == [receipt.external_id]

    async def test_a_doubtful_publish_of_media_ends_in_exactly_one_post(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = self.media_content, clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        clock.advance(seconds=2)
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        assert [post.external_id for post in self.live(world)] == [found.external_id]
        assert self.live(world)[0].kind == self.media_content.kind

    @pytest.mark.parametrize("status", [500, 401, 403, 404])
    async def test_a_read_that_fails_once_the_post_is_out_fails_no_post(
        self,
        *,
        status: int,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        sandbox, first, broken = httpx.ASGITransport(create_sandbox_app(world)), clock(), [True]

        async def answer(request: httpx.Request) -> httpx.Response:
            if broken[0] and self.live(world):
                return httpx.Response(status, text="Try later.")
            return await sandbox.handle_async_request(request)

        async with ConnectorPool(
            connector_settings, clock=clock, transport=httpx.MockTransport(answer)
        ) as pool:
            connector = pool.open(account)
            try:
                receipt = await connector.publish(saved.request(self.content, first))
            except OutcomeUnknownError:
                # Out, yet without a name: TikTok tells it later.
                broken[0] = False
                found = await connector.find_publication(saved.request(self.content, first))
                assert found is not None
                receipt = found
        assert [post.external_id for post in self.live(world)] == [receipt.external_id]
        assert world.requests[f"{self.platform}:publish"] == 1

    async def test_find_takes_neither_an_older_post_nor_another_publication(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        earlier = await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        clock.advance(minutes=90)
        await connector.refresh_token()  # the token of some platforms lasts an hour
        saved.state = {}
        first = clock()
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        assert await connector.find_publication(saved.request(self.content, first)) is None
        second = await connector.publish(saved.request(self.content, first))
        taken = frozenset({earlier.external_id})
        again = await connector.find_publication(saved.request(self.content, first, taken=taken))
        assert again is not None
        assert again.external_id == second.external_id != earlier.external_id

    async def test_find_skips_the_posts_of_other_publications(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        # Two publications of the same text at the same second: the one that is out must not stand for both.
        other = await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        saved.state = {}
        clock.advance(seconds=1)
        first = clock()
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        taken = frozenset({other.external_id})
        assert await connector.find_publication(saved.request(self.content, first, taken=taken)) is None

    async def test_find_fails_loudly_when_the_platform_cannot_be_read(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        self.fail(world, "error_500_before", "any", count=None)
        with pytest.raises(UnavailableError):
            await connector.find_publication(saved.request(self.content, clock()))

    # -- absence is proven, never inferred from words

    async def lose(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, content: PostContent, at: datetime
    ) -> None:
        """Send a post that never arrives, without an answer."""
        saved.state = {}
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, at, key="pub_lost"))

    def absence_of(self, _content: PostContent) -> Literal["list", "own", "never"]:
        return self.absence

    async def expect_doubt(self, connector: Connector, request: PublishRequest, *foreign: str) -> None:
        """Look for a post that is not out while others are that nobody claims."""
        if self.absence_of(request.content) == "own":
            assert await connector.find_publication(request) is None
            return
        with pytest.raises(CannotFindOutError) as caught:
            await connector.find_publication(request)
        if self.absence_of(request.content) == "list":
            assert isinstance(caught.value, UnclaimedPostsError)
            assert all(external_id in caught.value.message for external_id in foreign), (
                "a person must see them"
            )

    async def test_an_unclaimed_post_leaves_it_to_a_person(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        other = self.content.model_copy(update={"text": "Something else entirely, written by hand"})
        foreign = await connector.publish(saved.request(other, clock(), key="by_hand"))
        clock.advance(seconds=1)
        first = clock()
        await self.lose(connector, world, saved, self.content, first)
        request = saved.request(self.content, first, key="pub_lost")
        await self.expect_doubt(connector, request, foreign.external_id)
        if self.absence == "never":
            return
        # Once another publication claims it, by its id or by what it says, nothing is left in the window.
        claimed = replace(request, taken=frozenset({foreign.external_id}))
        assert await connector.find_publication(claimed) is None
        assert await connector.find_publication(replace(request, others=(other,))) is None
        assert len(self.live(world)) == 1

    async def test_the_same_words_with_other_media_are_not_ours(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.update({name: 0 for name in world.settings.describe() if name.endswith("_delay_s")})
        ours = self.media_content
        others = [
            PostContent(text=ours.text, media=media)
            for media in ((), ours.media[:1], (*ours.media, PICTURE), (FILM,))
            if media != ours.media
        ]
        for number, other in enumerate(item for item in others if not validate_content(self.platform, item)):
            clock.advance(hours=1)
            await connector.refresh_token()
            saved.state = {}
            words = f"{ours.text} {number}"  # some platforms refuse the same words twice
            theirs = other.model_copy(update={"text": words})
            lost = ours.model_copy(update={"text": words})
            foreign = await connector.publish(saved.request(theirs, clock(), key=f"by_hand_{number}"))
            clock.advance(seconds=1)
            before, first = len(self.live(world)), clock()
            await self.lose(connector, world, saved, lost, first)
            await self.expect_doubt(
                connector, saved.request(lost, first, key="pub_lost"), foreign.external_id
            )
            assert len(self.live(world)) == before

    @pytest.mark.parametrize(
        "text",
        [
            "R&D: &copy; stays &copy;, &amp;lt; stays too",
            "**Bold**, _thin_ and `code`",
            "1. one\n2. two\n* three",
            "5 > 3 & 2 < 4",
            "@bo and #tea",
        ],
    )
    async def test_a_post_is_found_whatever_it_says(
        self, text: str, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = self.content.model_copy(update={"text": text}), clock()
        if validate_content(self.platform, content):
            return
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        clock.advance(seconds=2)
        if self.absence == "never":
            return
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        assert [post.external_id for post in self.live(world)] == [found.external_id]

    # -- what is refused ends, after a bounded number of requests

    REFUSED_OPERATIONS: ClassVar[tuple[Operation, ...]] = (
        "publish",
        "prepare",
        "read",
        "metrics",
        "followers",
    )

    @pytest.mark.parametrize(
        "operations", [("publish",), REFUSED_OPERATIONS], ids=["publishing", "everything"]
    )
    @pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "refused_oddly"])
    async def test_a_post_that_is_always_refused_fails_after_one_refresh_and_one_retry(
        self,
        *,
        kind: FaultKind,
        operations: tuple[Operation, ...],
        pool: ConnectorPool,
        account: Account,
        store: Store,
        world: SandboxWorld,
        clock: Clock,
    ) -> None:
        desk = await Desk.connect(store, pool, account, clock)
        for operation in operations:
            self.fail(world, kind, operation, count=None)
        world.requests.clear()
        row = await desk.pass_time(desk.schedule(self.content))
        assert (row.status, self.live(world)) == ("failed", [])
        assert row.reason is not None
        assert "answered" in row.reason, "the platform's own reason"
        assert desk.events(row.id)[2:] == ["sending", "failed"]
        spent = self.count_requests(world)
        refreshes = 1 if kind != "forbidden" and pool_can_refresh(self.platform) else 0
        assert world.requests[f"{self.platform}:refresh"] <= refreshes
        assert world.requests[f"{self.platform}:publish"] <= 1 + refreshes
        assert spent <= 14, dict(world.requests)
        if row.reason_code == "permission_missing":
            assert desk.health.status == "limited"
        if kind == "unauthorized":
            assert desk.health.status == "revoked"
        if row.reason_code in {"permission_missing", "reauthenticate"}:
            assert desk.health.reason is not None
            assert "answered" in desk.health.reason
        # The next post of the account finds that out without asking, or with as few requests.
        clock.advance(seconds=1)
        again = await desk.pass_time(desk.schedule(self.content))
        assert again.status == "failed"
        assert self.count_requests(world) <= 2 * spent
        assert world.requests[f"{self.platform}:refresh"] <= refreshes

    def count_requests(self, world: SandboxWorld) -> int:
        return sum(count for name, count in world.requests.items() if name.startswith(f"{self.platform}:"))

    @pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "refused_oddly"])
    async def test_a_look_up_that_is_always_refused_ends_with_a_person(
        self,
        *,
        kind: FaultKind,
        pool: ConnectorPool,
        account: Account,
        store: Store,
        world: SandboxWorld,
        clock: Clock,
    ) -> None:
        desk = await Desk.connect(store, pool, account, clock)
        self.fail(world, "reset_after")
        publication = desk.schedule(self.content)
        await desk.work()
        assert desk.get(publication).status == "unknown"
        for operation in self.REFUSED_OPERATIONS:
            self.fail(world, kind, operation, count=None)
        world.requests.clear()
        row = await desk.pass_time(publication, minutes=7 * 60)
        assert row.status == "needs_review"
        assert len(self.live(world)) == 1
        assert world.requests[f"{self.platform}:publish"] == 0
        assert world.requests[f"{self.platform}:refresh"] <= 1
        if kind != "refused_oddly":
            assert desk.runs <= 20, "a refusal is no reason to ask for hours"

    async def test_a_permission_that_is_back_is_noticed(
        self, pool: ConnectorPool, account: Account, store: Store, world: SandboxWorld, clock: Clock
    ) -> None:
        desk = await Desk.connect(store, pool, account, clock)
        self.fail(world, "forbidden")
        refused = await desk.pass_time(desk.schedule(self.content))
        assert refused.status == "failed"
        clock.advance(minutes=1)
        accepted = await desk.pass_time(desk.schedule(self.content))
        assert accepted.status == "published"
        assert desk.health.status in {"ok", "expiring"}

    async def test_nothing_listens(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState, clock: Clock
    ) -> None:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        async with ConnectorPool(
            connector_settings, clock=clock, transport=httpx.MockTransport(refuse)
        ) as pool:
            connector = pool.open(account)
            with pytest.raises(NotSentError):
                await connector.publish(saved.request(self.content, clock()))
            with pytest.raises(NotSentError):
                await connector.fetch_followers()

    # -- refusals

    async def test_401(
        self, connector: Connector, account: Account, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "unauthorized")
        with pytest.raises(ReauthenticateError) as caught:
            await connector.publish(saved.request(self.content, clock()))
        self.hide(caught.value, account)
        assert self.live(world) == []

    async def test_403(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "forbidden")
        with pytest.raises((ReauthenticateError, GiveUpError)):
            await connector.publish(saved.request(self.content, clock()))
        assert self.live(world) == []

    async def test_429_names_the_time(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "rate_limited", retry_after=600)
        with pytest.raises(RateLimitedError) as caught:
            await connector.publish(saved.request(self.content, first))
        retry_at = caught.value.retry_at
        assert retry_at is not None
        assert timedelta(0) <= retry_at - (first + timedelta(seconds=600)) <= timedelta(minutes=1)
        clock.now = retry_at
        await connector.publish(saved.request(self.content, first))
        assert len(self.live(world)) == 1

    async def test_a_rate_limited_read_is_not_repeated(
        self, connector: Connector, world: SandboxWorld
    ) -> None:
        self.fail(world, "rate_limited", "followers", count=None)
        with pytest.raises(RateLimitedError):
            await connector.fetch_followers()
        assert world.requests[f"{self.platform}:followers"] == 1

    async def test_a_read_is_repeated(self, connector: Connector, world: SandboxWorld) -> None:
        self.fail(world, "error_500_before", "followers")
        assert (await connector.fetch_followers()).followers is not None
        assert world.requests[f"{self.platform}:followers"] == 2

    @pytest.mark.parametrize("kind", ["malformed", "html_error", "hang_before"])
    async def test_an_unreadable_answer_is_one_clear_sentence(
        self, kind: FaultKind, connector: Connector, account: Account, world: SandboxWorld
    ) -> None:
        self.fail(world, kind, "followers", count=None)
        with pytest.raises(UnavailableError) as caught:
            await connector.fetch_followers()
        self.hide(caught.value, account)
        assert connector.capabilities.label in caught.value.message
        assert "<" not in caught.value.message
        assert "\n" not in caught.value.message

    @pytest.mark.parametrize("body", BODIES)
    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 418, 429, 500, 503])
    async def test_any_body_is_an_error_without_the_token(
        self,
        *,
        status: int,
        body: str,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        text = body.format(token=account.credentials.access_token.get_secret_value())
        answer = httpx.MockTransport(
            lambda _: httpx.Response(status, text=text, headers={"retry-after": "7"})
        )
        async with ConnectorPool(connector_settings, clock=clock, transport=answer) as pool:
            connector = pool.open(account)
            attempts: list[Callable[[], Awaitable[object]]] = [
                connector.verify,
                lambda: connector.publish(saved.request(self.content, clock())),
                connector.fetch_followers,
            ]
            if connector.capabilities.metrics:
                attempts.append(lambda: connector.fetch_metrics(["1", "2"]))
            if connector.capabilities.lists_posts and (status, body) != (200, self.empty_listing):
                attempts.append(lambda: connector.list_publications(since=clock()))
            for attempt in attempts:
                with pytest.raises(ConnectorError) as caught:
                    await attempt()
                self.hide(caught.value, account)

    @pytest.mark.parametrize("body", FAILED_200)
    async def test_an_error_within_a_200_is_no_success(
        self,
        *,
        body: str,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/_sandbox/media/"):
                return httpx.Response(200, content=MP4 if request.url.path.endswith(".mp4") else PNG)
            return httpx.Response(200, text=body)

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            connector = pool.open(account)
            for attempt in (
                connector.publish(saved.request(self.content, clock())),
                connector.verify(),
                connector.fetch_followers(),
            ):
                with pytest.raises(ConnectorError):
                    await attempt
            if connector.capabilities.lists_posts:
                with pytest.raises(ConnectorError):
                    await connector.list_publications(since=clock() - timedelta(days=50))
            try:
                result = await connector.fetch_metrics(["1", "2"])
            except ConnectorError:
                return
        assert not result.deleted
        assert [
            getattr(item, name) for item in result.metrics for name in METRIC_NAMES if getattr(item, name)
        ] == []

    # -- media

    @pytest.mark.parametrize("kind", ["image", "video"])
    async def test_the_words_of_a_medium_arrive_where_they_are_taken(
        self,
        *,
        kind: MediaKind,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        capabilities = CONNECTORS[self.platform].capabilities
        if kind not in capabilities.media_kinds:
            assert kind not in capabilities.alt_text_kinds
            return
        world.settings.update({name: 0 for name in world.settings.describe() if name.endswith("_delay_s")})
        name = "photo.png" if kind == "image" else "video.mp4"
        media = Media(url=f"http://sandbox.test/_sandbox/media/{name}", kind=kind, alt_text="steamingcup")
        wire = RewritingTransport(httpx.ASGITransport(create_sandbox_app(world)))
        async with ConnectorPool(connector_settings, clock=clock, transport=wire) as pool:
            await pool.open(account).publish(saved.request(PostContent(text="Tea", media=(media,)), clock()))
        (post,) = self.live(world)
        assert post.kind == ("photo" if kind == "image" else "video")
        said = b"".join(str(request.url).encode() + request.content for request in wire.requests)
        assert (b"steamingcup" in said) == (kind in capabilities.alt_text_kinds)

    @pytest.mark.parametrize("kind", ["image", "video"])
    async def test_only_the_approved_bytes_of_a_medium_are_sent(
        self,
        *,
        kind: MediaKind,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        capabilities = CONNECTORS[self.platform].capabilities
        if kind not in capabilities.media_kinds:
            return
        world.settings.update({name: 0 for name in world.settings.describe() if name.endswith("_delay_s")})
        name = "photo.png" if kind == "image" else "video.mp4"
        given = Media(url=f"http://sandbox.test/_sandbox/media/{name}", kind=kind)
        transport = httpx.ASGITransport(create_sandbox_app(world))
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            for sha256, is_sent in (("0" * 64, False), (await pool.hash_media(given), True)):
                media = ApprovedMedia(url=given.url, kind=kind, sha256=sha256)
                content = PostContent(text="Tea", media=(media,))
                with nullcontext() if is_sent else pytest.raises(MediaChangedError, match="approved"):
                    await pool.require_approved_media(self.platform, content, {})
                    await pool.open(account).publish(saved.request(content, clock()))
                assert len(self.live(world)) == is_sent

    @pytest.mark.parametrize("kind", ["image", "video"])
    async def test_a_file_that_is_too_large_is_not_fetched_to_its_end(
        self,
        *,
        kind: MediaKind,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        capabilities = CONNECTORS[self.platform].capabilities
        largest = capabilities.max_image_bytes if kind == "image" else capabilities.max_video_bytes
        if kind not in capabilities.media_kinds or largest is None:
            return
        settings = connector_settings.model_copy(
            update={"upload_timeout": 30.0, "max_media_bytes": 20_000_000}
        )
        largest = min(largest, settings.max_media_bytes)
        flood = Flood(PNG if kind == "image" else MP4, largest)
        sandbox = httpx.ASGITransport(create_sandbox_app(world))

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "media.test":
                return httpx.Response(200, stream=flood)
            return await sandbox.handle_async_request(request)

        media = Media(url="https://media.test/large", kind=kind)
        content = PostContent(text="Tea", media=(media,))
        async with ConnectorPool(settings, clock=clock, transport=httpx.MockTransport(answer)) as pool:
            refused = ""
            try:
                await pool.open(account).publish(saved.request(content, clock()))
            except ContentRejectedError as error:
                refused = error.message
        if flood.sent:
            assert "bytes that" in refused
            assert self.live(world) == []
            assert flood.sent <= largest * 1.1 + flood.PIECE
        else:
            assert not refused, "what the platform fetches itself, it measures itself"

    # -- numbers

    async def published_ids(self, connector: Connector, since: datetime) -> list[str]:
        return [post.external_id for post in await self.history(connector, since)]

    async def history(self, connector: Connector, since: datetime) -> list[ListedPost]:
        posts: list[ListedPost] = []
        cursor = None
        for _ in range(100):
            page = await connector.list_publications(since=since, cursor=cursor)
            posts += page.posts
            cursor = page.next_cursor
            if cursor is None:
                return posts
        raise AssertionError("the listing has no end")

    @pytest.mark.parametrize("extra", [0, 1])
    async def test_metrics_of_a_full_batch_and_one_more(
        self, extra: int, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        batch = connector.capabilities.metrics_batch
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[: batch + extra]
        if len(ids) < batch + extra:
            pytest.fail("the simulated history is too short for this test")
        before = world.requests[f"{self.platform}:metrics"]
        result = await connector.fetch_metrics(ids)
        assert {item.external_id for item in result.metrics} == set(ids)
        assert not result.deleted
        assert not result.missing
        # X splits young posts from old ones, which have no private metrics: one request more at most.
        most = 1 + extra + (self.platform is Platform.TWITTER)
        assert world.requests[f"{self.platform}:metrics"] - before <= most

    async def test_metrics_hold_what_the_platform_reports_and_nothing_else(
        self, connector: Connector, clock: Clock
    ) -> None:
        (post_id, *_) = await self.published_ids(connector, clock() - timedelta(days=20))
        (metrics,) = (await connector.fetch_metrics([post_id])).metrics
        assert metrics.captured_at == clock()
        assert metrics.raw
        reported = {name for name in METRIC_NAMES if getattr(metrics, name) is not None}
        assert reported == set(connector.capabilities.metrics)

    async def test_numbers_that_come_as_text_are_numbers(
        self,
        *,
        connector: Connector,
        account: Account,
        world: SandboxWorld,
        connector_settings: ConnectorSettings,
        clock: Clock,
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=20)))[:2]
        transport = RewritingTransport(httpx.ASGITransport(create_sandbox_app(world)), write_numbers_as_text)
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            textual = pool.open(account)
            pairs = [
                (await opened.verify(), await opened.fetch_followers(), await opened.fetch_metrics(ids))
                for opened in (connector, textual)
            ]
        (plain, counted, batch), (same, recounted, again) = pairs
        assert same.followers == plain.followers
        assert replace(recounted, raw={}) == replace(counted, raw={})
        assert [replace(item, raw={}) for item in again.metrics] == [
            replace(item, raw={}) for item in batch.metrics
        ]

    async def test_a_deleted_post_is_told_apart(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        kept = (await self.published_ids(connector, clock() - timedelta(days=60)))[:2]
        gone = await connector.publish(saved.request(self.content, clock()))
        (post,) = self.live(world)
        world.delete_post(post, clock().timestamp())
        result = await connector.fetch_metrics([kept[0], gone.external_id, kept[1]])
        assert {item.external_id for item in result.metrics} == set(kept)
        assert result.deleted == {gone.external_id}
        assert not result.missing

    async def test_every_asked_id_is_in_exactly_one_set(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=60)))[:3]
        self.fail(world, "empty_page", "metrics")
        result = await connector.fetch_metrics(ids)
        measured = {item.external_id for item in result.metrics}
        assert measured | result.deleted | result.missing == set(ids)
        assert not measured & result.deleted
        assert not measured & result.missing
        assert not result.deleted, "what is only left out of an answer was not deleted"

    async def test_a_post_that_is_asked_for_twice_is_counted_once(
        self, connector: Connector, clock: Clock
    ) -> None:
        ids = (await self.published_ids(connector, clock() - timedelta(days=20)))[:2]
        result = await connector.fetch_metrics([*ids, *ids])
        assert sorted(item.external_id for item in result.metrics) == sorted(ids)

    async def test_no_posts_ask_nothing(self, connector: Connector, world: SandboxWorld) -> None:
        result = await connector.fetch_metrics([])
        assert (result.metrics, result.deleted, result.missing) == ((), frozenset(), frozenset())
        assert world.requests[f"{self.platform}:metrics"] == 0

    async def test_followers(self, connector: Connector, owner: SandboxAccount, clock: Clock) -> None:
        metrics = await connector.fetch_followers()
        assert metrics.followers == owner.followers(clock().timestamp())
        assert metrics.captured_at == clock()
        counters = {name: getattr(metrics, name) for name in ("followers", "following", "posts")}
        assert {name for name, value in counters.items() if value is not None} == self.account_counters

    # -- history

    async def test_history_is_whole_and_newest_first(
        self, connector: Connector, owner: SandboxAccount, world: SandboxWorld, clock: Clock
    ) -> None:
        since = clock() - timedelta(days=50)
        posts = await self.history(connector, since)
        expected = [post for post in world.published(self.platform, owner) if post.published_at >= since]
        assert [post.external_id for post in posts] == [post.external_id for post in reversed(expected)]
        assert len(posts) > 100, "the test should turn pages"
        assert [post.kind for post in posts] == [post.kind for post in reversed(expected)]
        times = [post.published_at for post in posts]
        assert times == sorted(times, reverse=True)
        assert all(
            abs(post.published_at - original.published_at) < timedelta(seconds=1)
            for post, original in zip(posts, reversed(expected), strict=True)
        )

    async def test_history_shows_the_words_of_the_author(
        self, connector: Connector, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(self.content, clock()))
        page = await connector.list_publications(since=clock() - timedelta(minutes=1))
        assert page.posts[0].text == self.content.text

    @pytest.mark.parametrize("odd", ODD_ITEMS)
    async def test_an_odd_item_costs_the_history_no_other_post(
        self,
        odd: str,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        clock: Clock,
    ) -> None:
        if not CONNECTORS[self.platform].capabilities.lists_posts:
            return
        spoiling = False
        transport = RewritingTransport(
            httpx.ASGITransport(create_sandbox_app(world)),
            lambda body: spoil_item(body, 1, ODD_ITEMS[odd]) if spoiling else body,
        )
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            connector = pool.open(account)
            await connector.verify()
            since = clock() - timedelta(days=50)
            whole = await connector.list_publications(since=since)
            spoiling = True
            page = await connector.list_publications(since=since)
        assert whole.odd == ()
        assert len(whole.posts) >= 3
        assert page.posts == (whole.posts[0], *whole.posts[2:])
        assert len(page.odd) == 1
        assert page.next_cursor == whole.next_cursor

    async def test_a_look_up_never_leaves_out_an_odd_item(
        self,
        *,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        if self.absence != "list":
            return  # it does not look into a list
        spoiling = False
        transport = RewritingTransport(
            httpx.ASGITransport(create_sandbox_app(world)),
            lambda body: spoil_item(body, 0, spoil_times) if spoiling else body,
        )
        async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
            connector = pool.open(account)
            request = saved.request(self.content, clock())
            sent = await connector.publish(request)
            lost = replace(request, key="pub_2", state={}, taken=frozenset({sent.external_id}))
            assert await connector.find_publication(lost) is None
            spoiling = True
            with pytest.raises(ConnectorError):
                await connector.find_publication(lost)

    async def test_an_empty_page_is_the_end(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        self.fail(world, "empty_page", "read", count=None)
        page = await connector.list_publications(since=clock() - timedelta(days=50))
        assert page.posts == ()
        assert page.next_cursor is None

    async def test_a_repeated_cursor_is_no_endless_loop(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        self.fail(world, "repeated_cursor", "read", count=None)
        try:
            posts = await self.history(connector, clock() - timedelta(days=50))
        except UnavailableError:
            return
        assert len({post.external_id for post in posts}) == len(posts)

    # -- tokens

    async def test_refresh_carries_everything_over(
        self, connector: Connector, account: Account, clock: Clock
    ) -> None:
        old = account.credentials
        new = await connector.refresh_token()
        if connector.capabilities.refresh_before is None:
            assert new is None
            return
        assert new is not None
        assert new.access_token != old.access_token
        assert new.expires_at is not None
        assert new.expires_at > clock()
        assert (new.refresh_token is None) == (old.refresh_token is None), "never lose a refresh token"
        assert new.app_password == old.app_password
        assert (await connector.fetch_followers()).followers, "the same connector goes on with the new token"

    async def test_a_refresh_that_fails_says_why(
        self, connector: Connector, account: Account, world: SandboxWorld
    ) -> None:
        if connector.capabilities.refresh_before is None:
            return
        self.fail(world, "html_error", "refresh")
        with pytest.raises(UnavailableError) as caught:
            await connector.refresh_token()
        self.hide(caught.value, account)

    async def test_a_dead_token_asks_for_its_owner(self, pool: ConnectorPool, account: Account) -> None:
        dead = Credentials(SecretStr("dead-token-of-nobody"), SecretStr("dead-refresh-of-nobody"))
        connector = pool.open(replace(account, credentials=dead))
        with pytest.raises(ReauthenticateError) as caught:
            await connector.fetch_followers()
        self.hide(caught.value, replace(account, credentials=dead))
        if connector.capabilities.refresh_before is not None:
            with pytest.raises(ReauthenticateError) as caught:
                await connector.refresh_token()
            assert not caught.value.expired
            self.hide(caught.value, replace(account, credentials=dead))

    @pytest.mark.parametrize("token", ["", "  ", "with space", "line\nbreak", "smörgås", "nul\0"])
    def test_a_token_that_no_request_can_carry(
        self, token: str, pool: ConnectorPool, account: Account
    ) -> None:
        broken = replace(account, credentials=Credentials(SecretStr(token)))
        with pytest.raises(ReauthenticateError):
            pool.open(broken)

    # -- options, and what happens after publishing

    async def test_options_are_accepted_and_unknown_ones_refused(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        cases = [case for case in CASES if case.platform is self.platform]
        assert cases
        for case in cases:
            assert validate_content(self.platform, case.content) == [], str(case)
        with pytest.raises(ValidationError):
            connector.capabilities.options.model_validate({"no_such_option": 1})
        stored = self.content.model_copy(update={"options": {"no_such_option": 1}})
        with pytest.raises(ContentRejectedError, match="no_such_option"):
            await connector.publish(saved.request(stored, clock()))
        assert self.live(world) == [], "an option that is not understood is never left out"

    async def test_what_is_published_can_be_deleted_or_the_reason_is_said(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        receipt = await connector.publish(saved.request(self.content, clock()))
        if not connector.capabilities.supports_unpublish:
            with pytest.raises(UnsupportedError, match="delete it there"):
                await connector.delete(receipt.external_id, saved.state)
            return
        self.fail(world, "reset_after", "delete")
        with pytest.raises(UnavailableError):
            await connector.delete(receipt.external_id, saved.state)
        await connector.delete(receipt.external_id, saved.state)
        assert [post for post in self.live(world) if post.deleted is None] == []

    async def test_what_is_published_can_be_edited_or_the_reason_is_said(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock, *, account: Account
    ) -> None:
        receipt = await connector.publish(saved.request(self.content, clock()))
        after = self.content.model_copy(update={"text": "Opening at ten"})
        problems = [
            problem.code for problem in find_edit_problems(connector.capabilities, self.content, after)
        ]
        request = EditRequest(receipt.external_id, (self.content,), after, dict(saved.state))
        (post,) = self.live(world)
        if connector.capabilities.editing is None:
            assert problems == ["not_editable"]
            with pytest.raises(UnsupportedError) as refused:
                await connector.edit(request)
            assert refused.value.message == connector.capabilities.why_no_edit
            return
        assert problems == []
        # A record is replaced by the call that publishes it, too.
        operation: Operation = "publish" if self.platform is Platform.BLUESKY else "edit"
        for kind in ("unauthorized", "forbidden", "rate_limited", "reset_after"):
            self.fail(world, kind, operation)  # type: ignore[arg-type]  # each is a kind
            with pytest.raises(ConnectorError) as caught:
                await connector.edit(request)
            self.hide(caught.value, account)
            assert (post.text == after.text) == (kind == "reset_after")
        await connector.edit(request)
        assert post.detail("edits") == 1
        assert [one.external_id for one in self.live(world)] == [receipt.external_id]
        again = await connector.fetch_metrics([receipt.external_id])
        assert receipt.external_id not in again.deleted

    # -- several posts in one publication

    async def test_a_first_comment_goes_out_once(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = self.content.model_copy(update={"first_comment": "The recipe is in our story."})
        if not connector.capabilities.supports_first_comment:
            codes = [problem.code for problem in validate_content(self.platform, content)]
            assert codes == ["first_comment_unsupported"]
            return
        first = clock()

        async def fail_next(state: Mapping[str, Any]) -> None:
            if len(state.get("sent_parts", ())) == 1 and not world.faults.rules:
                self.fail(world, "reset_after")

        saved.on_save = fail_next
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        clock.advance(seconds=2)
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        assert found.external_id == self.live(world)[0].external_id
        comments = await self.list_comments(connector, world, found.external_id)
        assert comments == ["The recipe is in our story."]

    async def list_comments(self, _connector: Connector, world: SandboxWorld, post_id: str) -> list[str]:
        """The texts below a post. Where a comment is a post of its own, it is among what went out."""
        return [post.text for post in self.live(world) if post.external_id != post_id]

    @pytest.mark.parametrize(
        "kind",
        ["reset_before", "reset_after", "rate_limited", "error_500_before", "error_500_after", "malformed"],
    )
    async def test_a_thread_that_breaks_midway_goes_on_where_it_broke(
        self, kind: FaultKind, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("two", "three"), media=self.content.media)
        if not connector.capabilities.supports_thread:
            assert [problem.code for problem in validate_content(self.platform, content)] == [
                "thread_unsupported"
            ]
            return
        first = clock()

        async def fail_next(state: Mapping[str, Any]) -> None:
            if len(state.get("sent_parts", ())) == 1 and not world.faults.rules:
                self.fail(world, kind)

        saved.on_save = fail_next
        with pytest.raises((OutcomeUnknownError, RateLimitedError)) as caught:
            await connector.publish(saved.request(content, first))
        clock.advance(seconds=2)
        receipt = None
        if isinstance(caught.value, OutcomeUnknownError):
            receipt = await connector.find_publication(saved.request(content, first))
            assert receipt is None, "the last part cannot be out"
        receipt = await connector.publish(saved.request(content, first))
        posts = self.live(world)
        assert [post.text for post in posts] == ["one", "two", "three"]
        assert receipt.external_id == posts[0].external_id
        assert await connector.find_publication(saved.request(content, first)) is not None

    # -- what is sent is what the platform takes

    async def test_the_registry_knows_it(self, connector: Connector) -> None:
        assert isinstance(connector, CONNECTORS[self.platform])
        assert connector.capabilities.platform is self.platform
        assert set(connector.capabilities.metrics) <= set(METRIC_NAMES)
        assert all(unit.strip() for unit in connector.capabilities.metrics.values()), "each number has a unit"
        assert connector.capabilities.reconciliation.endswith(".")
