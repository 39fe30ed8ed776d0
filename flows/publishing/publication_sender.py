"""Carries one publication: opens its account, commits each step around the send, and recovers a refused token."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.base import PublishRequest
from connectors.errors import ConnectorError, OutcomeUnknownError, ReauthenticateError
from connectors.types import Platform
from flows.publishing.attempt import compute_backoff, find_out, send
from flows.token_refresh import recover_account
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow
from warehouse.store.publishing.claims import list_taken_ids
from warehouse.store.publishing.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from connectors.types import Account
    from flows.publishing.settings import PublisherSettings
    from flows.publishing.store_writer import StoreWriter
    from warehouse.store.database import Store
    from warehouse.store.publishing.claims import ClaimedPublication
    from warehouse.store.publishing.outcomes import Granted, OutcomeKind

logger = logging.getLogger(__name__)

CREDENTIALS_AGE = timedelta(seconds=5)
"""How old credentials may be when used: another process may have refreshed them."""
TOKEN_RETRY = timedelta(seconds=1)
TAKEN_MARGIN = timedelta(minutes=5)
"""Platforms' clocks and ours differ: other publications this much older than an attempt are excluded too."""


class Courier:
    """Sends, or looks up, one publication at a time; keeps a connector for each account."""

    def __init__(
        self,
        store: Store,
        pool: ConnectorPool,
        writer: StoreWriter,
        *,
        settings: PublisherSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._pool = pool
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._connectors: dict[str, tuple[datetime, Connector]] = {}

    async def send(
        self, publication: ClaimedPublication, on_leave: Callable[[Granted], None]
    ) -> Outcome | None:
        """Commit `sending`, call `on_leave`, send, and return what came of it; None = it may not be sent now."""
        connector = await self._open(publication.account_id)
        granted = await self._writer.begin(publication.id)
        if granted is None:
            logger.info("publication %s may not be sent now, or is no longer ours", publication.id)
            return None
        on_leave(granted)
        try:
            content = self._pool.address_uploads(Platform(publication.platform), publication.content)
        except ConnectorError as error:  # nothing has left: the author must act
            return Outcome(publication.id, "failed", error.code, error.message)
        try:
            return await send(
                connector,
                replace(self._request(publication, granted.first_attempt_at), content=content),
                publication,
                attempt=granted.attempt,
                settings=self._settings,
                clock=self._clock,
            )
        except ReauthenticateError as error:
            return await self._recover(publication, connector, error, "retry")

    async def find_out(self, publication: ClaimedPublication) -> Outcome:
        """Look on the platform whether an unknown publication is out."""
        connector = await self._open(publication.account_id)
        first = publication.first_attempt_at or publication.scheduled_at
        taken = await asyncio.to_thread(self._list_taken_ids, publication, first)
        request = self._request(publication, first, taken=taken)
        try:
            return await find_out(connector, request, publication, settings=self._settings, clock=self._clock)
        except ReauthenticateError as error:
            return await self._recover(publication, connector, error, "still_unknown")

    async def _recover(
        self,
        publication: ClaimedPublication,
        connector: Connector,
        error: ReauthenticateError,
        kind: OutcomeKind,
    ) -> Outcome:
        """The platform refused the token, so nothing was sent: refresh it, or fail with the reason."""
        self._connectors.pop(publication.account_id, None)
        next_at = self._clock() + TOKEN_RETRY
        try:
            recovered = await recover_account(
                self._store, self._pool, connector.account, error, clock=self._clock
            )
        except ConnectorError as refresh_error:
            later = self._clock() + compute_backoff(publication.attempts + 1)
            return Outcome(publication.id, kind, "token_refresh_failed", refresh_error.message, later)
        if recovered:
            return Outcome(publication.id, kind, "token_refreshed", "the access token is renewed", next_at)
        if kind == "retry":
            return Outcome(
                publication.id, "failed", error.code, f"{error.message}; connect the account again"
            )
        return Outcome(
            publication.id, "needs_review", error.code, f"{error.message}: the platform cannot be asked"
        )

    async def _open(self, account_id: str) -> Connector:
        """Return a connector with the account's credentials, at most CREDENTIALS_AGE old."""
        known = self._connectors.get(account_id)
        if known is not None and self._clock() - known[0] < CREDENTIALS_AGE:
            return known[1]
        connector = self._pool.open(await asyncio.to_thread(self._load_account, account_id))
        self._connectors[account_id] = (self._clock(), connector)
        return connector

    def _load_account(self, account_id: str) -> Account:
        with self._store.read() as session:
            return open_account(session.get_one(AccountRow, account_id), self._store.cipher)

    def _list_taken_ids(self, publication: ClaimedPublication, since: datetime) -> frozenset[str]:
        with self._store.read() as session:
            return list_taken_ids(
                session, publication.account_id, since=since - TAKEN_MARGIN, except_id=publication.id
            )

    def _request(
        self, publication: ClaimedPublication, first: datetime, *, taken: frozenset[str] = frozenset()
    ) -> PublishRequest:
        async def save_state(state: Mapping[str, Any]) -> None:
            if not await self._writer.save_state(publication.id, state):
                # The connector must not go on: another publisher owns this publication by now.
                raise OutcomeUnknownError("the lease on this publication was lost while it was being sent")

        return PublishRequest(
            content=publication.content,
            key=publication.id,
            first_attempt_at=first,
            state=publication.send_state,
            save_state=save_state,
            taken=taken,
        )
