"""Approval schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request
from warehouse.store.posts.approvals import MAX_REASON

ApprovalState = Literal["pending", "approved", "rejected"]


class Approval(BaseModel):
    """Approval state of a post."""

    state: ApprovalState
    at: datetime | None = Field(description="When it was requested or decided.")
    by: str | None = Field(description="The API key that decided, or `cli`.")
    reason: str | None = Field(description="Why it was rejected.")


class RejectRequest(Request):
    """Why a post is rejected."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "The link leads to last year's page"}}
    )

    reason: str = Field(min_length=1, max_length=MAX_REASON)
