"""Errors of OAuth token endpoints: whether a rejected refresh is the fault of the account or of the app.

Source: RFC 6749, section 5.2 (values of `error`).
"""

from connectors.errors import ConnectorError, GiveUpError, ReauthenticateError

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
