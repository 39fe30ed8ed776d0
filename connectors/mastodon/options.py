"""Options of a post on Mastodon. Source: mastodon/schema.json 4.7.0, POST /api/v1/statuses."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, StrictBool, StrictInt

from connectors.content.options import Choices, OptionModel, PlatformOptions, check_choices, option_problem
from connectors.content.problems import ContentProblem
from connectors.content.text import compose_text, count_mastodon
from connectors.types import PostContent

_CHOICE_LIMIT = 50  # Mastodon's default, polls.max_characters_per_option


class MastodonPoll(OptionModel):
    """A poll below the text."""

    choices: Choices = Field(examples=[["Tea", "Coffee"]])
    duration_minutes: StrictInt = Field(
        default=1440, ge=5, le=43_200, description="How long it is open: 5 minutes to 30 days."
    )
    multiple: StrictBool = Field(default=False, description="Whether one person may choose several answers.")
    hide_totals: StrictBool = Field(default=False, description="Whether counts stay hidden until it ends.")


class MastodonOptions(PlatformOptions):
    """Options of a post on Mastodon and compatible servers."""

    visibility: Literal["public", "unlisted", "private", "direct"] = Field(
        default="public",
        description="Always sent, so that the account's own default does not decide. unlisted: not in public "
        "timelines; private: followers; direct: only those mentioned. A thread and the first comment follow it.",
    )
    content_warning: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Text before the post, which stays folded. It counts as part of the text.",
        examples=["Spoilers"],
    )
    sensitive: StrictBool | None = Field(
        default=None, description="Whether media are hidden behind a warning. Default: the server decides."
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,8})*$",
        description="ISO 639 code. Default: the account's.",
        examples=["en"],
    )
    poll: MastodonPoll | None = Field(default=None, description="Not together with media.")
    content_type: Literal["text/plain", "text/markdown", "text/html"] | None = Field(
        default=None,
        description="How servers that render markup (GoToSocial, Pleroma, Glitch) read the text. Mastodon itself "
        "ignores it. Default: the account's.",
    )
    quote_policy: Literal["public", "followers", "nobody"] | None = Field(
        default=None, description="Who may quote the post (Mastodon 4.5). Default: the account's."
    )

    def find_edit_problems(self) -> Iterator[ContentProblem]:
        """Refuse an edit of a post with a poll, which would restart it."""
        if self.poll is not None:
            yield option_problem(
                "poll",
                "Mastodon restarts the poll of a post that is edited, and its votes are lost: edit it there",
                "not_editable",
            )

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:
        """Check the poll, and the warning together with the text."""
        if self.poll is not None:
            if content.media:
                yield option_problem("poll", "Mastodon takes a poll or media, not both: leave one out")
            yield from check_choices(self.poll.choices, _CHOICE_LIMIT, "Mastodon")
        if self.sensitive is not None and not content.all_media:
            yield option_problem(
                "sensitive", "sensitive hides media, and the post has none: use content_warning"
            )
        if self.content_warning is not None:
            length = count_mastodon(self.content_warning)
            over = length + count_mastodon(compose_text(content)) - text_limit
            if over > 0:
                yield option_problem(
                    "content_warning",
                    f"the content warning ({length} characters) counts with the text, Mastodon takes {text_limit} "
                    f"for both: shorten them by {over}",
                    "text_too_long",
                )
