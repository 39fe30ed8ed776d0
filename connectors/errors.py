"""Connector errors, named by what the caller should do.

    ConnectorError
    |-- RetryLaterError            certainly not accepted: retry at `retry_at` or after a back-off
    |   |-- NotSentError             the request was not sent (refused, DNS, no free connection)
    |   |-- RateLimitedError         429 or the platform's equivalent; pause the account or the app
    |   '-- UnavailableError         a read or a preparation step failed on the platform's side
    |-- OutcomeUnknownError        a publish may have been accepted: check before any retry
    |-- CannotFindOutError         the platform cannot tell whether a post was published: a person decides
    |   '-- UnclaimedPostsError      there are posts that may be ours, none certainly
    |-- ReauthenticateError        the token is expired or revoked: refresh it or reconnect the account
    |-- ContentRejectedError       the platform rejects this content and says why: change it
    |   '-- MediaChangedError        a URL gives other media than those approved
    '-- GiveUpError                rejected for a reason that a retry cannot change
        |-- PermissionMissingError   the token is valid but lacks a permission: no refresh
        '-- UnsupportedError         the platform does not have this function

Only errors on the RetryLaterError branch prove that a publish was not accepted.
A message never contains a token: `connectors.http.client` redacts what it quotes.
"""

from datetime import datetime
from typing import Literal

RateLimitScope = Literal["account", "app"]


class ConnectorError(Exception):
    """Base class. `platform_code` is the platform's own error code, `status` its HTTP status, if any."""

    code = "connector_error"

    def __init__(self, message: str, *, status: int | None = None, platform_code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.platform_code = platform_code


class RetryLaterError(ConnectorError):
    """Certainly not accepted. `retry_at` (UTC) is set if the platform named a time."""

    code = "retry_later"

    def __init__(
        self,
        message: str,
        *,
        retry_at: datetime | None = None,
        status: int | None = None,
        platform_code: str | None = None,
    ) -> None:
        super().__init__(message, status=status, platform_code=platform_code)
        self.retry_at = retry_at


class NotSentError(RetryLaterError):
    """The request was not sent."""

    code = "not_sent"


class RateLimitedError(RetryLaterError):
    """The platform requires a pause; `scope` says whether for the account or the whole app."""

    code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_at: datetime | None = None,
        scope: RateLimitScope = "account",
        status: int | None = 429,
        platform_code: str | None = None,
    ) -> None:
        super().__init__(message, retry_at=retry_at, status=status, platform_code=platform_code)
        self.scope = scope


class UnavailableError(RetryLaterError):
    """The platform failed on a request that publishes nothing by itself."""

    code = "platform_unavailable"


class OutcomeUnknownError(ConnectorError):
    """A publishing request may or may not have been accepted."""

    code = "outcome_unknown"


class CannotFindOutError(ConnectorError):
    """The platform has no way to tell whether the post was published."""

    code = "cannot_find_out"


class UnclaimedPostsError(CannotFindOutError):
    """The account shows unclaimed posts from the time of the attempt, and none is certainly ours.

    The message lists them for the person who decides.
    """

    code = "unclaimed_posts"


class ReauthenticateError(ConnectorError):
    """The credentials no longer work. `expired` is true if a refresh may help, false for a revoked token."""

    code = "reauthenticate"

    def __init__(
        self,
        message: str,
        *,
        expired: bool = False,
        status: int | None = 401,
        platform_code: str | None = None,
    ) -> None:
        super().__init__(message, status=status, platform_code=platform_code)
        self.expired = expired


class ContentRejectedError(ConnectorError):
    """The platform rejects this content."""

    code = "content_rejected"


class MediaChangedError(ContentRejectedError):
    """The media at a URL are not the ones that were approved. Nothing was sent."""

    code = "media_changed"


class GiveUpError(ConnectorError):
    """Rejected for a reason that a retry cannot change."""

    code = "refused"


class PermissionMissingError(GiveUpError):
    """The account lacks a permission or scope for this action.

    Its token is valid, so it is not refreshed for this.
    """

    code = "permission_missing"


class UnsupportedError(GiveUpError):
    """The platform does not have this function."""

    code = "unsupported"
