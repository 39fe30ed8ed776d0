"""Options of a post on X. Source: x/openapi.json 2.167, POST /2/tweets (CreatePostsRequest)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from connectors.content.options import Choices, OptionModel, PlatformOptions, check_choices, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent

_CHOICE_LIMIT = 25
PostId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]


class TwitterPoll(OptionModel):
    """A poll below the text."""

    choices: Choices = Field(examples=[["Tea", "Coffee"]])
    duration_minutes: StrictInt = Field(default=1440, ge=5, le=10_080, description="5 minutes to 7 days.")


class TwitterOptions(PlatformOptions):
    """Options of a post on X. Those with an id apply to the first post of a thread only."""

    reply_settings: Literal["everyone", "following", "mentioned", "subscribers", "verified"] = Field(
        default="everyone", description="Who may reply: also those the account follows, mentions, ... only."
    )
    quote: PostId | None = Field(
        default=None,
        description="Id of the post to quote. Not together with media or a poll.",
        examples=["1846"],
    )
    community: PostId | None = Field(default=None, description="Id of the community to post in.")
    poll: TwitterPoll | None = Field(default=None, description="Not together with media or a quote.")
    tagged_users: tuple[PostId, ...] = Field(
        default=(), max_length=10, description="Ids of users tagged in the pictures."
    )
    paid_partnership: StrictBool = Field(default=False, description="Discloses a paid partnership.")
    ai_generated: StrictBool = Field(default=False, description="Discloses media made with AI.")
    subscribers_only: StrictBool = Field(
        default=False, description="Only for the account's paying subscribers (for_super_followers_only)."
    )

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check what excludes each other: X takes one of media, quote and poll."""
        carried = [name for name in ("quote", "poll") if getattr(self, name) is not None]
        if carried and content.media:
            yield option_problem(carried[0], f"X takes media or a {carried[0]}, not both: leave one out")
        if len(carried) > 1:
            yield option_problem("quote", "X takes a quote or a poll, not both: leave one out")
        if self.poll is not None:
            yield from check_choices(self.poll.choices, _CHOICE_LIMIT, "X")
        if self.tagged_users and not any(item.kind == "image" for item in content.media):
            yield option_problem(
                "tagged_users", "users are tagged in pictures, and the post has none: add one"
            )
