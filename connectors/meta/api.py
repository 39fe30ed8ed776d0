"""Shared parts of Meta's Graph API: errors, usage headers, tokens, cursors, insights.

Sources: developers.facebook.com, "Handle Errors" and "Rate Limits" of the Graph API;
meta/InsightsResult.json, meta/InstagramInsightsResult.json, meta/IGRefreshAccessTokenForIGOnlyAPI.json;
threads/*.json.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

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
from connectors.http.client import PlatformApi, Refusal
from connectors.http.messages import read_secret
from connectors.types import Credentials, MetricsBatch, PostMetrics

REFRESH_BEFORE = timedelta(days=10)
"""How long before their expiry 60-day tokens are refreshed."""
YOUNGEST = timedelta(days=1)
"""Minimum age of a token for a refresh."""
GONE = "100/33"
"""Platform code of an object that does not exist or was deleted."""
NO_SUCH_FIELD = "100"
"""Platform code of a field or metric that the object does not have."""
_APP_LIMITS = frozenset({4, 341})
# 80000 and up: rate limits of a business use case (Pages, Instagram, ...).
_RATE_LIMITS = _APP_LIMITS | {9, 17, 32, 613, *range(80_000, 80_015)}
_TOKEN, _NO_PERMISSION = frozenset({102, 104, 190}), frozenset({3, 10, *range(200, 300)})
_PASSING = frozenset({1, 2})
# Instagram's error codes that say "try again" or "make a new container" (developers.facebook.com, Instagram Platform,
# "Error Codes"): server errors, slow or failed downloads of the media, expired containers.
_TRY_AGAIN = frozenset({"-1/2207001", "-1/2207032", "-1/2207053", "-2/2207003", "-2/2207020", "9004/2207052"})
_RESTRICTED = "25/2207050"
"""The account is inactive, checkpointed or restricted: its owner must sign in to the app."""
_ACTIONS_BLOCKED = "4/2207051"
"""The account is stopped for a while by the protection of the community. Code 4 alone is a limit of the app."""


def read_error(refusal: Refusal) -> tuple[int | None, str]:
    """Return the code of {error: {code, error_subcode}} and its name "code/subcode"; (None, "") if absent."""
    error = refusal.body.get("error") if isinstance(refusal.body, dict) else None
    if not isinstance(error, dict):
        return None, ""
    code, subcode = error.get("code"), error.get("error_subcode")
    return code, f"{code}/{subcode}" if subcode else str(code)


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error object to a connector error; None if the response has none.

    "Try again" at publish proves nothing: the status of the container tells whether the post is out.
    """
    code, name = read_error(refusal)
    if not name:
        return None
    if code in _RATE_LIMITS:
        scope: RateLimitScope = "app" if code in _APP_LIMITS and name != _ACTIONS_BLOCKED else "account"
        retry_at = parse_regain(refusal.headers, refusal.received_at) or refusal.retry_at
        return RateLimitedError(
            refusal.message, retry_at=retry_at, scope=scope, status=refusal.status, platform_code=name
        )
    if code in _NO_PERMISSION:
        return PermissionMissingError(refusal.message, status=refusal.status, platform_code=name)
    if code in _TOKEN or name == _RESTRICTED:
        # Never `expired`: an expired token cannot be refreshed, so only the owner can help.
        return ReauthenticateError(refusal.message, status=refusal.status, platform_code=name)
    if code in _PASSING or name in _TRY_AGAIN or refusal.body["error"].get("is_transient") is True:
        in_doubt = OutcomeUnknownError if refusal.purpose == "publish" else UnavailableError
        return in_doubt(refusal.message, status=refusal.status, platform_code=name)
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


def is_gone(error: ConnectorError) -> bool:
    """Return whether the object does not exist (any more)."""
    return error.platform_code == GONE or error.status == 404


def parse_id(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read {id}."""
    return str(body["id"])


def parse_time(value: str) -> datetime:
    """Read 2026-01-31T12:00:00+0000 as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def count_children(item: Mapping[str, Any]) -> int:
    """Return how many pictures and videos an album holds."""
    return len((item.get("children") or {}).get("data") or ())


def parse_cursor(body: Any) -> str | None:  # noqa: ANN401 - JSON
    """Read the cursor of the next page, which exists only if `next` is present."""
    paging = body.get("paging") or {}
    return str(paging["cursors"]["after"]) if paging.get("next") else None


def parse_data(body: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Read {data: [..]}.

    Raises if the response contains an error as well: a post missing from a partial list would be sent again.
    """
    if not isinstance(body["data"], list) or "error" in body:
        raise TypeError("no list")
    return list(body["data"])


def parse_insights(body: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    """Read {data: [{name, values: [{value}]}]}, or its newer form {name, total_value: {value}}."""
    found = {}
    for item in parse_data(body):
        total = item.get("total_value") or {}
        value = total["value"] if "value" in total else item["values"][0]["value"]
        count = read_count(value)
        if count is not None:
            found[str(item["name"])] = count
    return found


def parse_token(body: Any, old: Credentials, now: datetime) -> Credentials:  # noqa: ANN401 - JSON
    """Read {access_token, expires_in}."""
    seconds = body.get("expires_in")
    return replace(
        old,
        access_token=read_secret(body["access_token"]),
        expires_at=now + timedelta(seconds=int(seconds)) if seconds is not None else None,
    )


def plan_renewal(credentials: Credentials, now: datetime) -> Credentials:
    """Schedule a refresh in a day for a token with unknown expiry: only the refresh reports it."""
    if credentials.expires_at is not None:
        return credentials
    return replace(credentials, expires_at=now + REFRESH_BEFORE + YOUNGEST)


async def renew_token(api: PlatformApi, grant_type: str, old: Credentials, now: datetime) -> Credentials:
    """GET /refresh_access_token: extends the token by 60 days; an expired token cannot be refreshed."""
    return await api.prepare(
        "GET",
        "/refresh_access_token",
        lambda body: parse_token(body, old, now),
        params={"grant_type": grant_type, "access_token": old.access_token.get_secret_value()},
        auth=httpx.Auth(),
    )


class InsightsReader:
    """Reads the insights of one object after another, skipping metric names that were rejected.

    One invalid name fails a whole request, and Meta retires names without a new API version.
    """

    def __init__(self, version: str, names: Iterable[str]) -> None:
        self._version = version
        self._names = tuple(names)
        self._refused: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The names that are not known to be rejected."""
        return [name for name in self._names if name not in self._refused]

    async def fetch(self, api: PlatformApi, object_id: str) -> dict[str, int]:
        """Request all metrics at once; if that is rejected, each one alone.

        Raises GiveUpError if the object is gone (platform code GONE) or has no insights at all.
        """
        names = self.names
        try:
            return await self._read(api, object_id, names)
        except GiveUpError as error:
            if error.platform_code == GONE:
                raise
            values: dict[str, int] = {}
            for name in names:
                try:
                    values |= await self._read(api, object_id, [name])
                except GiveUpError as refused:
                    if refused.platform_code == GONE:
                        raise
                    self._refused.add(name)
            if not values:
                self._refused.clear()  # this object has no insights at all: the names may be valid
                raise
            return values

    async def _read(self, api: PlatformApi, object_id: str, names: Sequence[str]) -> dict[str, int]:
        path, params = f"{self._version}/{object_id}/insights", {"metric": ",".join(names)}
        return await api.read(path, parse_insights, params=params)


async def measure_each(
    external_ids: Iterable[str], fetch: Callable[[str], Awaitable[PostMetrics]]
) -> MetricsBatch:
    """Read the metrics of posts one by one.

    On a rate limit, the results so far are kept and the other posts are reported as missing.
    """
    metrics: list[PostMetrics] = []
    deleted: set[str] = set()
    ids = list(dict.fromkeys(external_ids))
    for post_id in ids:
        try:
            metrics.append(await fetch(post_id))
        except RateLimitedError:
            if not metrics and not deleted:
                raise
            break  # the rest is reported as missing, so it is requested again and raises the limit itself
        except GiveUpError as error:
            if error.platform_code != GONE:
                raise
            deleted.add(post_id)
    known = {item.external_id for item in metrics}
    return MetricsBatch(tuple(metrics), frozenset(deleted), frozenset(ids) - known - deleted)
