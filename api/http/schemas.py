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
    has_more: bool = Field(description="Whether there are more entries.")
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
    detail: str = Field(description="What is wrong and how to fix it, for people.")
    instance: str
    code: str = Field(description="Stable error code for programs; the last part of `type`.")
    errors: list[ProblemEntry]
    request_id: str
    retryable: bool = Field(description="Whether the same request may succeed later.")


_DESCRIPTIONS = {
    400: "The body does not match its headers.",
    401: "No valid access token.",
    403: "The token lacks the scope.",
    404: "Not found in this workspace.",
    409: "Conflict with the current state.",
    412: "It was changed since it was read.",
    413: "The body is too long.",
    415: "The content type is not supported.",
    422: "The request is invalid; `errors` says where.",
    429: "Too many requests; see Retry-After.",
    502: "The platform did not respond as expected.",
    503: "Temporarily unavailable; see Retry-After.",
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
