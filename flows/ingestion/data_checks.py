"""Add the findings of the data checks to the run's report, artifact and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from flows.resources import Resources
    from flows.run_report import RunReport


def note_findings(resources: Resources, run_id: str, report: RunReport) -> None:
    """Add the findings of the run's loads to its report."""
    from warehouse.lake.quality import list_findings  # noqa: PLC0415 (see flows.resources)

    report.findings = list_findings(resources.lake, run_id)


def note_silence(resources: Resources, run_id: str, now: datetime) -> None:
    """Check for accounts without data for too long."""
    from warehouse.lake.quality import check_silence  # noqa: PLC0415 (see flows.resources)

    check_silence(resources.lake, run_id, now, resources.flows.silent_after)
