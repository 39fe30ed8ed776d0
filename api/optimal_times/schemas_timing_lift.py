"""Schema of the timing experiment's result."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class PlacedPosts(BaseModel):
    """One of the two groups of the experiment."""

    posts: int = Field(description="Posts that could be compared.")
    publications: int = Field(description="Posts measured at that age.")


class TimingLiftOut(BaseModel):
    """Effect of recommended times compared with random ones; null figures have a `reason`."""

    age: str
    lift_pct: float | None
    interval_80: tuple[float, float] | None
    interval_95: tuple[float, float] | None
    recommended: PlacedPosts
    random: PlacedPosts
    accounts: int
    unmeasured: int
    too_young: int
    reason: str | None = Field(description="Why the figures are null; null: they are available.")
    verdict: str
    as_of: datetime | None = Field(description="Time of the newest measurement of the workspace.")
    definitions: dict[str, str]
