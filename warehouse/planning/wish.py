"""The shape of what an author asks for: a new post, a change, a recurring rule.

Fields, types and lengths only. What the values mean, and whether a platform accepts them, is decided by the other
modules of this folder. HTTP bodies, rows of a file, forms and command-line options are all read by these models.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from connectors.types import Media
from warehouse.shapes import AccountId, PlatformName, Shape, Zone

MAX_CONTENT = 2000
"""Characters of the content that all platforms share; the platforms' own limits apply as well."""

Text = Annotated[str, Field(max_length=20_000)]
"""Only bounds the work: the real limits are the platforms' own, counted as each platform counts."""
Thread = Annotated[list[Text], Field(max_length=100)]
MediaList = Annotated[list[Media], Field(max_length=20)]
Link = Annotated[str, Field(max_length=2000)]
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
Status = Literal["draft", "scheduled"]
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


class Variant(Shape):
    """What one platform gets instead of the common content; a field left out is as for all."""

    content: Text | None = None
    media: MediaList | None = None
    link: Link | None = None
    thread: Thread | None = None
    first_comment: Text | None = None


class PostTemplate(Shape):
    """Everything about a post except its content and time."""

    platforms: list[PlatformName] = Field(
        default_factory=list,
        max_length=50,
        description="Each stands for all connected accounts of that platform. `x` is an alias of twitter.",
    )
    account_ids: list[AccountId] = Field(
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
    """Everything about a post except its content."""

    scheduled_at: When | None = Field(default=None, description="When to publish; left out = at once.")
    experiment: Experiment = True
    timezone: Zone | None = None


class PostWish(PostFields):
    """A new post."""

    content: Text = Field(description=f"At most {MAX_CONTENT} characters, and what each platform takes.")
    status: Status | None = Field(default=None, description="`draft`: kept, not sent. Default: scheduled.")
    allow_duplicate: StrictBool = Field(
        default=False, description="Accept the same content on the same account within 24 hours."
    )


class PostChange(PostFields):
    """Changes to a post; a field left out (not in `model_fields_set`) stays as it is."""

    content: Text | None = None
    status: Status | None = Field(
        default=None, description="`scheduled` sends a draft at its time, or at once where it has none."
    )
    allow_duplicate: StrictBool = False


class RecurrenceWish(PostTemplate):
    """A new recurring rule, and what each of its posts says."""

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


class RecurrenceChange(PostTemplate):
    """Changes to a recurring rule; a field left out (not in `model_fields_set`) stays as it is."""

    rrule: Rule | None = None
    starts_at: Start | None = None
    timezone: Zone | None = None
    exdates: Skipped = Field(default_factory=list)
    content: Text | None = None
