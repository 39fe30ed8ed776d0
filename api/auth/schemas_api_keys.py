"""API key schemas. The two secret values are part of the creation response only."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from warehouse.store.access.shapes import Scope


class ApiKeyOut(BaseModel):
    """An API key as lists show it."""

    id: str
    name: str
    key_hint: str = Field(description="First characters of the key.")
    scopes: list[Scope]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="When it was last exchanged for a token.")


class ApiKeyCreated(ApiKeyOut):
    """A newly created API key. Store both values now: only their fingerprints are kept."""

    api_key: str | None = Field(
        description="Null in a replayed response: secrets are not stored. Revoke the key and create another."
    )
    api_secret: str | None = Field(description="The same.")
