"""What Mastodon answers, read from plain JSON, and how one of its statuses is recognised as ours.

Source: mastodon/schema.json 4.7.0. Compatible servers leave out what they do not know.
"""

from datetime import UTC, datetime
from typing import Any

from connectors.content.counts import read_count, sum_counts
from connectors.content.text import normalise, normalise_mentions, strip_html
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.http.client import Refusal
from connectors.parts import SentPart
from connectors.types import AccountMetrics, ContentKind, ListedPost, PostMetrics


def parse_object(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read one object; whatever it is, it has an id."""
    return {"id": body["id"], **body}


def parse_account_metrics(body: Any, captured_at: datetime) -> AccountMetrics:  # noqa: ANN401 - JSON
    """Read an account's counters."""
    names = ("followers_count", "following_count", "statuses_count")
    user = parse_object(body)
    raw = {name: user[name] for name in names if name in user}
    followers, following, posts = (read_count(raw.get(name)) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_statuses(body: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read a list of statuses; each has an id and a readable time."""
    if not isinstance(body, list):
        raise TypeError("no list of statuses")
    statuses = [{**status, "id": str(status["id"])} for status in body]
    for status in statuses:
        parse_time(status["created_at"])
    return statuses


def parse_sent(body: Any) -> SentPart:  # noqa: ANN401 - JSON
    """Read the receipt of a status."""
    return SentPart(str(body["id"]), body.get("url") or body.get("uri"), parse_time(body["created_at"]))


def parse_metrics(status: Any, captured_at: datetime) -> PostMetrics:  # noqa: ANN401 - JSON
    """Read a status's counters. Shares = boosts + quotes; older servers count no quotes."""
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
    )


def parse_time(value: str) -> datetime:
    """Read an ISO 8601 time as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def says(status: dict[str, Any], text: str) -> bool:
    """Tell whether the status says `text`; mentions are shown without their domain."""
    shown = normalise_mentions(normalise(strip_html(status.get("content") or "")))
    return shown == normalise_mentions(normalise(text))


def _kind(status: dict[str, Any]) -> ContentKind:
    kinds = {item.get("type") for item in status.get("media_attachments") or ()}
    if kinds & {"video", "gifv"}:
        return "video"
    if kinds:
        return "photo"
    return "link" if status.get("card") or "http" in strip_html(status["content"]) else "text"


def explain(refusal: Refusal) -> ConnectorError | None:
    """Say what a refusal means for the caller; a compatible server may word it as it likes."""
    if refusal.status in {401, 403}:
        # 403: the token lacks a scope, or the account is suspended; both need its owner.
        return ReauthenticateError(refusal.message, status=refusal.status)
    if refusal.status == 429:
        return RateLimitedError(refusal.message, retry_at=refusal.retry_at)
    if refusal.status == 404 and refusal.purpose == "publish":
        return ContentRejectedError(refusal.message, status=404)  # the status that it answers is gone
    return None
