"""Responses of OAuth token endpoints: new tokens, and whether a refused refresh is the account's or the app's fault.

Source: RFC 6749, sections 5.1 (fields) and 5.2 (values of `error`).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import ConnectorError, GiveUpError, ReauthenticateError
from connectors.http.messages import read_secret
from connectors.types import Credentials

# The app itself is rejected: its id or secret is wrong. Account owners cannot fix this and need not
# reconnect.
_APP_WORDS = ("invalid_client", "unauthorized_client")


def judge_refresh(label: str, error: ConnectorError, *, settings: str) -> ConnectorError:
    """Map a rejected refresh to an error; `settings` names the settings with the app's id and secret."""
    if any(word in error.message for word in _APP_WORDS):
        return GiveUpError(
            f"{label} does not know the app that refreshes its tokens: check {settings}: {error.message}",
            status=error.status,
            platform_code=error.platform_code,
        )
    return ReauthenticateError(
        f"the refresh token no longer works, connect the account again: {error.message}",
        status=error.status,
        platform_code=error.platform_code,
    )


def parse_token(body: Any, old: Credentials, now: datetime) -> Credentials:  # noqa: ANN401 (JSON)
    """Read {access_token, refresh_token, expires_in: seconds}. A refresh token that is not sent again stays valid."""
    refresh = body.get("refresh_token")
    return replace(
        old,
        access_token=read_secret(body["access_token"]),
        refresh_token=read_secret(refresh) if refresh else old.refresh_token,
        expires_at=parse_expiry(body, now),
    )


def parse_expiry(body: Any, now: datetime) -> datetime | None:  # noqa: ANN401 (JSON)
    """Return when the token of a response expires (`expires_in`, in seconds); None = not told."""
    seconds = body.get("expires_in")
    return None if seconds is None else now + timedelta(seconds=int(seconds))
