"""Simulated Facebook reels and stories: started, uploaded, finished; photos become stories at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.meta.protocol import graph_error, is_own, no_object
from connectors.sandbox.wire import Answer, Call
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.facebook.videos import FacebookVideos
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld


class FacebookStories:
    """The uploads, and the stories of one world; a reel is a video of the Page once it is finished."""

    def __init__(self, world: SandboxWorld, videos: FacebookVideos, photos: dict[str, str]) -> None:
        """`photos`: the owner's key by the id of an uploaded, unpublished photo."""
        self._world = world
        self._videos = videos
        self._photos = photos
        self._uploads: dict[str, str | None] = {}
        """The address of the fetched file by video id; None = nothing was uploaded yet."""

    def reel(self, call: Call) -> Answer:
        """POST /{page}/video_reels, phases start and finish."""
        return self._take(call, self._publish_reel)

    def video_story(self, call: Call) -> Answer:
        """POST /{page}/video_stories, phases start and finish."""
        return self._take(call, lambda call, video: self._publish_story(call, video, "video"))

    def photo_story(self, call: Call) -> Answer:
        """POST /{page}/photo_stories {photo_id}."""
        photo = call.parameters().get("photo_id", "")
        if not is_own(call):
            return no_object(call.path["node"])
        if self._photos.get(photo) != call.owner.key and self._find_story(call, photo) is None:
            return graph_error("(#100) The photo does not exist", 100)
        self._photos.pop(photo, None)
        return self._publish_story(call, photo, "photo")

    def upload(self, call: Call) -> Answer:
        """POST /_facebook_upload/{video} with the header file_url; the token is checked as everywhere."""
        video = str(call.path["video"])
        address = call.request.headers.get("file_url", "")
        if not call.request.headers.get("authorization", "").startswith("OAuth "):
            return graph_error("Invalid OAuth access token.", 190, status=401)
        if video not in self._uploads or not address.startswith(("http://", "https://")):
            return graph_error("(#389) Unable to fetch video file from URL.", 389)
        self._uploads[video] = address
        if video in self._videos.started:
            self._videos.started[video] = "upload_complete"
        return Answer({"success": True})

    def list_stories(self, call: Call) -> Answer:
        """GET /{page}/stories: those of the last 24 hours, newest first."""
        if not is_own(call):
            return no_object(call.path["node"])
        shown = [
            {
                "post_id": str(post.number),
                "status": "PUBLISHED",
                "creation_time": str(int(post.created)),
                "media_type": post.kind,
                "media_id": post.detail("story"),
            }
            for post in self._world.list_posts(call.owner)
            if post.detail("story") and call.at - post.created < 86_400
        ]
        return Answer({"data": [] if call.page_fault == "empty_page" else shown})

    def _take(self, call: Call, publish: Callable[[Call, str], Answer]) -> Answer:
        given = call.parameters()
        if not is_own(call):
            return no_object(call.path["node"])
        if given.get("upload_phase", "").upper() == "START":
            video = str(self._world.next_number(Platform.FACEBOOK, call.at))
            self._uploads[video] = None
            self._videos.started[video] = "upload_started"
            return Answer({"video_id": video, "upload_url": f"{call.base_url}/_facebook_upload/{video}"})
        video = given.get("video_id", "")
        if given.get("upload_phase", "").upper() != "FINISH" or video not in self._uploads:
            return graph_error("(#100) Param upload_phase or video_id is wrong", 100)
        if self._uploads[video] is None:
            return graph_error("(#6000) The video was not uploaded", 6000)
        return publish(call, video)

    def _publish_reel(self, call: Call, video: str) -> Answer:
        given = call.parameters()
        if video in self._videos.started:
            self._videos.publish(call, video, str(self._uploads[video]), given, kind="reel")
        return Answer({"success": True})

    def _publish_story(self, call: Call, media: str, kind: ContentKind) -> Answer:
        post = self._find_story(call, media)
        if post is None:
            details = {"story": media, "options": {"edge": f"{kind}_stories"}}
            post = self._world.add_post(call.owner, text="", kind=kind, at=call.at, details=details)
            self._videos.started.pop(media, None)
        return Answer({"success": True, "post_id": str(post.number)})

    def _find_story(self, call: Call, media: str) -> SandboxPost | None:
        posts = self._world.published(Platform.FACEBOOK, call.owner, via="api")
        return next((post for post in posts if post.detail("story") == media), None)
