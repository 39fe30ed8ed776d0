"""Input models for connecting an account with a token, and for changing it."""

from __future__ import annotations

from pydantic import ConfigDict, Field, SecretStr

from warehouse.shapes import Shape


class AccountPatch(Shape):
    """The fields of an account to change."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"timezone": "Europe/Berlin"}})

    timezone: str | None = Field(
        max_length=64,
        description="IANA zone of the audience; null = the workspace's. Slots and posting times follow.",
    )


class ConnectRequest(Shape):
    """Credentials of an account to connect."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"platform": "instagram", "access_token": "INSTAGRAM_ACCESS_TOKEN"}},
    )

    platform: str = Field(max_length=40)
    access_token: SecretStr = Field(
        min_length=1,
        max_length=10_000,
        description="Access token. Bluesky: an app password together with `handle` also works.",
    )
    instance_url: str | None = Field(
        default=None,
        max_length=300,
        description="The account's own server (Mastodon, Bluesky), with or without https://.",
    )
    handle: str | None = Field(
        default=None,
        max_length=200,
        description="The account's name, with or without @, or its profile's address. Bluesky with an app password and "
        "Telegram need it; on Mastodon, anna@tea.example also names the server.",
    )
    refresh_token: SecretStr | None = Field(default=None, max_length=10_000)
    expires_at: str | None = Field(
        default=None, max_length=64, description="Expiry of access_token, ISO 8601."
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="IANA zone of the audience, for optimal times."
    )
