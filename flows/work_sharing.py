"""Several runs of one flow share its accounts: each account is leased by one run at a time.

Runs may be processes on any machines that use the same store. A run that dies stops renewing its leases; they expire
within seconds, and another run takes its accounts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from flows.errors import FlowBusyError
from flows.exclusive_runs import USUAL_PACE, report_end
from warehouse.store.leases.flow_leases import LeaseHolder, note_outcome, note_start
from warehouse.store.leases.work_leases import list_owners, list_work, release_work, renew_work, take_work

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from flows.exclusive_runs import Pace
    from flows.run_report import RunReport
    from warehouse.store.database import Store
    from warehouse.store.leases.flow_leases import Outcome
    from warehouse.store.models import AccountRow

logger = logging.getLogger(__name__)

LARGEST_SHARE = 200
"""Most accounts that a run leases at a time."""
_PART_OF_REST = 8
"""A run takes this part of what is left, so that others find work until the end."""


class WorkLeases:
    """The leases of one worker for one kind of work, renewed by a thread while the block runs; released at its end."""

    def __init__(self, store: Store, kind: str, pace: Pace = USUAL_PACE) -> None:
        self._store, self._kind, self._pace = store, kind, pace
        self.owner = f"{_name_machine()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._ended = threading.Event()
        self._beats: threading.Thread | None = None
        self._has_looked = False

    def take(self, items: Sequence[str], limit: int) -> list[str]:
        """Lease the first `limit` items that nobody has.

        At first, what dead processes of this machine had is given up: it need not wait for the end of their leases.
        """
        with self._store.write() as session:
            if not self._has_looked:
                for owner in list_owners(session):
                    if _is_dead(owner):
                        release_work(session, owner)
                self._has_looked = True
            taken = take_work(
                session, self._kind, items, owner=self.owner, lease=self._pace.lease, limit=limit
            )
        if taken and self._beats is None:
            self._beats = threading.Thread(target=self._beat, name=f"lease-{self._kind}", daemon=True)
            self._beats.start()
        return taken

    def release(self, items: Collection[str]) -> None:
        """Give up items whose work is done and stored. Where the store cannot be written, they expire by themselves."""
        if items:
            self._give_up(self._kind, items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        if self._beats is not None:
            self._beats.join()
            self._give_up(None, ())

    def _give_up(self, kind: str | None, items: Collection[str]) -> None:
        try:
            with self._store.write() as session:
                release_work(session, self.owner, kind, items)
        except Exception:  # the work is done: it must not fail for this
            logger.exception("%s: leases could not be given up, and expire", self._kind)

    def _beat(self) -> None:
        while not self._ended.wait(self._pace.heartbeat.total_seconds()):
            try:
                with self._store.write() as session:
                    renew_work(session, self.owner, self._pace.lease)
            except Exception:  # a temporary failure of the store: the next heartbeat tries again
                logger.exception("%s: the leases could not be renewed", self._kind)


def _name_machine() -> str:
    """Return the name under which process ids mean the same processes: the host, and on Linux the PID namespace."""
    with suppress(OSError):
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def _is_dead(owner: str) -> bool:
    """Whether the worker was a process of this machine, and is no more. A process id used again counts as alive."""
    machine, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if machine != _name_machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, under another user
        return False
    return False


class SharedAccounts:
    """The accounts that a run could work on, in order, from which it takes a share at a time."""

    def __init__(
        self, leases: WorkLeases, account_ids: Sequence[str], *, least: int, report: RunReport
    ) -> None:
        """`least`: how many to take at a time at least, so that all of a run's slots have work."""
        self._leases, self._waiting, self._least, self._report = leases, list(account_ids), least, report

    async def take(self, load: Callable[[list[str]], Sequence[AccountRow]]) -> Sequence[AccountRow]:
        """Lease the next accounts that no other run has, and return their rows; none = nothing is left for this run.

        `load` (in a thread) returns the rows of the leased accounts that are still due: another run may have worked on
        them since they were listed.
        """
        return await asyncio.to_thread(self._take, load)

    async def release(self, row: AccountRow) -> None:
        """Give up an account whose work is done and stored, so that another run may take it when it is due again."""
        await asyncio.to_thread(self._leases.release, [row.id])

    def release_all(self, account_ids: Collection[str]) -> None:
        """Like `release`, for several at once and from a thread."""
        self._leases.release(account_ids)

    def _take(self, load: Callable[[list[str]], Sequence[AccountRow]]) -> Sequence[AccountRow]:
        while self._waiting:
            share = min(max(self._least, len(self._waiting) // _PART_OF_REST), LARGEST_SHARE)
            asked, self._waiting = self._waiting[:share], self._waiting[share:]
            taken = self._leases.take(asked, share)
            for account_id in sorted(set(asked) - set(taken)):
                self._report.note(account_id, "elsewhere")
            if taken and (rows := load(taken)):
                return rows
        return ()


@contextmanager
def share_accounts(
    store: Store, flow: str, account_ids: Sequence[str], *, least: int, report: RunReport
) -> Iterator[SharedAccounts]:
    """Yield the accounts to share; leases that were not released until the end of the block are released then.

    So an account whose work failed is left alone by the other runs for as long as this one lasts.
    """
    with WorkLeases(store, flow) as leases:
        yield SharedAccounts(leases, account_ids, least=least, report=report)


@contextmanager
def run_shared(
    store: Store, flow: str, *, most: int, run_id: str | None = None, pace: Pace = USUAL_PACE
) -> Iterator[None]:
    """Run together with at most `most - 1` other runs of this flow, and record how the block ended.

    Raises FlowBusyError at once if so many run already. Log lines of the block have the flow's name and `run_id`.
    """
    kind = f"{flow}/runs"
    with WorkLeases(store, kind, pace) as slots:
        if not slots.take([str(number) for number in range(1, most + 1)], 1):
            with store.read() as session:
                running = list_work(session, kind)
            if running:
                raise FlowBusyError(flow, LeaseHolder(running[0].owner, running[0].began_at))
        with store.write() as session:
            note_start(session, flow)

        def end(outcome: Outcome, reason: str | None) -> None:
            with store.write() as session:
                note_outcome(session, flow, outcome, reason)

        with report_end(flow, run_id, end):
            yield
