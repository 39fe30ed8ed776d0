"""Errors, named by what the caller should do.

    ConnectorError
    |-- RetryLaterError            surely not accepted: try again at `retry_at` or after a back-off
    |   |-- NotSentError             the request never left (refused, DNS, no free connection)
    |   |-- RateLimitedError         429 or the platform's own form of it; pause the account or the app
    |   '-- UnavailableError         a read or a preparing step failed on the platform's side
    |-- OutcomeUnknownError        a publish may have been accepted: find out before anything else
    |-- CannotFindOutError         the platform cannot be asked whether a post went out: a person decides
    |   '-- UnclaimedPostsError      posts are there that may be ours, and none is surely ours
    |-- ReauthenticateError        the token is expired or revoked: refresh it, or its owner connects again
    |-- ContentRejectedError       the platform refuses this content, in its own words: change it
    '-- GiveUpError                refused for a reason that trying again cannot change
        |-- PermissionMissingError   the token works, but may not do this: a refresh cannot help
        '-- UnsupportedError         this platform has no such thing at all

Only errors on the RetryLaterError branch prove that a publish was not accepted.
A message never holds a token: `connectors.http.client` redacts what it quotes.
"""

from datetime import datetime
from typing import Literal

RateLimitScope = Literal["account", "app"]


class ConnectorError(Exception):
    """Base of all. `platform_code` is the platform's own code, `status` its HTTP status, where it has one."""

    code = "connector_error"

    def __init__(self, message: str, *, status: int | None = None, platform_code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.platform_code = platform_code


class RetryLaterError(ConnectorError):
    """Surely not accepted. `retry_at` (UTC) is the platform's own word where it gave one."""

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
    """The request never left this machine."""

    code = "not_sent"


class RateLimitedError(RetryLaterError):
    """The platform asks for a pause; `scope` says of whom."""

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
    """The platform failed at a request that publishes nothing by itself."""

    code = "platform_unavailable"


class OutcomeUnknownError(ConnectorError):
    """A publishing request may or may not have been accepted."""

    code = "outcome_unknown"


class CannotFindOutError(ConnectorError):
    """The platform gives no way to tell whether the post is out."""

    code = "cannot_find_out"


class UnclaimedPostsError(CannotFindOutError):
    """The account shows posts of the attempt's time that belong to no other publication, and none is surely ours.

    The message names them, for the person who decides.
    """

    code = "unclaimed_posts"


class ReauthenticateError(ConnectorError):
    """The credentials no longer work. `expired` tells a token that a refresh may mend from a revoked one."""

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
    """The platform refuses this content."""

    code = "content_rejected"


class GiveUpError(ConnectorError):
    """Refused, and trying again changes nothing."""

    code = "refused"


class PermissionMissingError(GiveUpError):
    """The account lacks a permission or scope for this action. Its token works, so it is never refreshed for it."""

    code = "permission_missing"


class UnsupportedError(GiveUpError):
    """The platform has no such function."""

    code = "unsupported"
