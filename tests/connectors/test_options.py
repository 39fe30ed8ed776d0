"""Options: each reaches the platform in the right field, and what does not fit is refused before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.capabilities import validate_content
from connectors.content.options import PlatformOptions
from connectors.content.text import fingerprint
from connectors.errors import ContentRejectedError, GiveUpError, OutcomeUnknownError, UnavailableError
from connectors.options import OPTIONS, PostOptions
from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.pinterest.app import board_id, section_id
from connectors.sandbox.world import SandboxPost, SandboxWorld
from connectors.types import Platform, PostContent
from tests.connectors.harness import account_of
from tests.connectors.option_cases import CASES, ELSEWHERE, FILM, LINK, PHOTO, PNG_BYTES, SECOND, OptionCase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.settings import ConnectorSettings
    from tests.connectors.harness import Clock, SavedState

P = Platform


def owner_of(world: SandboxWorld, platform: Platform) -> SandboxAccount:
    return next(item for item in world.accounts if item.platform is platform)


def sent_fields(post: SandboxPost, gates: dict[str, Any]) -> dict[str, Any]:
    """All that the platform was told about the post beside its text and media."""
    details = post.details or {}
    content = details.get("content") or {}
    return {
        **(details.get("record") or {}),
        **gates,
        **content,
        **(details.get("options") or {}),
        **{name: details[name] for name in ("title", "link", "alt_text") if details.get(name)},
        **({"shown_title": content["media"].get("title")} if "media" in content else {}),
    }


async def read_gates(pool: ConnectorPool, owner: SandboxAccount, post: SandboxPost) -> dict[str, Any]:
    if owner.platform is not P.BLUESKY:
        return {}
    api: Any = pool.open(account_of(owner))
    gates: dict[str, Any] = {}
    for name in ("threadgate", "postgate"):
        records = await api._api.read(
            "/com.atproto.repo.listRecords",
            lambda body: body["records"],
            params={"repo": owner.external_id, "collection": f"app.bsky.feed.{name}"},
        )
        for record in records:
            assert record["value"]["post"] == post.external_id
            assert record["uri"].rpartition("/")[2] == post.external_id.rpartition("/")[2]
            gates |= record["value"]
    return gates


def name_ids(value: Any, owner: SandboxAccount) -> Any:
    """Replace the names of Pinterest's simulated boards by their ids."""
    if owner.platform is not P.PINTEREST:
        return value
    return {"TEA": str(int(board_id(owner)) + 1), "GREEN": section_id(owner)}.get(value, value)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_option_reaches_the_platform(
    case: OptionCase, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    assert validate_content(case.platform, case.content) == []
    owner = owner_of(world, case.platform)
    original = world._now
    world._now = lambda: (clock.advance(milliseconds=300), original())[1]
    request = saved.request(case.content, clock())
    receipt = await pool.open(account_of(owner)).publish(request)
    (post,) = world.published(case.platform, via="api")
    fields = sent_fields(post, await read_gates(pool, owner, post))
    for name, value in case.fields.items():
        assert fields.get(name) == name_ids(value, owner), (name, fields)
    if case.platform is not P.TELEGRAM:
        found = await pool.open(account_of(owner)).find_publication(
            saved.request(case.content, request.first_attempt_at)
        )
        assert found is not None
        assert found.external_id == receipt.external_id


def test_every_option_is_tested() -> None:
    tested = {(case.platform.value, name) for case in CASES for name in case.options}
    all_of_them = {
        (platform.value, name) for platform, model in OPTIONS.items() for name in model.model_fields
    }
    assert all_of_them - tested == ELSEWHERE


def test_every_platform_has_options_and_every_option_a_description() -> None:
    assert set(OPTIONS) == set(Platform)
    assert {*(platform.value for platform in OPTIONS), "media"} == set(PostOptions.model_fields)
    for platform, model in OPTIONS.items():
        assert PostOptions.model_fields[platform.value].annotation == model | None
        for name, field in model.model_fields.items():
            assert field.description, (platform, name)
            assert not field.is_required(), (platform, name)


@pytest.mark.parametrize("platform", OPTIONS)
def test_an_unknown_option_is_refused(platform: Platform) -> None:
    with pytest.raises(ValidationError) as refused:
        PostOptions.model_validate({platform.value: {"no_such_option": 1}})
    assert refused.value.errors()[0]["loc"] == (platform.value, "no_such_option")


REFUSED: list[tuple[Platform, dict[str, Any], PostContent, str]] = [
    (P.MASTODON, {"poll": {"choices": ["a", "b"]}}, PostContent(text="t", media=(PHOTO,)), "poll"),
    (P.MASTODON, {"poll": {"choices": ["a", "A "]}}, PostContent(text="t"), "poll/choices"),
    (P.MASTODON, {"poll": {"choices": ["a", "b" * 51]}}, PostContent(text="t"), "poll/choices/1"),
    (P.MASTODON, {"sensitive": True}, PostContent(text="t"), "sensitive"),
    (P.MASTODON, {"content_warning": "w" * 100}, PostContent(text="t" * 401), "content_warning"),
    (P.TWITTER, {"quote": "1"}, PostContent(text="t", media=(PHOTO,)), "quote"),
    (P.TWITTER, {"quote": "1", "poll": {"choices": ["a", "b"]}}, PostContent(text="t"), "quote"),
    (P.TWITTER, {"poll": {"choices": ["a", "b" * 26]}}, PostContent(text="t"), "poll/choices/1"),
    (P.TWITTER, {"tagged_users": ["1"]}, PostContent(text="t"), "tagged_users"),
    (P.INSTAGRAM, {"kind": "reel"}, PostContent(text="t", media=(PHOTO,)), "kind"),
    (P.INSTAGRAM, {"kind": "carousel"}, PostContent(text="t", media=(PHOTO,)), "kind"),
    (P.PINTEREST, {"link": "ftp://a.example"}, PostContent(text="t", media=(PHOTO,)), "link"),
    (P.INSTAGRAM, {"kind": "story"}, PostContent(text="t", media=(PHOTO,)), "kind"),
    (P.INSTAGRAM, {"kind": "story"}, PostContent(media=(PHOTO, SECOND)), "kind"),
    (P.INSTAGRAM, {"kind": "story", "collaborators": ["rye"]}, PostContent(media=(PHOTO,)), "collaborators"),
    (P.INSTAGRAM, {"cover_time_ms": 1}, PostContent(text="t", media=(PHOTO,)), "cover_time_ms"),
    (P.INSTAGRAM, {"cover": "ftp://a.example"}, PostContent(text="t", media=(FILM,)), "cover"),
    (P.INSTAGRAM, {"user_tags": [{"username": "rye"}]}, PostContent(text="t", media=(PHOTO,)), "user_tags/0"),
    (P.FACEBOOK, {"video_title": "t"}, PostContent(text="t"), "video_title"),
    (P.FACEBOOK, {"kind": "reel"}, PostContent(text="t", media=(PHOTO,)), "kind"),
    (P.FACEBOOK, {"kind": "story"}, PostContent(text="t", media=(PHOTO,)), "kind"),
    (P.FACEBOOK, {"kind": "story"}, PostContent(media=(PHOTO, SECOND)), "kind"),
    (P.FACEBOOK, {"kind": "story", "place": "1"}, PostContent(media=(PHOTO,)), "place"),
    (P.FACEBOOK, {"place": "1"}, PostContent(text="t", media=(FILM,)), "place"),
    (P.PINTEREST, {"section": "Green"}, PostContent(text="t", media=(PHOTO,)), "section"),
    (P.PINTEREST, {"cover_second": 1}, PostContent(text="t", media=(PHOTO,)), "cover_second"),
    (P.TIKTOK, {"allow_duet": True}, PostContent(text="t", media=(PHOTO,)), "allow_duet"),
    (P.TIKTOK, {"title": "t"}, PostContent(text="t", media=(FILM,)), "title"),
    (P.TIKTOK, {"cover_photo": 1}, PostContent(text="t", media=(PHOTO,)), "cover_photo"),
    (
        P.TIKTOK,
        {"branded_content": True, "privacy": "private"},
        PostContent(text="t", media=(FILM,)),
        "branded_content",
    ),
    (P.LINKEDIN, {"article": {"title": "t"}}, PostContent(text="t"), "article"),
    (P.LINKEDIN, {"document": {"title": "t"}}, PostContent(text="t", media=(PHOTO,)), "document"),
    (
        P.LINKEDIN,
        {"poll": {"question": "?", "choices": ["a", "b"]}},
        PostContent(text="t", media=(PHOTO,)),
        "poll",
    ),
    (P.THREADS, {"poll": {"choices": ["a", "b"]}}, PostContent(text="t", link=LINK), "poll"),
    (P.THREADS, {"spoiler": True}, PostContent(text="t"), "spoiler"),
    (P.BLUESKY, {"reply_gate": []}, PostContent(text="t"), "reply_gate"),
    (P.BLUESKY, {"quote": "https://bsky.app/profile/bsky.app"}, PostContent(text="t"), "quote"),
    (
        P.TELEGRAM,
        {"buttons": [[{"text": "a", "url": LINK}]]},
        PostContent(text="t", media=(PHOTO, SECOND)),
        "buttons",
    ),
    (P.TELEGRAM, {"spoiler": True}, PostContent(text="t"), "spoiler"),
    (P.TELEGRAM, {"link_preview": False}, PostContent(text="t", media=(PHOTO,)), "link_preview"),
    (P.YOUTUBE, {"title": "<b>"}, PostContent(text="t", media=(FILM,)), "title"),
    (P.YOUTUBE, {"tags": ["x" * 99] * 6}, PostContent(text="t", media=(FILM,)), "tags"),
    (
        P.YOUTUBE,
        {"publish_at": "2030-01-01T00:00:00Z", "privacy": "public"},
        PostContent(text="t", media=(FILM,)),
        "publish_at",
    ),
]


@pytest.mark.parametrize(("platform", "options", "content", "name"), REFUSED)
def test_what_does_not_fit_the_content_is_refused_by_name(
    platform: Platform, options: dict[str, Any], content: PostContent, name: str
) -> None:
    problems = validate_content(platform, content.model_copy(update={"options": options}))
    assert f"options/{name}" in {problem.field for problem in problems}, problems


def test_every_platform_refuses_something() -> None:
    assert {platform for platform, *_ in REFUSED} == set(Platform)


def test_a_content_without_options_has_the_fingerprint_that_it_had_before_there_were_any() -> None:
    content = PostContent(text="Five teas")
    assert "options" not in content.model_dump(mode="json")
    assert fingerprint(content) != fingerprint(
        content.model_copy(update={"options": {"visibility": "direct"}})
    )


@pytest.mark.parametrize("platform", OPTIONS)
async def test_stored_options_that_are_gone_are_refused_before_anything_is_sent(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    media = (FILM,) if platform in {P.YOUTUBE, P.TIKTOK} else (PHOTO,)
    content = PostContent(text="Five teas", media=media, options={"of_another_version": 1})
    with pytest.raises(ContentRejectedError, match="of_another_version"):
        await pool.open(account_of(owner_of(world, platform))).publish(saved.request(content, clock()))
    assert world.published(platform, via="api") == []


async def test_a_page_on_linkedin_cannot_post_to_connections_but_a_member_can(
    connector_settings: ConnectorSettings, clock: Clock, saved: SavedState
) -> None:
    world = SandboxWorld(now=clock, history_days=1, accounts_per_platform=2)
    page, member = (item for item in world.accounts if item.platform is P.LINKEDIN)
    content = PostContent(text="Five teas", options={"visibility": "connections"})
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with ConnectorPool(connector_settings, clock=clock, transport=transport) as pool:
        with pytest.raises(ContentRejectedError, match="always public"):
            await pool.open(account_of(page)).publish(saved.request(content, clock()))
        await pool.open(account_of(member)).publish(saved.request(content, clock()))
    (post,) = world.published(P.LINKEDIN, via="api")
    assert post.detail("options")["visibility"] == "CONNECTIONS"


async def test_a_gate_that_was_lost_is_written_by_the_next_attempt(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    owner = owner_of(world, P.BLUESKY)
    content = PostContent(text="Five teas", options={"reply_gate": "nobody"})
    world.faults.add(FaultRule(kind="reset_after", platform=P.BLUESKY, operation="publish"))
    connector = pool.open(account_of(owner))
    first = clock()
    with pytest.raises(OutcomeUnknownError):
        await connector.publish(saved.request(content, first))
    assert await connector.find_publication(saved.request(content, first)) is None, "its gate is missing"
    receipt = await connector.publish(saved.request(content, first))
    (post,) = world.published(P.BLUESKY, via="api")
    assert receipt.external_id == post.external_id
    assert (await read_gates(pool, owner, post))["allow"] == []
    found = await connector.find_publication(saved.request(content, first))
    assert found is not None


@pytest.mark.parametrize("done", [0, 1])
async def test_a_video_whose_playlist_was_interrupted_is_neither_uploaded_nor_listed_twice(
    done: int, world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    options = {"playlist": "PL7", "thumbnail": PHOTO.url}
    content = PostContent(text="Five teas", media=(FILM,), options=options)
    connector, first = pool.open(account_of(owner_of(world, P.YOUTUBE))), clock()

    async def break_next(state: Mapping[str, Any]) -> None:
        if "video" in state and len(state.get("finished", ())) == done and not world.faults.rules:
            world.faults.add(FaultRule(kind="reset_after", platform=P.YOUTUBE, operation="prepare"))

    saved.on_save = break_next
    with pytest.raises(UnavailableError):
        await connector.publish(saved.request(content, first))
    assert await connector.find_publication(saved.request(content, first)) is None, "a step is missing"
    assert saved.state["unfinished"]
    # YouTube forgets the session by then, and an upload would begin anew.
    saved.state = {**saved.state, "session": f"{saved.state['session']}-forgotten"}
    saved.on_save = None
    receipt = await connector.publish(saved.request(content, first))
    (post,) = world.published(P.YOUTUBE, via="api")
    assert receipt.external_id == post.external_id
    assert post.detail("options")["playlists"] == ["PL7"]
    assert post.detail("options")["thumbnail_bytes"] == PNG_BYTES
    assert await connector.find_publication(saved.request(content, first)) is not None


async def test_a_playlist_that_youtube_refuses_is_told_with_the_video_that_is_out(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    content = PostContent(text="Five teas", media=(FILM,), options={"playlist": "nowhere"})
    with pytest.raises(GiveUpError, match=r"the video is out \(https://.*refused its playlist"):
        await pool.open(account_of(owner_of(world, P.YOUTUBE))).publish(saved.request(content, clock()))
    assert len(world.published(P.YOUTUBE, via="api")) == 1


async def test_a_quoted_post_of_bluesky_is_named_by_its_address(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    owner = owner_of(world, P.BLUESKY)
    quoted = world.timeline(owner)[-1]
    key = quoted.external_id.rpartition("/")[2]
    for number, address in enumerate(
        (quoted.external_id, f"https://bsky.app/profile/{owner.handle}/post/{key}"), start=1
    ):
        saved.state = {}
        content = PostContent(
            text=f"Look {number}", media=(PHOTO,) if number == 2 else (), options={"quote": address}
        )
        clock.advance(minutes=1)
        await pool.open(account_of(owner)).publish(saved.request(content, clock(), key=f"pub_{number}"))
    plain, with_picture = (post.details or {} for post in world.published(P.BLUESKY, via="api"))
    assert plain["record"]["embed"]["record"]["uri"] == quoted.external_id
    assert with_picture["record"]["embed"]["record"]["record"]["uri"] == quoted.external_id
    missing = PostContent(
        text="No", options={"quote": f"at://{owner.external_id}/app.bsky.feed.post/3aaaaaaaaaaaa"}
    )
    with pytest.raises(ContentRejectedError, match="cannot be quoted"):
        await pool.open(account_of(owner)).publish(saved.request(missing, clock(), key="pub_3"))


async def test_a_board_that_does_not_exist_is_named_before_anything_is_sent(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    connector = pool.open(account_of(owner_of(world, P.PINTEREST)))
    for options, words in (
        ({"board": "Nowhere"}, "All of it"),
        ({"board": "Tea", "section": "Black"}, "Black"),
    ):
        content = PostContent(text="Five teas", media=(PHOTO,), options=options)
        with pytest.raises(ContentRejectedError, match=words):
            await connector.publish(saved.request(content, clock()))
    assert world.published(P.PINTEREST, via="api") == []


async def test_what_an_account_of_tiktok_does_not_allow_is_said_and_not_sent(
    world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState
) -> None:
    connector = pool.open(account_of(owner_of(world, P.TIKTOK)))
    world.settings.tiktok_privacy_levels = ("SELF_ONLY",)
    for options, words in (
        ({"privacy": "public"}, "it offers private"),
        ({"allow_stitch": True}, "no stitch"),
        ({"branded_content": True}, "privately only"),
    ):
        content = PostContent(text="Five teas", media=(FILM,), options=options)
        with pytest.raises(ContentRejectedError, match=words):
            await connector.publish(saved.request(content, clock()))
    assert world.published(P.TIKTOK, via="api") == []


async def test_the_sandbox_shows_the_options_of_its_posts(world: SandboxWorld) -> None:
    world.add_post(
        owner_of(world, P.MASTODON),
        text="a",
        kind="text",
        at=world.time(),
        details={"options": {"language": "en"}},
    )
    transport = httpx.ASGITransport(create_sandbox_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
        (shown,) = (await client.get("/_sandbox/posts?via=api")).json()
    assert shown["options"] == {"language": "en"}


def test_the_base_model_has_no_options() -> None:
    assert PlatformOptions.model_fields == {}
