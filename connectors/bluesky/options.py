"""Options of a post on Bluesky.

Sources: lexicons app.bsky.feed.{post,threadgate,postgate}, app.bsky.embed.record{,WithMedia}; docs.bsky.app (labels).
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from connectors.content.options import PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Replier = Literal["mentioned", "followers", "following"]


class BlueskyOptions(PlatformOptions):
    """Options of a post on Bluesky. Languages and labels apply to all parts of a thread."""

    languages: tuple[Language, ...] = Field(
        default=(), max_length=3, description="BCP 47 codes, at most 3.", examples=[["en"]]
    )
    reply_gate: Literal["everyone", "nobody"] | tuple[Replier, ...] = Field(
        default="everyone",
        description="Who may reply: everyone, nobody, or a list of mentioned, followers, following.",
        examples=[["followers", "mentioned"]],
    )
    quote_gate: Literal["everyone", "nobody"] = Field(
        default="everyone", description="Who may quote the post."
    )
    labels: tuple[Literal["sexual", "nudity", "porn", "graphic-media"], ...] = Field(
        default=(), max_length=4, description="The author's own content warnings."
    )
    quote: str | None = Field(
        default=None,
        max_length=500,
        pattern=r"^(at://|https://bsky\.app/profile/)[^\s]+$",
        description="Address of the post to quote: at://... or https://bsky.app/profile/.../post/...",
        examples=["https://bsky.app/profile/bsky.app/post/3l6oveex3ii2l"],
    )

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the gates and the address of the quoted post."""
        if isinstance(self.reply_gate, tuple) and not self.reply_gate:
            yield option_problem("reply_gate", 'an empty list allows nobody: write "nobody"')
        if self.quote is not None and self.quote.startswith("https:") and "/post/" not in self.quote:
            yield option_problem("quote", "this is not the address of a post: it ends with /post/ and a key")
