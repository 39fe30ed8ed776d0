"""Shapes of posts and their publications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.http.schemas import Request
from api.http.times import Resolution
from api.posts.schemas_approvals import Approval
from connectors.types import Media

PostStatus = Literal[
    "draft", "scheduled", "publishing", "published", "partially_published", "failed", "canceled"
]
MAX_CONTENT = 2000

PlatformName = Annotated[str, Field(max_length=40, examples=["twitter"])]
Text = Annotated[str, Field(max_length=20_000)]
"""The real limits are the platforms' own and counted as they count; this one only bounds the work."""
Thread = Annotated[list[Text], Field(max_length=100)]
MediaList = Annotated[list[Media], Field(max_length=20)]
Link = Annotated[str, Field(max_length=2000)]
Zone = Annotated[str, Field(max_length=64, description="IANA zone for times without offset.")]
When = Annotated[
    str,
    Field(
        max_length=64,
        description='ISO 8601; without offset it is read in `timezone`. "optimal" takes the next best free time, '
        '"queue" the next free slot of the accounts\' queues.',
    ),
]

Experiment = Annotated[
    StrictBool,
    Field(
        description='With "optimal": whether the workspace\'s experiment, if it runs one, may choose the time. '
        "false: the best free time, whatever happens."
    ),
]


class Variant(Request):
    """What one platform gets instead of the common content; a field left out is as for all."""

    content: Text | None = None
    media: MediaList | None = None
    link: Link | None = None
    thread: Thread | None = None
    first_comment: Text | None = None


class PostTemplate(Request):
    """What an author can say about a post, its time aside."""

    platforms: list[PlatformName] = Field(
        default_factory=list,
        max_length=50,
        description="Each stands for all connected accounts of that platform. `x` is an alias of twitter.",
    )
    account_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list,
        max_length=100,
        description="Single accounts; of their platforms no other account is meant then.",
    )
    variants: dict[PlatformName, Variant] = Field(default_factory=dict, max_length=20)
    media: MediaList = Field(default_factory=list)
    link: Link | None = None
    thread: Thread = Field(default_factory=list, description="Posts that follow the first one, as replies.")
    first_comment: Text | None = None
    client_ref: str | None = Field(
        default=None, max_length=200, description="Your own reference, given back."
    )


class PostFields(PostTemplate):
    """What an author can say about a post."""

    scheduled_at: When | None = Field(default=None, description="When to publish; left out = at once.")
    experiment: Experiment = True
    timezone: Zone | None = None


class PostCreate(PostFields):
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

    content: Text = Field(description=f"At most {MAX_CONTENT} characters, and what each platform takes.")
    status: Literal["draft", "scheduled"] | None = Field(
        default=None, description="`draft`: kept, not sent. Default: scheduled."
    )
    allow_duplicate: StrictBool = Field(
        default=False, description="Accept the same content on the same account within 24 hours."
    )


class PostPatch(PostFields):
    """Changes to a post; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"content": "A better wording"}})

    content: Text | None = None
    status: Literal["draft", "scheduled"] | None = Field(
        default=None, description="`scheduled` sends a draft at its time, or at once where it has none."
    )
    allow_duplicate: StrictBool = False


class RescheduleRequest(Request):
    """Another time for all that has not been sent."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"scheduled_at": "2030-04-16T09:00:00Z"}}
    )

    scheduled_at: When
    experiment: Experiment = True
    timezone: Zone | None = None


class RetryRequest(Request):
    """Which failed publications to send again."""

    publication_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list, max_length=100, description="Empty = all failed ones."
    )


class ResolveRequest(Request):
    """A person's decision on a publication of which nobody could find out whether it is out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"decision": "send"}})

    decision: Literal["published", "send", "discard"]
    external_id: str | None = Field(
        default=None, max_length=300, description="The platform's id of the published post, for its metrics."
    )


class Scheduling(BaseModel):
    """How `scheduled_at` was found from what was asked for."""

    requested: str | None
    timezone: str
    resolution: Resolution
    note: str | None


class PlacementOut(BaseModel):
    """Whether advice chose the post's time, and as part of which experiment."""

    kind: Literal["manual", "recommended", "random", "exploration"] = Field(
        description="manual: the author's own time. recommended: the best free one. random, exploration: an experiment "
        "that the workspace asked for."
    )
    reason: str | None = Field(default=None, description="Why this time, in words.")
    expected_lift_pct: float | None = Field(
        default=None, description="Expected engagement against the accounts' usual times, when it was placed."
    )
    interval_80: tuple[float, float] | None = None
    random_share: float | None = Field(
        default=None,
        description="The share of posts placed at random when this one was placed; null: no experiment.",
    )
    seed: int | None = Field(default=None, description="Of the experiment's draw.")
    acceptable: int | None = Field(default=None, description="How many times a random choice had.")


class Attempt(BaseModel):
    """One event in a publication's life."""

    seq: int
    attempt: int = Field(description="Number of the sending attempt it belongs to; 0 before the first.")
    event: str
    at: datetime
    detail: dict[str, Any]


class PublicationOut(BaseModel):
    """The post on one account."""

    id: str
    account_id: str
    platform: str
    status: str
    reason_code: str | None
    reason: str | None = Field(description="In words, why it is in its status or not yet sent.")
    scheduled_at: datetime | None
    next_attempt_at: datetime | None
    published_at: datetime | None
    external_id: str | None
    permalink: str | None
    attempt_count: int


class PublicationDetail(PublicationOut):
    """The post on one account, with what it says there and its whole story."""

    content: dict[str, Any]
    story: list[str] = Field(
        description="What happened when, in words; the last sentence says how it stands."
    )
    attempts: list[Attempt] = Field(
        description="The ledger: append-only, each row chained to the one before."
    )
    ledger_problems: list[str] = Field(description="Empty: no row of the ledger is missing or was changed.")


class OccurrenceRef(BaseModel):
    """Which occurrence of which recurring rule a post is."""

    id: str = Field(description="The recurrence's id.")
    occurrence: str = Field(description="The local time that the rule gave it, whenever it goes out.")


class PostBase(BaseModel):
    """What every view of a post holds."""

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
    thread: list[str]
    first_comment: str | None
    variants: dict[str, dict[str, Any]]
    client_ref: str | None
    recurrence: OccurrenceRef | None
    approval: Approval | None = Field(description="Null: nobody was asked.")
    origin: str
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the post's ETag.")


class PostOut(PostBase):
    """A post in a list or as the answer to a change."""

    publications: list[PublicationOut]
    warnings: list[str] = Field(
        default_factory=list, description="What is accepted now but has to change before it can go out."
    )


class PostDetail(PostBase):
    """A post with the story of each publication."""

    publications: list[PublicationDetail]


class DryRunTarget(BaseModel):
    """What would be sent to one account."""

    account_id: str
    platform: str
    handle: str
    content: dict[str, Any]
    length: int = Field(description="As the platform counts.")
    limit: int
    unit: str


class DryRunOut(BaseModel):
    """The answer to `dry_run=true`: the post is valid; nothing was saved."""

    valid: Literal[True] = True
    scheduled_at: datetime | None
    scheduling: Scheduling | None
    placement: PlacementOut
    publications: list[DryRunTarget]
    warnings: list[str]
