"""Shapes of API keys. The two secret values are part of one answer only: that of the request that made them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.dependencies import Scope
from api.http.schemas import Request


class ApiKeyCreate(Request):
    """A new key for a program."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "reports", "scopes": ["read", "analytics"]}}
    )

    name: str = Field(min_length=1, max_length=200, description="What it is for, to tell keys apart.")
    scopes: list[Scope] = Field(
        min_length=1, max_length=20, description="What it may do; never more than the key that makes it."
    )
    expires_at: str | None = Field(
        default=None,
        max_length=64,
        description="When it ends, ISO 8601; never later than the key that makes it. Default: no end.",
    )


class ApiKeyOut(BaseModel):
    """A key as lists show it."""

    id: str
    name: str
    key_hint: str = Field(description="How the key begins.")
    scopes: list[Scope]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="When it was last exchanged for a token.")


class ApiKeyCreated(ApiKeyOut):
    """A key that was just made. Keep both values now: only their fingerprints are stored."""

    api_key: str | None = Field(
        description="Null in a repeated answer: no secret is stored. Revoke the key and make another then."
    )
    api_secret: str | None = Field(description="The same.")
