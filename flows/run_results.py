"""Typed result of a flow run, which Prefect keeps and other flows read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from flows.errors import FlowBusyError
    from flows.run_report import RunReport


MOST_NAMED = 1_000
"""Accounts that a result names: those that are not done first."""


class RunResult(BaseModel):
    """What a run did. JSON values only, no credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: str
    outcome: Literal["completed", "partly_failed", "skipped"] = "completed"
    """partly_failed: some accounts failed, the others are done. skipped: another process runs the flow."""
    accounts: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    failures: dict[str, str] = Field(default_factory=dict)
    """Account -> reason."""
    deferred: dict[str, str] = Field(default_factory=dict)
    """Account or platform -> why its remaining work waits."""
    by_account: dict[str, Literal["done", "failed", "waiting", "elsewhere"]] = Field(default_factory=dict)
    """How the work for each account ended, those not done first; at most 1,000. elsewhere: another run had it."""
    findings: list[dict[str, Any]] = Field(default_factory=list)
    """Findings of the data checks: {check_name, severity, findings, accounts}."""
    dry_run: bool = False
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The parameters that were given."""
    snapshot_id: int | None = None
    """The lake's snapshot that contains what the run loaded; None = it loaded nothing."""
    reason: str | None = None
    """Why the run was skipped."""

    @property
    def summary(self) -> str:
        """The outcome in a few words, for the run's name."""
        if self.outcome == "skipped":
            return "skipped"
        words = [f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items() if count]
        words.append(f"{self.accounts} account{'' if self.accounts == 1 else 's'}")
        if self.failures:
            words.append(f"{len(self.failures)} failed")
        return f"{'dry run: ' if self.dry_run else ''}{', '.join(words)}"


def result_of(flow: str, report: RunReport, parameters: dict[str, Any], snapshot_id: int | None) -> RunResult:
    """Return the result of a run from its report."""
    return RunResult(
        flow=flow,
        outcome="partly_failed" if report.failures else "completed",
        accounts=report.accounts,
        counts=dict(report.counts),
        failures=dict(report.failures),
        deferred=dict(report.deferred),
        by_account=dict(sorted(report.by_account.items(), key=_done_last)[:MOST_NAMED]),
        findings=list(report.findings),
        dry_run=bool(parameters.get("dry_run")),
        parameters=parameters,
        snapshot_id=snapshot_id,
    )


def _done_last(item: tuple[str, str]) -> tuple[bool, str]:
    return item[1] == "done", item[0]


def result_of_skipped(busy: FlowBusyError) -> RunResult:
    """Return the result of a run that had nothing to do."""
    return RunResult(flow=busy.flow, outcome="skipped", reason=str(busy))
