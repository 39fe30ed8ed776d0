"""Create the posts of recurring rules ahead of time, in one short transaction per rule."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from flows.account_runs import utc_now
from flows.run_report import RunReport
from warehouse.scheduling.occurrences import extend_rule, list_due_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flows.resources import Resources

logger = logging.getLogger(__name__)

BATCH = 200
STEP = timedelta(hours=12)
"""A rule is extended when its posts end this much before the horizon: twice a day, not at every run."""


def extend_recurrences(resources: Resources, *, clock: Callable[[], datetime] = utc_now) -> RunReport:
    """Extend every rule to the horizon. A rule that fails does not stop the others; the report names it."""
    now = clock()
    until = now + resources.warehouse.recurrence_horizon
    report = RunReport("extending recurring rules", counts={"posts": 0})
    done: set[str] = set()
    while True:
        with resources.store.read() as session:
            due = list_due_rules(session, before=until - STEP, limit=BATCH + len(done))
        waiting = [one for one in due if one not in done]
        if not waiting:
            return report
        for recurrence_id in waiting:
            done.add(recurrence_id)
            try:
                with resources.store.write() as session:
                    made = extend_rule(session, recurrence_id, until=until, now=now)
            except Exception as error:
                logger.exception("the rule %s could not be extended", recurrence_id)
                report.failures[recurrence_id] = f"{type(error).__name__}: see the log"
            else:
                report.add(posts=len(made))
        report.accounts = len(done)
