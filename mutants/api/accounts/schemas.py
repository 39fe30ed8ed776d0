"""Shapes of accounts. No credential is ever part of an answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.http.schemas import Request


class ConnectRequest(Request):
    """What proves to a platform that we may act for an account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"platform": "instagram", "access_token": "INSTAGRAM_ACCESS_TOKEN"}},
    )

    platform: str = Field(max_length=40)
    access_token: SecretStr = Field(
        min_length=1,
        max_length=10_000,
        description="For Bluesky an app password, with `handle`, is fine too.",
    )
    instance_url: str | None = Field(
        default=None, max_length=300, description="The account's own server (Mastodon, Bluesky)."
    )
    handle: str | None = Field(default=None, max_length=200)
    refresh_token: SecretStr | None = Field(default=None, max_length=10_000)
    expires_at: str | None = Field(
        default=None, max_length=64, description="When access_token ends, ISO 8601."
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone of the audience, for optimal times."
    )


class Health(BaseModel):
    """Whether the account can be used."""

    status: Literal["ok", "limited", "expiring", "expired", "revoked", "disconnected", "imported"]
    reason: str | None
    at: datetime | None = Field(description="Since when, or (expiring, ok) until when.")


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
    timezone: str | None
    connected_at: datetime
    paused_at: datetime | None = Field(description="Set while a person holds back everything on it.")
    rate_limited_until: datetime | None = Field(description="Set while the platform asks for a pause.")
    rate_limit_reason: str | None
    last_error: str | None


class DisconnectOut(AccountOut):
    """A disconnected account, and what that ended."""

    canceled_publication_ids: list[str]
