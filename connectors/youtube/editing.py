"""Edit a published video.

Source: youtube/youtube.v3.json, developers.google.com/youtube/v3 (videos.update). An update replaces each
part that it names as a whole: what is left out is lost. So the video is read first, and only what the edit changes is
changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.deletion import ignore
from connectors.errors import GiveUpError
from connectors.youtube.capabilities import LABEL
from connectors.youtube.videos import write_video

if TYPE_CHECKING:
    from connectors.http.client import PlatformApi
    from connectors.types import EditRequest

_KEPT = {
    "snippet": ("title", "description", "tags", "categoryId", "defaultLanguage", "defaultAudioLanguage"),
    "status": (
        *("privacyStatus", "publishAt", "license", "embeddable", "publicStatsViewable"),
        *("selfDeclaredMadeForKids", "containsSyntheticMedia"),
    ),
}
"""Fields that can be written, by part; all others are YouTube's own."""
_DEFAULTS: dict[str, Any] = {
    "license": "youtube",
    "embeddable": True,
    "containsSyntheticMedia": False,
    "tags": [],
}
"""Values of fields that an edit no longer names."""


async def edit_video(api: PlatformApi, video_id: str, request: EditRequest) -> None:
    """Change title, description and the like of a video, unless it has them already."""
    path = "/youtube/v3/videos"
    video = await api.read(path, _parse_only, params={"part": "snippet,status", "id": video_id})
    new, old = write_video(request.after), [write_video(content) for content in request.before]
    written: dict[str, Any] = {}
    for part, kept in _KEPT.items():
        names = {name for one in (new, *old) for name in one[part]}
        changes = {
            name: new[part].get(name, _DEFAULTS.get(name))
            for name in names
            if any(one[part].get(name) != new[part].get(name) for one in old)
        }
        if changes.get("categoryId", "") is None:
            del changes[
                "categoryId"
            ]  # a video always has a category: without one of our own it keeps its own
        if all((video[part].get(name) or None) == (value or None) for name, value in changes.items()):
            continue
        whole = {name: video[part][name] for name in kept if name in video[part]} | changes
        written[part] = {name: value for name, value in whole.items() if value is not None}
    if written:
        await api.prepare(
            "PUT", path, ignore, params={"part": ",".join(written)}, json={"id": video_id, **written}
        )


def _parse_only(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the one video of the answer. Raises GiveUpError if there is none."""
    if not body["items"]:
        raise GiveUpError(f"{LABEL} has no such video any more: it was deleted there", status=404)
    video = body["items"][0]
    return {**video, "snippet": dict(video["snippet"]), "status": dict(video["status"])}
