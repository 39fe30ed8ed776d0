"""What of a change a platform cannot make of a published post. No network code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.content.problems import ContentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.content.capabilities import Capabilities, Editing
    from connectors.types import PostContent


def find_edit_problems(
    capabilities: Capabilities, before: PostContent, after: PostContent
) -> Iterator[ContentProblem]:
    """Yield what of a change the platform cannot make of a published post, with code not_editable."""
    editing, label = capabilities.editing, capabilities.label
    if editing is None:
        yield ContentProblem("not_editable", capabilities.why_no_edit, "text")
        return
    if before.text != after.text and "text" not in editing.fields:
        yield _problem(label, "the text", "text")
    yield from _check_link(capabilities, editing, before, after)
    alt_text = "alt_text" in editing.fields
    if [_identify(item, alt_text=alt_text) for item in before.media] != [
        _identify(item, alt_text=alt_text) for item in after.media
    ]:
        yield _problem(label, "media", "media")
    if before.thread != after.thread:
        if "thread" not in editing.fields:
            yield _problem(label, "the parts of a thread", "thread")
        elif len(before.thread) != len(after.thread):
            yield _problem(label, "the number of parts", "thread")
    yield from _check_parts(label, before, after)
    if before.first_comment != after.first_comment and (
        "first_comment" not in editing.fields or not before.first_comment or not after.first_comment
    ):
        yield _problem(label, "the first comment", "first_comment")
    old, new = (capabilities.options.of(content).model_dump(mode="json") for content in (before, after))
    for name in new:
        if old[name] != new[name] and name not in editing.options:
            yield _problem(label, f"the option {name}", f"options/{name}")
    yield from capabilities.options.of(after).find_edit_problems()


def _check_parts(label: str, before: PostContent, after: PostContent) -> Iterator[ContentProblem]:
    for place, (old, new) in enumerate(zip(before.follow_ups, after.follow_ups, strict=False)):
        if (old.media, old.after) != (new.media, new.after):
            field = f"thread/{place}" if place < len(before.thread) else "first_comment"
            yield _problem(label, "the media and the delay of a part", field)


def _check_link(
    capabilities: Capabilities, editing: Editing, before: PostContent, after: PostContent
) -> Iterator[ContentProblem]:
    if before.link == after.link:
        return
    shown_apart = capabilities.link_in_text and any(
        content.link is not None and not capabilities.shows_link_in_text(content)
        for content in (before, after)
    )
    if "link" not in editing.fields or shown_apart:
        yield _problem(capabilities.label, "the link", "link")


def _identify(item: object, *, alt_text: bool) -> object:
    return item.model_copy(update={"alt_text": None}) if alt_text and hasattr(item, "model_copy") else item


def _problem(label: str, what: str, field: str) -> ContentProblem:
    return ContentProblem(
        "not_editable", f"{label} cannot change {what} of a published post: leave it as it was", field
    )
