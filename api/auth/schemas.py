"""Schemas of the token exchange."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request


class TokenRequest(Request):
    """API credentials."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"api_key": "sf_...", "api_secret": "sfs_...", "scope": "read analytics"}
        },
    )

    api_key: str = Field(min_length=1, max_length=200)
    api_secret: str = Field(min_length=1, max_length=200)
    scope: str | None = Field(
        default=None,
        max_length=200,
        description="Scopes separated by spaces, to get a token that may do less than its key. Default: all.",
    )


class TokenResponse(BaseModel):
    """An access token for the Authorization header."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
