"""Options of a post on TikTok.

Source: developers.tiktok.com, "Direct Post" and "Photo" (post_info). What an account allows is asked at its time
(creator_info), as TikTok demands; an option that the account does not allow fails the post with its reason.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, StrictBool, StrictInt

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent


class TikTokOptions(PlatformOptions):
    """Options of a post on TikTok."""

    privacy: Literal["public", "followers", "friends", "private"] | None = Field(
        default=None,
        description="Audience. Default: the widest that the account offers. Apps that TikTok has not audited may only "
        "post privately.",
    )
    allow_comments: StrictBool | None = Field(
        default=None, description="Default: as the account allows. true fails where the account allows none."
    )
    allow_duet: StrictBool | None = Field(default=None, description="The same for duets; videos only.")
    allow_stitch: StrictBool | None = Field(default=None, description="The same for stitches; videos only.")
    own_brand: StrictBool = Field(
        default=False, description="Discloses that the post promotes your own business."
    )
    branded_content: StrictBool = Field(
        default=False, description="Discloses a paid partnership; not with a private post."
    )
    ai_generated: StrictBool = Field(
        default=False, description="Labels the video as made with AI; videos only."
    )
    cover_time_ms: StrictInt | None = Field(
        default=None, ge=0, description="Moment of the video that is its cover, in milliseconds."
    )
    title: str | None = Field(
        default=None, min_length=1, max_length=90, description="Title of a photo post; a video has none."
    )
    auto_add_music: StrictBool | None = Field(
        default=None, description="Whether TikTok adds music to photos. Default: TikTok's own."
    )
    cover_photo: StrictInt | None = Field(
        default=None, ge=0, le=34, description="Which photo is the cover, from 0. Default: the first."
    )

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the options against the kind of the post."""
        video = content.kind == "video"
        for name in ("allow_duet", "allow_stitch", "cover_time_ms"):
            if getattr(self, name) is not None and not video:
                yield option_problem(name, f"{name} belongs to a video: leave it out")
        if self.ai_generated and not video:
            yield option_problem("ai_generated", "TikTok labels videos only: leave it out")
        for name in ("title", "auto_add_music", "cover_photo"):
            if getattr(self, name) is not None and video:
                yield option_problem(name, f"{name} belongs to photos: leave it out")
        if self.cover_photo is not None and not video and self.cover_photo >= len(content.media):
            yield option_problem(
                "cover_photo", f"there are {len(content.media)} photos, counted from 0: give another"
            )
        if self.branded_content and self.privacy == "private":
            yield option_problem(
                "branded_content", "TikTok takes no private branded content: change the privacy"
            )
