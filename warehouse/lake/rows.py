"""The rows that enter the lake. Times are aware UTC; a metric that was not measured is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.types import METRIC_NAMES

if TYPE_CHECKING:
    from connectors.types import JsonObject


@dataclass(frozen=True, slots=True)
class AccountDim:
    """An account on a platform, as last known. Holds no credential."""

    account_id: str
    workspace_id: str
    platform: str
    handle: str
    display_name: str | None = None
    timezone: str | None = None
    """IANA zone of the audience; None = the workspace's."""


@dataclass(frozen=True, slots=True)
class PublicationDim:
    """A published post on one account, as last known."""

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
    """manual | recommended | random | exploration; None = not ours, or this reading does not say."""
    placement_share: float | None = None
    """Share of posts placed at random when this one was placed; None = no experiment."""


@dataclass(frozen=True, slots=True)
class PostSnapshot:
    """The cumulative counters of one publication at one moment. Key: publication_id and captured_at."""

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
    """The platform's own answer for this post."""
    api_version: str | None = None
    """Version of the API that answered; None for imported rows."""


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The counts of one account at one moment. Key: account_id and captured_at."""

    workspace_id: str
    account_id: str
    captured_at: datetime
    followers: int | None = None
    following: int | None = None
    posts: int | None = None
    raw: JsonObject | None = field(default=None, hash=False)
    """The platform's own answer."""
    api_version: str | None = None
    """Version of the API that answered."""


LARGEST_COUNT = 10**15
"""No counter of any platform comes near; sums of larger ones would not fit the marts."""
_COUNTERS: dict[type[PostSnapshot | AccountSnapshot], tuple[str, ...]] = {
    PostSnapshot: METRIC_NAMES,
    AccountSnapshot: ("followers", "following", "posts"),
}


def find_fault(row: PostSnapshot | AccountSnapshot) -> str | None:
    """Return in words why the lake cannot take the row; None = it can. One bad row would fail its whole load.

    A negative count is taken: the checks of the loaded data find it.
    """
    if not isinstance(row.captured_at, datetime) or row.captured_at.tzinfo is None:
        return f"captured_at is {row.captured_at!r:.60}, no instant with a time zone"
    for name in _COUNTERS[type(row)]:
        value = getattr(row, name)
        if value is not None and (type(value) is not int or abs(value) > LARGEST_COUNT):
            return f"{name} is {value!r:.60}, no count"
    return None
