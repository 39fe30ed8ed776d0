"""Options of a pin. Source: pinterest/openapi.json 5.23.0 (PinCreate, PinMediaSourceVideoID)."""

from collections.abc import Iterator

from pydantic import Field, StrictInt

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.content.validation import is_web_address
from connectors.types import PostContent


class PinterestOptions(PlatformOptions):
    """Options of a pin."""

    board: str | None = Field(
        default=None,
        min_length=1,
        max_length=180,
        description="Id or name of the board. Default: the first public board that Pinterest lists. "
        "GET /api/v1/accounts/{id}/boards lists them.",
        examples=["Tea"],
    )
    section: str | None = Field(
        default=None, min_length=1, max_length=180, description="Id or name of a section of `board`."
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Default: the first line of the text, which stays in the description.",
        examples=["Five teas"],
    )
    link: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="Destination of the pin. Default: the post's `link`.",
        examples=["https://example.com/tea"],
    )
    alt_text: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Alt text of the pin. Default: that of the media; a pin has one for all its pictures.",
    )
    cover_second: StrictInt | None = Field(
        default=None, ge=0, le=3600, description="Second of a video that is its cover. Default: 1."
    )

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the options against the kind of the post."""
        if self.section is not None and self.board is None:
            yield option_problem("section", "a section belongs to a board: name the board too")
        if self.cover_second is not None and content.kind != "video":
            yield option_problem("cover_second", "cover_second belongs to a video: add one, or leave it out")
        if self.link is not None and not is_web_address(self.link):
            yield option_problem("link", f"{self.link[:100]!r} is not a web address: start it with https://")
        if self.title is not None and not self.title.strip():
            yield option_problem("title", "the title is empty: leave it out, or give one")
