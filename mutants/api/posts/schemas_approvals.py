"""Shapes of approval."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request

ApprovalState = Literal["pending", "approved", "rejected"]


class Approval(BaseModel):
    """How a post stands with those who approve posts."""

    state: ApprovalState
    at: datetime | None = Field(description="When it was asked for, or decided.")
    by: str | None = Field(description="The API key that decided, or `cli`.")
    reason: str | None = Field(description="Why it was rejected.")


class RejectRequest(Request):
    """Why a post may not go out."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "The link leads to last year's page"}}
    )

    reason: str = Field(min_length=1, max_length=2000)
