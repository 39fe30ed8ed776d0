"""Shapes of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class AuditActor(BaseModel):
    """Who did it."""

    kind: str = Field(description="api_key, dashboard, command_line, anonymous or system.")
    id: str | None = Field(description="The API key's id; on the command line the user's name.")
    name: str | None
    session_id: str | None = Field(description="The dashboard session.")


class AuditEntryOut(BaseModel):
    """One thing that was done, or tried."""

    id: str
    at: datetime
    action: str
    actor: AuditActor
    address: str | None = Field(description="Where the request came from; null on the command line.")
    subject_id: str | None = Field(description="What it was done to: a key, an account, a post, a webhook.")
    detail: dict[str, Any] = Field(description="Names, scopes, values before and after; never a secret.")
