"""Recurring post schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connectors.types import FollowUp, Media
from warehouse.planning.wish import RecurrenceChange, RecurrenceWish
from warehouse.scheduling.local_times import Resolution


class RecurrenceCreate(RecurrenceWish):
    """A rule and the content of its posts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "rrule": "FREQ=WEEKLY;BYDAY=MO",
                "starts_at": "2030-04-15T09:00:00",
                "timezone": "Europe/Berlin",
                "content": "A new week, a new issue: read it on our site",
                "platforms": ["mastodon"],
            }
        },
    )


class RecurrencePatch(RecurrenceChange):
    """Changes to a rule; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"exdates": ["2030-04-22"]}})


class OccurrenceOut(BaseModel):
    """One occurrence of a rule."""

    occurrence: str = Field(description="Local time, which identifies it.")
    scheduled_at: datetime
    resolution: Resolution
    note: str | None = Field(
        description="How a local time that a clock change skips or repeats was resolved."
    )


class UpcomingOccurrence(OccurrenceOut):
    """One upcoming occurrence of a saved rule."""

    post_id: str | None = Field(
        description="Null: its post is not created yet, or none of its accounts is connected."
    )


class PreviewOut(BaseModel):
    """The next occurrences of an unsaved rule."""

    rrule: str
    starts_at: str
    timezone: str
    warnings: list[str] = Field(
        default=[], description="Months that the rule leaves out, and how to include them."
    )
    data: list[OccurrenceOut]
    has_more: bool
    next_cursor: str | None = None


class RecurrenceOut(BaseModel):
    """A recurring rule."""

    id: str
    rrule: str
    starts_at: str = Field(description="Local, in `timezone`.")
    timezone: str
    exdates: list[str]
    content: str
    account_ids: list[str]
    media: list[Media]
    link: str | None
    thread: list[FollowUp]
    first_comment: FollowUp | None
    options: dict[str, dict[str, Any]]
    variants: dict[str, dict[str, Any]]
    client_ref: str | None
    made_until: datetime | None = Field(
        description="Posts are created up to this time; null = no further occurrences."
    )
    upcoming: list[UpcomingOccurrence] = Field(description="The next five occurrences.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the rule's ETag.")
    warnings: list[str] = Field(default_factory=list)


class RecurrenceDeleted(BaseModel):
    """A rule that has ended."""

    id: str
    canceled_posts: int
