"""What of a change a platform cannot make of a published post. No network code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.content.problems import ContentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.content.capabilities import Capabilities, Editing
    from connectors.types import FollowUp, PostContent


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
    yield from _check_thread(label, editing, before, after)
    yield from _check_comment(label, editing, before.first_comment, after.first_comment)
    was, is_now = (capabilities.options.of(content).model_dump(mode="json") for content in (before, after))
    for name in is_now:
        if was[name] != is_now[name] and name not in editing.options:
            yield _problem(label, f"the option {name}", f"options/{name}")
    yield from capabilities.options.of(after).find_edit_problems()


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


def _check_thread(
    label: str, editing: Editing, before: PostContent, after: PostContent
) -> Iterator[ContentProblem]:
    if before.thread == after.thread:
        return
    if "thread" not in editing.fields:
        yield _problem(label, "the parts of a thread", "thread")
    elif len(before.thread) != len(after.thread):
        yield _problem(label, "the number of parts", "thread")
    else:
        for number, (old, new) in enumerate(zip(before.thread, after.thread, strict=True)):
            yield from _check_part(label, "a part", f"thread/{number}", old, new)


def _check_comment(
    label: str, editing: Editing, old: FollowUp | None, new: FollowUp | None
) -> Iterator[ContentProblem]:
    if old == new:
        return
    if "first_comment" not in editing.fields or old is None or new is None:
        yield _problem(label, "the first comment", "first_comment")
    else:
        yield from _check_part(label, "the first comment", "first_comment", old, new)


def _check_part(label: str, name: str, field: str, old: FollowUp, new: FollowUp) -> Iterator[ContentProblem]:
    if old.media != new.media:
        yield _problem(label, f"the media of {name}", field)
    if old.after != new.after:
        yield _problem(label, f"the delay of {name}", field)


def _problem(label: str, what: str, field: str) -> ContentProblem:
    return ContentProblem(
        "not_editable", f"{label} cannot change {what} of a published post: leave it as it was", field
    )
