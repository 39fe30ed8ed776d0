"""Parse LinkedIn's responses, headers and errors.

Sources: learn.microsoft.com/linkedin (Posts API, Comments API, Organization Share Statistics, Member Post
Statistics, error handling). Error body: {status, code, message, serviceErrorCode, errorDetails}.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
from pydantic import SecretStr

from connectors.content.counts import read_count
from connectors.errors import (
    ConnectorError,
    GiveUpError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    RateLimitScope,
    ReauthenticateError,
)
from connectors.http.client import BearerAuth, HeaderParse, Refusal
from connectors.linkedin.text import unescape_little
from connectors.listings import read_id, read_items
from connectors.types import ContentKind, ListedPost, Media, PostMetrics

DUPLICATE, DENIED, GONE = "DUPLICATE_POST", "ACCESS_DENIED", "NOT_FOUND"
"""Platform codes that the connector handles."""
ORGANIZATION = "urn:li:organization:"
PERSON = "urn:li:person:"
ORGANIZATION_COUNTS = {
    "impressionCount": "impressions",
    "uniqueImpressionsCount": "reach",
    "likeCount": "likes",
    "commentCount": "comments",
    "shareCount": "shares",
    "clickCount": "clicks",
}
MEMBER_COUNTS = {
    "IMPRESSION": "impressions",
    "MEMBERS_REACHED": "reach",
    "REACTION": "likes",
    "COMMENT": "comments",
    "RESHARE": "shares",
    "POST_SAVE": "saves",
}
"""Mapping of LinkedIn's statistics to our metrics. Reactions of every kind are likes."""
_VERSION_OVER = 426  # NONEXISTENT_VERSION: "Requested version 20250501 is not active"
_CODE = re.compile(r"[A-Z_]{1,60}")
_POST_URN = re.compile(r"urn:li:(?:share|ugcPost):(\d{8,20})")


class LinkedInAuth(BearerAuth):
    """The token, and the two headers that every versioned request needs."""

    def __init__(self, token: SecretStr, version: str) -> None:
        super().__init__(token)
        self._version = version

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the headers."""
        request.headers["LinkedIn-Version"] = self._version
        request.headers["X-Restli-Protocol-Version"] = "2.0.0"
        yield from super().auth_flow(request)


def explain(refusal: Refusal, *, may_mend: bool = False) -> ConnectorError | None:
    """Map an error to a connector error."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    code = str(body.get("code") or "")
    if not _CODE.fullmatch(code):
        code = ""  # not an error code: it may be anything, even a token
    if refusal.status == 401:
        expired = may_mend and not code.startswith("REVOKED")
        return ReauthenticateError(refusal.message, expired=expired, status=401, platform_code=code)
    if refusal.status == 403:
        # Also returned where only reading is forbidden: it needs scopes that many apps are not granted.
        return PermissionMissingError(refusal.message, status=403, platform_code=DENIED)
    if refusal.status == 404 and body.get("status") == 404:
        return GiveUpError(refusal.message, status=404, platform_code=GONE)
    if refusal.status == _VERSION_OVER:
        # All accounts pause until the setting is updated, and nothing is lost.
        return RateLimitedError(
            f"{refusal.message}: set SOCIALFLOW_LINKEDIN_VERSION to a version that LinkedIn still keeps",
            scope="app",
            status=refusal.status,
            platform_code="version",
        )
    if refusal.status == 429:
        return _explain_rate_limit(refusal)
    if refusal.purpose == "publish" and _is_duplicate(body):
        # It may have been published by an earlier attempt: the URN in the message tells.
        return OutcomeUnknownError(refusal.message, status=refusal.status, platform_code=DUPLICATE)
    return None


def _is_duplicate(body: Mapping[str, Any]) -> bool:
    details = body.get("errorDetails")
    errors = details.get("inputErrors") if isinstance(details, dict) else None
    return isinstance(errors, list) and any(
        isinstance(item, dict) and item.get("code") == DUPLICATE for item in errors
    )


def _explain_rate_limit(refusal: Refusal) -> RateLimitedError:
    """Parse the rate limit: "... throttle APPLICATION DAY limit ...". Daily limits reset at midnight UTC."""
    retry_at = refusal.retry_at
    if retry_at is None and " DAY " in refusal.message:
        midnight = refusal.received_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        retry_at = midnight + timedelta(days=1)
    scope: RateLimitScope = "app" if "APPLICATION" in refusal.message else "account"
    return RateLimitedError(refusal.message, retry_at=retry_at, scope=scope)


def find_post_urn(message: str) -> str | None:
    """Return the first post named in an error message: "Content is a duplicate of urn:li:share:7"."""
    found = _POST_URN.search(message)
    return found.group() if found else None


def time_of(urn: str) -> datetime | None:
    """Return when a post was created, from its number: the upper bits count milliseconds since 1970.

    Not documented; true of every post that third parties report. None for a URN without such a number.
    """
    found = _POST_URN.fullmatch(urn)
    if found is None:
        return None
    millis = int(found.group(1)) >> 22
    return datetime.fromtimestamp(millis / 1000, UTC) if millis < 1 << 42 else None


def build_permalink(urn: str) -> str:
    """Return the URL of a post."""
    return f"https://www.linkedin.com/feed/update/{urn}/"


def _read_created(headers: httpx.Headers, content: bytes) -> str:
    if content:
        orjson.loads(content)  # an incomplete response proves nothing
    return headers["x-restli-id"]


parse_created = HeaderParse(_read_created)
"""Parser for the id of a created object, which LinkedIn returns in the header x-restli-id."""


def parse_elements(body: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read {elements: [..]}."""
    if not isinstance(body["elements"], list):
        raise TypeError("elements is no list")
    return [dict(item) for item in body["elements"]]


def parse_page(
    body: Any,  # noqa: ANN401 - JSON
    start: int,
    size: int,
    odd: list[str] | None = None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Read a page of posts and the start of the next page; None = the end.

    `odd`: see `connectors.listings.read_items`.
    """
    elements = body["elements"]
    if not isinstance(elements, list):
        raise TypeError("elements is no list")
    posts = read_items(elements, _parse_post, odd)
    if elements and not posts:
        raise TypeError("no post of the list can be read, so a repeated page could not be recognized")
    links = (body.get("paging") or {}).get("links") or ()
    more = len(elements) >= size or any(link.get("rel") == "next" for link in links)
    return posts, start + len(elements) if elements and more else None


def _parse_post(post: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    published_at(post)
    read_id(post["id"])
    return dict(post)


def published_at(post: Mapping[str, Any]) -> datetime:
    """Return when a post was published (UTC); the API uses milliseconds."""
    return datetime.fromtimestamp(int(post.get("publishedAt") or post["createdAt"]) / 1000, UTC)


def modified_at(post: Mapping[str, Any]) -> datetime:
    """Return when a post was last changed (UTC), LinkedIn's sort key; never before it was published."""
    return max(published_at(post), datetime.fromtimestamp(int(post.get("lastModifiedAt") or 0) / 1000, UTC))


def parse_listed(post: Mapping[str, Any]) -> ListedPost:
    """Read one post of a listing.

    `adContext.isDsc` marks direct sponsored content (Posts API, Post Schema). A post that was sponsored after it was
    published is not marked.
    """
    urn, text = str(post["id"]), unescape_little(str(post.get("commentary") or ""))
    sponsored = (post.get("adContext") or {}).get("isDsc") is True
    return ListedPost(
        urn,
        published_at(post),
        text,
        _kind(post, text),
        permalink=build_permalink(urn),
        promoted=sponsored or None,
    )


def is_own_words(post: Mapping[str, Any]) -> bool:
    """Return whether a post is a plain repost of somebody else's."""
    return not post.get("reshareContext") or bool(post.get("commentary"))


def shows(post: Mapping[str, Any], media: Sequence[Media]) -> bool:
    """Return whether a post has as many images, videos or documents, of the same kind."""
    content = post.get("content") or {}
    if "multiImage" in content:
        return len(media) > 1 and len(content["multiImage"].get("images") or ()) == len(media)
    if "media" not in content:
        return not media
    urn = str((content["media"] or {}).get("id"))
    shown = next((kind for kind in ("video", "document") if f"urn:li:{kind}:" in urn), "image")
    return len(media) == 1 and shown == media[0].kind


def shows_in_comment(comment: Mapping[str, Any], media: Sequence[Media]) -> bool:
    """Return whether a comment has as many images."""
    entities = [(item.get("entity") or {}) for item in comment.get("content") or () if isinstance(item, dict)]
    return sum("image" in entity or "digitalmediaAsset" in entity for entity in entities) == len(media)


def _kind(post: Mapping[str, Any], text: str) -> ContentKind:
    content = post.get("content") or {}
    if "urn:li:video:" in str((content.get("media") or {}).get("id")):
        return "video"
    if "media" in content or "multiImage" in content:
        return "photo"
    return "link" if "article" in content or "https://" in text or "http://" in text else "text"


def parse_statistics(body: Any, captured_at: datetime) -> list[PostMetrics]:  # noqa: ANN401 - JSON
    """Read organizationalEntityShareStatistics: one element per post that has any."""
    found = []
    for element in parse_elements(body):
        urn = element.get("share") or element.get("ugcPost")
        counts = element["totalShareStatistics"]
        if urn:
            columns = {column: read_count(counts.get(name)) for name, column in ORGANIZATION_COUNTS.items()}
            found.append(PostMetrics(str(urn), captured_at, raw=dict(counts), promoted=None, **columns))
    return found


def parse_count(body: Any) -> int | None:  # noqa: ANN401 - JSON
    """Read memberCreatorPostAnalytics: the total, None if LinkedIn has none (no element, or -1)."""
    elements = parse_elements(body)
    count = int(elements[0]["count"]) if elements else -1
    return None if count < 0 else count


def parse_followers(body: Any) -> int:  # noqa: ANN401 - JSON
    """Read {firstDegreeSize} of an organization, or {elements: [{memberFollowersCount}]} of a member."""
    if "firstDegreeSize" in body:
        return int(body["firstDegreeSize"])
    return int(parse_elements(body)[0]["memberFollowersCount"])
