"""Edit a published status.

Source: mastodon/schema.json 4.7.0, PUT /api/v1/statuses/{id} and GET .../source. Mastodon takes the whole status:
media, warning and language that are not sent again are removed from it, and a poll that is sent again loses its votes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.deletion import ignore
from connectors.errors import GiveUpError
from connectors.mastodon.options import MastodonOptions
from connectors.mastodon.statuses import parse_object

if TYPE_CHECKING:
    from connectors.http.client import PlatformApi
    from connectors.parts import Part
    from connectors.types import PostContent

_NOT_OFFERED = frozenset({403, 404, 405, 410, 501})


async def edit_status(
    api: PlatformApi, status_id: str, part: Part, content: PostContent, *, label: str
) -> None:
    """Replace the text and options of a status, unless it has them already. Its media stay as they are."""
    path = f"/api/v1/statuses/{status_id}"
    status = await api.read(path, parse_object)
    source = await _read_source(api, path)
    options = MastodonOptions.of(content)
    # Mastodon marks a post with a warning as sensitive by itself, which ends with the warning.
    marked = bool(status.get("sensitive")) and not status.get("spoiler_text")
    body: dict[str, Any] = {
        "status": part.text,
        "spoiler_text": options.content_warning or "",
        "sensitive": marked or bool(options.content_warning),
        "media_ids": [str(item["id"]) for item in status.get("media_attachments") or ()],
    }
    if part.index == 0 and options.sensitive is not None:
        body["sensitive"] = options.sensitive
    if language := options.language or status.get("language"):
        body["language"] = language
    if options.content_type is not None:
        body["content_type"] = options.content_type
    if source is not None:
        shown = {
            "status": source["text"],
            "spoiler_text": source.get("spoiler_text") or "",
            "sensitive": bool(status.get("sensitive")),
            "language": status.get("language"),
        }
        if all(shown[name] == body.get(name, shown[name]) for name in shown):
            return
    try:
        await api.prepare("PUT", path, ignore, json=body)
    except GiveUpError as error:
        if error.status not in {404, 405, 501}:
            raise
        raise GiveUpError(
            f"{label} shows the post, but offers no way to edit it: edit it there, or delete it and publish it again",
            status=error.status,
        ) from error


async def _read_source(api: PlatformApi, path: str) -> dict[str, Any] | None:
    """Return text and warning as written; None: the server does not keep them."""
    try:
        return await api.read(f"{path}/source", lambda body: {**body, "text": str(body["text"])})
    except GiveUpError as error:
        if error.status not in _NOT_OFFERED:
            raise
        return None
