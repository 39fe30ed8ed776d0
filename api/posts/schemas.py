"""Schemas of posts and their publications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.schemas import Request
from api.posts.schemas_approvals import Approval
from connectors.types import FollowUp, Media
from warehouse.planning.wish import Experiment, PostChange, PostWish, When
from warehouse.scheduling.local_times import Resolution
from warehouse.shapes import Zone
from warehouse.store.publishing.publications import MAX_EXTERNAL_ID

PostStatus = Literal[
    "draft", "scheduled", "publishing", "published", "partially_published", "failed", "canceled"
]


class PostCreate(PostWish):
    """A new post."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "content": "Excited to announce our new feature!",
                "platforms": ["twitter", "mastodon"],
                "scheduled_at": "2030-04-15T14:30:00Z",
            }
        },
    )


class PostPatch(PostChange):
    """Changes to a post; omitted fields stay unchanged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"content": "A better wording"}})


class RescheduleRequest(Request):
    """A new time for the unsent publications."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"scheduled_at": "2030-04-16T09:00:00Z"}}
    )

    scheduled_at: When
    experiment: Experiment = True
    timezone: Zone | None = None


class RetryRequest(Request):
    """Which failed publications to retry."""

    publication_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list, max_length=100, description="Empty = all failed publications."
    )


class ResolveRequest(Request):
    """A person's decision on a publication with an unknown outcome."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"decision": "send"}})

    decision: Literal["published", "send", "discard"]
    external_id: str | None = Field(
        default=None,
        max_length=MAX_EXTERNAL_ID,
        description="The platform's id of the published post, for its metrics.",
    )


class MarkPaidRequest(Request):
    """A person's word on whether published posts were promoted for money."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"paid": True}})

    paid: StrictBool | None = Field(
        description="null takes the mark back: then what the platform or a file says counts."
    )
    publication_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list, max_length=100, description="Empty = all that are published."
    )


class Scheduling(BaseModel):
    """How `scheduled_at` was derived from the request."""

    requested: str | None
    timezone: str
    resolution: Resolution
    note: str | None


class PlacementOut(BaseModel):
    """Whether the post's time was recommended, and as part of which experiment."""

    kind: Literal["manual", "recommended", "random", "exploration"] = Field(
        description="manual: the author's own time. recommended: the best free one. random, exploration: an experiment "
        "of the workspace."
    )
    reason: str | None = Field(default=None, description="Why this time was chosen.")
    expected_lift_pct: float | None = Field(
        default=None,
        description="Expected engagement compared with the accounts' usual times, when it was placed.",
    )
    interval_80: tuple[float, float] | None = None
    random_share: float | None = Field(
        default=None,
        description="The share of posts placed at random when this one was placed; null: no experiment.",
    )
    seed: int | None = Field(default=None, description="Of the experiment's draw.")
    acceptable: int | None = Field(default=None, description="Number of candidate times of a random choice.")


class Attempt(BaseModel):
    """One event in a publication's history."""

    seq: int
    attempt: int = Field(description="Number of the sending attempt it belongs to; 0 before the first.")
    event: str
    at: datetime
    detail: dict[str, Any]


class LaterParts(BaseModel):
    """The parts of a published thread, or its first comment, that are published after a delay."""

    status: Literal["waiting", "failed", "canceled"] = Field(
        description="waiting: the next part has its time. failed: it was refused, a retry continues with it. canceled: "
        "the parts that are left will not be sent."
    )
    published: int = Field(description="Number of parts that are published.")
    total: int
    next_part_at: datetime | None


class EditOut(BaseModel):
    """The last edit of a published post."""

    state: Literal["done", "failed", "refused", "unknown"] = Field(
        description="refused: the platform cannot make it and was not asked. unknown: repeat the edit."
    )
    requested_at: datetime
    finished_at: datetime | None
    code: str | None
    detail: str | None


class PublicationOut(BaseModel):
    """A post on one account."""

    id: str
    account_id: str
    platform: str
    status: str
    reason_code: str | None
    reason: str | None = Field(description="Explains its status, or why it is not sent yet.")
    scheduled_at: datetime | None
    next_attempt_at: datetime | None
    published_at: datetime | None
    external_id: str | None
    permalink: str | None
    deleted_at: datetime | None = Field(
        description="When measuring first found the post deleted on the platform; null: it was not. "
        "`permalink` then leads nowhere."
    )
    marked_paid: bool | None = Field(
        description="Whether a person said that it was promoted for money, which the optimal times obey; null: nobody "
        "did, and what the platform or an imported file says counts."
    )
    edited_at: datetime | None = Field(description="When the published post was last changed by an edit.")
    edit: EditOut | None = Field(description="The last edit after publishing; null: there was none.")
    attempt_count: int
    later_parts: LaterParts | None = Field(description="Null: it has none, or all are published.")


class PublicationDetail(PublicationOut):
    """A post on one account, with its content there and its full history."""

    content: dict[str, Any]
    story: list[str] = Field(description="History as sentences; the last one is the current state.")
    attempts: list[Attempt] = Field(
        description="The ledger: append-only, each row chained to the previous one."
    )
    ledger_problems: list[str] = Field(description="Empty if no row of the ledger is missing or was changed.")


class OccurrenceRef(BaseModel):
    """The occurrence of a recurring rule that created the post."""

    id: str = Field(description="The recurrence's id.")
    occurrence: str = Field(description="Local time from the rule, even if the post was moved.")


class PostBase(BaseModel):
    """Fields of every view of a post."""

    id: str
    status: str = Field(description="Derived from the publications: " + ", ".join(PostStatus.__args__))  # type: ignore[attr-defined]  # a Literal has __args__
    content: str
    platforms: list[str]
    account_ids: list[str]
    scheduled_at: datetime | None
    scheduling: Scheduling | None
    placement: PlacementOut
    media: list[Media]
    link: str | None
    thread: list[FollowUp]
    first_comment: FollowUp | None
    options: dict[str, dict[str, Any]] = Field(
        description="Given options by platform; all others have defaults."
    )
    variants: dict[str, dict[str, Any]]
    client_ref: str | None
    recurrence: OccurrenceRef | None
    approval: Approval | None = Field(description="Null: no approval was requested.")
    origin: str
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the post's ETag.")


class PostOut(PostBase):
    """A post in a list or in the response to a change."""

    publications: list[PublicationOut]
    warnings: list[str] = Field(
        default_factory=list, description="Issues that are accepted now but must be fixed before publishing."
    )


class PostDetail(PostBase):
    """A post with the history of each publication."""

    publications: list[PublicationDetail]


class DryRunTarget(BaseModel):
    """What would be sent to one account."""

    account_id: str
    platform: str
    handle: str
    content: dict[str, Any]
    length: int = Field(description="Length as the platform counts it.")
    limit: int
    unit: str


class DryRunOut(BaseModel):
    """Response to `dry_run=true`: the post is valid; nothing was saved."""

    valid: Literal[True] = True
    scheduled_at: datetime | None
    scheduling: Scheduling | None
    placement: PlacementOut
    publications: list[DryRunTarget]
    warnings: list[str]
