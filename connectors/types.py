"""Data types shared by connectors, the warehouse, the flows and the API.

Times are aware UTC datetimes. A metric that a platform does not report is None, never 0.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SecretStr,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

JsonObject = Mapping[str, Any]
SENT_ELSEWHERE = "sent_elsewhere"
"""Key in the state of a publication that another installation may have sent, as this one is a copy of it."""


STEP = "step"
"""Key in the state of a publication: index of the first part that the current request sends. Without it: of all."""


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
MediaKind = Literal["image", "video", "document"]
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
    *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"),
    *("video/mp4", "video/quicktime", "video/webm"),
    "application/pdf",
)
"""Media types that may be uploaded, detected from the first bytes."""
MAX_UPLOAD_BYTES = 300_000_000
"""Default maximum size; a setting overrides it."""


@dataclass(frozen=True, slots=True)
class FitRule:
    """What a platform takes of a picture. A file that fits is sent as it is."""

    types: frozenset[str]
    max_bytes: int | None
    max_pixels: int | None


class Media(BaseModel):
    """One image, video or document (PDF), by public URL or as `upload:<id>`. Media are shown in the given order."""

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

    @property
    def fit_rule(self) -> FitRule | None:
        """Into what a picture may be converted when it is sent; None = it is sent as it is."""
        return None


class FittedMedia(Media):
    """A picture that is converted if it does not fit. Exists while a post is sent."""

    rule: FitRule
    sha256: str | None = None

    @property
    def approved_sha256(self) -> str | None:
        """SHA-256 (hex) of the approved bytes, before they are converted; None = any bytes."""
        return self.sha256

    @property
    def fit_rule(self) -> FitRule | None:
        """Into what it may be converted."""
        return self.rule


class ApprovedMedia(Media):
    """Media whose bytes were approved. Exists while a post is sent; stored with the post, not in its content."""

    sha256: str

    @property
    def approved_sha256(self) -> str | None:
        """SHA-256 (hex) of the approved bytes."""
        return self.sha256


MAX_TEXT = 20_000
"""Characters of any text in a request: only bounds the work, the platforms' own limits are far lower."""
CLOCK_MARGIN = timedelta(minutes=2)
"""How far a platform's clock may be behind ours. A post this much older than the attempt may still be ours."""
MAX_DELAY = timedelta(days=7)
"""Longest wait between two parts of a publication."""
_DELAYS = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        r"()()()(\d{1,9})",
        r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?",
        r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?",
    )
)


def _parse_delay(value: object) -> int:
    """Return a delay in seconds: 600, "90s", "10m", "2h", "1h30m", "1d", or ISO 8601 ("PT10M")."""
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str):
        matches = (pattern.fullmatch(value.strip()) for pattern in _DELAYS)
        found = next((match for match in matches if match and any(match.groups())), None)
        if found is not None:
            days, hours, minutes, rest = (int(number or 0) for number in found.groups())
            seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if seconds is None:
        raise PydanticCustomError("invalid_delay", "write how long to wait as 90s, 10m, 2h, 1d or PT10M")
    if not 1 <= seconds <= MAX_DELAY.total_seconds():
        raise PydanticCustomError(
            "delay_out_of_range",
            "the wait must be between 1 second and 7 days; leave it out to send the part at once",
        )
    return seconds


Delay = Annotated[
    int,
    BeforeValidator(_parse_delay),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": int(MAX_DELAY.total_seconds())},
                {"type": "string", "maxLength": 30, "examples": ["10m"]},
            ]
        }
    ),
]
"""A wait in seconds, 1 to 604,800; also written "90s", "10m", "2h", "1d", "PT10M"."""


class FollowUp(BaseModel):
    """A further part of a publication: one post of a thread, or the first comment.

    A plain text is written, stored and shown as a string; more than a text as an object.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    media: Annotated[tuple[Media, ...], Field(max_length=20)] = ()
    after: Delay | None = Field(
        default=None,
        description='How long after the part before it this part is published: seconds, or "90s", "10m", "2h", "1d" '
        "(at most 7 days). Default: at once.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(value, str):
            return value
        if len(value) > MAX_TEXT:
            raise PydanticCustomError(
                "string_too_long",
                "String should have at most {max_length} characters",
                {"max_length": MAX_TEXT},
            )
        return {"text": value}

    @model_serializer(mode="wrap")
    def _write_text(self, write: SerializerFunctionWrapHandler) -> str | dict[str, Any]:
        """Write a plain text as a string, as it was before parts could hold more: hashes stay valid."""
        if self.is_plain:
            return self.text
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if value not in (None, [], ())}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe both forms."""
        inner: Any = schema
        while "schema" in inner and inner["type"] != "model":
            inner = inner["schema"]
        # Without the serializer, which would say "anything" of what is written.
        plain = {key: value for key, value in inner.items() if key != "serialization"}
        described = handler.resolve_ref_schema(handler(cast("CoreSchema", plain)))
        return {
            "title": cls.__name__,
            "description": (cls.__doc__ or "").partition("\n")[0],
            "anyOf": [{"type": "string", "maxLength": MAX_TEXT}, described],
        }

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a text."""
        return not self.media and self.after is None


class PostContent(BaseModel):
    """The content of one publication on one platform. Stored as JSON with the publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    media: tuple[Media, ...] = ()
    link: str | None = None
    thread: tuple[FollowUp, ...] = Field(default=(), description="posts that follow the first, in order")
    first_comment: FollowUp | None = None
    fit: bool = Field(default=False, description="whether pictures over the platform's limits are converted")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="the platform's own options, as its model in connectors.options has them",
    )

    @model_serializer(mode="wrap")
    def _leave_out_no_options(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave fields out where they are empty: hashes of contents stored before they existed stay valid."""
        written: dict[str, Any] = write(self)
        if not self.options:
            written.pop("options", None)
        if not self.fit:
            written.pop("fit", None)
        return written

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy it. Parts may be given as plain texts, as everywhere else (pydantic checks no update)."""
        new = dict(update or {})
        if "thread" in new:
            new["thread"] = tuple(FollowUp.model_validate(part) for part in new["thread"])
        if new.get("first_comment") is not None:
            new["first_comment"] = FollowUp.model_validate(new["first_comment"])
        return super().model_copy(update=new, deep=deep)

    @property
    def follow_ups(self) -> tuple[FollowUp, ...]:
        """The parts after the first, in sending order: the thread, then the comment."""
        return (*self.thread, *(() if self.first_comment is None else (self.first_comment,)))

    @property
    def all_media(self) -> tuple[Media, ...]:
        """The media of all parts."""
        return (*self.media, *(item for part in self.follow_ups for item in part.media))

    def with_media(self, change: Callable[[Media], Media]) -> Self:
        """Return the content with each of its media replaced."""

        def changed(part: FollowUp) -> FollowUp:
            return part.model_copy(update={"media": tuple(map(change, part.media))}) if part.media else part

        comment = self.first_comment
        return self.model_copy(
            update={
                "media": tuple(map(change, self.media)),
                "thread": tuple(map(changed, self.thread)),
                "first_comment": None if comment is None else changed(comment),
            }
        )

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
    promoted: bool | None = None
    """True = the platform says that it was promoted for money; None = it does not say."""


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
    language: str | None = None
    """BCP 47 code that the platform names (the first of several); None = it names none."""
    tags: tuple[str, ...] | None = None
    """Tags that are not in the text; None = the listing has none."""
    promoted: bool | None = None
    """True = the platform says that it was promoted for money; None = it does not say."""


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
