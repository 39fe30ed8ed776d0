"""Account schemas. Responses never contain a credential."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class BoardOut(BaseModel):
    """A board of an account."""

    id: str = Field(description="For `options.pinterest.board`, as the name.")
    name: str
    privacy: str = Field(description="public, protected or secret.")
    is_default: bool = Field(description="Whether a pin that names no board goes there.")


class BoardList(BaseModel):
    """The boards of an account."""

    data: list[BoardOut]


class Health(BaseModel):
    """Whether the account is usable."""

    status: Literal["ok", "limited", "expiring", "expired", "revoked", "disconnected", "imported"]
    reason: str | None
    at: datetime | None = Field(
        description="Start of this status; for expiring and ok, when the token expires."
    )


class AccountOut(BaseModel):
    """A connected account."""

    id: str
    platform: str
    handle: str
    display_name: str
    external_id: str
    instance_url: str | None
    status: str = Field(description="active, revoked, imported or disconnected")
    health: Health
    timezone: str | None = Field(description="IANA zone of the audience; null = the workspace's.")
    connected_at: datetime
    paused_at: datetime | None = Field(description="Set while a person has paused the account.")
    rate_limited_until: datetime | None = Field(description="Set while the platform rate limits the account.")
    rate_limit_reason: str | None
    last_error: str | None


class DisconnectOut(AccountOut):
    """A disconnected account and what was canceled."""

    canceled_publication_ids: list[str]
