"""Schemas shared by all endpoints."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Entry = TypeVar("Entry")


class Request(BaseModel):
    """Base of request bodies: unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Entry]):
    """One page of a list."""

    data: list[Entry]
    has_more: bool = Field(description="Whether `next_cursor` leads to more.")
    next_cursor: str | None = Field(description="Pass it as `cursor`, with the same filter; null at the end.")


class ProblemEntry(BaseModel):
    """One error in a request."""

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
    """Return the OpenAPI responses of these errors."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
