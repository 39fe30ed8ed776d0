"""Approval schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request
from warehouse.store.posts.approvals import MAX_REASON

ApprovalState = Literal["pending", "approved", "rejected"]


class ApprovedFile(BaseModel):
    """The bytes of one medium, as they were when the post was approved."""

    url: str
    sha256: str = Field(description="SHA-256 of the bytes, in hex.")


class Approval(BaseModel):
    """Approval state of a post."""

    state: ApprovalState
    at: datetime | None = Field(description="When it was requested or decided.")
    by: str | None = Field(description="The API key that decided, or `cli`.")
    reason: str | None = Field(description="Why it was rejected.")
    media: list[ApprovedFile] = Field(
        description="Media given by URL whose bytes were approved: no others are sent. Uploads cannot change."
    )


class RejectRequest(Request):
    """Why a post is rejected."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "The link leads to last year's page"}}
    )

    reason: str = Field(min_length=1, max_length=MAX_REASON)
