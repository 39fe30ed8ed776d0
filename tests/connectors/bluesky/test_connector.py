from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.base import Connector, PublishRequest
from connectors.bluesky.records import build_record_key, parse_record, read_expiry
from connectors.errors import GiveUpError, OutcomeUnknownError, ReauthenticateError, UnavailableError
from connectors.parts import split_parts
from connectors.registry import ConnectorPool
from connectors.sandbox.accounts import SandboxAccount
from connectors.sandbox.world import SandboxWorld
from connectors.types import Account, Credentials, Platform, PostContent
from tests.connectors.contract import PICTURE, ConnectorContract
from tests.connectors.harness import Clock, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class TestBluesky(ConnectorContract):
    platform = Platform.BLUESKY
    absence = "own"

    async def test_an_app_password_becomes_a_session(
        self, pool: ConnectorPool, account: Account, owner: SandboxAccount, clock: Clock
    ) -> None:
        assert owner.app_password is not None
        password = SecretStr(owner.app_password)
        verified = await pool.open(
            replace(account, external_id="", credentials=Credentials(password))
        ).verify()
        assert verified.external_id == owner.external_id
        assert verified.credentials.app_password == password
        assert verified.credentials.access_token != password
        assert verified.credentials.refresh_token is not None
        assert verified.credentials.expires_at is not None
        assert verified.credentials.expires_at > clock()

    async def test_a_wrong_app_password(self, pool: ConnectorPool, account: Account) -> None:
        wrong = replace(account, credentials=Credentials(SecretStr("aaaa-bbbb-cccc-dddd")))
        with pytest.raises(ReauthenticateError) as caught:
            await pool.open(wrong).verify()
        self.hide(caught.value, wrong)

    async def test_an_app_password_needs_a_handle(self, pool: ConnectorPool, account: Account) -> None:
        nameless = Credentials(SecretStr("aaaa-bbbb-cccc-dddd"))
        with pytest.raises(GiveUpError, match="handle"):
            await pool.open(replace(account, handle=None, external_id="", credentials=nameless)).verify()

    async def test_a_session_token_tells_its_own_end(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        plain = Credentials(account.credentials.access_token)
        verified = await pool.open(replace(account, credentials=plain)).verify()
        assert verified.credentials.expires_at == clock() + timedelta(hours=2)

    async def test_an_expired_session_is_renewed(self, connector: Connector, clock: Clock) -> None:
        clock.advance(hours=3)
        with pytest.raises(ReauthenticateError) as caught:
            await connector.fetch_followers()
        assert caught.value.expired
        assert await connector.refresh_token() is not None
        assert (await connector.fetch_followers()).followers is not None

    async def test_a_lost_rotation_is_recovered_by_the_app_password(
        self, pool: ConnectorPool, account: Account, connector: Connector
    ) -> None:
        # Another process spent the refresh token, and its answer never reached us.
        await connector.refresh_token()
        stale = pool.open(account)
        new = await stale.refresh_token()
        assert new is not None
        assert (await stale.fetch_followers()).followers is not None

    async def test_without_an_app_password_a_lost_rotation_is_final(
        self, pool: ConnectorPool, account: Account, clock: Clock
    ) -> None:
        bare = replace(account, credentials=replace(account.credentials, app_password=None))
        clock.advance(days=91)
        with pytest.raises(ReauthenticateError):
            await pool.open(bare).refresh_token()

    async def test_the_very_same_record_again_is_one_record(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content, first = PostContent(text="Tea", media=(PICTURE,)), clock()
        one = await connector.publish(saved.request(content, first))
        two = await connector.publish(saved.request(content, first))
        assert one == two
        assert len(self.live(world)) == 1
        assert saved.saves == 1

    async def test_another_record_under_our_key_is_not_ours(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        await connector.publish(saved.request(PostContent(text="one wording"), first))
        saved.state = {}
        with pytest.raises(GiveUpError, match="another post"):
            await connector.publish(saved.request(PostContent(text="another wording"), first))
        assert len(self.live(world)) == 1

    async def test_found_even_if_the_state_was_lost(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        first = clock()
        self.fail(world, "reset_after")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(self.content, first))
        saved.state = {}
        assert await connector.find_publication(saved.request(self.content, first)) is not None

    async def test_the_record_is_saved_whole_before_it_is_sent(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        self.fail(world, "reset_before")
        with pytest.raises(OutcomeUnknownError):
            await connector.publish(saved.request(PostContent(text="#tea at example.com"), clock()))
        record = saved.state["pending"]["record"]
        assert record["createdAt"] == "2026-11-24T12:00:00.000Z"
        assert [facet["features"][0]["$type"].rpartition("#")[2] for facet in record["facets"]] == [
            "tag",
            "link",
        ]

    async def test_a_server_without_an_appview_still_lists_and_signs_in(
        self, connector: Connector, owner: SandboxAccount, world: SandboxWorld, clock: Clock
    ) -> None:
        world.settings.bluesky_appview = False
        since = clock() - timedelta(days=50)
        posts = await self.history(connector, since)
        expected = [post for post in world.published(self.platform, owner) if post.published_at >= since]
        assert len(posts) == len(expected) > 100
        assert all(post.metrics is None for post in posts)
        verified = await connector.verify()
        assert verified.external_id == owner.external_id
        assert verified.followers is None
        with pytest.raises(UnavailableError, match="no AppView"):
            await connector.fetch_followers()
        with pytest.raises(UnavailableError, match="no AppView"):
            await connector.fetch_metrics([posts[0].external_id])

    async def test_a_thread_answers_by_reference(
        self, connector: Connector, world: SandboxWorld, saved: SavedState, clock: Clock
    ) -> None:
        content = PostContent(text="one", thread=("two", "three"))
        await connector.publish(saved.request(content, clock()))
        root, second, _third = self.live(world)
        reply = saved.state["pending"]["record"]["reply"]
        assert reply["root"]["uri"] == root.external_id
        assert reply["parent"]["uri"] == second.external_id
        assert reply["root"]["cid"].startswith("baf")


def request(key: str, at: datetime) -> PublishRequest:
    content = PostContent(text="a", thread=("b", "c"))
    return PublishRequest(content=content, key=key, first_attempt_at=at, state={})


@given(st.text(max_size=30), st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_a_record_key_is_a_tid_and_stays_the_same(key: str, at: datetime) -> None:
    keys = [build_record_key(request(key, at), part) for part in split_parts(request(key, at).content)]
    assert keys == [
        build_record_key(request(key, at), part) for part in split_parts(request(key, at).content)
    ]
    assert keys == sorted(set(keys)), "the parts of a thread sort in order"
    for item in keys:
        assert len(item) == 13
        assert set(item) <= set("234567abcdefghijklmnopqrstuvwxyz")
        assert item[0] in "234567abcdefghij"  # the top bit of a TID is 0


def test_publications_of_one_moment_have_keys_of_their_own() -> None:
    parts = split_parts(PostContent(text="a"))
    assert len({build_record_key(request(f"pub_{number}", NOW), parts[0]) for number in range(2000)}) == 2000


def test_a_record_without_a_zone_is_utc() -> None:
    post = parse_record(
        "at://did:plc:x/app.bsky.feed.post/3k", {"text": "a", "createdAt": "2026-11-24T12:00:00"}
    )
    assert post.published_at == NOW
    assert post.permalink == "https://bsky.app/profile/did:plc:x/post/3k"


@pytest.mark.parametrize("token", ["", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.sig", "not a token"])
def test_a_token_that_tells_no_end(token: str) -> None:
    assert read_expiry(token) is None
