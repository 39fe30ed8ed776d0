"""OAuth 2.0 token refresh (RFC 6749 section 6), for specifications that only give its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.specs.exchanges import Exchange

_SENT = {"grant_type", "refresh_token", "scope", "client_id", "client_secret"}


def check_refresh(exchange: Exchange) -> list[str]:
    """Check a request at a token endpoint and its answer."""
    wrong = []
    if exchange.method != "POST":
        wrong.append(f"{exchange.name}: a token endpoint takes POST")
    if exchange.content_type != "application/x-www-form-urlencoded":
        wrong.append(f"{exchange.name}: a token endpoint takes a form, not {exchange.content_type!r}")
        return wrong
    form = dict(exchange.form())
    wrong += [f"{exchange.name}: {name} is no field of a refresh" for name in form.keys() - _SENT]
    if form.get("grant_type") != "refresh_token" or not form.get("refresh_token"):
        wrong.append(f"{exchange.name}: grant_type and refresh_token are missing")
    if exchange.status == 200:
        answer = exchange.answer_json()
        kinds = {"access_token": str, "token_type": str, "expires_in": int}
        wrong += [
            f"{exchange.name} -> 200: {name} is {answer.get(name)!r}"
            for name, kind in kinds.items()
            if not isinstance(answer.get(name), kind)
        ]
    return wrong
