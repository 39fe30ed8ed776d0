"""Base of the option models: what can be said about a post on one platform only.

Each platform's model is in `connectors/<platform>/options.py`; `connectors.options` collects them. A model declares
names, types, defaults and descriptions (they are the API's documentation) and checks them against the content.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.content.problems import ContentProblem
from connectors.errors import ContentRejectedError
from connectors.types import Media, PostContent

Choices = Annotated[
    tuple[str, ...], Field(min_length=2, max_length=4, description="2 to 4 answers, in the order shown.")
]


class OptionModel(BaseModel):
    """Base of options and of the objects within them. Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlatformOptions(OptionModel):
    """Options of one platform. An option that is not given has the default of its field."""

    @classmethod
    def of(cls, content: PostContent) -> Self:
        """Return the options stored with a content.

        Raises ContentRejectedError for stored options that this version no longer has.
        """
        try:
            return cls.model_validate(content.options)
        except ValidationError as error:
            first = error.errors()[0]
            name = "/".join(str(step) for step in first["loc"])
            raise ContentRejectedError(
                f"the stored option {name} is not valid ({first['msg']}): edit the post's options"
            ) from None

    def find_problems(self, content: PostContent, text_limit: int) -> Iterator[ContentProblem]:  # noqa: ARG002 (common signature)
        """Yield what does not fit the content. `text_limit`: the account's, in the platform's unit."""
        yield from ()

    def find_edit_problems(self) -> Iterator[ContentProblem]:
        """Yield why a published post with these options cannot be changed, with code not_editable."""
        yield from ()

    def write_text(self, content: PostContent, text: str) -> str:  # noqa: ARG002 (common signature)
        """Return the text of the first post. `text`: as it would be without options."""
        return text

    def list_media(self) -> dict[str, Media]:
        """Return the media that options name by address, by the option's name."""
        return {}

    def as_json(self) -> dict[str, Any]:
        """Return the given options as JSON values; what was left to its default is not in it."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def option_problem(name: str, detail: str, code: str = "invalid_option") -> ContentProblem:
    """Return a problem of the option `name`; a nested one is "poll/choices"."""
    return ContentProblem(code, detail, f"options/{name}")


def check_choices(choices: tuple[str, ...], limit: int, label: str) -> Iterator[ContentProblem]:
    """Yield problems of a poll's answers: empty, longer than `limit` characters, or twice the same."""
    for number, choice in enumerate(choices):
        place = f"poll/choices/{number}"
        if not choice.strip():
            yield option_problem(place, "an answer of the poll is empty: leave it out")
        elif (over := len(choice) - limit) > 0:
            detail = (
                f"an answer is {len(choice)} characters long, {label} takes {limit}: shorten it by {over}"
            )
            yield option_problem(place, detail)
    if len({choice.strip().casefold() for choice in choices}) < len(choices):
        yield option_problem("poll/choices", "two answers of the poll are the same: change one")
