"""Run work for many accounts concurrently; a failed account is recorded and does not stop the others."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, RateLimitedError, ReauthenticateError
from connectors.logs import log_ids
from flows.errors import OddAnswerError
from flows.token_refresh import recover_account
from warehouse.errors import WarehouseError
from warehouse.store.accounts.accounts import get_account
from warehouse.store.accounts.credentials import open_account
from warehouse.store.measuring.measurements import record_account_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from connectors.base import Connector
    from connectors.registry import ConnectorPool
    from flows.run_report import RunReport
    from warehouse.store.database import Store
    from warehouse.store.models import AccountRow

    Work = Callable[[AccountRow, Connector], Awaitable[None]]

logger = logging.getLogger(__name__)


class Slots:
    """How many accounts are read at once. An account that waits for something else lends its slot to another one."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._used = 0
        self.on_idle: Callable[[], None] | None = None
        """Called when the last slot in use is given back."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return not self._used

    async def acquire(self) -> None:
        """Wait for a slot and take it."""
        await self._free.acquire()
        self._used += 1

    def release(self) -> None:
        """Give a slot back."""
        self._used -= 1
        self._free.release()
        if not self._used and self.on_idle is not None:
            self.on_idle()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[None]:
        """Give the slot back inside the block, and take one again after it."""
        self.release()
        try:
            yield
        finally:
            try:
                await self._free.acquire()
            finally:  # also when cancelled: who lent it gives it back once more
                self._used += 1


def utc_now() -> datetime:
    """Return the current time, aware UTC."""
    return datetime.now(UTC)


def name_account(row: AccountRow) -> str:
    """Return the account's name for messages: platform, handle, id."""
    return f"{row.platform} @{row.handle} ({row.id})"


async def serve_accounts(
    rows: Sequence[AccountRow],
    work: Work,
    *,
    store: Store,
    pool: ConnectorPool,
    report: RunReport,
    concurrency: int,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Await `work(row, connector)` for every account, `concurrency` of them at a time.

    If the platform refuses the token, it is refreshed once and the work is repeated; if that fails, the
    account is marked with the platform's reason. Errors are recorded in `report` and in the account's
    last_error.
    """
    shares = [list(rows)]

    async def take() -> Sequence[AccountRow]:
        return shares.pop() if shares else ()

    await serve_shares(
        take, work, store=store, pool=pool, report=report, slots=Slots(concurrency), clock=clock
    )


async def serve_shares(
    take: Callable[[], Awaitable[Sequence[AccountRow] | None]],
    work: Work,
    *,
    store: Store,
    pool: ConnectorPool,
    report: RunReport,
    slots: Slots,
    on_done: Callable[[AccountRow], Awaitable[None]] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Like `serve_accounts`, for accounts that `take` returns, a share at a time, until it returns none.

    The next share is taken as soon as a slot is free, so a slow account keeps only its own slot. `on_done` is awaited
    for each account whose work succeeded.
    """

    async def serve(row: AccountRow) -> None:
        try:
            await _serve_one(row, work, store=store, pool=pool, report=report, on_done=on_done, clock=clock)
        finally:
            slots.release()

    async with asyncio.TaskGroup() as tasks:
        await slots.acquire()
        while rows := await take():
            report.accounts += len(rows)
            for row in rows:
                with log_ids(account_id=row.id):
                    tasks.create_task(serve(row), name=f"account-{row.id}")
                await slots.acquire()
        slots.release()


async def _serve_one(
    row: AccountRow,
    work: Work,
    *,
    store: Store,
    pool: ConnectorPool,
    report: RunReport,
    on_done: Callable[[AccountRow], Awaitable[None]] | None,
    clock: Callable[[], datetime],
) -> None:
    name = name_account(row)
    try:
        await _work_with_a_fresh_token(row, work, store, pool, clock)
    except RateLimitedError as error:
        report.defer(name, error.message, error.retry_at)
        report.note(name, "waiting")
        return
    except (ConnectorError, WarehouseError, OddAnswerError) as error:
        logger.warning("%s: %s", name, error.message)
        reason = error.message
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the whole run is being canceled
        logger.exception("%s: its work was cancelled", name)
        reason = f"unexpected {type(error).__name__}"
    except Exception as error:  # an unexpected error of one account must not stop the others
        logger.exception("%s: unexpected error", name)
        reason = f"unexpected {type(error).__name__}"
    else:
        report.note(name, "done")
        if row.last_error is not None:
            await asyncio.to_thread(_note_error, store, row.id, None)
        if on_done is not None:
            await on_done(row)
        return
    report.failures[name] = reason
    report.note(name, "failed")
    await asyncio.to_thread(_note_error, store, row.id, reason)


async def _work_with_a_fresh_token(
    row: AccountRow, work: Work, store: Store, pool: ConnectorPool, clock: Callable[[], datetime]
) -> None:
    account = open_account(row, store.cipher)
    try:
        await work(row, pool.open(account))
    except ReauthenticateError as error:
        if not await recover_account(store, pool, account, error, clock=clock):
            raise
        fresh = await asyncio.to_thread(_reload, store, row)
        await work(fresh, pool.open(open_account(fresh, store.cipher)))


def _reload(store: Store, row: AccountRow) -> AccountRow:
    with store.read() as session:
        return get_account(session, row.workspace_id, row.id)


def _note_error(store: Store, account_id: str, error: str | None) -> None:
    if error is not None:  # a platform's message may contain characters a database rejects
        error = error.replace("\0", "").encode("utf-8", "replace").decode()
    with store.write() as session:
        record_account_error(session, account_id, error)
