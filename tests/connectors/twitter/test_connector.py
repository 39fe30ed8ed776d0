from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.base import Connector
from connectors.candidates import Candidate
from connectors.errors import (
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.parts import SentPart
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.twitter import posts
from connectors.twitter.posts import (
    age_of,
    parse_candidate,
    parse_metrics,
    parse_page,
    parse_user,
    readable_text,
)
from connectors.types import Account, Media, Platform, PostContent, PostMetrics
from tests.connectors.contract import ConnectorContract
from tests.connectors.harness import SANDBOX, Clock, SavedState, fits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PICTURE = Media(url=f"{SANDBOX}/_sandbox/media/photo.png", alt_text="Two cups")


def candidate_of(post: dict[str, Any]) -> Candidate:
    return parse_candidate(post, SentPart("1", None, NOW))


class TestTwitter(ConnectorContract):
    platform = Platform.TWITTER

    async def test_a_promoted_post_is_told_with_its_metrics(
        self, connector: Connector, world: SandboxWorld, clock: Clock
    ) -> None:
        texts = ("first", "second")
        ids = [
            (
                await connector.publish(SavedState().request(PostContent(text=text), clock(), key=text))
            ).external_id
            for text in texts
        ]
        self.live(world)[0].details = {"promoted": True}
        clock.advance(seconds=60)
        batch = await connector.fetch_metrics(ids)
        assert {item.external_id: item.promoted for item in batch.metrics} == {ids[0]: True, ids[1]: None}
        assert all(item.clicks is not None for item in batch.metrics)

    async def test_a_post_whose_link_was_encoded_is_found(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Read this", link="https://ja.wikipedia.org/wiki/東京")
        first = clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(content, first))
        clock.advance(seconds=2)
        found = await connector.find_publication(saved.request(content, first))
        assert found is not None
        other = saved.request(PostContent(text="Read that"), first, key="other")
        saved.state = {}
        assert await connector.find_publication(replace(other, state={}, others=(content,))) is None

    async def test_a_token_of_unknown_age_is_refreshed_in_time(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        known = account.credentials
        unknown = replace(account, credentials=replace(known, expires_at=None))
        assert (await pool.open(unknown).verify()).credentials.expires_at == clock() + timedelta(hours=2)
        final = replace(account, credentials=replace(known, expires_at=None, refresh_token=None))
        assert (await pool.open(final).verify()).credentials.expires_at is None

    async def test_a_duplicate_may_be_our_own_post(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = await connector.publish(saved.request(self.content, clock()))
        with pytest.raises(OutcomeUnknownError, match="duplicate"):
            await connector.publish(saved.request(self.content, clock()))
        found = await connector.find_publication(saved.request(self.content, clock()))
        assert found is not None
        assert found.external_id == first.external_id
        assert len(self.live(world)) == 1

    async def test_a_duplicate_of_another_publication_is_not_sent_over_and_over(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        other = await connector.publish(saved.request(self.content, clock(), key="pub_0"))
        saved.state = {}
        with pytest.raises(OutcomeUnknownError, match="duplicate"):
            await connector.publish(saved.request(self.content, clock()))
        taken = frozenset({other.external_id})
        with pytest.raises(UnavailableError, match="another publication"):
            await connector.find_publication(saved.request(self.content, clock(), taken=taken))
        assert len(self.live(world)) == 1

    async def test_pictures_are_uploaded_with_their_words(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        await connector.publish(saved.request(PostContent(text="Tea", media=(PICTURE, PICTURE)), clock()))
        (post,) = self.live(world)
        assert len(post.detail("media_ids")) == 2
        assert world.requests["twitter:publish"] == 1

    async def test_a_picture_that_is_gone_is_the_authors_to_mend(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="Tea", media=(Media(url=f"{SANDBOX}/_sandbox/nowhere.png"),))
        with pytest.raises(ContentRejectedError, match="404"):
            await connector.publish(saved.request(content, clock()))
        assert self.live(world) == []

    async def test_too_long_is_in_the_platforms_words(
        self, connector: Connector, saved: SavedState, clock: Clock
    ) -> None:
        with pytest.raises(ContentRejectedError, match="too long"):
            await connector.publish(saved.request(PostContent(text="x" * 281), clock()))

    async def test_the_thread_hangs_together(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("two", "three"), first_comment="first!")
        await connector.publish(saved.request(content, clock()))
        root, second, third, comment = self.live(world)
        assert [post.detail("reply_to") for post in (root, second, third, comment)] == [
            None,
            root.external_id,
            second.external_id,
            root.external_id,
        ]

    async def test_what_is_refused_midway_says_what_is_out(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("x" * 281,))
        with pytest.raises(
            ContentRejectedError, match=r"part 2 of 2 .*https://x.com/\w+/status/\d+.*too long"
        ):
            await connector.publish(saved.request(content, clock()))
        assert len(self.live(world)) == 1

    async def test_link_clicks_only_while_x_has_them(self, connector: Connector, clock: Clock) -> None:
        posts = await self.history(connector, clock() - timedelta(days=60))
        young = next(post for post in posts if post.published_at > clock() - timedelta(days=10))
        old = next(post for post in posts if post.published_at < clock() - timedelta(days=40))
        result = await connector.fetch_metrics([old.external_id, young.external_id])
        clicks = {item.external_id: item.clicks for item in result.metrics}
        assert clicks[young.external_id] is not None
        assert clicks[old.external_id] is None

    async def test_a_refresh_needs_the_apps_id(self, account: Account, clock: Clock) -> None:
        async with ConnectorPool(ConnectorSettings(), clock=clock) as pool:
            with pytest.raises(GiveUpError, match="SOCIALFLOW_TWITTER_CLIENT_ID"):
                await pool.open(account).refresh_token()

    async def test_without_a_refresh_token_there_is_nothing_to_refresh(
        self, pool: ConnectorPool, account: Account
    ) -> None:
        bare = replace(account, credentials=replace(account.credentials, refresh_token=None))
        assert await pool.open(bare).refresh_token() is None

    async def test_a_spent_refresh_token(
        self, pool: ConnectorPool, account: Account, connector: Connector
    ) -> None:
        assert await connector.refresh_token() is not None
        with pytest.raises(ReauthenticateError, match="connect the account again") as caught:
            await pool.open(account).refresh_token()
        assert not caught.value.expired

    async def test_an_expired_token_says_that_a_refresh_may_help(
        self, connector: Connector, owner: SandboxAccount, clock: Clock
    ) -> None:
        assert owner.expires_at is not None
        clock.now = owner.expires_at + timedelta(seconds=1)
        with pytest.raises(ReauthenticateError) as caught:
            await connector.fetch_followers()
        assert caught.value.expired

    @pytest.mark.parametrize(
        ("status", "headers", "body", "scope", "retry_at"),
        [
            (
                429,
                {"x-rate-limit-reset": str(int(NOW.timestamp()) + 60)},
                {},
                "account",
                NOW + timedelta(minutes=1),
            ),
            (
                429,
                {
                    "x-rate-limit-reset": str(int(NOW.timestamp()) + 60),
                    "x-user-limit-24hour-remaining": "0",
                    "x-user-limit-24hour-reset": str(int(NOW.timestamp()) + 7200),
                },
                {},
                "account",
                NOW + timedelta(hours=2),
            ),
            (429, {}, {"type": "https://api.x.com/2/problems/usage-capped"}, "app", None),
            (402, {}, {"title": "CreditsDepleted"}, "app", None),
        ],
    )
    async def test_whose_limit_it_is(  # one case of X's limits each
        self,
        *,
        status: int,
        headers: dict[str, str],
        body: dict[str, str],
        scope: str,
        retry_at: datetime | None,
        account: Account,
        saved: SavedState,
        connector_settings: ConnectorSettings,
    ) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, json=body))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(RateLimitedError) as caught:
                await pool.open(account).publish(saved.request(self.content, NOW))
        assert caught.value.scope == scope
        assert caught.value.retry_at == retry_at

    async def test_a_listing_that_fails_inside_a_200_is_no_empty_listing(
        self, account: Account, saved: SavedState, connector_settings: ConnectorSettings
    ) -> None:
        body = {
            "errors": [
                {"detail": "Could not find user.", "type": "https://api.x.com/2/problems/resource-not-found"}
            ]
        }
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
        async with ConnectorPool(connector_settings, clock=lambda: NOW, transport=transport) as pool:
            with pytest.raises(GiveUpError, match="Could not find user"):
                await pool.open(account).find_publication(saved.request(self.content, NOW))

    async def test_a_confidential_app_signs_its_refresh(
        self, account: Account, connector_settings: ConnectorSettings
    ) -> None:
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={"access_token": "new-access", "expires_in": 7200})

        settings = connector_settings.model_copy(update={"twitter_client_secret": SecretStr("app-secret")})
        async with ConnectorPool(settings, clock=lambda: NOW, transport=httpx.MockTransport(answer)) as pool:
            new = await pool.open(account).refresh_token()
        assert seen[0].headers["authorization"].startswith("Basic ")
        assert new is not None
        assert new.refresh_token == account.credentials.refresh_token, "kept, as none was sent"
        assert new.expires_at == NOW + timedelta(hours=2)


POST = {
    "id": "1849234567890123456",
    "text": "Read &amp; share https://t.co/abc123 https://t.co/pic456",
    "created_at": "2026-11-24T11:59:58.000Z",
    "conversation_id": "1849234567890123456",
    "entities": {
        "urls": [
            {
                "start": 17,
                "end": 40,
                "url": "https://t.co/abc123",
                "expanded_url": "https://example.com/a?b=1",
            },
            {
                "start": 41,
                "end": 64,
                "url": "https://t.co/pic456",
                "expanded_url": "https://x.com/me/status/1849234567890123456/photo/1",
                "media_key": "3_18",
            },
        ]
    },
    "attachments": {"media_keys": ["3_18"]},
}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Read & share https://example.com/a?b=1", True),
        ("Read & share\n\nhttps://example.com/a?b=1/", True),
        ("Read & share https://example.com/other", False),
        ("Read & share", False),
        ("Read & shared https://example.com/a?b=1", False),
    ],
)
def test_a_post_is_recognised_by_its_words_and_links(text: str, *, same: bool) -> None:
    assert fits(candidate_of(POST), text, PICTURE) is same


def test_without_entities_the_words_decide() -> None:
    bare = {**POST, "entities": {}}
    assert fits(candidate_of(bare), "Read & share https://example.com/whatever", PICTURE)
    assert not fits(candidate_of(bare), "Read https://example.com/whatever", PICTURE)


def test_a_long_post_is_read_from_its_note() -> None:
    long = {
        "id": "1",
        "text": "The beginning… https://t.co/x",
        "note_tweet": {"text": "The beginning and the end"},
    }
    assert fits(candidate_of(long), "The beginning and the end")


def test_the_text_is_shown_as_it_was_written() -> None:
    assert readable_text(POST) == "Read & share https://example.com/a?b=1"


def test_an_answer_hangs_below_its_parent() -> None:
    parent = SentPart("7", None, NOW)
    reply = {"id": "8", "conversation_id": "7", "referenced_posts": [{"type": "replied_to", "id": "7"}]}

    def answers(post: dict[str, Any], parent: SentPart | None) -> bool:
        return posts.answers(post, parent, parent)

    assert answers(reply, parent)
    assert not answers(reply, None)
    # A thread's third part answers the second, in the conversation of the first.
    assert posts.answers(reply, SentPart("7", None, NOW), SentPart("7", None, NOW))
    assert not posts.answers(reply, SentPart("7", None, NOW), SentPart("1", None, NOW))
    assert not answers({**reply, "referenced_posts": [{"type": "replied_to", "id": "6"}]}, parent)
    assert not answers({"id": "8", "conversation_id": "8"}, parent)
    assert answers({"id": "8", "conversation_id": "8"}, None)


def test_metrics_under_both_generations_of_names() -> None:
    counts = {
        "like_count": 5,
        "reply_count": 1,
        "quote_count": 2,
        "bookmark_count": 3,
        "impression_count": 900,
    }
    for name in ("repost_count", "retweet_count"):
        body = {"data": [{"id": "1", "public_metrics": {**counts, name: 4}}]}
        ((metrics,), gone) = parse_metrics(body, NOW)
        assert gone == set()
        assert replace(metrics, raw={}) == PostMetrics(
            "1", NOW, impressions=900, likes=5, comments=1, shares=6, saves=3
        )


def test_what_x_leaves_out_stays_unknown() -> None:
    (metrics,), _ = parse_metrics({"data": [{"id": "1", "public_metrics": {"like_count": 0}}]}, NOW)
    assert replace(metrics, raw={}) == PostMetrics("1", NOW, likes=0)


def test_partial_errors_name_what_is_gone_and_what_is_only_hidden() -> None:
    problems = "https://api.x.com/2/problems/"
    body = {
        "data": [{"id": "1", "public_metrics": {}}],
        "errors": [
            {"resource_id": "2", "type": f"{problems}resource-not-found"},
            {"value": "3", "type": f"{problems}resource-not-found"},
            {"resource_id": "4", "type": f"{problems}not-authorized-for-resource"},
        ],
    }
    found, gone = parse_metrics(body, NOW)
    assert [item.external_id for item in found] == ["1"]
    assert gone == {"2", "3"}


def test_an_account_without_posts_has_an_empty_page() -> None:
    assert parse_page({"meta": {"result_count": 0}}) == ([], None)
    with pytest.raises(GiveUpError):
        parse_page({"meta": {}})


def test_a_user_without_public_metrics_has_no_known_followers() -> None:
    user = parse_user({"data": {"id": 5, "username": "tea", "name": ""}})
    assert (user.external_id, user.handle, user.display_name, user.followers) == ("5", "tea", "tea", None)


def test_the_id_tells_the_age() -> None:
    # 1 << 22 of an id is one millisecond after X's epoch.
    assert age_of("4194304", datetime(2010, 11, 4, 1, 42, 54, 658000, tzinfo=UTC)) == timedelta(0)
    assert age_of("not-an-id", NOW) == timedelta.max
    assert age_of("9" * 30, NOW) == timedelta.max


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"impression_count": 7}, True),
        ({"impression_count": 0, "like_count": 0}, None),
        (None, None),
        ({}, None),
    ],
)
def test_only_counts_of_an_advertisement_mean_promotion(
    counts: dict[str, int] | None, expected: object
) -> None:
    post = {"id": "1", "public_metrics": {"like_count": 3}} | (
        {} if counts is None else {"promoted_metrics": counts}
    )
    ((metrics,), _) = parse_metrics({"data": [post]}, NOW)
    assert metrics.promoted is expected
