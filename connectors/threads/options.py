"""Options of a post on Threads. Source: threads/*.json, "Post to Threads" (parameters of /me/threads)."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, StrictBool

from connectors.content.options import Choices, OptionModel, PlatformOptions, check_choices, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

_CHOICE_LIMIT = 25


class ThreadsPoll(OptionModel):
    """A poll below the text; Threads keeps it open for 24 hours."""

    choices: Choices = Field(examples=[["Tea", "Coffee"]])


class ThreadsOptions(PlatformOptions):
    """Options of a post on Threads. They apply to the first post of a thread; reply_control to all parts."""

    reply_control: Literal["everyone", "following", "mentioned"] = Field(
        default="everyone", description="Who may reply: also those the account follows or mentions only."
    )
    topic_tag: str | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        pattern=r"^[^.&]+$",
        description="The post's topic; holds neither . nor &.",
        examples=["Tea"],
    )
    poll: ThreadsPoll | None = Field(default=None, description="Text posts only, not with a link.")
    quote: str | None = Field(default=None, pattern=r"^[0-9]{1,20}$", description="Id of the post to quote.")
    location: str | None = Field(default=None, pattern=r"^[0-9]{1,20}$", description="Id of the place.")
    spoiler: StrictBool = Field(default=False, description="Whether the media are hidden as a spoiler.")

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the options against the kind of the post."""
        if self.poll is not None:
            if content.media or content.link:
                yield option_problem(
                    "poll", "Threads takes a poll in a text without media and link: leave one out"
                )
            yield from check_choices(self.poll.choices, _CHOICE_LIMIT, "Threads")
        if self.spoiler and not content.media:
            yield option_problem("spoiler", "spoiler hides media, and the post has none: leave it out")
