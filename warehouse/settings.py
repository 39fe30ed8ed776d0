"""Where the two stores live. Built at the entry points and passed down; no module-level instance."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.types import Duration


class WarehouseSettings(BaseSettings):
    """Addresses of the operational store and the lake, and the key that encrypts credentials."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default=Path("~/.socialflow"), description="Folder that holds every file.")
    database_url: str | None = Field(
        default=None,
        description="Operational store as a SQLAlchemy address; default: a SQLite file in the home folder.",
    )
    lake_catalog: str | None = Field(
        default=None,
        description="DuckLake catalog, 'sqlite:<file>' or 'postgres:<libpq words>'; default: a file in home.",
    )
    lake_data_path: str | None = Field(
        default=None, description="Parquet files: a folder or s3://bucket/prefix/; default: a folder in home."
    )
    lake_s3_endpoint: str | None = Field(default=None, description="host:port of an S3-compatible server.")
    lake_s3_region: str = Field(default="us-east-1", description="Region of the lake's bucket.")
    lake_s3_access_key_id: SecretStr | None = Field(default=None, description="Key id for the lake's bucket.")
    lake_s3_secret_access_key: SecretStr | None = Field(default=None, description="Its secret.")
    lake_s3_use_ssl: bool = Field(default=True, description="false for a local S3 server without TLS.")
    lake_memory_limit: str = Field(default="1GB", description="DuckDB's memory limit in each process.")
    media_path: str | None = Field(
        default=None,
        description="Uploaded media: a folder or s3://bucket/prefix (the lake's S3 settings); default: in home.",
    )
    media_public_url: str | None = Field(
        default=None,
        pattern="^https?://[^/]+.*[^/]$",
        description="Public address of this API, for platforms that fetch media by themselves.",
    )
    media_unused_after: Duration = Field(
        default=timedelta(days=7),
        ge=timedelta(hours=1),
        description="Uploads that no unsent post needs are removed once they are this old.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Encrypts credentials and signs tokens; default: made on first run into home/secret.key.",
    )
    secret_key_file: Path | None = Field(
        default=None,
        description="File that holds the secret key, such as a container's secret; instead of SOCIALFLOW_SECRET_KEY.",
    )
    max_lateness: Duration = Field(
        default=timedelta(hours=1),
        description="After downtime, posts later than this wait for a person instead of going out (seconds).",
    )
    recurrence_horizon: Duration = Field(
        default=timedelta(days=14),
        ge=timedelta(days=1),
        le=timedelta(days=92),
        description="How long ahead a recurring rule's posts are made (1d to 92d).",
    )

    keep_raw_payloads: Duration = Field(
        default=timedelta(days=90),
        description="How long the platforms' own answers are kept beside the numbers (seconds, or 90d).",
    )
    keep_lake_snapshots: Duration = Field(
        default=timedelta(days=30),
        description="How far back the lake's own time travel reaches: beyond hours, to one state a day or week.",
    )
    keep_findings: Duration = Field(
        default=timedelta(days=365), description="How long findings of the data checks are kept."
    )

    @field_validator("home")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def resolved_database_url(self) -> str:
        """The store's address, the default filled in."""
        return self.database_url or f"sqlite:///{self.home / 'socialflow.sqlite'}"

    @property
    def resolved_lake_catalog(self) -> str:
        """The lake's catalog, the default filled in: 'sqlite:...' or 'postgres:...'."""
        return self.lake_catalog or f"sqlite:{self.home / 'lake' / 'catalog.sqlite'}"

    @property
    def resolved_lake_data_path(self) -> str:
        """The lake's Parquet folder, the default filled in, with a trailing slash."""
        path = self.lake_data_path or str(self.home / "lake" / "data")
        return path if path.endswith("/") else path + "/"
