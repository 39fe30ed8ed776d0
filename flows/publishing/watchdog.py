"""Fail a publisher's flow run if posts are late or unresolved, as `/metrics` and `socialflow doctor` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import PublishingBehindError
from warehouse.store.publishing.queue_state import get_queue_state

if TYPE_CHECKING:
    from datetime import datetime

    from flows.publishing.report import PublishReport
    from warehouse.store.database import Store


def raise_if_behind(store: Store, report: PublishReport, now: datetime) -> None:
    """Raise PublishingBehindError if a post is over a minute late, or unknown for over ten minutes.

    Called at the end of a run, so that nothing waits for it. Operators watch the state of the run.
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
