"""Settings of the processes that `socialflow up` starts. Created at the entry points and passed down."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.types import MAX_UPLOAD_BYTES, Duration, Platform
from warehouse.settings import READS_PER_DAY, ReadsPerDay, parse_by_platform

_durations = TypeAdapter(tuple[Duration, ...])


def _ages_by_platform(value: object) -> object:
    """Parse 'twitter=1h 1d 7d; telegram=1d' into ages, each list ascending."""
    found = parse_by_platform(value)
    if not isinstance(found, dict):
        return found
    for name, ages in found.items():
        parsed = _durations.validate_python(tuple(ages.split()) if isinstance(ages, str) else ages)
        if not parsed or list(parsed) != sorted(set(parsed)) or parsed[0] <= timedelta(0):
            raise ValueError(f"the ages of {name} must be positive and ascending, such as 1h 1d 7d")
        found[name] = parsed
    return found


class FlowSettings(BaseSettings):
    """Addresses of the components, and limits of one run."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on.")
    api_trusted_proxies: str = Field(
        default="",
        description="Addresses or networks, separated by commas, of reverse proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are trusted; none by default.",
    )
    api_max_upload_bytes: int = Field(
        default=MAX_UPLOAD_BYTES,
        ge=1024,
        description="Same as in the API settings: for uploads from the command line.",
    )
    prefect_port: int = Field(
        default=4200, ge=1, le=65535, description="Port of the embedded Prefect server, on 127.0.0.1 only."
    )
    prefect_allowed_hosts: str = Field(
        default="",
        description="Further names, such as prefect.example.com, that Prefect's server answers to behind a proxy.",
    )
    sandbox_port: int = Field(
        default=8090, ge=1, le=65535, description="Port of the simulated platforms, on 127.0.0.1 only."
    )
    fetch_concurrency: int = Field(
        default=8, ge=1, le=64, description="Number of accounts that are read concurrently."
    )
    ingest_runs: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Maximum runs of one ingest or backfill flow at the same time, on all machines; they share the "
        "accounts.",
    )
    timing_parts: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Into how many runs on the workers the nightly timing run splits the accounts; 1 = one process.",
    )
    snapshots_per_account: int = Field(
        default=500,
        ge=1,
        description="Maximum publications of one account per ingest run; the rest follows in the next run.",
    )
    snapshot_ages: Annotated[
        dict[Platform, tuple[timedelta, ...]], NoDecode, BeforeValidator(_ages_by_platform)
    ] = Field(
        default_factory=dict,
        description="Ages at which a platform's posts are measured, instead of the defaults: 'twitter=1h 1d 7d'.",
    )
    reads_per_day: ReadsPerDay = Field(default_factory=dict, description=READS_PER_DAY)
    followers_interval: Duration = Field(
        default=timedelta(hours=24), description="How often an account's followers are read (seconds)."
    )
    silent_after: Duration = Field(
        default=timedelta(days=3),
        description="An account without a follower count for this long is reported as silent.",
    )
    backfill_days: int = Field(
        default=182, ge=1, le=3650, description="How far back a newly connected account's history is read."
    )

    @property
    def ages_by_platform(self) -> dict[str, tuple[timedelta, ...]]:
        """`snapshot_ages` by platform name, in the store's format."""
        return {str(platform): ages for platform, ages in self.snapshot_ages.items()}

    @field_validator("prefect_allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        for host in value.split(","):
            if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]*", host.strip()):
                raise ValueError(
                    f"{host.strip()!r} is not a host: write host or host:port, without http:// or a path"
                )
        return value

    @field_validator("api_trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for proxy in value.split(","):
            if proxy.strip():
                ip_network(proxy.strip(), strict=False)
        return value

    @property
    def prefect_hosts(self) -> list[str]:
        """`prefect_allowed_hosts` as a list."""
        return [host.strip().lower() for host in self.prefect_allowed_hosts.split(",") if host.strip()]

    @property
    def api_url(self) -> str:
        """Address of the API from this machine."""
        host = "127.0.0.1" if self.api_host in {"0.0.0.0", "::", ""} else self.api_host  # noqa: S104 (compared, not bound)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def prefect_url(self) -> str:
        """Address of the embedded Prefect server, without the trailing /api."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def sandbox_url(self) -> str:
        """Address of the simulated platforms."""
        return f"http://127.0.0.1:{self.sandbox_port}"
