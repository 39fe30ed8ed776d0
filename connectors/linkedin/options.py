"""Options of a post on LinkedIn. Source: learn.microsoft.com/linkedin, "Posts API", "Poll", "Article" (2025-01)."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, StrictBool

from connectors.content.options import Choices, OptionModel, PlatformOptions, check_choices, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

_CHOICE_LIMIT = 30
DEFAULT_TITLE = "Document"
"""Title of a document that has none: LinkedIn shows one with every document."""


class LinkedInPoll(OptionModel):
    """A poll below the text."""

    question: str = Field(min_length=1, max_length=140, examples=["Which one?"])
    choices: Choices = Field(examples=[["Tea", "Coffee"]])
    duration_days: Literal[1, 3, 7, 14] = Field(default=3, description="How long it is open.")


class LinkedInArticle(OptionModel):
    """The post's link as a card. LinkedIn does not read the page: without a title it shows the bare address."""

    title: str = Field(min_length=1, max_length=400, examples=["Five teas"])
    description: str | None = Field(default=None, max_length=4086)


class LinkedInDocument(OptionModel):
    """What is said about the document among the media."""

    title: str = Field(
        min_length=1, max_length=400, examples=["Our year in numbers"], description="Shown on the document."
    )


class LinkedInOptions(PlatformOptions):
    """Options of a post on LinkedIn."""

    visibility: Literal["public", "connections"] = Field(
        default="public", description="connections: only a member's own; a page's posts are always public."
    )
    allow_reshare: StrictBool = Field(default=True, description="Whether others may repost it.")
    poll: LinkedInPoll | None = Field(default=None, description="Not together with media or an article.")
    article: LinkedInArticle | None = Field(
        default=None,
        description="Shows the post's `link` as a card instead of in the text. Not together with media or a poll.",
    )

    document: LinkedInDocument | None = Field(
        default=None,
        description="Title of the PDF among the media. Without it: the document's alt text, or `Document`.",
    )

    def write_text(self, content: PostContent, text: str) -> str:
        """Leave the link out of the text where it is shown as a card."""
        return text if self.article is None else content.text

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check what excludes each other: LinkedIn takes one content."""
        carried = [name for name in ("poll", "article") if getattr(self, name) is not None]
        if carried and content.media:
            yield option_problem(carried[0], f"LinkedIn takes media or {carried[0]}, not both: leave one out")
        if len(carried) > 1:
            yield option_problem("article", "LinkedIn takes a poll or an article, not both: leave one out")
        if self.article is not None and not content.link:
            yield option_problem("article", "an article shows the post's link, and it has none: add link")
        if self.document is not None and not any(item.kind == "document" for item in content.media):
            yield option_problem(
                "document", "there is no document among the media: add a PDF, or leave it out"
            )
        if self.poll is not None:
            yield from check_choices(self.poll.choices, _CHOICE_LIMIT, "LinkedIn")
