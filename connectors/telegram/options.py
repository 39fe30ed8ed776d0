"""Options of a message in a Telegram channel. Source: telegram/api.min.json, Bot API 10.1 (sendMessage, sendPhoto)."""

from collections.abc import Iterator

from pydantic import Field, StrictBool, StrictInt

from connectors.content.options import OptionModel, PlatformOptions, option_problem
from connectors.content.problems import ContentProblem
from connectors.types import PostContent


class TelegramButton(OptionModel):
    """A button below the message that opens an address."""

    text: str = Field(min_length=1, max_length=64, examples=["Read on"])
    url: str = Field(max_length=2000, pattern=r"^(https?|tg)://\S+$", examples=["https://example.com"])


class TelegramOptions(PlatformOptions):
    """Options of a message in a Telegram channel or group."""

    silent: StrictBool = Field(default=False, description="Delivers it without a sound.")
    protect: StrictBool = Field(default=False, description="Forbids forwarding and saving.")
    link_preview: StrictBool = Field(
        default=True, description="Whether the first link shows a preview; texts only."
    )
    buttons: tuple[tuple[TelegramButton, ...], ...] = Field(
        default=(),
        max_length=20,
        description="Rows of buttons that open addresses. Not with an album of several pictures.",
        examples=[[[{"text": "Read on", "url": "https://example.com"}]]],
    )
    topic: StrictInt | None = Field(
        default=None, ge=1, description="Id of the topic (message_thread_id) in a group with topics."
    )
    spoiler: StrictBool = Field(default=False, description="Hides pictures and videos until they are tapped.")

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Check the options against the kind of the message."""
        if self.buttons and len(content.media) > 1:
            yield option_problem("buttons", "an album takes no buttons: send one picture, or leave them out")
        for number, row in enumerate(self.buttons):
            if not 1 <= len(row) <= 8:
                yield option_problem(f"buttons/{number}", "a row holds 1 to 8 buttons: split it")
        if self.spoiler and not content.media:
            yield option_problem("spoiler", "spoiler hides media, and the message has none: leave it out")
        if not self.link_preview and content.media:
            yield option_problem("link_preview", "a message with media has no link preview: leave it out")
