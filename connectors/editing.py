"""Change the parts of a published post, first part first. Every change is safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.deletion import list_part_ids
from connectors.errors import ContentRejectedError, UnsupportedError
from connectors.parts import Part, split_parts
from connectors.types import STEP

if TYPE_CHECKING:
    from connectors.content.capabilities import Capabilities
    from connectors.types import EditRequest, PostContent


def list_edited_parts(request: EditRequest, *, options_everywhere: bool = False) -> list[tuple[Part, str]]:
    """Return the parts that may differ from what they are to say, each with its id on the platform.

    `options_everywhere`: whether options apply to all parts, not only to the first. Raises ContentRejectedError for a
    part whose id was not saved.
    """
    ids = list_part_ids(request.external_id, request.state)
    before = [split_parts(content) for content in request.before]
    same_options = all(content.options == request.after.options for content in request.before)
    edited = []
    for part in split_parts(request.after):
        same = all(part.index < len(parts) and parts[part.index].text == part.text for parts in before)
        if options_everywhere:
            same &= same_options
        if part.index == 0:
            same = all(
                _describe_first(content) == _describe_first(request.after) for content in request.before
            )
        if same:
            continue
        if part.index >= len(ids) and STEP in request.state:
            continue  # it is published later, with its new words
        if part.index >= len(ids):
            raise ContentRejectedError(
                f"the id of part {part.index + 1} on the platform is not known: change it there"
            )
        edited.append((part, ids[part.index]))
    return edited


def refuse_edit(capabilities: Capabilities) -> UnsupportedError:
    """Return the error of a platform that lets no app change posts."""
    return UnsupportedError(capabilities.why_no_edit)


def _describe_first(content: PostContent) -> dict[str, object]:
    return content.model_dump(mode="json", exclude={"thread", "first_comment"})
