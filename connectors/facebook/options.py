"""Options of a post on a Facebook Page. Source: meta/Page.json (edges feed, videos, video_reels, ..._stories)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class FacebookOptions(PlatformOptions):
    """Options of a post on a Facebook Page."""

    kind: Literal["post", "reel", "story"] = Field(
        default="post",
        description="reel: one video of 3 to 90 seconds. story: one picture or video for 24 hours, without text.",
    )
    place: str | None = Field(
        default=None, pattern=r"^[0-9]{1,20}$", description="Id of the Page of the place.", examples=["7"]
    )
    countries: tuple[Country, ...] = Field(
        default=(),
        max_length=25,
        description="Two-letter codes: only people there can see the post (targeting). Default: everybody.",
        examples=[["DE", "AT"]],
    )
    video_title: str | None = Field(
        default=None, min_length=1, max_length=255, description="Title of a video."
    )

    def find_edit_problems(self) -> Iterator[ContentProblem]:
        """Refuse an edit of a story, which shows no text."""
        if self.kind == "story":
            yield option_problem("kind", "Facebook cannot change a story: publish another", "not_editable")

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the options against the kind of the post."""
        video = content.kind == "video"
        if self.video_title is not None and not video:
            yield option_problem("video_title", "video_title belongs to a video: add one, or leave it out")
        if self.kind == "reel" and not video:
            yield option_problem("kind", "a reel is one video: add it, or leave kind out")
        if self.kind == "story":
            yield from self._check_story(content)
        if self.place is not None and video and self.kind == "post":
            yield option_problem(
                "place", "Facebook takes no place with a video, unless it is a reel: leave it out"
            )

    def _check_story(self, content: PostContent) -> Iterator[ContentProblem]:
        if content.text.strip() or content.link:
            yield option_problem(
                "kind", "a story shows no text: give variants.facebook an empty content and no link"
            )
        if len(content.media) != 1:
            yield option_problem("kind", "a story is one picture or video: give one")
        if content.first_comment:
            yield option_problem("kind", "a story takes no first comment: leave it out")
        for name in ("place", "countries", "video_title"):
            if getattr(self, name):
                yield option_problem(name, f"a story takes no {name}: leave it out")
