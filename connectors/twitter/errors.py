"""What X's refusals mean for the caller.

Sources: docs.x.com ("Response codes and errors", rate limits), x/openapi.json (problem types). X answers 403 for most
of what it dislikes, so its words tell what it is about.
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
"""Platform code: X says that the account has posted the same words before."""
# What the token may not do; a fresh one of the same app could not either.
_PERMISSION_WORDS = (
    "scope",
    "not permitted to perform this action",
    "oauth1 app permissions",
    "client-not-enrolled",
)
# These words of `detail` mean the post itself.
_CONTENT_WORDS = ("too long", "reply to a", "media", "poll")


def explain(refusal: Refusal, *, may_refresh: bool) -> ConnectorError | None:
    """Say what {title, detail, type} means; `may_refresh`: there is a refresh token to try."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    problem, words = str(body.get("type", "")), refusal.message.lower()
    if refusal.status == 401:
        # X says the same of an expired and a revoked token; only a refresh can tell.
        return ReauthenticateError(refusal.message, expired=may_refresh, status=401)
    if refusal.status == 403:
        return _explain_forbidden(refusal, problem, words)
    if refusal.status == 402:
        # The app's credits are used up: posts go out once its owner pays.
        return RateLimitedError(refusal.message, scope="app", status=402, platform_code="credits")
    if refusal.status == 429:
        return _explain_rate_limit(refusal, problem, refusal.received_at)
    return None


def _explain_forbidden(refusal: Refusal, problem: str, words: str) -> ConnectorError | None:
    is_publish = refusal.purpose == "publish"
    if is_publish and "duplicate content" in words:
        # An identical post of ours may be out already, perhaps from this very attempt.
        return OutcomeUnknownError(refusal.message, status=403, platform_code=DUPLICATE)
    if problem.endswith("/unsupported-authentication") or any(word in words for word in _PERMISSION_WORDS):
        return PermissionMissingError(refusal.message, status=403)
    if is_publish and any(word in words for word in _CONTENT_WORDS):
        return ContentRejectedError(refusal.message, status=403)
    return None


def _explain_rate_limit(refusal: Refusal, problem: str, now: datetime) -> RateLimitedError:
    """Tell a used-up window from a used-up day (x-user-limit-24hour-*, x-app-limit-24hour-*)."""
    for scope, name in (("app", "x-app-limit-24hour"), ("account", "x-user-limit-24hour")):
        if refusal.headers.get(f"{name}-remaining") == "0":
            retry_at = parse_reset(refusal.headers.get(f"{name}-reset", ""), now=now) or refusal.retry_at
            return RateLimitedError(
                refusal.message, retry_at=retry_at, scope="app" if scope == "app" else "account"
            )
    capped = problem.endswith("/usage-capped")
    return RateLimitedError(refusal.message, retry_at=refusal.retry_at, scope="app" if capped else "account")
