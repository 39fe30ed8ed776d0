"""Authenticate requests: the access token, its API key and their permissions."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from api.http.shared_runs import SharedRuns
from api.http.tokens import Claims, InvalidTokenError, read_token
from warehouse.store.access.api_keys import expand_scopes, get_usable_api_key

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.store.database import Store

_MOST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller: its API key, its workspace and its scopes."""

    key_id: str
    workspace_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, as read from one state of the store."""

    caller: Caller
    store_mark: int | None
    """`Store.change_mark` from before the key was read; None = the store has no mark."""
    since: datetime
    until: datetime
    """Expiry of the token or of the key, whichever is first."""


class _Known(NamedTuple):
    claims: Claims
    identity: Identity


class Callers:
    """Cache of the callers of recent tokens, valid until the store changes.

    A revoked key is therefore refused at once.
    """

    def __init__(self, store: Store, signing_key: bytes) -> None:
        self._store = store
        self._signing_key = signing_key
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._look_ups: SharedRuns[str, Identity] = SharedRuns()

    def is_known(self, token: str) -> bool:
        """Return whether the token was valid a short while ago."""
        return token in self._known

    async def identify(self, token: str, now: datetime) -> Identity:
        """Return the token's identity.

        Raises InvalidTokenError: not ours, expired, or its key is revoked or expired.
        """
        mark = self._store.change_mark()
        with self._lock:
            known = self._known.get(token)
        if known is not None:
            identity = known.identity
            if identity.store_mark == mark is not None and identity.since <= now < identity.until:
                return identity
        # The signature stays valid when the store changes; the expiry is checked on every request.
        if known is not None and now < known.claims.expires_at:
            claims = known.claims
        else:
            claims = read_token(self._signing_key, token, now)
        if self._store.reads_at_once:
            identity = self._look_up(claims, mark, now)
        else:

            async def look_up() -> Identity:
                return await asyncio.to_thread(self._look_up, claims, mark, now)

            identity = await self._look_ups.share(token, look_up)
            if not identity.since <= now < identity.until:  # the clock of whoever looked it up differs
                identity = await look_up()
        with self._lock:
            self._known[token] = _Known(claims, identity)
            while len(self._known) > _MOST_TOKENS:
                self._known.popitem(last=False)
        return identity

    def _look_up(self, claims: Claims, mark: int | None, now: datetime) -> Identity:
        with self._store.read() as session:
            key = get_usable_api_key(session, claims.key_id, now)
        if key is None:
            raise InvalidTokenError("the API key of this token was revoked or has expired", "revoked_key")
        # A token's scopes are limited to the current scopes of its key.
        caller = Caller(key.id, key.workspace_id, claims.scopes & expand_scopes(key.scopes))
        ends = [claims.expires_at, *([key.expires_at] if key.expires_at is not None else [])]
        return Identity(caller, mark, now, min(ends))
