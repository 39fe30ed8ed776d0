"""What Instagram answers, read from plain JSON: accounts, media, insights, and its error object.

Sources: meta/IG*ForIGOnlyAPI.json (fields), developers.facebook.com (error codes of the Graph API).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    OutcomeUnknownError,
    RateLimitedError,
    RateLimitScope,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http import Refusal
from connectors.messages import read_secret
from connectors.types import AccountMetrics, ContentKind, Credentials, ListedPost, PostMetrics

LABEL = "Instagram"
VERSION = "/v23.0"
INSIGHTS = ("views", "reach", "likes", "comments", "shares", "saved", "total_interactions")
COLUMNS = {"reach": "reach", "likes": "likes", "comments": "comments", "shares": "shares", "saved": "saves"}
"""Which of the insights are metrics of ours; the others stay in `raw`."""
# Codes of the Graph API's error object.
_APP_LIMIT, _RATE_LIMITS = 4, frozenset({4, 9, 17, 32, 613})
_TOKEN, _NO_PERMISSION = frozenset({102, 104, 190}), frozenset({3, 10, *range(200, 300)})
_PASSING = frozenset({1, 2})
GONE = "100/33"
"""Platform code of an object that does not exist (any more)."""
_NOT_READY = "9007/2207027"
_CONTAINER = frozenset({24, 9007})


def explain(refusal: Refusal) -> ConnectorError | None:
    """Say what an error object means for the caller: {error: {code, error_subcode, is_transient}}."""
    error = refusal.body.get("error") if isinstance(refusal.body, dict) else None
    if not isinstance(error, dict):
        return None
    code, subcode = error.get("code"), error.get("error_subcode")
    name = f"{code}/{subcode}" if subcode else str(code)
    if code in _RATE_LIMITS:
        scope: RateLimitScope = "app" if code == _APP_LIMIT else "account"
        retry_at = parse_regain(refusal.headers, refusal.received_at) or refusal.retry_at
        return RateLimitedError(
            refusal.message, retry_at=retry_at, scope=scope, status=refusal.status, platform_code=name
        )
    if code in _TOKEN or code in _NO_PERMISSION:
        # Never `expired`: Instagram refuses to renew a token past its end, so only the owner can help.
        return ReauthenticateError(refusal.message, status=refusal.status, platform_code=name)
    if code in _PASSING or error.get("is_transient") is True:
        in_doubt = OutcomeUnknownError if refusal.purpose == "publish" else UnavailableError
        return in_doubt(refusal.message, status=refusal.status, platform_code=name)
    if refusal.purpose == "publish" and name == _NOT_READY:
        return UnavailableError(refusal.message, status=refusal.status, platform_code=name)
    if refusal.purpose == "publish" and code in _CONTAINER:
        # The container is expired, or was published by an earlier attempt. Its status tells which.
        return OutcomeUnknownError(refusal.message, status=refusal.status, platform_code=name)
    kind = GiveUpError if refusal.purpose == "read" else ContentRejectedError
    return kind(refusal.message, status=refusal.status, platform_code=name)


def parse_regain(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Read the minutes until access is regained: {id: [{estimated_time_to_regain_access}]} in a header."""
    try:
        usage = orjson.loads(headers.get("x-business-use-case-usage", ""))
        minutes = max(
            int(item["estimated_time_to_regain_access"]) for items in usage.values() for item in items
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return now + timedelta(minutes=minutes) if minutes > 0 else None


def parse_account_metrics(user: Mapping[str, Any], captured_at: datetime) -> AccountMetrics:
    """Read an account's counters."""
    names = ("followers_count", "follows_count", "media_count")
    raw = {name: user[name] for name in names if name in user}
    followers, following, posts = (raw.get(name) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_user(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the account; some answers wrap it in {data: [..]}."""
    user = body["data"][0] if isinstance(body.get("data"), list) else body
    return {"username": user["username"], **user}


def parse_page(body: Any) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of media and the cursor of the next, which is there only where `next` is."""
    items = [{**item, "id": str(item["id"]), "caption": item.get("caption") or ""} for item in body["data"]]
    for item in items:
        parse_time(item["timestamp"])
    paging = body.get("paging") or {}
    return items, paging["cursors"]["after"] if paging.get("next") else None


def parse_listed(item: dict[str, Any]) -> ListedPost:
    """Read one media object."""
    kind: ContentKind = "video" if item.get("media_type") == "VIDEO" else "photo"
    return ListedPost(
        item["id"], parse_time(item["timestamp"]), item["caption"], kind, permalink=item.get("permalink")
    )


def parse_insights(body: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    """Read {data: [{name, values: [{value}]}]}, or its newer form {name, total_value: {value}}."""
    found = {}
    for item in body["data"]:
        total = item.get("total_value") or {}
        value = total["value"] if "value" in total else item["values"][0]["value"]
        found[str(item["name"])] = int(value)
    return found


def parse_token(body: Any, old: Credentials, now: datetime) -> Credentials:  # noqa: ANN401 - JSON
    """Read {access_token, expires_in}."""
    seconds = body.get("expires_in")
    return replace(
        old,
        access_token=read_secret(body["access_token"]),
        expires_at=now + timedelta(seconds=int(seconds)) if seconds is not None else None,
    )


def parse_time(value: str) -> datetime:
    """Read Instagram's 2026-01-31T12:00:00+0000 as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def parse_id(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read {id}."""
    return str(body["id"])


def parse_metrics(media_id: str, values: Mapping[str, int], captured_at: datetime) -> PostMetrics:
    """Put insights into our columns; what was refused or not asked for stays None."""
    columns = {column: values.get(name) for name, column in COLUMNS.items()}
    return PostMetrics(media_id, captured_at, raw=dict(values), **columns)
