"""Data types shared by connectors, the warehouse, the flows and the API.

Times are aware UTC datetimes. A metric that a platform does not report is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializerFunctionWrapHandler,
    model_serializer,
)

JsonObject = Mapping[str, Any]
SENT_ELSEWHERE = "sent_elsewhere"
"""Key in the state of a publication that another installation may have sent, as this one is a copy of it."""


def _parse_duration(value: object) -> object:
    """Read "90" as 90 seconds, and "15m", "1h", "2d"; everything else is left to pydantic (ISO 8601)."""
    if isinstance(value, str):
        number, unit = value.strip().rstrip("smhd"), value.strip()[-1:]
        try:
            return timedelta(seconds=float(number) * {"m": 60, "h": 3600, "d": 86_400}.get(unit, 1))
        except ValueError:
            return value
    return value


Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
"""A duration in a setting: seconds as a plain number, or 15m, 1h, 2d, or ISO 8601 (PT90S)."""
MediaKind = Literal["image", "video"]
ContentKind = Literal["text", "link", "photo", "video"]


class Platform(StrEnum):
    """Every platform that SocialFlow knows; the registry lists those with a connector."""

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
        """Return the platform with this name, case-insensitive; `x` is an alias of twitter.

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
"""Media types that may be uploaded, detected from the first bytes."""
MAX_UPLOAD_BYTES = 300_000_000
"""Default maximum size; a setting overrides it."""


class Media(BaseModel):
    """One image or video, by public URL or as `upload:<id>`. Media are shown in the given order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    kind: MediaKind = "image"
    alt_text: str | None = None

    @property
    def upload_id(self) -> str | None:
        """The id of the upload; None = `url` is a URL."""
        return self.url.removeprefix(UPLOAD_PREFIX) if self.url.startswith(UPLOAD_PREFIX) else None

    @property
    def approved_sha256(self) -> str | None:
        """SHA-256 (hex) of the only bytes that may be sent; None = any bytes that `url` gives."""
        return None


class ApprovedMedia(Media):
    """Media whose bytes were approved. Exists while a post is sent; stored with the post, not in its content."""

    sha256: str

    @property
    def approved_sha256(self) -> str | None:
        """SHA-256 (hex) of the approved bytes."""
        return self.sha256


class PostContent(BaseModel):
    """The content of one publication on one platform. Stored as JSON with the publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    media: tuple[Media, ...] = ()
    link: str | None = None
    thread: tuple[str, ...] = Field(default=(), description="texts that follow the first, in order")
    first_comment: str | None = None
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="the platform's own options, as its model in connectors.options has them",
    )

    @model_serializer(mode="wrap")
    def _leave_out_no_options(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the field out where it is empty: hashes of contents stored before it existed stay valid."""
        written: dict[str, Any] = write(self)
        if not self.options:
            written.pop("options", None)
        return written

    @property
    def kind(self) -> ContentKind:
        """The content kind used by the timing model: video > photo > link > text."""
        if any(item.kind == "video" for item in self.media):
            return "video"
        if self.media:
            return "photo"
        return "link" if self.link or "https://" in self.text or "http://" in self.text else "text"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials with which we act for an account. Secret values are hidden from repr."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    """Expiry of access_token; None = it does not expire, or the platform does not report it."""
    app_password: SecretStr | None = None
    """Bluesky only: outlives any session, so a lost token rotation is recovered by signing in again."""


@dataclass(frozen=True, slots=True)
class Account:
    """A connected account, with what a connector needs."""

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
    """The token's owner as reported by the platform, and the credentials to store from now on."""

    external_id: str
    handle: str
    display_name: str
    credentials: Credentials
    instance_url: str | None = None
    followers: int | None = None
    text_limit: int | None = None
    """Text limit of the account's server, if it reports one (Mastodon); None = the platform's."""


@dataclass(frozen=True, slots=True)
class Board:
    """A board of an account (Pinterest)."""

    id: str
    name: str
    privacy: str
    """public, protected or secret."""
    is_default: bool
    """Whether a pin that names no board goes there."""


@dataclass(frozen=True, slots=True)
class PublishedPost:
    """The receipt of a published post: its id on the platform."""

    external_id: str
    permalink: str | None
    published_at: datetime
    """UTC, by the platform's clock if it reports it, else our clock at the time of the response."""


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A change of one published post."""

    external_id: str
    before: tuple[PostContent, ...]
    """What the post may say now: its published content, and that of earlier edits with an unknown outcome."""
    after: PostContent
    """What it is to say. `connectors.content.editing.find_edit_problems` finds nothing between them."""
    state: Mapping[str, Any]
    """As `publish` saved it, with the ids of the parts."""


@dataclass(frozen=True, slots=True)
class PostMetrics:
    """Cumulative metrics of one post at one time. None = not reported by the platform."""

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
    """The platform's raw response for this post, kept as provenance."""


METRIC_NAMES = ("impressions", "reach", "likes", "comments", "shares", "saves", "clicks", "video_views")


@dataclass(frozen=True, slots=True)
class MetricsBatch:
    """Metrics of a batch of posts: each requested id is in exactly one of the three fields."""

    metrics: tuple[PostMetrics, ...]
    deleted: frozenset[str] = frozenset()
    """Ids that the platform reports as deleted."""
    missing: frozenset[str] = frozenset()
    """Ids omitted from the response without a reason: unknown, to be requested again."""


@dataclass(frozen=True, slots=True)
class ListedPost:
    """A post found in an account's history, whichever application published it."""

    external_id: str
    published_at: datetime
    text: str
    kind: ContentKind
    permalink: str | None = None
    metrics: PostMetrics | None = None
    """Metrics, if the listing has them; None = call `fetch_metrics`."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of an account's history, newest first."""

    posts: tuple[ListedPost, ...]
    next_cursor: str | None
    """None = the end."""
    odd: tuple[str, ...] = ()
    """Descriptions of the items that could not be read and were left out."""


@dataclass(frozen=True, slots=True)
class AccountMetrics:
    """An account's metrics at one time. None = not reported."""

    captured_at: datetime
    followers: int | None = None
    following: int | None = None
    posts: int | None = None
    raw: JsonObject = field(default_factory=dict)
