"""Options of a post on Instagram.

Sources: meta/IGUserForIGOnlyAPI.json (edge media), developers.facebook.com (IG User Media: limits).
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from connectors.content.options import OptionModel, PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.content.validation import is_web_address
from connectors.types import Media, PostContent

_CAROUSEL = 2
Username = Annotated[str, Field(pattern=r"^@?[A-Za-z0-9._]{1,30}$")]


class InstagramTag(OptionModel):
    """A user tagged in the post."""

    username: Username = Field(examples=["harborlight"])
    x: float | None = Field(
        default=None, ge=0, le=1, description="Position from the left edge; pictures only."
    )
    y: float | None = Field(
        default=None, ge=0, le=1, description="Position from the top edge; pictures only."
    )


class InstagramOptions(PlatformOptions):
    """Options of a post on Instagram. Several pictures are a carousel without any option."""

    kind: Literal["post", "reel", "story", "carousel"] = Field(
        default="post",
        description="post: by its media: a video is a reel, several pictures are a carousel. reel, carousel: the same, "
        "and refused where the media are none. story: one picture or video for 24 hours, without text.",
    )
    collaborators: tuple[Username, ...] = Field(
        default=(), max_length=3, description="Usernames invited as co-authors; they accept in the app."
    )
    user_tags: tuple[InstagramTag, ...] = Field(
        default=(),
        max_length=20,
        description="Users tagged in the post. A picture needs positions; in a carousel they are on the first picture.",
    )
    location: str | None = Field(
        default=None, pattern=r"^[0-9]{1,20}$", description="Id of the Facebook Page of the place."
    )
    cover: str | None = Field(
        default=None, max_length=2000, description="Public address of the cover picture of a reel."
    )
    cover_time_ms: StrictInt | None = Field(
        default=None,
        ge=0,
        description="Moment of a reel that is its cover, in milliseconds. Default: the start.",
    )
    share_to_feed: StrictBool | None = Field(
        default=None, description="Whether a reel also shows in the feed. Default: Instagram decides."
    )

    def list_media(self) -> dict[str, Media]:
        """Return the cover of a reel, if one is given."""
        return {} if self.cover is None else {"cover": Media(url=self.cover)}

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check each option against the kind of the post and its media."""
        video = content.kind == "video"
        story = self.kind == "story"
        if story:
            yield from self._check_story(content)
        yield from self._check_kind(content)
        for name in ("cover", "cover_time_ms", "share_to_feed"):
            if getattr(self, name) is not None and (story or not video):
                yield option_problem(name, f"{name} belongs to a reel: add a video, or leave it out")
        if self.cover is not None:
            if self.cover_time_ms is not None:
                yield option_problem("cover_time_ms", "cover replaces cover_time_ms: give one of them")
            if not is_web_address(self.cover):
                yield option_problem(
                    "cover", f"{self.cover[:100]!r} is not a web address: start it with https://"
                )
        for number, tag in enumerate(self.user_tags):
            placed = tag.x is not None and tag.y is not None
            if not story and placed == video:
                words = (
                    "a reel takes no positions: leave x and y out"
                    if video
                    else "a picture needs x and y: add them"
                )
                yield option_problem(f"user_tags/{number}", words)

    def _check_kind(self, content: PostContent) -> Iterator[ContentProblem]:
        if self.kind == "reel" and content.kind != "video":
            yield option_problem("kind", "a reel is one video: add it, or leave kind out")
        if self.kind == "carousel" and len(content.media) < _CAROUSEL:
            yield option_problem("kind", "a carousel has at least two pictures: add one, or leave kind out")

    def _check_story(self, content: PostContent) -> Iterator[ContentProblem]:
        if content.text.strip() or content.link:
            yield option_problem(
                "kind", "a story shows no text: give variants.instagram an empty content and no link"
            )
        if len(content.media) > 1:
            yield option_problem("kind", "a story holds one picture or video: leave the others out")
        if content.first_comment:
            yield option_problem("kind", "a story takes no first comment: leave it out")
        if self.collaborators:
            yield option_problem("collaborators", "a story takes no collaborators: leave them out")
        if self.location is not None:
            yield option_problem("location", "a story takes no location here: leave it out")
