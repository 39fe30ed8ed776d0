"""Schemas of the browser authorization of an account."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Request


class AuthorizationRequest(Request):
    """Options for connecting an account in the browser; all are optional."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"instance_url": "https://mastodon.social"}}
    )

    instance_url: str | None = Field(
        default=None,
        max_length=300,
        description="The account's own server; Mastodon needs it, no other has one.",
    )
    account: str | None = Field(
        default=None,
        max_length=200,
        description="Which account, if the person manages several: a Facebook page's id (default: every page that is "
        "allowed), a LinkedIn organization as urn:li:organization:123 (default: the person).",
    )
    return_url: str | None = Field(
        default=None,
        max_length=2000,
        description="Address to redirect the browser to afterwards; one of SOCIALFLOW_API_CONNECT_RETURN_URLS.",
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone of the audience, for optimal times."
    )


class AuthorizationStarted(BaseModel):
    """The started authorization: the address to open and its expiry."""

    authorization_url: str = Field(description="Address for the account's owner to open in a browser, once.")
    redirect_uri: str = Field(
        description="Redirect URI that must be registered in the platform's app, exactly as shown."
    )
    expires_at: datetime = Field(description="Time by which the owner must return.")
