"""Parse TikTok's responses and its error envelope {data, error: {code, message, log_id}}.

Sources: developers.tiktok.com ("Error Handling" of API v2 and of OAuth, "Direct Post", "Photo", "Get Post
Status", "Query Videos", "List Videos", "Get User Info"). Every response has the envelope: `ok` on success,
and an error may come with HTTP 200 as well.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from connectors.content.counts import read_count
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    RateLimitScope,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.client import Purpose, Refusal
from connectors.http.messages import shorten
from connectors.listings import read_id, read_items
from connectors.oauth import tokens as oauth
from connectors.tiktok.capabilities import LABEL
from connectors.types import AccountMetrics, Credentials, ListedPost, PostMetrics

T = TypeVar("T")

UNKNOWN_PUBLISH = "invalid_publish_id"
SCOPES = frozenset({"scope_not_authorized", "scope_permission_missed"})
"""Platform codes that the connector handles."""
_CODE = re.compile(r"[a-z0-9_]{1,80}")
_WINDOW = timedelta(minutes=1)  # limits are per minute; no header reports the remaining requests
_BANNED = "spam_risk_user_banned_from_posting"
_APP_CAP = "reached_active_user_cap"
_LIMITS = frozenset(
    {"rate_limit_exceeded", "spam_risk_too_many_posts", "spam_risk_too_many_pending_share", _APP_CAP}
)
_CONTENT = frozenset(
    {
        "invalid_params",
        "invalid_param",
        "invalid_file_upload",
        "spam_risk",
        "spam_risk_text",
        "file_format_check_failed",
        "duration_check_failed",
        "frame_rate_check_failed",
        "picture_size_check_failed",
        "video_pull_failed",
        "photo_pull_failed",
        "privacy_level_option_mismatch",
    }
)
_REMEDIES = {
    "unaudited_client_can_only_post_to_private_accounts": (
        "TikTok has not audited your app yet, so it posts to private accounts only"
    ),
    "url_ownership_unverified": "prove to TikTok, in your app's settings, that the media's address is yours",
}
_FIELDS = "id,create_time,share_url,video_description,title,like_count,comment_count,share_count,view_count"
LIST_PATH = f"/v2/video/list/?fields={_FIELDS}"
QUERY_PATH = f"/v2/video/query/?fields={_FIELDS}"


@dataclass(frozen=True, slots=True)
class PublishStatus:
    """Status of one publish_id."""

    status: str
    """PROCESSING_UPLOAD, PROCESSING_DOWNLOAD, SEND_TO_USER_INBOX, PUBLISH_COMPLETE or FAILED."""
    fail_reason: str
    post_ids: tuple[str, ...]
    """Available once the post passed moderation; never for private posts."""
    uploaded_bytes: int


@dataclass(frozen=True, slots=True)
class Creator:
    """Current permissions of an account."""

    username: str
    privacy_levels: tuple[str, ...]
    no_comments: bool
    no_duet: bool
    no_stitch: bool


def explain(refusal: Refusal, *, may_mend: bool = False) -> ConnectorError | None:
    """Map an error to a connector error."""
    code, _words = read_error(refusal.body)
    if not code:
        return None
    return judge(
        code,
        refusal.message,
        purpose=refusal.purpose,
        status=refusal.status,
        retry_at=refusal.retry_at or refusal.received_at + _WINDOW,
        may_mend=may_mend,
    )


def read_error(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Return code and message of {error: {code, message}}, or of OAuth's {error, error_description}."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return _clean_code(error.get("code")), str(error.get("message") or "")
    return (
        (_clean_code(error), str(body.get("error_description") or "")) if isinstance(error, str) else ("", "")
    )


def _clean_code(code: object) -> str:
    """Return the code; a value that does not look like one may be anything, even a token, and is dropped."""
    if not code:
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unreadable_code"


def judge(
    code: str,
    message: str,
    *,
    purpose: Purpose,
    status: int | None,
    retry_at: datetime | None,
    may_mend: bool = False,
) -> ConnectorError:
    """Map TikTok's code to a connector error. An unknown code while publishing proves nothing."""
    if code in _LIMITS:
        scope: RateLimitScope = "app" if code == _APP_CAP else "account"
        at = retry_at if code == "rate_limit_exceeded" else None
        return RateLimitedError(message, retry_at=at, scope=scope, status=status, platform_code=code)
    if code == "access_token_invalid":
        return ReauthenticateError(message, expired=may_mend, status=status, platform_code=code)
    if code in SCOPES or code == _BANNED:
        return PermissionMissingError(message, status=status, platform_code=code)
    if code == "auth_removed":
        return ReauthenticateError(message, status=status, platform_code=code)
    if code in _REMEDIES:
        return GiveUpError(f"{message}: {_REMEDIES[code]}", status=status, platform_code=code)
    if code in _CONTENT and purpose != "read":
        return ContentRejectedError(message, status=status, platform_code=code)
    if code in {"internal_error", "internal"} or (status or 0) >= 500:
        in_doubt = OutcomeUnknownError if purpose == "publish" else UnavailableError
        return in_doubt(message, status=status, platform_code=code)
    if purpose == "publish" and status == 200:
        return OutcomeUnknownError(message, status=status, platform_code=code)
    return GiveUpError(message, status=status, platform_code=code)


def unwrap(
    parse: Callable[[Any], T], *, purpose: Purpose, clock: Callable[[], datetime], may_mend: bool = False
) -> Callable[[Any], T]:
    """Return a parser that reads `data`, and raises the error within a 200."""

    def read(body: Any) -> T:  # noqa: ANN401 - JSON
        code, words = read_error(body)
        if code not in {"ok", ""}:
            message = f"{LABEL} answered 200: {shorten(words) or code} ({code})"
            raise judge(
                code, message, purpose=purpose, status=200, retry_at=clock() + _WINDOW, may_mend=may_mend
            )
        return parse(body["data"])

    return read


def parse_creator(data: Any) -> Creator:  # noqa: ANN401 - JSON
    """Read creator_info."""
    return Creator(
        username=str(data.get("creator_username") or ""),
        privacy_levels=tuple(str(name) for name in data["privacy_level_options"]),
        no_comments=bool(data.get("comment_disabled")),
        no_duet=bool(data.get("duet_disabled")),
        no_stitch=bool(data.get("stitch_disabled")),
    )


def parse_status(data: Any) -> PublishStatus:  # noqa: ANN401 - JSON
    """Read status/fetch. TikTok writes `publicaly_available_post_id`."""
    ids = data.get("publicaly_available_post_id") or data.get("publicly_available_post_id") or ()
    return PublishStatus(
        status=str(data["status"]),
        fail_reason=str(data.get("fail_reason") or ""),
        post_ids=tuple(str(item) for item in ids),
        uploaded_bytes=int(data.get("uploaded_bytes") or 0),
    )


def parse_user(data: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read user/info; whatever was requested, it has an open_id."""
    user = data["user"]
    return {**user, "open_id": str(user["open_id"])}


def parse_videos(data: Any, odd: list[str] | None = None) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read the videos of video/list and video/query. `odd`: see `connectors.listings.read_items`."""
    return read_items(data["videos"], _parse_video, odd)


def _parse_video(video: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    time_of(video)
    return {**video, "id": read_id(video["id"])}


def time_of(video: Mapping[str, Any]) -> datetime:
    """Return when a video was posted (UTC); TikTok uses seconds."""
    return datetime.fromtimestamp(int(video["create_time"]), UTC)


def parse_metrics(video: Mapping[str, Any], captured_at: datetime) -> PostMetrics:
    """Read a video's metrics. Views are plays; TikTok's API reports no reach, saves or clicks."""
    names = ("like_count", "comment_count", "share_count", "view_count")
    raw = {name: video[name] for name in names if video.get(name) is not None}
    likes, comments, shares, views = (read_count(raw.get(name)) for name in names)
    return PostMetrics(
        str(video["id"]),
        captured_at,
        likes=likes,
        comments=comments,
        shares=shares,
        video_views=views,
        raw=raw,
    )


def parse_listed(video: Mapping[str, Any], captured_at: datetime, permalink: str) -> ListedPost:
    """Read one video of the account's list."""
    return ListedPost(
        external_id=str(video["id"]),
        published_at=time_of(video),
        text=str(video.get("video_description") or video.get("title") or ""),
        kind="video",
        permalink=str(video.get("share_url") or permalink),
        metrics=parse_metrics(video, captured_at),
    )


def parse_account_metrics(user: Mapping[str, Any], captured_at: datetime) -> AccountMetrics:
    """Read an account's metrics; without the scope user.info.stats there are none."""
    names = ("follower_count", "following_count", "video_count")
    raw = {name: user[name] for name in names if user.get(name) is not None}
    followers, following, posts = (read_count(raw.get(name)) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_token(body: Any, old: Credentials, now: datetime) -> Credentials:  # noqa: ANN401 - JSON
    """Read {access_token, expires_in, refresh_token}, or the error that comes with HTTP 200."""
    code, words = read_error(body)
    if code:
        raise ReauthenticateError(f"{LABEL} answered: {shorten(words) or code}", platform_code=code)
    return oauth.parse_token(body, old, now)
