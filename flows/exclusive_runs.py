"""Run a flow in one process at a time, and record how each run ended.

A heartbeat renews the lease while the flow runs. If the process dies, the lease expires within seconds and
the next run takes over; Prefect is not involved.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.logs import log_ids
from connectors.tracing import span
from flows.errors import DoubtfulDataError, FlowBusyError, PartlyFailedError
from warehouse.store.leases.flow_leases import end_run, renew_lease, take_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.store.database import Store
    from warehouse.store.leases.flow_leases import Outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Interval of the heartbeats, and the lifetime of a lease without one."""

    heartbeat: timedelta = timedelta(seconds=3)
    lease: timedelta = timedelta(seconds=15)
    """Several heartbeats long, since a busy machine may delay some of them."""


USUAL_PACE = Pace()


@contextmanager
def run_exclusively(
    store: Store, flow: str, *, run_id: str | None = None, pace: Pace = USUAL_PACE
) -> Iterator[None]:
    """Hold the flow's lease for the block, and record how the block ended. Raises FlowBusyError at once.

    Log lines of the block have the flow's name and `run_id`.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    with store.write() as session:
        holder = take_lease(session, flow, owner=owner, lease=pace.lease)
    if holder is not None:
        raise FlowBusyError(flow, holder)
    ended = threading.Event()
    beats = threading.Thread(
        target=_beat, args=(store, flow, owner, pace, ended), name=f"lease-{flow}", daemon=True
    )
    beats.start()

    def end(outcome: Outcome, reason: str | None) -> None:
        ended.set()
        beats.join()
        with store.write() as session:
            end_run(session, flow, owner=owner, outcome=outcome, reason=reason)

    with report_end(flow, run_id, end):
        yield


@contextmanager
def report_end(flow: str, run_id: str | None, end: Callable[[Outcome, str | None], None]) -> Iterator[None]:
    """Run the block within the flow's log ids and span. Call `end` with its outcome, and the reason of a failure."""
    outcome: Outcome = "succeeded"
    reason: str | None = None
    try:
        with log_ids(flow=flow, run_id=run_id), span("flow.run"):
            yield
    except (PartlyFailedError, DoubtfulDataError) as error:
        outcome, reason = "partly_failed", str(error)
        raise
    except BaseException as error:  # a canceled run ends, too
        outcome, reason = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        end(outcome, reason)


def _beat(store: Store, flow: str, owner: str, pace: Pace, ended: threading.Event) -> None:
    while not ended.wait(pace.heartbeat.total_seconds()):
        try:
            with store.write() as session:
                held = renew_lease(session, flow, owner=owner, lease=pace.lease)
        except Exception:  # a temporary failure of the store: the next heartbeat tries again
            logger.exception("%s: the lease could not be renewed", flow)
            continue
        if not held:
            # Loads and marks are idempotent, so this run may finish concurrently with the other one.
            logger.error("%s: the lease expired, and another process runs the flow as well", flow)
            return
