"""Parse Mastodon's responses, and match statuses with a publication.

Source: mastodon/schema.json 4.7.0. Compatible servers omit fields that they do not support.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from connectors.candidates import Candidate
from connectors.content.counts import read_count, sum_counts
from connectors.content.languages import read_language
from connectors.content.text import strip_html
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.http.client import Refusal
from connectors.http.messages import says_bad_token
from connectors.listings import read_id, read_items
from connectors.mastodon.options import MastodonOptions
from connectors.parts import SentPart
from connectors.types import AccountMetrics, ContentKind, ListedPost, Media, PostMetrics

_ACCOUNT_WORDS = ("login is currently", "suspended", "disabled", "confirmed e-mail", "pending")
_VIDEOS, _NO_ANCHORS = frozenset({"video", "gifv"}), frozenset({"mention", "hashtag"})


class _Links(HTMLParser):
    """Collects the targets of the author's links; mentions and hashtags are added by the server."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        address = named.get("href")
        if tag == "a" and address and not _NO_ANCHORS & set((named.get("class") or "").split()):
            self.found.append(address)


def write_options(options: MastodonOptions, *, first: bool, with_media: bool = False) -> dict[str, Any]:
    """Return the fields of POST /api/v1/statuses that options stand for; `first`: whether it is no reply.

    The visibility is always sent: without it the account's own default decides, on some servers "unlisted".
    """
    written: dict[str, Any] = {"visibility": options.visibility}
    given = {
        "spoiler_text": options.content_warning,
        "language": options.language,
        "content_type": options.content_type,
        "quote_approval_policy": options.quote_policy,
        "sensitive": options.sensitive if first or with_media else None,
    }
    written |= {name: value for name, value in given.items() if value is not None}
    if first and options.poll is not None:
        written["poll"] = {
            "options": list(options.poll.choices),
            "expires_in": options.poll.duration_minutes * 60,
            "multiple": options.poll.multiple,
            "hide_totals": options.poll.hide_totals,
        }
    return written


def parse_object(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read one object, which must have an id."""
    return {"id": body["id"], **body}


def parse_account_metrics(body: Any, captured_at: datetime) -> AccountMetrics:  # noqa: ANN401 - JSON
    """Read an account's metrics."""
    names = ("followers_count", "following_count", "statuses_count")
    user = parse_object(body)
    raw = {name: user[name] for name in names if name in user}
    followers, following, posts = (read_count(raw.get(name)) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_statuses(body: Any, odd: list[str] | None = None) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read a list of statuses; each has an id and a readable time. `odd`: see `connectors.listings.read_items`."""
    if not isinstance(body, list):
        raise TypeError("no list of statuses")
    statuses = read_items(body, _parse_status, odd)
    if body and not statuses:
        raise TypeError("no status of the list can be read, so the next page is not known")
    return statuses


def _parse_status(status: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(status["created_at"])
    return {**status, "id": read_id(status["id"])}


def parse_sent(body: Any) -> SentPart:  # noqa: ANN401 - JSON
    """Read the receipt of a status."""
    return SentPart(str(body["id"]), body.get("url") or body.get("uri"), parse_time(body["created_at"]))


def parse_metrics(status: Any, captured_at: datetime) -> PostMetrics:  # noqa: ANN401 - JSON
    """Read a status's metrics. Shares = boosts + quotes; older servers count no quotes."""
    names = ("favourites_count", "replies_count", "reblogs_count", "quotes_count")
    raw = {name: status[name] for name in names if name in status}
    likes, comments, boosts, quotes = (read_count(raw.get(name)) for name in names)
    return PostMetrics(
        external_id=str(status["id"]),
        captured_at=captured_at,
        likes=likes,
        comments=comments,
        shares=sum_counts(boosts, quotes),
        raw=raw,
    )


def parse_listed(status: dict[str, Any], captured_at: datetime) -> ListedPost:
    """Read one status of a listing."""
    return ListedPost(
        external_id=status["id"],
        published_at=parse_time(status["created_at"]),
        text=strip_html(status["content"]),
        kind=_kind(status),
        permalink=status.get("url") or status.get("uri"),
        metrics=parse_metrics(status, captured_at),
        language=read_language(status.get("language")),
    )


def parse_time(value: str) -> datetime:
    """Read an ISO 8601 time as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def parse_candidate(status: dict[str, Any]) -> Candidate:
    """Return a listed status as a candidate for matching."""
    markup = str(status.get("content") or "")
    reader = _Links()
    reader.feed(markup)
    reader.close()

    def shows(media: Sequence[Media]) -> bool:
        kinds = [item.get("type") for item in status.get("media_attachments") or ()]
        return len(kinds) == len(media) and any(kind in _VIDEOS for kind in kinds) == any(
            item.kind == "video" for item in media
        )

    return Candidate(parse_sent(status), strip_html(markup), shows, tuple(reader.found))


def parse_source(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read the source text of a status."""
    return str(body["text"])


def parse_application(body: Any) -> str | None:  # noqa: ANN401 - JSON
    """Read the name of an application, or of the application of a status; None = not reported."""
    name = body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) and name else None


def _kind(status: dict[str, Any]) -> ContentKind:
    kinds = {item.get("type") for item in status.get("media_attachments") or ()}
    if kinds & {"video", "gifv"}:
        return "video"
    if kinds:
        return "photo"
    return "link" if status.get("card") or "http" in strip_html(status["content"]) else "text"


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error to a connector error; compatible servers use their own wording."""
    words = refusal.message.lower()
    if refusal.status == 401 or (refusal.status in {400, 403, 422} and says_bad_token(refusal.message)):
        return ReauthenticateError(refusal.message, status=refusal.status)
    if refusal.status == 422 and refusal.purpose == "read" and refusal.body is None:
        # snac refuses a token so: no words, for a request that has nothing else that could be wrong.
        return ReauthenticateError(refusal.message, status=422)
    if refusal.status == 403:
        if any(known in words for known in _ACCOUNT_WORDS):
            return ReauthenticateError(refusal.message, status=403)
        # The token is valid but lacks a scope: the account must be reconnected with it.
        return PermissionMissingError(refusal.message, status=403)
    if refusal.status == 429:
        return RateLimitedError(refusal.message, retry_at=refusal.retry_at)
    if refusal.status == 404 and refusal.purpose == "publish":
        return ContentRejectedError(refusal.message, status=404)  # the status it replies to is gone
    return None
