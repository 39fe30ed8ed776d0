"""Input model of a new API key."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from warehouse.shapes import Shape

Scope = Literal["read", "write", "approve", "analytics", "accounts", "admin"]


class ApiKeyCreate(Shape):
    """A new API key."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "reports", "scopes": ["read", "analytics"]}}
    )

    name: str = Field(min_length=1, max_length=200, description="Name shown in the list of keys.")
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=20,
        description="What the key may do; at most the scopes of the key that creates it.",
    )
    expires_at: str | None = Field(
        default=None,
        max_length=64,
        description="Expiry, ISO 8601; at most the expiry of the key that creates it. Default: none.",
    )
