"""The words that connectors, the warehouse, the flows and the API share.

Times are aware UTC datetimes. A metric that a platform does not report is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

JsonObject = Mapping[str, Any]
SENT_ELSEWHERE = "sent_elsewhere"
"""Key in the state of a publication that another installation may have sent, as this one is a copy of it."""


def _parse_duration(value: object) -> object:
    """Read "90" as 90 seconds and "15m", "1h", "2d" as they look; all else is left to pydantic (ISO 8601)."""
    if isinstance(value, str):
        number, unit = value.strip().rstrip("smhd"), value.strip()[-1:]
        try:
            return timedelta(seconds=float(number) * {"m": 60, "h": 3600, "d": 86_400}.get(unit, 1))
        except ValueError:
            return value
    return value


Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
"""A length of time in a setting: seconds as a plain number, or 15m, 1h, 2d, or ISO 8601 (PT90S)."""
MediaKind = Literal["image", "video"]
ContentKind = Literal["text", "link", "photo", "video"]


class Platform(StrEnum):
    """Every platform SocialFlow has a name for; the registry says which of them have a connector."""

    TWITTER = "twitter"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    THREADS = "threads"
    LINKEDIN = "linkedin"
    TIKTOK = "tiktok"
    YOUTUBE = "youtube"
    PINTEREST = "pinterest"
    MASTODON = "mastodon"
    BLUESKY = "bluesky"
    TELEGRAM = "telegram"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the platform called `name` in any case; `x` is an alias of twitter.

        Raises ValueError that lists the known names.
        """
        lowered = name.strip().lower()
        try:
            return cls("twitter" if lowered == "x" else lowered)
        except ValueError:
            known = ", ".join(cls)
            raise ValueError(f"unknown platform {name!r}: use one of {known}") from None


UPLOAD_PREFIX = "upload:"
UPLOAD_TYPES = (
    *("image/jpeg", "image/png", "image/gif", "image/webp"),
    *("video/mp4", "video/quicktime", "video/webm"),
)
"""What may be uploaded, by its first bytes."""
MAX_UPLOAD_BYTES = 300_000_000
"""Unless a setting says otherwise."""


class Media(BaseModel):
    """One picture or video, by public address or as `upload:<id>`. Order within the post is the order shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    kind: MediaKind = "image"
    alt_text: str | None = None

    @property
    def upload_id(self) -> str | None:
        """The id of the upload that is meant; None = `url` is an address."""
        return self.url.removeprefix(UPLOAD_PREFIX) if self.url.startswith(UPLOAD_PREFIX) else None


class PostContent(BaseModel):
    """What one publication says on one platform. Stored as JSON beside the publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    media: tuple[Media, ...] = ()
    link: str | None = None
    thread: tuple[str, ...] = Field(default=(), description="texts that follow the first, in order")
    first_comment: str | None = None

    @property
    def kind(self) -> ContentKind:
        """The content kind that the timing model corrects for: video > photo > link > text."""
        if any(item.kind == "video" for item in self.media):
            return "video"
        if self.media:
            return "photo"
        return "link" if self.link or "https://" in self.text or "http://" in self.text else "text"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves to a platform that we may act for an account. Secret values never show in a repr."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    """When access_token stops working; None = the platform sets no end or does not say."""
    app_password: SecretStr | None = None
    """Bluesky only: outlives any session, so a lost rotation is recovered by signing in again."""


@dataclass(frozen=True, slots=True)
class Account:
    """A connected account as a connector needs it."""

    id: str
    platform: Platform
    credentials: Credentials
    external_id: str = ""
    """The platform's own id (X user id, Instagram user id, Bluesky DID); empty before `verify`."""
    handle: str | None = None
    instance_url: str | None = None
    """Scheme, host and port of the account's own server; Mastodon and Bluesky only."""


@dataclass(frozen=True, slots=True)
class VerifiedAccount:
    """Who the token belongs to, as the platform answers, and the credentials to store from now on."""

    external_id: str
    handle: str
    display_name: str
    credentials: Credentials
    instance_url: str | None = None
    followers: int | None = None
    text_limit: int | None = None
    """The account's own server's limit where it says so (Mastodon); None = the platform's."""


@dataclass(frozen=True, slots=True)
class PublishedPost:
    """The receipt: the platform's own name for what went out."""

    external_id: str
    permalink: str | None
    published_at: datetime
    """UTC, by the platform's clock where it says, else ours at the moment of the answer."""


@dataclass(frozen=True, slots=True)
class PostMetrics:
    """Cumulative counters of one post at one moment. None = the platform did not report it."""

    external_id: str
    captured_at: datetime
    impressions: int | None = None
    reach: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    """Reposts and quotes together."""
    saves: int | None = None
    """Bookmarks."""
    clicks: int | None = None
    video_views: int | None = None
    raw: JsonObject = field(default_factory=dict)
    """The platform's own answer for this post, kept as provenance."""


METRIC_NAMES = ("impressions", "reach", "likes", "comments", "shares", "saves", "clicks", "video_views")


@dataclass(frozen=True, slots=True)
class MetricsBatch:
    """The answer for a batch of posts: each asked id is in exactly one of the three."""

    metrics: tuple[PostMetrics, ...]
    deleted: frozenset[str] = frozenset()
    """The platform says that the post is gone."""
    missing: frozenset[str] = frozenset()
    """Left out of the answer without a reason: unknown, to be asked again."""


@dataclass(frozen=True, slots=True)
class ListedPost:
    """A post found in an account's own history, whoever published it."""

    external_id: str
    published_at: datetime
    text: str
    kind: ContentKind
    permalink: str | None = None
    metrics: PostMetrics | None = None
    """Counters where the listing carries them; None = ask `fetch_metrics`."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of an account's history, newest first."""

    posts: tuple[ListedPost, ...]
    next_cursor: str | None
    """None = the end."""


@dataclass(frozen=True, slots=True)
class AccountMetrics:
    """An account's own counters at one moment. None = not reported."""

    captured_at: datetime
    followers: int | None = None
    following: int | None = None
    posts: int | None = None
    raw: JsonObject = field(default_factory=dict)
