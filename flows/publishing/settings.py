"""Settings of the publisher: leases, look-ahead, concurrency, waits. Created at the entry points."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.types import Duration


class PublisherSettings(BaseSettings):
    """Durations are given in seconds (90), or as 15m, 1h, 2d."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_PUBLISH_", env_ignore_empty=True, extra="ignore")

    lease: Duration = Field(
        default=timedelta(seconds=90),
        description="After this long without a renewal, what a publisher was sending is looked up by another one.",
    )
    look_ahead: Duration = Field(
        default=timedelta(seconds=3), description="How long before its time a publication is claimed."
    )
    poll: Duration = Field(
        default=timedelta(seconds=1), description="How often the store is asked for newly due publications."
    )
    send_timeout: Duration = Field(
        default=timedelta(minutes=10), description="Longest time one send may take, uploads included."
    )
    settle: Duration = Field(
        default=timedelta(seconds=20),
        description="How long a platform's lists may lag: before that, 'not in the list' proves nothing.",
    )
    unknown_limit: Duration = Field(
        default=timedelta(hours=6),
        description="A publication whose outcome stays unknown this long is handed to a person.",
    )
    concurrency: int = Field(default=64, ge=1, le=1000, description="Sends under way at once.")
    account_concurrency: int = Field(default=8, ge=1, le=100, description="Of them, for one account.")
    claim_limit: int = Field(
        default=200, ge=1, le=10_000, description="Most publications that one publisher holds at once."
    )

    @model_validator(mode="after")
    def _lease_is_long_enough(self) -> PublisherSettings:
        if self.lease < timedelta(seconds=1):
            raise ValueError("SOCIALFLOW_PUBLISH_LEASE must be at least 1 second")
        return self
