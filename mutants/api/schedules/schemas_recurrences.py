"""Shapes of recurring posts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.times import Resolution
from api.posts.schemas import PostTemplate, Text, Zone
from connectors.types import Media

Rule = Annotated[
    str,
    Field(
        max_length=500,
        description="RRULE (RFC 5545), FREQ one of DAILY, WEEKLY, MONTHLY, YEARLY; COUNT or UNTIL end it.",
        examples=["FREQ=WEEKLY;BYDAY=MO,TH"],
    ),
]
Start = Annotated[
    str,
    Field(
        max_length=64,
        description="First possible occurrence, ISO 8601, local in `timezone` or with an offset.",
    ),
]
Skipped = Annotated[
    list[Annotated[str, Field(max_length=32)]],
    Field(
        max_length=500,
        description="Occurrences left out (EXDATE): local times (2030-04-22T09:00:00) or local days (2030-04-22).",
    ),
]


class RecurrenceCreate(PostTemplate):
    """A rule and what each of its posts says."""

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

    rrule: Rule
    starts_at: Start
    timezone: Zone | None = Field(
        default=None,
        description="IANA zone of the rule; default: the workspace's. Local times stay as they are.",
    )
    exdates: Skipped = Field(default_factory=list)
    content: Text = Field(description="As of a post.")
    allow_duplicate: StrictBool = Field(
        default=False, description="Accept the same rule with the same content twice."
    )


class RecurrencePatch(PostTemplate):
    """Changes to a rule; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"exdates": ["2030-04-22"]}})

    rrule: Rule | None = None
    starts_at: Start | None = None
    timezone: Zone | None = None
    exdates: Skipped = Field(default_factory=list)
    content: Text | None = None


class OccurrenceOut(BaseModel):
    """One time of a rule."""

    occurrence: str = Field(description="Its local time, which names it.")
    scheduled_at: datetime
    resolution: Resolution
    note: str | None = Field(description="What became of a local time that the clocks skip or show twice.")


class UpcomingOccurrence(OccurrenceOut):
    """One coming time of a saved rule."""

    post_id: str | None = Field(
        description="Null: its post is not made yet, or none of its accounts is connected."
    )


class PreviewOut(BaseModel):
    """The coming times of a rule that is not saved."""

    rrule: str
    starts_at: str
    timezone: str
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
    thread: list[str]
    first_comment: str | None
    variants: dict[str, dict[str, Any]]
    client_ref: str | None
    made_until: datetime | None = Field(description="Posts are made up to here; null = the rule has no more.")
    upcoming: list[UpcomingOccurrence] = Field(description="The next five.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the rule's ETag.")
    warnings: list[str] = Field(default_factory=list)


class RecurrenceDeleted(BaseModel):
    """A rule that makes no more posts."""

    id: str
    canceled_posts: int
