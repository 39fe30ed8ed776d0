"""Browser authorization of an account: from the platform's consent page to the saved account."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pydantic import SecretStr

from api.http.errors import ApiError
from connectors.errors import ConnectorError, RetryLaterError
from connectors.oauth.authorization import Client, PendingAuthorization
from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.store.access.api_keys import get_usable_api_key
from warehouse.store.access.workspaces import parse_timezone
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.authorizations import (
    begin_authorization,
    forget_authorization,
    is_awaited,
    make_state,
    take_authorization,
)
from warehouse.store.audit.actors import Actor, act_as, current_actor
from warehouse.store.audit.log import record

if TYPE_CHECKING:
    from datetime import datetime

    from api.accounts.schemas_connect import AuthorizationRequest
    from api.http.callers import Caller
    from api.http.services import Services
    from connectors.types import VerifiedAccount
    from warehouse.store.accounts.authorizations import ReturnedAuthorization

MOST_PAGES = 25
"""Maximum number of accounts to connect at once; each is identified with the platform first."""


@dataclass(frozen=True, slots=True)
class Return:
    """Outcome of the redirect back: `account_ids` on success, else `code`; `words` is the text for people."""

    status: int
    title: str
    words: str
    account_ids: tuple[str, ...] = ()
    code: str | None = None
    return_url: str | None = None

    @property
    def location(self) -> str | None:
        """Address to redirect the browser to, with the outcome in the query."""
        if self.return_url is None:
            return None
        outcome = [("status", "failed" if self.code else "connected")]
        outcome += [("code", self.code)] if self.code else [("account_id", one) for one in self.account_ids]
        return f"{self.return_url}{'&' if '?' in self.return_url else '?'}{urlencode(outcome)}"


def build_redirect_uri(services: Services, platform: Platform) -> str:
    """Return the OAuth redirect URI. Raises a 422 that names the missing setting."""
    base = services.settings.public_url
    if base is None:
        raise ApiError(
            422,
            "public_url_missing",
            "set SOCIALFLOW_API_PUBLIC_URL to the address under which browsers reach this API, such as "
            "https://social.example.com",
        )
    return f"{base.rstrip('/')}/api/v1/accounts/connect/{platform}/callback"


async def start_authorization(
    services: Services, caller: Caller, platform: Platform, asked: AuthorizationRequest
) -> tuple[str, str, datetime]:
    """Return the authorization URL, the redirect URI and the time by which the user must return.

    Raises ConnectorError: a missing setting, a platform without a browser flow, an instance that does not
    answer.
    """
    if asked.timezone is not None:
        parse_timezone(asked.timezone)
    if asked.return_url is not None and asked.return_url not in services.settings.allowed_return_urls:
        raise InvalidInputError(
            "this address is not among SOCIALFLOW_API_CONNECT_RETURN_URLS",
            field="return_url",
            code="return_url_refused",
        )
    redirect_uri, state = build_redirect_uri(services, platform), make_state()
    url, pending = await services.connectors.begin_authorization(
        platform,
        redirect_uri=redirect_uri,
        state=state,
        instance_url=asked.instance_url,
        account=asked.account,
    )

    def keep() -> datetime:
        with services.store.write() as session:
            detail = {"platform": platform.value}
            now = services.clock()
            record(session, "account_connection_started", caller.workspace_id, now, None, detail)
            return begin_authorization(
                session,
                services.store.cipher,
                caller.workspace_id,
                platform=platform,
                state=state,
                kept={"key_id": caller.key_id, **_to_json(pending)},
                now=now,
                return_url=asked.return_url,
                timezone=asked.timezone,
            )

    return url, redirect_uri, await asyncio.to_thread(keep)


async def finish_authorization(
    services: Services, platform: Platform, *, state: str, code: str, denial: str | None
) -> Return:
    """Complete the authorization: exchange the code, identify the account with the platform, save it."""
    returned = await asyncio.to_thread(_take, services, platform, state)
    if returned is None:
        words = "This link was already used, has expired or is unknown. Start again where you began."
        return Return(403, "Not connected", words, code="state_refused")

    async def refuse(status: int, code: str, words: str) -> Return:
        await asyncio.to_thread(_refuse, services, returned, platform, state=state, code=code)
        return Return(status, "Not connected", words, code=code, return_url=returned.return_url)

    if denial is not None or not code:
        return await refuse(
            403, "consent_denied", f"{platform.title()} was not allowed to connect the account."
        )
    try:
        candidates = await services.connectors.exchange_code(_from_json(returned.kept), SecretStr(code))
        verified = [await services.connectors.open(one).verify() for one in candidates[:MOST_PAGES]]
    except RetryLaterError as error:
        return await refuse(502, error.code, f"{error.message}. Try again in a moment.")
    except ConnectorError as error:
        return await refuse(403, error.code, f"{error.message}. Start again.")
    ids = await asyncio.to_thread(_save, services, returned, platform, verified)
    names = ", ".join(f"@{one.handle}" for one in verified)
    return Return(
        200, "Connected", f"{names} on {platform} is connected.", tuple(ids), None, returned.return_url
    )


def _take(services: Services, platform: Platform, state: str) -> ReturnedAuthorization | None:
    now = services.clock()
    with services.store.read() as session:
        # Anyone can call this address, so an unknown state must not cause a write.
        if not is_awaited(session, state, now):
            return None
    with services.store.write() as session:
        returned = take_authorization(session, services.store.cipher, platform=platform, state=state, now=now)
        if returned is None:
            return None
        key = get_usable_api_key(session, str(returned.kept["key_id"]), now)
    return None if key is None or key.workspace_id != returned.workspace_id else returned


def _refuse(
    services: Services, returned: ReturnedAuthorization, platform: Platform, *, state: str, code: str
) -> None:
    """End the authorization and record why; the actor is who began it."""
    actor = Actor("api_key", str(returned.kept["key_id"]), current_actor().address)
    detail = {"platform": platform.value, "reason": code}
    with services.store.write() as session:
        forget_authorization(session, state)
        now = services.clock()
        record(session, "account_connection_failed", returned.workspace_id, now, None, detail, actor=actor)


def _save(
    services: Services, returned: ReturnedAuthorization, platform: Platform, verified: list[VerifiedAccount]
) -> list[str]:
    now = services.clock()
    act_as(Actor("api_key", str(returned.kept["key_id"]), current_actor().address))
    with services.store.write() as session:
        return [
            connect_account(
                session,
                services.store.cipher,
                returned.workspace_id,
                one,
                platform,
                now,
                timezone=returned.timezone,
            ).id
            for one in verified
        ]


def _to_json(pending: PendingAuthorization) -> dict[str, Any]:
    secret = pending.client.secret
    return {
        "platform": pending.platform,
        "redirect_uri": pending.redirect_uri,
        "client_id": pending.client.id,
        # The secret of our own app stays in the settings; that of a dynamically registered app is stored only
        # here.
        "client_secret": secret.get_secret_value() if secret and pending.instance_url else None,
        "verifier": pending.verifier.get_secret_value(),
        "instance_url": pending.instance_url,
        "account": pending.account,
    }


def _from_json(kept: dict[str, Any]) -> PendingAuthorization:
    secret = kept["client_secret"]
    return PendingAuthorization(
        Platform(kept["platform"]),
        kept["redirect_uri"],
        Client(kept["client_id"], SecretStr(secret) if secret else None),
        SecretStr(kept["verifier"]),
        kept["instance_url"],
        kept["account"],
    )
