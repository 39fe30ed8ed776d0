"""Settings of the HTTP API. Created at the entry points and passed down; no module-level instance."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.types import MAX_UPLOAD_BYTES


class ApiSettings(BaseSettings):
    """Limits of the API, and the address of the orchestrator's health check."""

    model_config = SettingsConfigDict(
        env_prefix="SOCIALFLOW_API_",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,  # a mistyped address may hold a password
    )

    rate_limit: int = Field(default=600, ge=1, description="Requests per minute for each API key.")
    auth_failures: int = Field(
        default=10,
        ge=1,
        description="Failed sign-ins per minute, per key and per address, before more are refused.",
    )
    rate_limit_storage: SecretStr = Field(
        default=SecretStr("auto"),
        description="Where requests are counted: memory (per API process), redis://host:port/0 (all together), or "
        "auto: in the store's PostgreSQL (all together) if it has one, else memory.",
    )
    max_body_bytes: int = Field(default=1_000_000, ge=1024, description="Longest request body accepted.")
    cors_origins: str = Field(
        default="",
        description="Origins such as https://app.example.com, separated by commas, whose pages may call the API.",
    )
    public_url: str | None = Field(
        default=None,
        description="Address where browsers reach the API; platforms redirect to it. `socialflow up`: "
        "its own.",
    )
    connect_return_urls: str = Field(
        default="",
        description="Addresses, separated by commas, that browsers may be redirected to after an account is connected.",
    )
    max_upload_bytes: int = Field(
        default=MAX_UPLOAD_BYTES, ge=1024, description="Largest picture or video that can be uploaded."
    )
    max_workspace_uploads: int = Field(
        default=100_000_000_000,
        ge=1024,
        description="Maximum total bytes of all uploads of a workspace.",
    )
    orchestrator_url: str | None = Field(
        default=None, description="Health check address of Prefect's server (200 = healthy), used by /readyz."
    )

    publisher_expected: bool = Field(
        default=False,
        description="Whether /readyz fails while no publisher is running. `socialflow up`: yes.",
    )

    @field_validator("rate_limit_storage")
    @classmethod
    def _check_rate_limit_storage(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text not in {"auto", "memory"} and not re.fullmatch(
            r"rediss?://([^\s@/]*@)?([^\s@/:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[0-9]*)?(\?\S*)?", text
        ):
            # The value is not repeated: it may hold a password.
            raise ValueError(
                "not a rate limit storage: write auto, memory, or redis://[user:password@]host[:port][/0]"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", value):
            raise ValueError(f"{value!r} is not a web address: write https://host, without query")
        return value

    @property
    def allowed_return_urls(self) -> frozenset[str]:
        """The setting as a list of addresses."""
        return frozenset(split_origins(self.connect_return_urls))

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        for origin in split_origins(value):
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ValueError(
                    f"{origin!r} is not an origin: write https://host or http://host:port, without a path"
                )
        return value


class McpSettings(BaseSettings):
    """Address of the API and API key for the MCP tools."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    mcp_url: str = Field(
        default="http://127.0.0.1:8000", description="Address of the API for `socialflow mcp`."
    )
    mcp_api_key: SecretStr = Field(description="API key of the tools; its scopes limit them.")
    mcp_api_secret: SecretStr = Field(description="Secret of that key.")


def split_origins(value: str) -> list[str]:
    """Return the setting as a list of origins."""
    return [origin.strip() for origin in value.split(",") if origin.strip()]
