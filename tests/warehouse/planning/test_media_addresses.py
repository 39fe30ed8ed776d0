"""Media at private addresses are refused when they are planned, in every spelling and in every place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.hostile.hosts import addresses
from warehouse.errors import InvalidInputError
from warehouse.planning.bulk import create_posts
from warehouse.planning.files import PostRow
from warehouse.planning.posts import change_post, create_post, preview_post
from warehouse.planning.recurrences import change_recurrence, create_recurrence
from warehouse.planning.wish import PostChange, PostWish, RecurrenceChange, RecurrenceWish
from warehouse.shapes import read_shape
from warehouse.store.models import Post

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.planning.context import PlanningContext

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

LATER = "2026-03-02T15:00:00Z"
POST = {"content": "a post", "platforms": ["mastodon"], "scheduled_at": LATER}
RULE = {
    "rrule": "FREQ=WEEKLY;BYDAY=TU",
    "starts_at": "2026-03-03T09:00:00",
    "content": "a rule",
    "platforms": ["mastodon"],
}
PRIVATE = "https://10.0.0.1/a.png"


def media(url: str) -> list[dict[str, str]]:
    return [{"url": "https://cdn.example/a.png"}, {"url": url}]


def test_no_spelling_of_a_private_host_is_planned(world: World, planner: Planner) -> None:
    accepted, codes = [], set()
    with planner() as context:
        for address in addresses():
            try:
                preview_post(context, read_shape(PostWish, {**POST, "media": media(address)}))
            except InvalidInputError as error:
                codes.add((error.entries[0]["pointer"], error.entries[0]["code"]))
            else:
                accepted.append(address)
    assert accepted == []
    assert codes == {("/media/1/url", "invalid_media_url"), ("/media/1/url", "private_media_url")}
    with world.store.read() as session:
        assert session.query(Post).count() == 0


PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "post": ("/media/1/url", {"media": media(PRIVATE)}),
    "variant": ("/variants/mastodon/media/1/url", {"variants": {"mastodon": {"media": media(PRIVATE)}}}),
    "variant without account": (
        "/variants/instagram/media/1/url",
        {"variants": {"instagram": {"media": media(PRIVATE)}}},
    ),
    "option": ("/options/youtube/thumbnail", {"options": {"youtube": {"thumbnail": PRIVATE}}}),
    "option of a variant": (
        "/variants/instagram/options/cover",
        {"variants": {"instagram": {"options": {"cover": PRIVATE}}}},
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_way_to_plan_refuses_it(planner: Planner, place: str) -> None:
    pointer, fields = PLACES[place]
    draft = {"content": "a draft", "status": "draft"}
    with planner() as context:
        kept = create_post(context, read_shape(PostWish, {"content": "kept", "status": "draft"}))
        rule = create_recurrence(context, read_shape(RecurrenceWish, {**RULE, "content": "kept"})).row
        ways: list[Callable[[], object]] = [
            lambda: create_post(context, read_shape(PostWish, {**POST, **fields})),
            lambda: create_post(context, read_shape(PostWish, {**draft, **fields})),
            lambda: preview_post(context, read_shape(PostWish, {**POST, **fields})),
            lambda: change_post(context, kept.post.id, read_shape(PostChange, fields)),
            lambda: create_recurrence(context, read_shape(RecurrenceWish, {**RULE, **fields})),
            lambda: change_recurrence(context, rule.id, read_shape(RecurrenceChange, fields)),
        ]
        for way in ways:
            with pytest.raises(InvalidInputError, match=r"10\.0\.0\.1") as refused:
                way()
            assert refused.value.entries[0]["pointer"] == pointer
            assert refused.value.entries[0]["code"] == "private_media_url"
            assert "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES" in refused.value.entries[0]["detail"]
        report = create_posts(context, [PostRow(2, {**POST, **fields})], mode="each")
        assert [(row.status, row.errors[0]["pointer"]) for row in report.rows] == [("failed", pointer)]


def test_the_setting_allows_them_and_names_are_checked_when_fetched(planner: Planner) -> None:
    with planner(allow_private_media=True) as context:
        create_post(context, read_shape(PostWish, {**POST, "media": media("http://127.0.0.1:8000/a.png")}))
    with planner() as context:
        create_post(
            context,
            read_shape(PostWish, {**POST, "content": "b", "media": media("https://nas.example/a.png")}),
        )
