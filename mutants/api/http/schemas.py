"""What all requests and answers share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Entry = TypeVar("Entry")


def _refuse_other_than_numbers(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("give a whole number")  # noqa: TRY004 (what pydantic turns into a 422)
    return value


NUMBERS_ONLY = BeforeValidator(_refuse_other_than_numbers)
"""For an integer as JSON Schema means it: 3 and 3.0, but neither "3" nor true. Write it after the bounds."""


class Request(BaseModel):
    """Base of request bodies: a field that does not exist is a typing error, not a wish."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Entry]):
    """One page of a list."""

    data: list[Entry]
    has_more: bool = Field(description="Whether `next_cursor` leads to more.")
    next_cursor: str | None = Field(description="Pass it as `cursor`, with the same filter; null at the end.")


class ProblemEntry(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="allow")

    pointer: str = Field(description="JSON pointer into the body, or the name of the parameter or header.")
    code: str
    detail: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do, for people.")
    instance: str
    code: str = Field(description="The same as `type`, short; stable, for programs.")
    errors: list[ProblemEntry]
    request_id: str
    retryable: bool = Field(description="Whether the same request may succeed later.")


_DESCRIPTIONS = {
    400: "The body is not what its headers say.",
    401: "No valid access token.",
    403: "The token lacks the scope.",
    404: "There is no such thing in this workspace.",
    409: "The present state forbids it.",
    412: "It was changed since it was read.",
    413: "The body is too long.",
    415: "The body is of a type that is not taken here.",
    422: "The request is wrong; `errors` says where.",
    429: "Too many requests; see Retry-After.",
    502: "The platform did not answer as it should.",
    503: "Not now; see Retry-After.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of these errors."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
