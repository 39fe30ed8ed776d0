"""Report of one run per account: a failed account does not stop the others, but the run fails at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flows.errors import DoubtfulDataError, PartlyFailedError

if TYPE_CHECKING:
    from datetime import datetime


Ending = Literal["done", "failed", "waiting", "elsewhere"]
"""How the work for one account ended. elsewhere: another run had it."""


@dataclass(slots=True)
class RunReport:
    """Counts and errors of one run. `as_dict` is what a flow returns and `socialflow run` prints."""

    what: str
    """Start of a message: "reading metrics"."""
    accounts: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """Account ("twitter @ada (acct_...)") -> why it failed."""
    deferred: dict[str, str] = field(default_factory=dict)
    """Account or platform -> why its remaining work waits: rate limited, or a read budget is used up."""
    by_account: dict[str, Ending] = field(default_factory=dict)
    """How the work for each account ended."""
    snapshot_id: int | None = None
    """The lake's snapshot after the run's last load; None = it loaded nothing."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """Findings of the checks of the loaded data: {check_name, severity, findings, accounts}."""

    def add(self, **counts: int) -> None:
        """Add to the counts."""
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def note(self, account: str, ending: Ending) -> None:
        """Record how the work for this account ended."""
        self.by_account[account] = ending

    def defer(self, account: str, reason: str, until: datetime | None) -> None:
        """Record that the platform asked to wait for this account."""
        self.deferred[account] = (
            reason if until is None else f"{reason} (until {until:%Y-%m-%d %H:%M:%S} UTC)"
        )

    def raise_if_failed(self) -> None:
        """Raise PartlyFailedError if an account failed, so that the run is marked as failed."""
        if self.failures:
            raise PartlyFailedError(self.what, self.failures, of=self.accounts)

    def raise_if_doubtful(self) -> None:
        """Raise DoubtfulDataError if a check found impossible values: the data is kept, the run is marked."""
        failed = {row["check_name"]: row["findings"] for row in self.findings if row["severity"] == "failed"}
        if failed:
            raise DoubtfulDataError(self.what, failed)

    @property
    def elsewhere(self) -> dict[str, str]:
        """Accounts that were left to another run, by id."""
        words = "another run works on it"
        return {account: words for account, ending in self.by_account.items() if ending == "elsewhere"}

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            **({"elsewhere": self.elsewhere} if self.elsewhere else {}),
            "accounts": self.accounts,
            **self.counts,
            "failures": dict(self.failures),
            "deferred": dict(self.deferred),
            "findings": {
                f"{row['check_name']} ({row['severity']})": f"{row['findings']} on {row['accounts']} accounts"
                for row in self.findings
            },
        }
