"""Input models: a new post, a change to a post, a recurrence rule.

Only fields, types and lengths. The other modules of this folder resolve the values and check the platforms' limits.
HTTP bodies, rows of a file, forms and command-line options are all parsed with these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from connectors.options import PostOptions
from connectors.types import MAX_TEXT, FollowUp, Media
from warehouse.shapes import AccountId, PlatformName, Shape, Zone

MAX_CONTENT = 2000
"""Characters of the content that all platforms share; the platforms' own limits apply as well."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
"""Only bounds the work; the real limits are those of the platforms, with their own counting rules."""
Thread = Annotated[list[FollowUp], Field(max_length=100)]
MediaList = Annotated[list[Media], Field(max_length=20)]
Link = Annotated[str, Field(max_length=2000)]
When = Annotated[
    str,
    Field(
        max_length=64,
        description='ISO 8601; without an offset in `timezone`. "optimal" = the next best free time, '
        '"queue" = the next free slot of the accounts\' queues.',
    ),
]
Experiment = Annotated[
    StrictBool,
    Field(
        description='With "optimal": whether a running experiment of the workspace may choose the time. '
        "false: always the best free time."
    ),
]
Status = Literal["draft", "scheduled"]
Rule = Annotated[
    str,
    Field(
        max_length=500,
        description="RRULE (RFC 5545) with FREQ DAILY, WEEKLY, MONTHLY or YEARLY; COUNT or UNTIL ends it.",
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
        description="Excluded occurrences (EXDATE): local times (2030-04-22T09:00:00) or local days (2030-04-22).",
    ),
]


class Variant(Shape):
    """Content for one platform; omitted fields are those of the post."""

    content: Text | None = None
    media: MediaList | None = None
    link: Link | None = None
    thread: Thread | None = None
    first_comment: FollowUp | None = None
    options: Annotated[dict[str, Any], Field(max_length=40)] | None = Field(
        default=None,
        description="Options of this platform by name, as in `options` of the post, over which they take precedence.",
        examples=[{"visibility": "unlisted"}],
    )


class PostTemplate(Shape):
    """Everything about a post except its content and time."""

    platforms: list[PlatformName] = Field(
        default_factory=list,
        max_length=50,
        description="All connected accounts of each platform. `x` is an alias of twitter.",
    )
    account_ids: list[AccountId] = Field(
        default_factory=list,
        max_length=100,
        description="Only these accounts of their platforms, instead of all.",
    )
    variants: dict[PlatformName, Variant] = Field(default_factory=dict, max_length=20)
    media: MediaList = Field(default_factory=list)
    link: Link | None = None
    thread: Thread = Field(
        default_factory=list,
        description="Further posts of the thread, published as replies: each a text, or an object with `text`, `media` "
        "and `after` (a delay).",
    )
    first_comment: FollowUp | None = Field(
        default=None, description="A comment below the post: a text, or an object as in `thread`."
    )
    options: PostOptions = Field(
        default_factory=PostOptions,
        description="What can be said on one platform only, by platform. GET /api/v1/platforms lists every option.",
    )
    client_ref: str | None = Field(
        default=None, max_length=200, description="Your own reference, returned with the post."
    )


class PostFields(PostTemplate):
    """Everything about a post except its content."""

    scheduled_at: When | None = Field(default=None, description="When to publish; default: now.")
    experiment: Experiment = True
    timezone: Zone | None = None


class PostWish(PostFields):
    """A new post."""

    content: Text = Field(
        description=f"At most {MAX_CONTENT} characters; the limits of each platform apply too."
    )
    status: Status | None = Field(
        default=None, description="`draft`: saved, not published. Default: scheduled."
    )
    allow_duplicate: StrictBool = Field(
        default=False, description="Allow the same content on the same account within 24 hours."
    )


class PostChange(PostFields):
    """Changes to a post; omitted fields (not in `model_fields_set`) stay unchanged."""

    content: Text | None = None
    status: Status | None = Field(
        default=None, description="`scheduled` publishes a draft at its time, or now if it has none."
    )
    allow_duplicate: StrictBool = False


class RecurrenceWish(PostTemplate):
    """A new recurrence rule with the content of its posts."""

    rrule: Rule
    starts_at: Start
    timezone: Zone | None = Field(
        default=None,
        description="IANA zone of the rule; default: the workspace's. Local times do not change with it.",
    )
    exdates: Skipped = Field(default_factory=list)
    content: Text = Field(description="The same as for a post.")
    allow_duplicate: StrictBool = Field(
        default=False, description="Allow the same rule with the same content twice."
    )


class RecurrenceChange(PostTemplate):
    """Changes to a recurrence rule; omitted fields (not in `model_fields_set`) stay unchanged."""

    rrule: Rule | None = None
    starts_at: Start | None = None
    timezone: Zone | None = None
    exdates: Skipped = Field(default_factory=list)
    content: Text | None = None
