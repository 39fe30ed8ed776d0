"""Parse YouTube's responses: channels, videos, playlists, and errors.

Sources: youtube/youtube.v3.json (schemas; 64-bit numbers are strings), developers.google.com (error reasons;
the quota day begins at midnight Pacific time).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.candidates import Candidate
from connectors.content.counts import read_count
from connectors.content.text import compose_text
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.http.client import Refusal
from connectors.listings import read_id, read_items
from connectors.parts import SentPart
from connectors.types import AccountMetrics, ListedPost, PostContent, PostMetrics
from connectors.youtube.capabilities import LABEL
from connectors.youtube.options import YouTubeOptions

METRICS = {"viewCount": "video_views", "likeCount": "likes", "commentCount": "comments"}
"""Mapping of YouTube's statistics to our metrics. A view is a play; thumbnail impressions are not reported.
"""
NO_PLAYLIST = "playlistNotFound"

_REASON = re.compile(r"[A-Za-z_]{1,40}")
_TITLE_LIMIT = 100
_QUOTA_ZONE = ZoneInfo("America/Los_Angeles")
_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "uploadRateLimitExceeded"})
_UPLOADS_OF_A_DAY = "uploadLimitExceeded"
_OWNER = frozenset({"insufficientPermissions", "youtubeSignupRequired", "channelSuspended"})


@dataclass(frozen=True, slots=True)
class Channel:
    """The account's channel."""

    id: str
    title: str
    handle: str
    uploads: str
    """Id of the playlist with all uploads of the channel."""
    statistics: dict[str, Any]

    @property
    def subscribers(self) -> int | None:
        """None if the channel hides its subscriber count; YouTube then returns a meaningless 0."""
        if self.statistics.get("hiddenSubscriberCount") is True:
            return None
        return read_count(self.statistics.get("subscriberCount"))


@dataclass(frozen=True, slots=True)
class Page:
    """Items of a playlist, and the token of the next page."""

    items: list[dict[str, Any]]
    following: str | None


def explain(refusal: Refusal, *, may_refresh: bool) -> ConnectorError | None:
    """Read {error: {code, message, errors: [{reason}]}}, and OAuth's {error, error_description}."""
    error = refusal.body.get("error") if isinstance(refusal.body, dict) else None
    reason = _read_reason(error)
    if refusal.status == 401:
        return ReauthenticateError(refusal.message, expired=may_refresh, status=401, platform_code=reason)
    if reason in _QUOTA:
        retry_at = next_quota_day(refusal.received_at)
        return RateLimitedError(
            refusal.message, retry_at=retry_at, scope="app", status=refusal.status, platform_code=reason
        )
    if reason == _UPLOADS_OF_A_DAY:
        retry_at = refusal.received_at + timedelta(hours=24)
        return RateLimitedError(
            refusal.message, retry_at=retry_at, status=refusal.status, platform_code=reason
        )
    if reason in _TOO_FAST or refusal.status == 429:
        return RateLimitedError(
            refusal.message, retry_at=refusal.retry_at, status=refusal.status, platform_code=reason
        )
    if reason in _OWNER:
        return PermissionMissingError(refusal.message, status=refusal.status, platform_code=reason)
    if reason is not None and refusal.status in {403, 404, 410}:
        return GiveUpError(refusal.message, status=refusal.status, platform_code=reason)
    if reason is not None and refusal.status == 400 and refusal.purpose != "read":
        return ContentRejectedError(refusal.message, status=400, platform_code=reason)
    return None


def next_quota_day(now: datetime) -> datetime:
    """Return the next midnight in California (UTC), when the daily quota resets."""
    tomorrow = now.astimezone(_QUOTA_ZONE).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), _QUOTA_ZONE).astimezone(UTC)


def write_video(content: PostContent) -> dict[str, Any]:
    """Return the resource for videos.insert: the text is the description, its first line the title.

    Privacy and the declaration about children are always sent: YouTube's own defaults are the channel's.
    """
    text, options = compose_text(content), YouTubeOptions.of(content)
    snippet: dict[str, Any] = {"title": options.title or write_title(text), "description": text}
    if options.tags:
        snippet["tags"] = list(options.tags)
    if options.category is not None:
        snippet["categoryId"] = options.category
    if options.language is not None:
        snippet["defaultLanguage"] = options.language
    status: dict[str, Any] = {
        "privacyStatus": options.privacy,
        "selfDeclaredMadeForKids": options.made_for_kids,
    }
    if options.publish_at is not None:
        status["privacyStatus"] = "private"
        status["publishAt"] = options.publish_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if options.licence == "creative_commons":
        status["license"] = "creativeCommon"
    if not options.embeddable:
        status["embeddable"] = False
    if options.ai_generated is not None:
        status["containsSyntheticMedia"] = options.ai_generated
    return {"snippet": snippet, "status": status}


def write_title(text: str) -> str:
    """Return the first line, cut at a word if it is too long for a title."""
    lines = text.strip().splitlines()
    line = lines[0].strip() if lines else ""
    if len(line) <= _TITLE_LIMIT:
        return line
    head = line[: _TITLE_LIMIT - 1]
    return (head.rsplit(None, 1)[0] if " " in head[_TITLE_LIMIT // 2 :] else head) + "…"


def parse_sent(body: Any, now: datetime) -> SentPart:  # noqa: ANN401 - JSON
    """Read the receipt of an upload."""
    published_at = (body.get("snippet") or {}).get("publishedAt")
    return SentPart(str(body["id"]), permalink(body["id"]), parse_time(published_at) if published_at else now)


def permalink(video_id: str) -> str:
    """Return the URL of a video."""
    return f"https://www.youtube.com/watch?v={video_id}"


def parse_channel(body: Any) -> Channel:  # noqa: ANN401 - JSON
    """Read the only channel of the token's owner. Raises ReauthenticateError if there is none."""
    items = body.get("items")
    if not items and "pageInfo" in body:
        raise ReauthenticateError(
            f"this Google account has no {LABEL} channel: create one, then connect it again", status=None
        )
    channel = items[0]
    snippet = channel["snippet"]
    return Channel(
        id=str(channel["id"]),
        title=str(snippet["title"]),
        handle=str(snippet.get("customUrl") or channel["id"]).removeprefix("@"),
        uploads=str(channel["contentDetails"]["relatedPlaylists"]["uploads"]),
        statistics=dict(channel.get("statistics") or {}),
    )


def parse_account_metrics(channel: Channel, captured_at: datetime) -> AccountMetrics:
    """Return the channel's metrics; the number of followed channels is not reported."""
    return AccountMetrics(
        captured_at,
        followers=channel.subscribers,
        posts=read_count(channel.statistics.get("videoCount")),
        raw=channel.statistics,
    )


def parse_page(body: Any, odd: list[str] | None = None) -> Page:  # noqa: ANN401 - JSON
    """Read a page of playlistItems; each has a video and a readable time.

    `odd`: see `connectors.listings.read_items`.
    """
    return Page(read_items(body["items"], _parse_item, odd), body.get("nextPageToken") or None)


def _parse_item(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    _published_at(item)
    read_id(item["contentDetails"]["videoId"])
    return dict(item)


def parse_listed(item: dict[str, Any]) -> ListedPost:
    """Read one upload. Without metrics: a playlist has none."""
    video_id = str(item["contentDetails"]["videoId"])
    return ListedPost(video_id, _published_at(item), _read_text(item), "video", permalink=permalink(video_id))


def parse_candidate(item: dict[str, Any]) -> Candidate:
    """Return an upload as a candidate for matching; all uploads are videos."""
    video = parse_listed(item)
    sent = SentPart(video.external_id, video.permalink, video.published_at)
    return Candidate(sent, str(item["snippet"].get("description") or item["snippet"].get("title") or ""))


def parse_metrics(body: Any, captured_at: datetime) -> list[PostMetrics]:  # noqa: ANN401 - JSON
    """Read videos.list. YouTube omits counts that the owner hides; they stay None."""
    found = []
    for video in body["items"]:
        raw = dict(video.get("statistics") or {})
        columns = {column: read_count(raw.get(name)) for name, column in METRICS.items()}
        found.append(PostMetrics(str(video["id"]), captured_at, raw=raw, promoted=None, **columns))
    return found


def parse_time(value: str) -> datetime:
    """Read an RFC 3339 time as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def list_recent(items: Sequence[dict[str, Any]], since: datetime) -> list[dict[str, Any]]:
    """Return the uploads published at or after `since`."""
    return [item for item in items if _published_at(item) >= since]


def _published_at(item: dict[str, Any]) -> datetime:
    # A private video has no publication time yet; then its upload time counts.
    return parse_time(item["contentDetails"].get("videoPublishedAt") or item["snippet"]["publishedAt"])


def _read_text(item: dict[str, Any]) -> str:
    title, text = (str(item["snippet"].get(name) or "") for name in ("title", "description"))
    if not text or text.startswith(title.removesuffix("…")):
        return text or title
    return f"{title}\n\n{text}"


def _read_reason(error: Any) -> str | None:  # noqa: ANN401 - JSON
    reason = error
    if isinstance(error, dict):
        errors = error.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else {}
        reason = (first.get("reason") if isinstance(first, dict) else None) or error.get("status")
    # A reason is one word; anything else may be anything, even a token.
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None
