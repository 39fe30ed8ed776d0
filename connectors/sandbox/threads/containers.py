"""Simulated Threads: texts published at once, and containers for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.content.marks import count_marks
from connectors.content.text import count_threads
from connectors.sandbox.meta.containers import Container, ContainerStatus, GraphContainers
from connectors.sandbox.meta.protocol import graph_error, is_own, no_object, pick_fields, read_list
from connectors.sandbox.wire import Answer, Call
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_LIMIT: Final = 500
_MOST_ITEMS: Final = 20
_MOST_LINKS: Final = 5
_OPTIONS: Final = (
    *("reply_control", "topic_tag", "poll_attachment", "quote_post_id", "location_id", "is_spoiler_media"),
    "link_attachment",
)
_MEDIA: Final[Mapping[str, tuple[ContentKind, str]]] = {
    "IMAGE": ("photo", "image_url"),
    "VIDEO": ("video", "video_url"),
}


class ThreadsContainers(GraphContainers):
    """The containers of Threads."""

    platform = Platform.THREADS
    quota_total = 250

    def create(self, call: Call) -> Answer:
        """POST /me/threads: a container, or with auto_publish_text the post itself."""
        if not is_own(call):
            return no_object(call.path["node"])
        given = call.parameters()
        text, reply_to = given.get("text", ""), given.get("reply_to_id") or None
        if count_threads(text) > _TEXT_LIMIT:
            return graph_error("Param text must be at most 500 characters long.", 100)
        if count_marks(f"{text} {given.get('link_attachment', '')}", "links") > _MOST_LINKS:
            return graph_error("THREADS_API__LINK_LIMIT_EXCEEDED: the post has too many links.", 100)
        if reply_to is not None and self.world.find_post(self.platform, reply_to, call.owner) is None:
            return self.refuse(None)
        made = self._make(call, given, text)
        if isinstance(made, Answer):
            return made
        made.reply_to = reply_to
        made.options = {name: given[name] for name in _OPTIONS if name in given}
        if "poll_attachment" in given and ("link_attachment" in given or given.get("media_type") != "TEXT"):
            return graph_error("Param poll_attachment is available for text posts without a link", 100)
        if given.get("media_type") == "TEXT" and given.get("auto_publish_text") == "true":
            if self.is_used_up(call):
                return self.refuse_quota()
            return Answer({"id": self.put_out(call, made, None).external_id})
        return self.keep(call, made)

    def quota(self, call: Call) -> Answer:
        """GET /me/threads_publishing_limit."""
        if not is_own(call):
            return no_object(call.path["node"])
        shown = {
            "quota_usage": len(self.recent(call.owner, call.at)),
            "config": {"quota_total": self.quota_total, "quota_duration": 86_400},
            "reply_quota_usage": 0,
            "reply_config": {"quota_total": 1000, "quota_duration": 86_400},
        }
        return Answer({"data": [pick_fields(shown, call, default=("quota_usage",))]})

    def describe(self, status: ContainerStatus) -> dict[str, str]:
        """Return status, and an error_message if it failed."""
        return {"status": status, **({"error_message": "UNKNOWN"} if status == "ERROR" else {})}

    def refuse(self, status: ContainerStatus | None) -> Answer:  # noqa: ARG002 - Threads says the same of all
        """Return the one error that Threads has for everything that cannot be published."""
        return graph_error("The requested resource does not exist", 24, subcode=4279009)

    def refuse_quota(self) -> Answer:
        """Return the error for the 251st post; no header reports a time."""
        return graph_error("Application request limit reached", 9, status=403)

    def _make(self, call: Call, given: Mapping[str, str], text: str) -> Container | Answer:
        kind = given.get("media_type", "")
        settings = self.world.settings
        if kind == "TEXT":
            if not text:
                return graph_error("Param text is required for TEXT posts", 100)
            is_link = "link_attachment" in given or "://" in text
            return Container(call.owner, text, "link" if is_link else "text", call.at, call.at)
        if kind == "CAROUSEL":
            children = read_list(given.get("children", ""))
            items = [item for child in children if (item := self.find_item(child, call)) is not None]
            if not 2 <= len(children) <= _MOST_ITEMS or len(items) < len(children):
                return graph_error("Param children must be 2 to 20 finished item containers", 100)
            ready_at = call.at + settings.threads_image_delay_s
            return Container(
                call.owner, text, "photo", call.at, ready_at, children, media_url=items[0].media_url
            )
        if kind not in _MEDIA:
            return graph_error("Param media_type must be one of TEXT, IMAGE, VIDEO, CAROUSEL", 100)
        content_kind, name = _MEDIA[kind]
        address = given.get(name, "")
        if not address.startswith(("http://", "https://")):
            return graph_error(f"Param {name} is required", 100)
        delay = settings.threads_video_delay_s if kind == "VIDEO" else settings.threads_image_delay_s
        is_item = given.get("is_carousel_item", "").lower() == "true"
        return Container(
            call.owner, text, content_kind, call.at, call.at + delay, is_item=is_item, media_url=address
        )
