from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.base import Connector
from connectors.candidates import Candidate
from connectors.errors import (
    CannotFindOutError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.linkedin.connector import LinkedInConnector
from connectors.linkedin.responses import find_post_urn, parse_count, parse_listed, time_of
from connectors.linkedin.text import escape_little, unescape_little
from connectors.parts import SentPart
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.linkedin.protocol import read_little, write_little
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Media, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, account_of, fits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PAGE_COUNTS = {"impressions", "reach", "likes", "comments", "shares", "clicks"}
MEMBER_COUNTS = {"impressions", "reach", "likes", "comments", "shares", "saves"}


class TestLinkedInPage(ConnectorContract):
    platform = Platform.LINKEDIN
    account_counters = frozenset({"followers"})

    @pytest.fixture
    def account(self, owner: SandboxAccount) -> Account:
        # A page is connected by its URN, given as the handle.
        return replace(account_of(owner), handle=owner.external_id)

    async def list_comments(self, connector: Connector, _world: SandboxWorld, post_id: str) -> list[str]:
        assert isinstance(connector, LinkedInConnector)
        path = f"/rest/socialActions/{post_id.replace(':', '%3A')}/comments"
        return await connector._api.read(
            path, lambda body: [item["message"]["text"] for item in body["elements"]]
        )

    async def test_metrics_hold_what_the_platform_reports_and_nothing_else(
        self, connector: Connector, clock: Clock
    ) -> None:
        (post_id, *_) = await self.published_ids(connector, clock() - timedelta(days=20))
        (metrics,) = (await connector.fetch_metrics([post_id])).metrics
        assert {
            name for name in PAGE_COUNTS | MEMBER_COUNTS if getattr(metrics, name) is not None
        } == PAGE_COUNTS
        assert set(connector.capabilities.metrics) == PAGE_COUNTS | MEMBER_COUNTS

    async def test_every_request_names_the_version(
        self, account: Account, connector_settings: ConnectorSettings, clock: Clock
    ) -> None:
        seen: list[httpx.Headers] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.headers)
            return httpx.Response(200, json={"firstDegreeSize": 7})

        settings = connector_settings.model_copy(update={"linkedin_version": "202611"})
        async with ConnectorPool(settings, clock=clock, transport=httpx.MockTransport(answer)) as pool:
            assert (await pool.open(account).fetch_followers()).followers == 7
        assert (seen[0]["linkedin-version"], seen[0]["x-restli-protocol-version"]) == ("202611", "2.0.0")

    async def test_reserved_characters_arrive_as_they_were_written(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        text = r"50% off (today) #sale_now #Tea @home [a] {b|c} <d> *e* ~f~ \g _h_ → ✅"
        await connector.publish(saved.request(PostContent(text=text), clock()))
        assert [post.text for post in self.live(world)] == [text]
        page = await connector.list_publications(since=clock() - timedelta(minutes=1))
        assert page.posts[0].text == text

    async def test_a_duplicate_of_this_publication_is_its_receipt(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        clock.advance(seconds=30)
        receipt = await connector.publish(saved.request(self.content, first))
        (post,) = self.live(world)
        assert receipt.external_id == post.external_id
        assert abs(receipt.published_at - first) < timedelta(seconds=1), "by the number in the URN"

    @pytest.mark.parametrize("case", ["older", "taken"])
    async def test_a_duplicate_of_another_post_is_refused_content(
        self, case: str, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        other = await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        saved.state = {}
        taken = frozenset({other.external_id} if case == "taken" else ())
        if case == "older":
            clock.advance(minutes=30)
        with pytest.raises(ContentRejectedError, match="change the text"):
            await connector.publish(saved.request(self.content, clock(), taken=taken))
        assert len(self.live(world)) == 1

    async def test_a_duplicate_that_nobody_can_see_is_left_to_a_person(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        (post,) = self.live(world)
        world.delete_post(post, clock().timestamp())
        saved.state = {}
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, clock()))
        with pytest.raises(UnavailableError, match="duplicate"):
            await connector.find_publication(saved.request(self.content, clock()))

    async def test_media_are_uploaded_once(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Three", media=(PICTURE,) * 3)
        self.fail(world, "rate_limited")
        with pytest.raises(RateLimitedError):
            await connector.publish(saved.request(content, clock()))
        uploads = world.requests["linkedin:prepare"]
        await connector.publish(saved.request(content, clock()))
        assert world.requests["linkedin:prepare"] == uploads
        (post,) = self.live(world)
        images = post.detail("content")["multiImage"]["images"]
        assert [item["altText"] for item in images] == ["a photo"] * 3

    async def test_a_video_goes_in_parts_and_is_waited_for(
        self,
        account: Account,
        connector_settings: ConnectorSettings,
        world: SandboxWorld,
        saved: SavedState,
        clock: Clock,
    ) -> None:
        size = 4_194_304 + 1000
        sandbox, sent = httpx.ASGITransport(create_sandbox_app(world)), []

        async def answer(request: httpx.Request) -> httpx.Response:
            clock.advance(milliseconds=300)
            if request.url.host == "media.test":
                return httpx.Response(200, content=b"\0\0\0\x18ftypmp42" + b"\0" * (size - 12))
            if request.method == "PUT":
                sent.append(int(request.headers["content-length"]))
                assert "transfer-encoding" not in request.headers
            return await sandbox.handle_async_request(request)

        video = Media(url="https://media.test/film.mp4", kind="video", alt_text="Pouring tea")
        settings = connector_settings.model_copy(update={"request_timeout": 5.0})
        async with ConnectorPool(settings, clock=clock, transport=httpx.MockTransport(answer)) as pool:
            receipt = await pool.open(account).publish(
                saved.request(PostContent(text="Pouring", media=(video,)), clock())
            )
        (post,) = self.live(world)
        assert sent == [4_194_304, 1000]
        assert post.kind == "video"
        assert receipt.external_id.startswith("urn:li:ugcPost:")

    async def test_a_video_post_is_measured_as_a_ugc_post(
        self, connector: Connector, world: SandboxWorld, owner: SandboxAccount, clock: Clock
    ) -> None:
        clip = world.add_post(
            owner,
            text="x",
            kind="video",
            at=clock().timestamp(),
            external_id="urn:li:ugcPost:7300000000000000001",
        )
        ids = [clip.external_id, *(await self.published_ids(connector, clock() - timedelta(days=5)))[-2:]]
        result = await connector.fetch_metrics(ids)
        assert {item.external_id for item in result.metrics} == set(ids)

    async def test_the_token_is_shown_to_no_other_server(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState, clock: Clock
    ) -> None:
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            if request.url.path.endswith("photo.png"):
                return httpx.Response(200, content=b"\x89PNG\r\n\x1a\nrest")
            value = {"uploadUrl": "https://linkedin.com.evil.example/put", "image": "urn:li:image:1"}
            return httpx.Response(200, json={"value": value})

        async with ConnectorPool(
            connector_settings, clock=clock, transport=httpx.MockTransport(answer)
        ) as pool:
            with pytest.raises(GiveUpError, match="not one of its own servers"):
                await pool.open(account).publish(
                    saved.request(PostContent(text="Tea", media=(PICTURE,)), clock())
                )
        assert "linkedin.com.evil.example" not in asked

    async def test_a_token_without_a_refresh_token_is_not_refreshed(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        unknown = replace(account, credentials=replace(account.credentials, expires_at=None))
        planned = (await pool.open(unknown).verify()).credentials.expires_at
        assert planned == clock() + timedelta(days=11)
        lone = replace(account, credentials=replace(unknown.credentials, refresh_token=None))
        assert await pool.open(lone).refresh_token() is None
        assert (await pool.open(lone).verify()).credentials.expires_at is None

    async def test_a_refresh_needs_the_app(
        self, account: Account, connector_settings: ConnectorSettings, clock: Clock
    ) -> None:
        settings = connector_settings.model_copy(update={"linkedin_client_secret": None})
        async with ConnectorPool(settings, clock=clock) as pool:
            with pytest.raises(GiveUpError, match="SOCIALFLOW_LINKEDIN_CLIENT_SECRET"):
                await pool.open(account).refresh_token()

    async def test_a_refresh_goes_to_the_address_of_the_sign_in(
        self, account: Account, connector_settings: ConnectorSettings, clock: Clock
    ) -> None:
        """LinkedIn answers tokens at www.linkedin.com alone, and each of the two addresses has its own setting."""
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            return httpx.Response(200, json={"access_token": "new", "expires_in": 5_184_000})

        for settings in (
            connector_settings.model_copy(update={"linkedin_oauth_base_url": "http://sign-in.test"}),
            ConnectorSettings(
                linkedin_client_id="client", linkedin_client_secret=SecretStr("secret"), request_timeout=0.5
            ),
        ):
            transport = httpx.MockTransport(answer)
            async with ConnectorPool(settings, clock=clock, transport=transport) as pool:
                new = await pool.open(account).refresh_token()
            assert new is not None
            assert new.access_token.get_secret_value() == "new"
        assert asked == [
            "http://sign-in.test/oauth/v2/accessToken",
            "https://www.linkedin.com/oauth/v2/accessToken",
        ]

    async def test_a_version_that_is_over_loses_no_post(
        self, account: Account, connector_settings: ConnectorSettings, saved: SavedState
    ) -> None:
        body = {
            "status": 426,
            "code": "NONEXISTENT_VERSION",
            "message": "Requested version 20250501 is not active",
        }
        transport = httpx.MockTransport(lambda _: httpx.Response(426, json=body))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(RateLimitedError, match="SOCIALFLOW_LINKEDIN_VERSION") as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert caught.value.scope == "app"

    @pytest.mark.parametrize("ascending", [False, True])
    async def test_an_edited_old_post_does_not_end_the_search(
        self,
        *,
        ascending: bool,
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
    ) -> None:
        def post(number: int, age: timedelta, changed: timedelta) -> dict[str, object]:
            created, modified = (int((NOW - back).timestamp() * 1000) for back in (age, changed))
            urn = f"urn:li:share:{number}"
            return {
                "id": urn,
                "commentary": f"post {number}",
                "createdAt": created,
                "lastModifiedAt": modified,
            }

        old = [
            post(7, timedelta(days=900), timedelta(0)),
            post(9, timedelta(minutes=1), timedelta(minutes=1)),
        ]
        posts = [*old, post(8, timedelta(days=9), timedelta(days=9))]
        elements = posts[::-1] if ascending else posts
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"elements": elements}))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            connector = pool.open(account)
            request = saved.request(PostContent(text="post 9"), NOW - timedelta(minutes=2))
            if ascending:
                with pytest.raises(UnavailableError, match="oldest posts first"):
                    await connector.find_publication(request)
                return
            found = await connector.find_publication(request)
            page = await connector.list_publications(since=NOW - timedelta(days=1))
        assert found is not None
        assert found.external_id == "urn:li:share:9"
        assert [item.external_id for item in page.posts] == ["urn:li:share:9"]

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (401, {"status": 401, "code": "REVOKED_ACCESS_TOKEN"}, ReauthenticateError),
            (403, {"status": 403, "code": "ACCESS_DENIED"}, PermissionMissingError),
            (400, {"status": 400, "message": "no"}, ContentRejectedError),
            (422, {"status": 422, "message": "too long"}, ContentRejectedError),
            (
                422,
                {"status": 422, "errorDetails": {"inputErrors": [{"code": "DUPLICATE_POST"}]}},
                OutcomeUnknownError,
            ),
            (429, {"status": 429, "message": "throttle MEMBER DAY limit"}, RateLimitedError),
            (500, {"status": 500}, OutcomeUnknownError),
        ],
    )
    async def test_what_a_refusal_means(
        self,
        *,
        status: int,
        body: dict[str, Any],
        expected: type[Exception],
        account: Account,
        connector_settings: ConnectorSettings,
        saved: SavedState,
    ) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(expected) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert type(caught.value) is expected
        if isinstance(caught.value, RateLimitedError):
            assert caught.value.retry_at == datetime(2026, 11, 25, tzinfo=UTC), (
                "daily limits end at midnight UTC"
            )
            assert caught.value.scope == "account"


class TestLinkedInMember:
    @pytest.fixture
    def world(self, clock: Clock) -> SandboxWorld:
        return SandboxWorld(now=clock, history_days=20, accounts_per_platform=2)

    @pytest.fixture
    def owner(self, world: SandboxWorld) -> SandboxAccount:
        found = world.account_of_key("linkedin:1")
        assert found is not None
        return found

    async def test_verify(
        self, pool: ConnectorPool, account: Account, owner: SandboxAccount, clock: Clock
    ) -> None:
        verified = await pool.open(replace(account, external_id="", handle=None)).verify()
        assert verified.external_id == owner.external_id
        assert owner.external_id.startswith("urn:li:person:")
        assert verified.handle == verified.display_name == owner.display_name
        assert verified.followers == owner.followers(clock().timestamp())

    async def test_a_doubtful_publish_is_found_where_posts_may_be_read(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Hello", first_comment="First")
        _fail_publish(world)
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, clock()))
        assert await connector.find_publication(saved.request(content, clock())) is None, "no comment so far"
        receipt = await connector.publish(saved.request(content, clock()))
        assert [post.external_id for post in world.published(via="api")] == [receipt.external_id]
        assert await connector.find_publication(saved.request(content, clock())) is not None

    async def test_without_the_right_to_read_nobody_can_find_out(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        world.settings.linkedin_member_reads = False
        content = PostContent(text="Hello")
        _fail_publish(world)
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, clock()))
        with pytest.raises(CannotFindOutError, match="r_member_social"):
            await connector.find_publication(saved.request(content, clock()))
        # A person who sends it again after all meets the duplicate, whose number says whose it is.
        receipt = await connector.publish(saved.request(content, clock()))
        assert [post.external_id for post in world.published(via="api")] == [receipt.external_id]

    async def test_each_number_is_asked_for_alone(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        page = await connector.list_publications(since=clock() - timedelta(days=15))
        ids = [post.external_id for post in page.posts[-2:]]
        result = await connector.fetch_metrics(ids)
        assert [item.external_id for item in result.metrics] == ids
        for item in result.metrics:
            assert {
                name for name in PAGE_COUNTS | MEMBER_COUNTS if getattr(item, name) is not None
            } == MEMBER_COUNTS
        assert world.requests["linkedin:metrics"] == 12

    async def test_a_deleted_post_is_told_apart(
        self, connector: Connector, world: SandboxWorld, owner: SandboxAccount, clock: Clock
    ) -> None:
        post = world.add_post(owner, text="x", kind="text", at=clock().timestamp())
        world.delete_post(post, clock().timestamp())
        assert (await connector.fetch_metrics([post.external_id])).deleted == {post.external_id}
        world.settings.linkedin_member_reads = False
        assert (await connector.fetch_metrics([post.external_id])).missing == {post.external_id}

    async def test_without_the_scope_for_statistics_they_are_none(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        world.settings.linkedin_member_statistics = False
        page = await connector.list_publications(since=clock() - timedelta(days=15))
        ids = [post.external_id for post in page.posts[:3]]
        result = await connector.fetch_metrics(ids)
        assert [item.external_id for item in result.metrics] == ids
        assert all(
            getattr(item, name) is None for item in result.metrics for name in PAGE_COUNTS | MEMBER_COUNTS
        )
        assert world.requests["linkedin:metrics"] == 1, "asked once, then never again"
        assert (await connector.fetch_followers()).followers is None

    async def test_a_number_that_this_version_does_not_know_costs_only_itself(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.params["queryType"] == "POST_SAVE":
                return httpx.Response(400, json={"status": 400, "message": "unknown enum"})
            return httpx.Response(200, json={"elements": [{"count": 5}]})

        transport = httpx.MockTransport(answer)
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            (item,) = (await pool.open(account).fetch_metrics(["urn:li:share:7141138937766391808"])).metrics
        assert (item.likes, item.saves, item.clicks) == (5, None, None)


def _fail_publish(world: SandboxWorld) -> None:
    ConnectorContract.fail(TestLinkedInPage(), world, "reset_after")


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    assert unescape_little(escape_little(text)) == text


@given(st.text(alphabet="ab1#_ @[](){}|\\<>*~é家\u0301\n", max_size=40))
def test_linkedin_shows_what_was_written(text: str) -> None:
    # The simulation reads and answers the format by itself: both ways must agree.
    assert read_little(escape_little(text)) == text
    assert unescape_little(write_little(text)) == text


def test_hashtags_stay_hashtags_and_nothing_else_does() -> None:
    assert escape_little("#Tea time #2go a#b #5 #a_b https://x.test/#top") == (
        r"#Tea time #2go a\#b \#5 \#a\_b https://x.test/\#top"
    )


def test_text_is_recognised_with_templates_mentions_and_short_links() -> None:
    def shown(commentary: str) -> Candidate:
        return Candidate(SentPart("urn:li:share:1", None, NOW), unescape_little(commentary))

    assert fits(
        shown(r"New: {hashtag|\#|Tea} by @[Fern \(and\) Pine](urn:li:organization:7)"),
        "New: #Tea by Fern (and) Pine",
    )
    short = shown("See https://lnkd.in/abc now")
    assert fits(short, "See https://example.com/a-long-address now")
    assert not fits(short, "See https://example.com/a-long-address later")
    assert not fits(shown("Another"), "One")


def test_the_number_of_a_post_tells_its_time() -> None:
    # Third parties report this URN with the date of its error message, 14 December 2023.
    urn = find_post_urn(
        "BadRequestResponseException: Content is a duplicate of urn:li:share:7141138937766391808"
    )
    assert urn == "urn:li:share:7141138937766391808"
    moment = time_of(urn)
    assert moment is not None
    assert moment.date() == datetime(2023, 12, 14, tzinfo=UTC).date()
    assert time_of("urn:li:comment:(1,2)") is None
    assert find_post_urn("no address") is None


def test_a_number_that_linkedin_does_not_have() -> None:
    assert parse_count({"elements": []}) is None
    assert parse_count({"elements": [{"count": -1}]}) is None
    assert parse_count({"elements": [{"count": 0}]}) == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({}, "text"),
        ({"article": {"source": "https://a.test"}}, "link"),
        ({"media": {"id": "urn:li:image:1"}}, "photo"),
        ({"media": {"id": "urn:li:video:1"}}, "video"),
        ({"multiImage": {"images": [{"id": "urn:li:image:1"}]}}, "photo"),
    ],
)
def test_the_kind_of_a_listed_post(content: dict[str, object], kind: str) -> None:
    post = parse_listed(
        {"id": "urn:li:share:7", "commentary": "Hi", "createdAt": 1_764_000_000_000, "content": content}
    )
    assert post.kind == kind
    assert post.permalink == "https://www.linkedin.com/feed/update/urn:li:share:7/"


def test_only_sponsored_content_is_listed_as_promoted() -> None:
    post = {"id": "urn:li:share:7", "createdAt": 1_764_000_000_000}
    assert parse_listed(post).promoted is None
    assert parse_listed(post | {"adContext": {"isDsc": False}}).promoted is None
    assert parse_listed(post | {"adContext": {"isDsc": True}}).promoted is True


def test_secrets_of_the_app_are_known_to_the_redaction() -> None:
    settings = ConnectorSettings(linkedin_client_secret=SecretStr("a-secret"), linkedin_base_url=SANDBOX)
    assert SecretStr("a-secret") in settings.secrets


async def test_a_token_in_the_place_of_a_code_is_not_kept(
    connector_settings: ConnectorSettings, world: SandboxWorld
) -> None:
    owner = next(item for item in world.accounts if item.platform is Platform.LINKEDIN)
    body = {"status": 401, "code": owner.access_token, "message": owner.access_token}
    transport = httpx.MockTransport(lambda _: httpx.Response(401, json=body))
    async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
        with pytest.raises(ReauthenticateError) as caught:
            await pool.open(account_of(owner)).fetch_followers()
    assert owner.access_token not in repr(vars(caught.value))
