"""Simulated Mastodon: tokens, errors, rate limits and request bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, bearer_token, iso_millis
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.world import SandboxWorld


class MastodonProtocol:
    """Token checks, error responses and headers of Mastodon."""

    platform = Platform.MASTODON

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world

    def error(self, status: int, message: str) -> Answer:
        """Return {"error": ...}, or plain text when imitating a compatible server."""
        if self._world.settings.mastodon_html_errors:
            if status == 401:
                status, message = 400, "Invalid Bearer token"
            return Answer(status=status, raw=message.encode(), media_type="text/html; charset=utf-8")
        if self._world.settings.mastodon_plain_errors:
            return Answer(status=status, raw=message.encode(), media_type="text/plain; charset=utf-8")
        return Answer({"error": message}, status)

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        said = {"unknown": "is invalid", "expired": "expired", "revoked": "was revoked"}[who]
        return self.error(401, f"The access token {said}")

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:  # noqa: ARG002  the protocol's form
        """Return the error response."""
        status, message = {
            "rate_limited": (429, "Too many requests"),
            "unauthorized": (401, "The access token was revoked"),
            "forbidden": (403, "This action is outside the authorized scopes"),
        }.get(kind, (500, "Internal Server Error"))
        return self.error(status, message)

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return X-RateLimit-*; the reset is an ISO time."""
        return {
            "x-ratelimit-limit": str(state.limit),
            "x-ratelimit-remaining": str(state.remaining),
            "x-ratelimit-reset": iso_millis(state.reset),
        }


async def read_body(call: Call) -> dict[str, Any]:
    """Read JSON or a form; `media_ids[]` of a form becomes a list. Raises ValueError."""
    kind = call.request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return call.json()
    async with call.request.form() as form:
        body: dict[str, Any] = dict(form.items())
        body["media_ids"] = [*form.getlist("media_ids[]"), *form.getlist("media_ids")]
        return body
