"""Schemas of dashboard sessions."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class SessionOut(BaseModel):
    """A browser that is signed in to the dashboard."""

    id: str
    key_id: str = Field(description="The API key with which it signed in.")
    key_name: str
    address: str = Field(description="Where it signed in from.")
    browser: str = Field(description="The browser's User-Agent header.")
    created_at: datetime
    expires_at: datetime
