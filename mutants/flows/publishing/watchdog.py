"""Is anything late, or unresolved? What `/metrics` and `socialflow doctor` show also fails a publisher's run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import PublishingBehindError
from warehouse.store.publishing.queue_state import get_queue_state

if TYPE_CHECKING:
    from datetime import datetime

    from flows.publishing.report import PublishReport
    from warehouse.store.database import Store


def raise_if_behind(store: Store, report: PublishReport, now: datetime) -> None:
    """Raise PublishingBehindError where a post is late by over a minute, or unknown for over ten.

    Called once a run has done all it could, so that nothing waits for it: the run's state is what people watch.
    """
    with store.read() as session:
        state = get_queue_state(session, now)
    complaints = []
    if state.late:
        complaints.append(f"{state.late} late, the longest by {state.oldest_late_seconds:.0f} s")
    if state.stale_unknown:
        complaints.append(f"{state.stale_unknown} of unknown outcome for over ten minutes")
    if report.errors:
        complaints.append(f"{report.errors} errors in this run")
    if complaints:
        raise PublishingBehindError(
            f"publications: {'; '.join(complaints)}. `socialflow doctor` and `socialflow posts show` say why"
        )
