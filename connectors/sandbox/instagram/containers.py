"""Simulated Instagram containers, in which a post is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.content.marks import count_marks
from connectors.sandbox.meta.containers import Container, ContainerStatus, GraphContainers
from connectors.sandbox.meta.protocol import graph_error, is_own, no_object, pick_fields, read_list
from connectors.sandbox.wire import Answer, Call
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_CAPTION_LIMIT: Final = 2200
_MOST_HASHTAGS: Final = 30
_MOST_MENTIONS: Final = 20
_OPTIONS: Final = (
    *("collaborators", "user_tags", "location_id", "cover_url", "thumb_offset", "share_to_feed", "alt_text"),
)
_VIDEO_TYPES: Final = frozenset({"REELS", "VIDEO", "STORIES"})
_REFUSALS: Final[Mapping[ContainerStatus | None, tuple[str, int, int]]] = {
    None: ("Media ID is not available", 24, 2207006),
    "PUBLISHED": ("The media has already been published", 9007, 2207032),
    "EXPIRED": ("The media you are trying to access has expired", -2, 2207020),
    "IN_PROGRESS": ("Media ID is not available", 9007, 2207027),
    "ERROR": ("Media ID is not available", 9007, 2207027),
}


class InstagramContainers(GraphContainers):
    """The containers of Instagram."""

    platform = Platform.INSTAGRAM
    quota_total = 100

    def create(self, call: Call) -> Answer:
        """POST /{ig}/media."""
        if not is_own(call):
            return no_object(call.path["node"])
        given = call.parameters()
        caption = given.get("caption", "")
        if len(caption) > _CAPTION_LIMIT:
            return graph_error("The caption is too long.", 36000, subcode=2207010)
        if (
            count_marks(caption, "hashtags") > _MOST_HASHTAGS
            or count_marks(caption, "mentions") > _MOST_MENTIONS
        ):
            return graph_error("The caption has too many hashtags or mentions.", -1, subcode=2207040)
        options: dict[str, str] = {name: given[name] for name in _OPTIONS if name in given}
        if given.get("media_type") == "STORIES":
            options["media_type"] = "STORIES"
        if given.get("media_type") == "CAROUSEL":
            return self._create_album(call, given, caption, options)
        settings = self.world.settings
        is_video = given.get("media_type", "") in _VIDEO_TYPES and "video_url" in given
        address = given.get("video_url" if is_video else "image_url", "")
        if not address.startswith(("http://", "https://")):
            name = "video_url" if given.get("media_type") in {"REELS", "VIDEO"} else "image_url"
            return graph_error(f"(#100) The parameter {name} is required", 100)
        delay = settings.instagram_video_delay_s if is_video else settings.instagram_image_delay_s
        return self.keep(
            call,
            Container(
                owner=call.owner,
                caption=caption,
                kind="video" if is_video else "photo",
                created=call.at,
                ready_at=call.at + delay,
                is_item=given.get("is_carousel_item", "").lower() == "true",
                media_url=address,
                options=options,
            ),
        )

    def quota(self, call: Call) -> Answer:
        """GET /{ig}/content_publishing_limit."""
        if not is_own(call):
            return no_object(call.path["node"])
        config = {"quota_total": self.quota_total, "quota_duration": 86_400}
        shown = {"quota_usage": len(self.recent(call.owner, call.at)), "config": config}
        return Answer({"data": [pick_fields(shown, call, default=("quota_usage",))]})

    def describe(self, status: ContainerStatus) -> dict[str, str]:
        """Return status_code and its description."""
        return {"status_code": status, "status": f"{status.title()}: Media upload"}

    def refuse(self, status: ContainerStatus | None) -> Answer:
        """Return the error with its subcode."""
        message, code, subcode = _REFUSALS[status]
        return graph_error(message, code, subcode=subcode)

    def refuse_quota(self) -> Answer:
        """Return the error for the 101st post."""
        message = "Application request limit reached: 100 posts in 24 hours"
        return graph_error(message, 9, subcode=2207042, status=403)

    def _create_album(
        self, call: Call, given: Mapping[str, str], caption: str, options: dict[str, str]
    ) -> Answer:
        children = read_list(given.get("children", ""))
        if not 2 <= len(children) <= 10:
            return graph_error("A carousel needs 2 to 10 children.", 100, subcode=2207009)
        items = [item for child in children if (item := self.find_item(child, call)) is not None]
        if len(items) < len(children):
            message = "A child of the carousel is no finished item container."
            return graph_error(message, 9007, subcode=2207027)
        return self.keep(
            call,
            Container(
                owner=call.owner,
                caption=caption,
                kind="photo",
                created=call.at,
                ready_at=call.at + self.world.settings.instagram_image_delay_s,
                children=children,
                media_url=items[0].media_url,
                options={**(items[0].options or {}), **options},
            ),
        )
