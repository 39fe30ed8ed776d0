"""Addresses and pace of the processes that `socialflow up` starts. Built at the entry points and passed down."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.types import Duration


class FlowSettings(BaseSettings):
    """Where the parts listen, and how much one run takes on."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_", env_ignore_empty=True, extra="ignore")

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on.")
    prefect_port: int = Field(
        default=4200, ge=1, le=65535, description="Port of the embedded Prefect server, on 127.0.0.1 only."
    )
    sandbox_port: int = Field(
        default=8090, ge=1, le=65535, description="Port of the simulated platforms, on 127.0.0.1 only."
    )
    fetch_concurrency: int = Field(
        default=8, ge=1, le=64, description="How many accounts are read at the same time."
    )
    snapshots_per_account: int = Field(
        default=500,
        ge=1,
        description="Most publications of one account that one ingest run measures; the rest comes next.",
    )
    followers_interval: Duration = Field(
        default=timedelta(hours=24), description="How often an account's followers are read (seconds)."
    )
    backfill_days: int = Field(
        default=182, ge=1, le=3650, description="How far back a newly connected account's history is read."
    )

    @property
    def api_url(self) -> str:
        """The API's address as this machine reaches it."""
        host = "127.0.0.1" if self.api_host in {"0.0.0.0", "::", ""} else self.api_host  # noqa: S104 (compared, not bound)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def prefect_url(self) -> str:
        """The embedded Prefect server's address, without the /api at its end."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def sandbox_url(self) -> str:
        """The simulated platforms' address."""
        return f"http://127.0.0.1:{self.sandbox_port}"
