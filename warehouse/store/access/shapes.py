"""The shape of a new API key."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from warehouse.shapes import Shape

Scope = Literal["read", "write", "approve", "analytics", "accounts", "admin"]


class ApiKeyCreate(Shape):
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
