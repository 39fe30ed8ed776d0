"""Map X's errors to connector errors.

Sources: docs.x.com ("Response codes and errors", rate limits), x/openapi.json (problem types). X answers 403
for most errors, so the message text decides.
"""

from datetime import datetime

from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.http.client import Refusal
from connectors.http.rate_limits import parse_reset

DUPLICATE = "duplicate"
"""Platform code: the account has already posted the same text."""
# Permissions that the token lacks; a refreshed token of the same app would lack them too.
_PERMISSION_WORDS = (
    "scope",
    "not permitted to perform this action",
    "oauth1 app permissions",
    "client-not-enrolled",
)
# These phrases in `detail` refer to the post's content.
_CONTENT_WORDS = ("too long", "reply to a", "media", "poll")


def explain(refusal: Refusal, *, may_refresh: bool) -> ConnectorError | None:
    """Map {title, detail, type}; `may_refresh`: there is a refresh token to try."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    problem, words = str(body.get("type", "")), refusal.message.lower()
    if refusal.status == 401:
        # X returns the same error for expired and revoked tokens; only a refresh can tell.
        return ReauthenticateError(refusal.message, expired=may_refresh, status=401)
    if refusal.status == 403:
        return _explain_forbidden(refusal, problem, words)
    if refusal.status == 402:
        # The app's credits are used up: posts are sent once its owner pays.
        return RateLimitedError(refusal.message, scope="app", status=402, platform_code="credits")
    if refusal.status == 429:
        return _explain_rate_limit(refusal, problem, refusal.received_at)
    return None


def _explain_forbidden(refusal: Refusal, problem: str, words: str) -> ConnectorError | None:
    is_publish = refusal.purpose == "publish"
    if is_publish and "duplicate content" in words:
        # An identical post may already be published, perhaps by this very attempt.
        return OutcomeUnknownError(refusal.message, status=403, platform_code=DUPLICATE)
    if problem.endswith("/unsupported-authentication") or any(word in words for word in _PERMISSION_WORDS):
        return PermissionMissingError(refusal.message, status=403)
    if is_publish and any(word in words for word in _CONTENT_WORDS):
        return ContentRejectedError(refusal.message, status=403)
    return None


def _explain_rate_limit(refusal: Refusal, problem: str, now: datetime) -> RateLimitedError:
    """Distinguish a short window from a daily limit (x-user-limit-24hour-*, x-app-limit-24hour-*)."""
    for scope, name in (("app", "x-app-limit-24hour"), ("account", "x-user-limit-24hour")):
        if refusal.headers.get(f"{name}-remaining") == "0":
            retry_at = parse_reset(refusal.headers.get(f"{name}-reset", ""), now=now) or refusal.retry_at
            return RateLimitedError(
                refusal.message, retry_at=retry_at, scope="app" if scope == "app" else "account"
            )
    capped = problem.endswith("/usage-capped")
    return RateLimitedError(refusal.message, retry_at=refusal.retry_at, scope="app" if capped else "account")
