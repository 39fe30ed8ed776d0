"""Uploads over a platform's limits: refused when the post is written, or converted if the post asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.content.pictures import PictureShape
from tests.warehouse.conftest import connect
from warehouse.errors import InvalidInputError
from warehouse.planning.bulk import create_posts
from warehouse.planning.check import check_post
from warehouse.planning.files import read_post_rows
from warehouse.planning.posts import change_post, create_post
from warehouse.planning.views import describe_post
from warehouse.planning.wish import PostChange, PostWish
from warehouse.shapes import read_shape
from warehouse.store.posts.media import add_upload
from warehouse.store.posts.reads import get_post

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.planning.context import PlanningContext

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

STILL = PictureShape(4000, 3000, is_animated=False)


def wish(**more: Any) -> PostWish:
    fields = {"content": "hello", "platforms": ["twitter"], "media": [{"url": "upload:med_1"}], **more}
    return read_shape(PostWish, fields)


def upload(
    context: PlanningContext, content_type: str = "image/jpeg", size: int = 7_000_000, **more: Any
) -> None:
    add_upload(
        context.session,
        context.workspace_id,
        "med_1",
        content_type=content_type,
        size=size,
        sha256="0" * 64,
        filename="photo.jpg",
        now=context.now,
        **{"shape": STILL, **more},
    )


FIT = {"media": {"fit": True}}


def test_a_picture_over_the_limit_is_refused_with_the_remedy_or_converted(planner: Planner) -> None:
    with planner() as context:
        upload(context)
        with pytest.raises(InvalidInputError) as refused:
            create_post(context, wish())
        (entry,) = refused.value.entries
        assert (entry["pointer"], entry["code"]) == ("/media/0", "media_too_large")
        assert "7,000,000 bytes, X (Twitter) takes 5,000,000" in entry["detail"]
        assert "options.media.fit" in entry["detail"]
        check = check_post(context, wish())
        assert (check.valid, [one["code"] for one in check.problems]) == (False, ["media_too_large"])
        check = check_post(context, wish(options=FIT))
        assert check.valid
        (target,) = check.publications
        (conversion,) = target["conversions"]
        assert conversion["pointer"] == "/media/0"
        assert "converted for X (Twitter)" in conversion["detail"]
        saved = create_post(context, wish(options=FIT, allow_duplicate=True))
        (publication,) = saved.publications
        assert publication.content["fit"] is True
        assert describe_post(saved.post, saved.publications)["options"] == FIT
        kept = change_post(context, saved.post.id, read_shape(PostChange, {"content": "other"}))
        assert kept.publications[0].content["fit"] is True, "what a change does not name stays"
        with pytest.raises(InvalidInputError):
            change_post(context, saved.post.id, read_shape(PostChange, {"options": {}}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"shape": PictureShape(400, 300, is_animated=True)}, "a still picture"),
        ({"shape": None}, "cannot be read"),
        ({"shape": PictureShape(20_000, 20_000, is_animated=False)}, "at most 80,000,000 pixels"),
    ],
)
def test_what_cannot_be_converted_is_refused_when_it_is_written(
    planner: Planner, more: dict[str, Any], words: str
) -> None:
    with planner() as context:
        upload(context, "image/gif", **more)
        with pytest.raises(InvalidInputError, match=words) as refused:
            create_post(context, wish(options=FIT))
        assert refused.value.entries[0]["code"] == "cannot_be_converted"


def test_the_pointer_names_the_part(planner: Planner) -> None:
    with planner() as context:
        upload(context, "image/avif", size=100)
        part = {"text": "two", "media": [{"url": "upload:med_1"}]}
        asked = wish(
            thread=["one", part],
            media=[],
            variants={"twitter": {"first_comment": part}},
            platforms=["twitter"],
        )
        with pytest.raises(InvalidInputError) as refused:
            create_post(context, asked)
        assert {(entry["pointer"], entry["code"]) for entry in refused.value.entries} == {
            ("/thread/1/media/0", "media_type_unsupported"),
            ("/variants/twitter/first_comment/media/0", "media_type_unsupported"),
        }
        part = {"text": "two", "media": [{"url": "upload:med_2"}]}
        with pytest.raises(InvalidInputError) as refused:
            create_post(context, wish(thread=["one", part]))
        assert refused.value.field == "thread/1/media/0/url"


def test_documents_are_limited_by_their_pages(world: World, planner: Planner) -> None:
    connect(world.store, world.workspace_id, "linkedin", "urn:li:organization:7")
    with planner() as context:
        upload(context, "application/pdf", size=1000, shape=None, pages=301)
        with pytest.raises(InvalidInputError, match="301 pages, LinkedIn takes 300") as refused:
            create_post(context, wish(platforms=["linkedin"]))
        assert refused.value.entries[0]["code"] == "too_many_pages"
        with pytest.raises(InvalidInputError, match="documents cannot be posted to X"):
            create_post(context, wish())


def test_rows_of_a_csv_file_say_everything_about_parts(planner: Planner) -> None:
    body = (
        b"content,platforms,thread,thread.1.media,thread.1.alt_text,thread.1.after,first_comment,first_comment.after,"
        b"option.media.fit\n"
        b'"One",twitter,"Two\n---\nThree",https://a.example/p.png,A tree,10m,And,PT1H,true\n'
        b'"Four",twitter,,https://a.example/p.png,,,,,\n'
        b'"Five",twitter,Six,,,8d,,,\n'
    )
    with planner() as context:
        report = create_posts(context, read_post_rows(body, "csv"), mode="each")
        made, orphan, late = report.rows
        assert made.status == "created", made.errors
        assert orphan.errors[0]["detail"].startswith("there is no part for the column thread.1.media")
        assert late.errors[0]["pointer"] == "/thread/0/after"
    with planner() as context:
        details = get_post(context.session, context.workspace_id, str(made.post_id)).details
    assert details["thread"] == [
        {
            "text": "Two",
            "media": [{"url": "https://a.example/p.png", "kind": "image", "alt_text": "A tree"}],
            "after": 600,
        },
        "Three",
    ]
    assert details["first_comment"] == {"text": "And", "after": 3600}
    assert details["options"] == {"media": {"fit": True}}
