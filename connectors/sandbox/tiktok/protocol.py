"""Simulated TikTok: the response envelope, tokens and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, bearer_token
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.limits import LimitState

_LOG_ID: Final = "20261124000000SANDBOX"


def answer_data(data: dict[str, object]) -> Answer:
    """Return a success in the envelope."""
    return Answer({"data": data, "error": {"code": "ok", "message": "", "log_id": _LOG_ID}})


def refuse(call: Call, status: int, code: str, message: str) -> Answer:
    """Return an error in the envelope; with the setting, as HTTP 200."""
    return _word(200 if call.world.settings.tiktok_errors_in_200 else status, code, message)


def _word(status: int, code: str, message: str) -> Answer:
    return Answer({"data": {}, "error": {"code": code, "message": message, "log_id": _LOG_ID}}, status)


class TikTokProtocol:
    """Token checks, error responses and headers of TikTok."""

    platform = Platform.TIKTOK

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token; expired and revoked tokens get the same error."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        return who if isinstance(who, SandboxAccount) else self.refuse("unauthorized", reset=0, at=call.at)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response.

        TikTok documents no Retry-After; the simulation sends one, as gateways do.
        """
        if kind == "rate_limited":
            answer = _word(
                429, "rate_limit_exceeded", "The API rate limit was exceeded. Please try again later."
            )
            answer.headers["retry-after"] = str(max(0, int(-(-(reset - at) // 1))))
            return answer
        if kind == "unauthorized":
            return _word(
                401, "access_token_invalid", "The access token is invalid or not found in the request."
            )
        if kind == "forbidden":
            return _word(
                403, "spam_risk_user_banned_from_posting", "The user is banned from making new posts"
            )
        return _word(500, "internal_error", "Something went wrong. Please try again later.")

    def limit_headers(self, state: LimitState) -> dict[str, str]:  # noqa: ARG002  the protocol's form
        """Return nothing: TikTok reports its limits only in its documentation."""
        return {}
