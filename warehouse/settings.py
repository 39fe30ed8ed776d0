"""Settings of the operational store and the lake. Created at the entry points and passed down; no global instance."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.types import Duration, Platform


def parse_by_platform(value: object) -> object:
    """Parse 'twitter=3000; youtube=9000' into {"twitter": "3000", ...}; other values are left to pydantic."""
    if not isinstance(value, str):
        return value
    found: dict[Platform, str] = {}
    for part in value.split(";"):
        if not part.strip():
            continue
        name, equals, rest = part.partition("=")
        if not equals:
            raise ValueError(f"{part.strip()!r} is not platform=value (separate several with ';')")
        found[Platform.parse(name)] = rest.strip()
    return found


ReadsPerDay = Annotated[dict[Platform, int], NoDecode, BeforeValidator(parse_by_platform)]
READS_PER_DAY = "Maximum posts read per UTC day on platforms that charge for it, such as 'twitter=3000'."


class WarehouseSettings(BaseSettings):
    """Locations of the operational store and the lake, the secret key, and retention times."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default=Path("~/.socialflow"), description="Folder for all files.")
    database_url: str | None = Field(
        default=None,
        description="Operational store as a SQLAlchemy URL; default: a SQLite file in the home folder.",
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
    reads_per_day: ReadsPerDay = Field(default_factory=dict, description=READS_PER_DAY)
    lake_memory_limit: str = Field(default="1GB", description="DuckDB's memory limit in each process.")
    media_path: str | None = Field(
        default=None,
        description="Uploaded media: a folder or s3://bucket/prefix (the lake's S3 settings); default: in home.",
    )
    media_public_url: str | None = Field(
        default=None,
        pattern="^https?://[^/]+.*[^/]$",
        description="Public URL of this API, for platforms that download media by URL.",
    )
    media_unused_after: Duration = Field(
        default=timedelta(days=7),
        ge=timedelta(hours=1),
        description="Age at which uploads not needed by an unsent post are removed.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Encrypts credentials and signs tokens; default: created on first run in home/secret.key.",
    )
    secret_key_file: Path | None = Field(
        default=None,
        description="File with the secret key, such as a container secret; instead of SOCIALFLOW_SECRET_KEY.",
    )
    max_lateness: Duration = Field(
        default=timedelta(hours=1),
        description="After downtime, posts later than this need a decision and are not published (seconds).",
    )
    recurrence_horizon: Duration = Field(
        default=timedelta(days=14),
        ge=timedelta(days=1),
        le=timedelta(days=92),
        description="How far ahead the posts of a recurrence rule are created (1d to 92d).",
    )

    keep_raw_payloads: Duration = Field(
        default=timedelta(days=90),
        description="How long the platforms' raw responses are kept with the metrics (seconds, or 90d).",
    )
    keep_lake_snapshots: Duration = Field(
        default=timedelta(days=30),
        description="How far back the lake's time travel reaches; beyond some hours, one state per day or week.",
    )
    archive_after: Duration = Field(
        default=timedelta(days=400),
        description="After this long without a change, the logs of ended publications move to the lake; 0 = never.",
    )
    keep_findings: Duration = Field(
        default=timedelta(days=365), description="How long findings of the data checks are kept."
    )

    @field_validator("home")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("lake_data_path", "media_path")
    @classmethod
    def _check_place(cls, value: str | None) -> str | None:
        # DuckDB reads what follows a "?" as options of the request, and Arrow refuses empty parts of a path.
        if value is not None and "://" in value and not re.fullmatch(r"s3://[^/?\s]+(/[^/?]+)*/?", value):
            raise ValueError(f"{value!r} is neither a folder nor s3://bucket/prefix (without '?' and '//')")
        return value

    @property
    def resolved_database_url(self) -> str:
        """The store's URL, or its default."""
        return self.database_url or f"sqlite:///{self.home / 'socialflow.sqlite'}"

    @property
    def resolved_lake_catalog(self) -> str:
        """The lake's catalog, or its default: 'sqlite:...' or 'postgres:...'."""
        return self.lake_catalog or f"sqlite:{self.home / 'lake' / 'catalog.sqlite'}"

    @property
    def resolved_lake_data_path(self) -> str:
        """The lake's Parquet folder, or its default, with a trailing slash."""
        path = self.lake_data_path or str(self.home / "lake" / "data")
        return path if path.endswith("/") else path + "/"
