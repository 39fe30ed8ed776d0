"""What the platforms' OAuth token endpoints share: whose fault it is that a refresh was refused.

Source: RFC 6749, section 5.2 (the words of `error`).
"""

from connectors.errors import ConnectorError, GiveUpError, ReauthenticateError

# The app itself is not accepted: its id or secret is wrong. No owner of an account can help, and none has to.
_APP_WORDS = ("invalid_client", "unauthorized_client")


def judge_refresh(label: str, error: ConnectorError, *, settings: str) -> ConnectorError:
    """Return what a refused refresh means; `settings` names those that hold the app's id and secret."""
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
