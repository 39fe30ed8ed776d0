"""Simulated Facebook videos: accepted at once, and published as a post after processing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.facebook.views import pick
from connectors.sandbox.meta.protocol import graph_error, is_own, no_object, write_time
from connectors.sandbox.wire import Answer, Call
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_BROKEN = "broken"
"""A video with this word in its URL fails to process."""


class FacebookVideos:
    """The videos of one world. The post counts as published from the moment the video is accepted."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._videos: dict[str, SandboxPost] = {}
        self.started: dict[str, str] = {}
        """Videos whose upload is not finished, and its state."""
        self._failed: dict[str, tuple[str, str, float]] = {}
        """Owner's key, description and time of videos that failed."""
        for post in world.published(Platform.FACEBOOK, via="api"):
            if post.idempotency_key is not None:
                self._videos[post.idempotency_key] = post

    def __contains__(self, node: str) -> bool:
        return node in self._videos or node in self._failed or node in self.started

    def create(self, call: Call) -> Answer:
        """POST /{page}/videos {file_url, description}."""
        given = call.parameters()
        if not is_own(call):
            return no_object(call.path["node"])
        address = given.get("file_url", "")
        if not address.startswith(("http://", "https://")):
            return graph_error("(#389) Unable to fetch video file from URL.", 389)
        video = str(self._world.next_number(Platform.FACEBOOK, call.at))
        self.publish(call, video, address, given)
        return Answer({"id": video})

    def publish(
        self, call: Call, video: str, address: str, given: Mapping[str, str], *, kind: str | None = None
    ) -> None:
        """Accept a video; `kind`: what it becomes, if it is not an ordinary one."""
        text = given.get("description", "")
        self.started.pop(video, None)
        if _BROKEN in address:
            self._failed[video] = (call.owner.key, text, call.at)
            return
        options = {name: given[name] for name in ("title", "targeting", "place") if name in given}
        if kind is not None:
            options["edge"] = kind
        self._videos[video] = self._world.add_post(
            call.owner,
            text=text,
            kind="video",
            at=call.at,
            idempotency_key=video,
            details={
                "ready_at": call.at + self._world.settings.facebook_video_delay_s,
                "options": options,
            },
        )

    def get(self, call: Call) -> Answer:
        """GET /{video}?fields=."""
        node = str(call.path["node"])
        shown = self._show(node, call)
        if shown is None:
            return no_object(node)
        picked = pick(shown, call.parameters().get("fields", "id"), "Video")
        return picked if isinstance(picked, Answer) else Answer(picked)

    def edit(self, call: Call) -> Answer:
        """POST /{video} {description}."""
        node = str(call.path["node"])
        post = self._videos.get(node)
        if post is None or post.account is not call.owner or post.deleted is not None:
            return no_object(node)
        description = call.parameters().get("description")
        if description is None:
            return graph_error("(#100) Param description is missing", 100)
        details = {"edited_at": call.at, "edits": int(post.detail("edits") or 0) + 1}
        self._world.edit_post(post, text=description, details=details)
        return Answer({"success": True})

    def list(self, call: Call) -> Answer:
        """GET /{page}/videos?type=UPLOADED, newest first, including those in processing."""
        if not is_own(call):
            return no_object(call.path["node"])
        fields = call.parameters().get("fields", "id,description,updated_time")
        names = sorted([*self._videos, *self._failed], key=int, reverse=True)
        shown = [item for name in names if (item := self._show(name, call)) is not None]
        return Answer({"data": [pick(item, fields, "Video") for item in shown]})

    def _show(self, video: str, call: Call) -> dict[str, object] | None:
        if video in self.started:
            phases = {"publishing_phase": {"status": "not_started"}}
            status = {"video_status": self.started[video], **phases}
            return {"id": video, "created_time": write_time(call.at), "status": status}
        if video in self._failed:
            owner, text, created = self._failed[video]
            if owner != call.owner.key:
                return None
            return {
                "id": video,
                "description": text,
                "created_time": write_time(created),
                "status": {"video_status": "error"},
            }
        post = self._videos[video]
        if post.account is not call.owner or post.deleted is not None:
            return None
        ready = call.at >= post.detail("ready_at")
        shown: dict[str, object] = {
            "id": video,
            "description": post.text,
            "created_time": write_time(post.created),
            "permalink_url": f"/{post.account.external_id}/videos/{video}/",
            "status": {"video_status": "ready" if ready else "processing"},
        }
        if ready:
            shown["post_id"] = str(post.number)
        return shown
