"""Responses of a PDS and its AppView other than records, and the mapping of their errors.

Sources: lexicons com.atproto.{server,repo}, app.bsky.{feed,actor}; tests against a real PDS.
"""

from typing import Any

from connectors.content.counts import read_count
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.client import Refusal

_EXPIRED = frozenset({"ExpiredToken"})
_INVALID = frozenset(
    {
        "InvalidToken",
        "AuthenticationRequired",
        "AuthMissing",
        "AccountTakedown",
        "AccountDeactivated",
        "BadJwt",
    }
)


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error {error: name, message} to a connector error. Invalid tokens come with status 400."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    name, message = str(body.get("error", "")), refusal.message
    if not name.isalpha() or len(name) > 64:
        name = ""  # not an error name: do not pass it on as a code, it may be anything
    if name in _EXPIRED:
        return ReauthenticateError(message, expired=True, status=refusal.status, platform_code=name)
    if name in _INVALID or refusal.status == 401:
        return ReauthenticateError(message, status=refusal.status, platform_code=name or None)
    if refusal.status == 403:
        return PermissionMissingError(message, status=403, platform_code=name or None)
    if refusal.status == 429:
        return RateLimitedError(message, retry_at=refusal.retry_at, platform_code=name or None)
    if name == "RecordNotFound" or "could not locate record" in message.lower():
        return GiveUpError(message, status=refusal.status, platform_code="RecordNotFound")
    if name == "InvalidSwap":
        return ContentRejectedError(message, status=refusal.status, platform_code=name)
    if refusal.status in {501, 502} and refusal.purpose == "read":
        words = f"{message}: this server seems to have no AppView, so it can count nothing"
        return UnavailableError(words, status=refusal.status, platform_code=name or None)
    return None


def parse_identity(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Read the DID and handle of a session."""
    return str(body["did"]), str(body["handle"])


def parse_profile(body: Any) -> tuple[str, int | None]:  # noqa: ANN401 - JSON
    """Read the display name and the number of followers of a profile."""
    return str(body.get("displayName") or ""), read_count(body.get("followersCount"))


def parse_blob(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the blob that a record refers to."""
    return dict(body["blob"])


def parse_views(body: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read the posts of getPosts."""
    return [dict(view) for view in body["posts"] if view["uri"]]


def parse_found(body: Any) -> tuple[str, str, dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read uri, cid and value of getRecord."""
    return str(body["uri"]), str(body["cid"]), dict(body["value"])
