"""Edits of published posts: in place, with all parts, safe to repeat, and clear where a platform offers none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.capabilities import CAPABILITIES
from connectors.content.editing import find_edit_problems
from connectors.errors import ConnectorError, ContentRejectedError, GiveUpError, UnsupportedError
from connectors.registry import CONNECTORS
from connectors.sandbox.faults import FaultRule
from connectors.types import EditRequest, FollowUp, Platform, PostContent
from tests.connectors.harness import account_of
from tests.connectors.option_cases import FILM, LINK, PHOTO
from tests.connectors.test_delete import content_for
from tests.connectors.test_options import owner_of

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from connectors.sandbox.world import SandboxPost, SandboxWorld
    from tests.connectors.harness import Clock, SavedState

P = Platform
EDITING = [platform for platform, connector in CONNECTORS.items() if connector.capabilities.editing]


@pytest.fixture
def publish(world: SandboxWorld, pool: ConnectorPool, clock: Clock, saved: SavedState) -> Any:
    """Publishes a content, and returns the connector and a function that edits it."""

    async def work(platform: Platform, content: PostContent) -> tuple[Connector, Any, list[SandboxPost]]:
        original = world._now
        world._now = lambda: (clock.advance(milliseconds=300), original())[1]
        connector = pool.open(account_of(owner_of(world, platform)))
        receipt = await connector.publish(saved.request(content, clock()))

        async def edit(after: PostContent, *before: PostContent) -> None:
            assert list(find_edit_problems(connector.capabilities, content, after)) == []
            await connector.edit(
                EditRequest(receipt.external_id, (content, *before), after, dict(saved.state))
            )

        return connector, edit, world.published(platform, via="api")

    return work


def reword(content: PostContent) -> PostContent:
    editing = content.model_copy(update={"text": "Six teas"})
    return editing.model_copy(update={"thread": tuple(f"{part.text} tea" for part in content.thread)})


def writes(posts: list[SandboxPost]) -> int:
    return sum(int(post.detail("edits") or 0) for post in posts)


def editable(platform: Platform) -> PostContent:
    content = content_for(platform)
    editing = CAPABILITIES[platform].editing
    assert editing is not None
    return (
        content if "first_comment" in editing.fields else content.model_copy(update={"first_comment": None})
    )


@pytest.mark.parametrize("platform", EDITING)
async def test_a_post_says_the_new_words_under_the_same_id_and_again_changes_nothing(
    platform: Platform, publish: Any, world: SandboxWorld
) -> None:
    content = editable(platform)
    connector, edit, posts = await publish(platform, content)
    ids = [post.external_id for post in posts]
    after = reword(content)
    await edit(after)
    assert [post.text for post in posts][: 1 + len(after.thread)] == [
        after.text,
        *(part.text for part in after.thread),
    ]
    assert [post.external_id for post in world.published(platform, via="api")] == ids
    assert all(post.deleted is None for post in posts)
    written = writes(posts)
    assert written == 1 + len(after.thread)
    await edit(after)
    assert writes(posts) == written, "what it says already is not written again"
    metrics = await connector.fetch_metrics(ids[:1])
    assert ids[0] not in metrics.deleted


@pytest.mark.parametrize("kind", ["reset_after", "error_500_after"])
@pytest.mark.parametrize("platform", EDITING)
async def test_after_a_lost_answer_the_edit_is_repeated_without_a_second_write(
    platform: Platform, kind: Any, publish: Any, world: SandboxWorld
) -> None:
    content = editable(platform)
    _, edit, posts = await publish(platform, content)
    operation: Any = "publish" if platform is P.BLUESKY else "edit"
    world.faults.add(FaultRule(kind=kind, platform=platform, operation=operation))
    after = reword(content)
    with pytest.raises(ConnectorError):
        await edit(after)
    assert posts[0].text == after.text
    assert writes(posts) == 1
    await edit(after)
    assert writes(posts) == 1 + len(after.thread)


@pytest.mark.parametrize("platform", EDITING)
async def test_an_edit_that_did_not_arrive_is_repeated(
    platform: Platform, publish: Any, world: SandboxWorld
) -> None:
    content = editable(platform)
    _, edit, posts = await publish(platform, content)
    operation: Any = "publish" if platform is P.BLUESKY else "edit"
    world.faults.add(FaultRule(kind="error_500_before", platform=platform, operation=operation))
    with pytest.raises(ConnectorError):
        await edit(reword(content))
    assert posts[0].text == content.text
    await edit(reword(content))
    assert posts[0].text == "Six teas"


@pytest.mark.parametrize("platform", EDITING)
async def test_an_edit_of_a_deleted_post_says_so_and_publishes_nothing(
    platform: Platform, publish: Any, world: SandboxWorld
) -> None:
    content = editable(platform)
    _, edit, posts = await publish(platform, content)
    for post in posts:
        world.delete_post(post, world.time())
    with pytest.raises((GiveUpError, ContentRejectedError)):
        await edit(reword(content))
    assert [post for post in world.published(platform, via="api") if post.deleted is None] == []


@pytest.mark.parametrize("platform", sorted(set(CONNECTORS) - set(EDITING)))
async def test_a_platform_without_edits_says_so(
    platform: Platform, world: SandboxWorld, pool: ConnectorPool
) -> None:
    content = content_for(platform)
    (problem,) = find_edit_problems(CAPABILITIES[platform], content, reword(content))
    assert problem.code == "not_editable"
    label = CAPABILITIES[platform].label.split(" (")[0]
    assert problem.detail.startswith(label)
    assert "edit it there" in problem.detail
    with pytest.raises(UnsupportedError, match=label):
        await pool.open(account_of(owner_of(world, platform))).edit(
            EditRequest("1", (content,), reword(content), {})
        )


OPTION_EDITS: list[tuple[Platform, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (P.MASTODON, {}, {"content_warning": "Spoilers"}, {"spoiler_text": "Spoilers"}),
    (P.MASTODON, {"content_warning": "Spoilers"}, {}, {"spoiler_text": ""}),
    (P.MASTODON, {"language": "en"}, {"language": "de"}, {"language": "de"}),
    (
        P.TELEGRAM,
        {},
        {"buttons": [[{"text": "Read", "url": LINK}]]},
        {"reply_markup": f'{{"inline_keyboard":[[{{"text":"Read","url":"{LINK}"}}]]}}'},
    ),
    (P.TELEGRAM, {"buttons": [[{"text": "Read", "url": LINK}]]}, {}, {"reply_markup": None}),
    (P.TELEGRAM, {}, {"link_preview": False}, {"link_preview_options": '{"is_disabled":true}'}),
    (P.PINTEREST, {"title": "One"}, {"title": "Two"}, {"title": "Two"}),
    (P.YOUTUBE, {"title": "One"}, {"title": "Two"}, {"title": "Two"}),
    (P.YOUTUBE, {"tags": ["tea"]}, {}, {"tags": []}),
    (P.YOUTUBE, {}, {"tags": ["tea"]}, {"tags": ["tea"], "privacyStatus": "public"}),
    (P.YOUTUBE, {}, {"privacy": "unlisted"}, {"privacyStatus": "unlisted"}),
    (P.YOUTUBE, {"category": "27"}, {}, {"categoryId": "27"}),
    (P.YOUTUBE, {"licence": "creative_commons"}, {}, {"license": "youtube"}),
    (P.BLUESKY, {"languages": ["en"]}, {"languages": ["de"]}, {"langs": ["de"]}),
    (P.BLUESKY, {"labels": ["nudity"]}, {}, {"labels": None}),
]


@pytest.mark.parametrize(("platform", "before", "after", "fields"), OPTION_EDITS)
async def test_an_edit_changes_options_and_leaves_everything_else(
    platform: Platform, before: Any, after: Any, fields: Any, publish: Any
) -> None:
    content = editable(platform).model_copy(update={"thread": (), "first_comment": None, "options": before})
    _, edit, (post, *_) = await publish(platform, content)
    media = dict(post.details)
    changed = content.model_copy(update={"options": after})
    await edit(changed)
    shown = {**post.details, **post.details.get("record", {}), **post.details.get("options", {})}
    for name, value in fields.items():
        assert shown.get(name) == value, (name, shown)
    assert post.text == content.text
    for name in ("media_ids", "photos", "media_type"):
        assert post.details.get(name) == media.get(name)
    count = writes([post])
    await edit(changed)
    assert writes([post]) == count


async def test_media_survive_an_edit_on_mastodon(publish: Any) -> None:
    content = PostContent(text="Five teas", media=(PHOTO,))
    _, edit, (post,) = await publish(P.MASTODON, content)
    before = post.details["media_ids"]
    assert before
    await edit(reword(content))
    assert post.details["media_ids"] == before


async def test_a_caption_is_edited_on_telegram(publish: Any) -> None:
    content = PostContent(text="Five teas", media=(PHOTO,))
    _, edit, (post,) = await publish(P.TELEGRAM, content)
    await edit(reword(content))
    assert (post.text, post.kind) == ("Six teas", "photo")


async def test_a_videos_words_are_edited_on_facebook(publish: Any) -> None:
    content = PostContent(text="Five teas", media=(FILM,))
    _, edit, (post,) = await publish(P.FACEBOOK, content)
    await edit(reword(content))
    assert (post.text, post.kind) == ("Six teas", "video")


async def test_a_pins_link_and_alt_text_are_edited(publish: Any) -> None:
    content = PostContent(text="Five teas", media=(PHOTO,), link=LINK)
    _, edit, (post,) = await publish(P.PINTEREST, content)
    described = PHOTO.model_copy(update={"alt_text": "another photo"})
    await edit(content.model_copy(update={"media": (described,), "link": None}))
    assert (post.details["alt_text"], post.details["link"]) == ("another photo", None)


async def test_gates_are_added_and_removed_by_an_edit_on_bluesky(
    publish: Any,
) -> None:
    content = PostContent(text="Five teas", options={"reply_gate": "nobody"})
    connector, edit, (post,) = await publish(P.BLUESKY, content)
    await edit(PostContent(text="Five teas", options={"quote_gate": "nobody"}))
    found = {}
    for name in ("threadgate", "postgate"):
        found[name] = await connector._api.read(
            "/com.atproto.repo.listRecords",
            lambda body: len(body["records"]),
            params={"repo": post.account.external_id, "collection": f"app.bsky.feed.{name}"},
        )
    assert found == {"threadgate": 0, "postgate": 1}


async def test_an_edit_after_an_edit_of_unknown_outcome_covers_what_both_changed(publish: Any) -> None:
    content = PostContent(text="Five teas", media=(FILM,), options={"title": "One"})
    _, edit, (post,) = await publish(P.YOUTUBE, content)
    other = content.model_copy(update={"options": {"title": "Two"}})
    await edit(other)  # its answer was lost, say
    last = content.model_copy(update={"text": "Six teas"})
    await edit(last, other)
    assert (post.text, post.details["title"]) == ("Six teas", "One")


KEPT: list[tuple[Platform, PostContent, dict[str, Any], str]] = [
    (P.MASTODON, PostContent(text="t", media=(PHOTO,)), {"media": ()}, "media"),
    (P.MASTODON, PostContent(text="t"), {"thread": ("u",)}, "thread"),
    (
        P.MASTODON,
        PostContent(text="t", thread=("u",)),
        {"thread": (FollowUp(text="v", media=(PHOTO,)),)},
        "thread/0",
    ),
    (P.MASTODON, PostContent(text="t"), {"first_comment": "u"}, "first_comment"),
    (P.MASTODON, PostContent(text="t"), {"options": {"visibility": "direct"}}, "options/visibility"),
    (
        P.MASTODON,
        PostContent(text="t", options={"poll": {"choices": ["a", "b"]}}),
        {"text": "u"},
        "options/poll",
    ),
    (P.FACEBOOK, PostContent(text="t", link=LINK), {"link": None}, "link"),
    (P.LINKEDIN, PostContent(text="t", first_comment="u"), {"first_comment": "v"}, "first_comment"),
    (
        P.LINKEDIN,
        PostContent(text="t", link=LINK, options={"article": {"title": "t"}}),
        {"link": LINK + "/2"},
        "link",
    ),
    (P.YOUTUBE, PostContent(text="t", media=(FILM,)), {"options": {"playlist": "PL7"}}, "options/playlist"),
    (P.TELEGRAM, PostContent(text="t"), {"options": {"silent": True}}, "options/silent"),
]


@pytest.mark.parametrize(("platform", "before", "change", "field"), KEPT)
def test_what_a_platform_cannot_change_is_named(
    platform: Platform, before: PostContent, change: dict[str, Any], field: str
) -> None:
    problems = list(find_edit_problems(CAPABILITIES[platform], before, before.model_copy(update=change)))
    assert [(problem.code, problem.field) for problem in problems] == [("not_editable", field)]
    assert CAPABILITIES[platform].label in problems[0].detail


@pytest.mark.parametrize("platform", EDITING)
def test_an_unchanged_content_has_no_problem(platform: Platform) -> None:
    content = content_for(platform)
    assert list(find_edit_problems(CAPABILITIES[platform], content, content)) == []
    capabilities = CAPABILITIES[platform]
    assert capabilities.editing is not None
    assert capabilities.editing.options <= set(capabilities.options.model_fields)
    assert capabilities.editing.cost.endswith(".")
