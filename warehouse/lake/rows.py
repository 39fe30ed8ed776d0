"""Input rows of the lake. Times are aware UTC; an unmeasured metric is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.types import METRIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.types import JsonObject


@dataclass(frozen=True, slots=True)
class AccountDim:
    """The last known state of an account on a platform. Contains no credentials."""

    account_id: str
    workspace_id: str
    platform: str
    handle: str
    display_name: str | None = None
    timezone: str | None = None
    """The effective IANA zone: the account's own, else the workspace's. None and unknown names become UTC."""
    external_id: str | None = None
    """The platform's own id of the account, page or channel; None = not known, and the lake keeps what it knows."""


@dataclass(frozen=True, slots=True)
class PublicationDim:
    """The last known state of a published post on one account."""

    publication_id: str
    post_id: str
    workspace_id: str
    account_id: str
    platform: str
    origin: str
    """socialflow | external"""
    kind: str | None
    """text | link | photo | video"""
    published_at: datetime
    permalink: str | None = None
    text: str | None = None
    placement: str | None = None
    """manual | recommended | random | exploration; None = external post, or unknown to this reading."""
    placement_share: float | None = None
    """Share of posts placed at random at the time of placement; None = no experiment."""
    external_id: str | None = None
    """The platform's id."""
    client_ref: str | None = None
    """The author's own reference; None = none, or unknown to this reading."""
    scheduled_at: datetime | None = None
    """The planned time; None = external post."""
    deleted_at: datetime | None = None
    """When it was found deleted on the platform."""
    media_count: int | None = None
    """Number of attached media; None = unknown, as for external posts."""
    day_only: bool | None = None
    """Only the day of publishing is known; None = known before, or not told by this reading."""
    tags: Sequence[str] | None = None
    """Tags that are not in the text; None = none, or unknown to this reading."""
    language: str | None = None
    """BCP 47 code, as sent or as the platform names it; None = unknown to this reading."""
    paid: bool | None = None
    """Whether it was promoted for money; None = unknown to this reading."""


@dataclass(frozen=True, slots=True)
class PostSnapshot:
    """The cumulative counters of one publication at one instant. Key: publication_id and captured_at."""

    workspace_id: str
    publication_id: str
    account_id: str
    captured_at: datetime
    published_at: datetime
    impressions: int | None = None
    reach: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    clicks: int | None = None
    video_views: int | None = None
    raw: JsonObject | None = field(default=None, hash=False)
    """The platform's response for this post."""
    api_version: str | None = None
    """API version of the response; None for imported rows."""
    is_lifetime: bool | None = None
    """True = the time of reading is unknown: captured_at is the earliest possible one, and the counters have no age."""


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The counts of one account at one instant. Key: account_id and captured_at."""

    workspace_id: str
    account_id: str
    captured_at: datetime
    followers: int | None = None
    following: int | None = None
    posts: int | None = None
    raw: JsonObject | None = field(default=None, hash=False)
    """The platform's response."""
    api_version: str | None = None
    """API version of the response."""


LARGEST_COUNT = 10**15
"""Far above the counters of all platforms; sums of larger counters would not fit into the marts."""
_COUNTERS: dict[type[PostSnapshot | AccountSnapshot], tuple[str, ...]] = {
    PostSnapshot: METRIC_NAMES,
    AccountSnapshot: ("followers", "following", "posts"),
}


def find_fault(row: PostSnapshot | AccountSnapshot) -> str | None:
    """Return why the lake cannot store the row; None = it can. One invalid row would fail its whole load.

    Negative counts are accepted: the checks of the loaded data find them.
    """
    if not isinstance(row.captured_at, datetime) or row.captured_at.tzinfo is None:
        return f"captured_at is {row.captured_at!r:.60}, not an instant with a time zone"
    for name in _COUNTERS[type(row)]:
        value = getattr(row, name)
        if value is not None and (type(value) is not int or abs(value) > LARGEST_COUNT):
            return f"{name} is {value!r:.60}, not a count"
    return None
