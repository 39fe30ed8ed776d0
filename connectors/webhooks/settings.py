"""Settings of webhook deliveries. Created at the entry points and passed down; no module-level instance."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.types import Duration


class WebhookSettings(BaseSettings):
    """Durations are given in seconds (90), or as 15m, 1h, 2d."""

    model_config = SettingsConfigDict(env_prefix="SOCIALFLOW_WEBHOOK_", env_ignore_empty=True, extra="ignore")

    allow_private: bool = Field(
        default=False, description="Let webhooks go to loopback and private nets, and by plain http."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=15), description="Longest time one delivery may take, connecting included."
    )
    concurrency: int = Field(
        default=32, ge=1, le=500, description="Deliveries under way at once, in each process."
    )
    lease: Duration = Field(
        default=timedelta(seconds=60),
        description="After this long a delivery whose process died is sent again by another.",
    )
    kept_for: Duration = Field(
        default=timedelta(days=30), description="How long events and the delivery log are kept for replay."
    )
