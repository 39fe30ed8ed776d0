"""Options of a post on a Facebook Page. Source: meta/Page.json (edges feed, videos)."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class FacebookOptions(PlatformOptions):
    """Options of a post on a Facebook Page."""

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

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002
        """Check the options against the kind of the post."""
        video = content.kind == "video"
        if self.video_title is not None and not video:
            yield option_problem("video_title", "video_title belongs to a video: add one, or leave it out")
        if self.place is not None and video:
            yield option_problem("place", "Facebook takes no place with a video: leave it out")
