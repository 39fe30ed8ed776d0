"""Settings of all requests to platforms.

Created at the entry points and passed down; no module-level instance.
"""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectorSettings(BaseSettings):
    """URLs, app credentials and limits of every request to a platform. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    twitter_base_url: str = Field(
        default="https://api.x.com", description="Replaces scheme, host and port of X; its paths stay."
    )
    instagram_base_url: str = Field(
        default="https://graph.instagram.com",
        description="Replaces scheme, host and port of Instagram; its paths stay.",
    )
    facebook_base_url: str = Field(
        default="https://graph.facebook.com",
        description="Replaces scheme, host and port of Facebook; its paths stay.",
    )
    threads_base_url: str = Field(
        default="https://graph.threads.net",
        description="Replaces scheme, host and port of Threads; its paths stay.",
    )
    twitter_client_id: str | None = Field(
        default=None, description="OAuth 2.0 client id of your X app; needed to refresh X tokens."
    )
    twitter_client_secret: SecretStr | None = Field(
        default=None, description="Its secret, for confidential X apps only."
    )
    pinterest_base_url: str = Field(
        default="https://api.pinterest.com",
        description="Replaces scheme, host and port of Pinterest; its paths stay.",
    )
    pinterest_client_id: str | None = Field(
        default=None, description="App id of your Pinterest app; needed to refresh Pinterest tokens."
    )
    pinterest_client_secret: SecretStr | None = Field(
        default=None, description="Its secret key; needed with the app id."
    )
    linkedin_base_url: str = Field(
        default="https://api.linkedin.com",
        description="Replaces scheme, host and port of LinkedIn; its paths stay.",
    )
    linkedin_version: str = Field(
        default="202603",
        pattern=r"^20\d{4}$",
        description="Version of LinkedIn's API, YYYYMM; each is kept for about a year.",
    )
    linkedin_client_id: str | None = Field(
        default=None, description="Client id of your LinkedIn app; needed to refresh LinkedIn tokens."
    )
    linkedin_client_secret: SecretStr | None = Field(
        default=None, description="Its client secret; needed with the client id."
    )
    tiktok_base_url: str = Field(
        default="https://open.tiktokapis.com",
        description="Replaces scheme, host and port of TikTok; its paths stay.",
    )
    tiktok_client_key: str | None = Field(
        default=None, description="Client key of your TikTok app; needed to refresh TikTok tokens."
    )
    tiktok_client_secret: SecretStr | None = Field(
        default=None, description="Its client secret; needed with the client key."
    )
    youtube_base_url: str = Field(
        default="https://www.googleapis.com",
        description="Replaces scheme, host and port of YouTube's data API; its paths stay.",
    )
    youtube_oauth_base_url: str = Field(
        default="https://oauth2.googleapis.com",
        description="Replaces scheme, host and port of Google's token endpoint; its path stays.",
    )
    youtube_client_id: str | None = Field(
        default=None, description="OAuth 2.0 client id of your Google app; needed to refresh YouTube tokens."
    )
    youtube_client_secret: SecretStr | None = Field(
        default=None, description="Its secret; needed with the client id."
    )
    twitter_authorize_base_url: str = Field(
        default="https://x.com", description="Replaces scheme, host and port of X's consent page."
    )
    instagram_authorize_base_url: str = Field(
        default="https://www.instagram.com",
        description="Replaces scheme, host and port of Instagram's consent page.",
    )
    instagram_oauth_base_url: str = Field(
        default="https://api.instagram.com",
        description="Replaces scheme, host and port of Instagram's token endpoint; its path stays.",
    )
    instagram_client_id: str | None = Field(
        default=None, description="Instagram app id of your Meta app; needed to connect by browser."
    )
    instagram_client_secret: SecretStr | None = Field(
        default=None, description="Its Instagram app secret; needed with the id."
    )
    facebook_authorize_base_url: str = Field(
        default="https://www.facebook.com",
        description="Replaces scheme, host and port of Facebook's consent page.",
    )
    facebook_client_id: str | None = Field(
        default=None, description="App id of your Meta app; needed to connect by browser."
    )
    facebook_client_secret: SecretStr | None = Field(
        default=None, description="Its app secret; needed with the id."
    )
    threads_authorize_base_url: str = Field(
        default="https://threads.net",
        description="Replaces scheme, host and port of the consent page of Threads.",
    )
    threads_client_id: str | None = Field(
        default=None, description="Threads app id of your Meta app; needed to connect by browser."
    )
    threads_client_secret: SecretStr | None = Field(
        default=None, description="Its Threads app secret; needed with the id."
    )
    linkedin_oauth_base_url: str = Field(
        default="https://www.linkedin.com",
        description="Replaces scheme, host and port of LinkedIn's consent page and token endpoint.",
    )
    tiktok_authorize_base_url: str = Field(
        default="https://www.tiktok.com",
        description="Replaces scheme, host and port of TikTok's consent page.",
    )
    youtube_authorize_base_url: str = Field(
        default="https://accounts.google.com",
        description="Replaces scheme, host and port of Google's consent page.",
    )
    pinterest_authorize_base_url: str = Field(
        default="https://www.pinterest.com",
        description="Replaces scheme, host and port of Pinterest's consent page.",
    )
    telegram_base_url: str = Field(
        default="https://api.telegram.org",
        description="Replaces scheme, host and port of Telegram's Bot API; its paths stay.",
    )
    allow_private_instances: bool = Field(
        default=False,
        description="Let Mastodon and Bluesky instances and media addresses be on loopback or private nets.",
    )
    connect_timeout: float = Field(default=5.0, gt=0, description="Seconds to open a connection.")
    read_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for the next bytes.")
    request_timeout: float = Field(default=60.0, gt=0, description="Seconds for one whole request.")
    upload_timeout: float = Field(
        default=600.0, gt=0, description="Seconds to fetch or upload one media file."
    )
    max_media_bytes: int = Field(
        default=4_000_000_000,
        ge=1_000_000,
        description="Largest media file fetched, whatever a platform accepts; kept in the temporary folder meanwhile.",
    )
    read_attempts: int = Field(default=3, ge=1, description="Attempts of a read; a write is never repeated.")
    max_connections: int = Field(
        default=100,
        ge=1,
        description="Open connections of one client; a platform has up to eight.",
    )
    max_response_bytes: int = Field(default=16_000_000, ge=1024, description="Longest answer accepted.")
    poll_interval: float = Field(
        default=2.0, gt=0, description="Seconds between two looks at media that a platform is processing."
    )
    processing_timeout: float = Field(
        default=120.0, gt=0, description="Seconds to wait for a platform to process media, per attempt."
    )

    @field_validator("*")
    @classmethod
    def _check_base_url(cls, value: object, info: ValidationInfo) -> object:
        if not (info.field_name or "").endswith("_base_url") or not isinstance(value, str):
            return value
        parts = urlsplit(value)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
        ):
            raise ValueError(
                f"{value!r} is no base address: give scheme, host and port, as in https://host:8443"
            )
        return value.rstrip("/")

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """All secrets among the settings, for the redaction."""
        return tuple(value for _name, value in self if isinstance(value, SecretStr))


class LogSettings(BaseSettings):
    """How every process writes its log."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    log_format: Literal["text", "json"] = Field(
        default="text",
        description="text: lines to read; json: one object per line, with the ids of request, run, post and attempt.",
    )


class TraceSettings(BaseSettings):
    """Where every process sends its traces."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector that gets traces by OTLP over HTTP, such as http://collector:4318.",
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _complete(cls, value: str | None) -> str | None:
        """Return the full address: /v1/traces, where no path is given."""
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{value!r} is not an address of a collector: write it as http://collector:4318")
        return value if parts.path.strip("/") else f"{value.rstrip('/')}/v1/traces"


def explain_settings(error: ValidationError) -> str:
    """Return what is wrong with settings in one line, by the names of their variables and without their values."""
    prefix = next(
        (
            str(kind.model_config.get("env_prefix", ""))
            for kind in BaseSettings.__subclasses__()
            if kind.__name__ == error.title
        ),
        "SOCIALFLOW_",
    )
    return " ".join(
        _explain_setting(f"{prefix}{str((*problem['loc'], '')[0]).upper()}", problem["type"], problem["msg"])
        for problem in error.errors(include_input=False, include_url=False)
    )


def _explain_setting(name: str, kind: str, message: str) -> str:
    if kind == "missing":
        return f"{name} is not set: set it (.env.example describes it)."
    return f"{name}: {message}."
