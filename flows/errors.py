"""What can go wrong in running SocialFlow, named by what the caller should do.

FlowError
|-- PublishingBehindError posts are late or unresolved: the message counts them and says where to look
|-- OddAnswerError        a platform's answer could not be kept: the message says which
|-- DoubtfulDataError     numbers came that cannot be true; they are kept: look at quality.findings
|-- PartlyFailedError     some accounts failed, the others are done: look at the reasons, run again
|-- NotConnectedError     an account was not connected by browser: the message says why, begin again
|-- ChildStartError       a child of the launcher does not become ready: look at its log
|-- FlowBusyError         another process runs this flow: the message says which
'-- DemoError             the demo did not show what it must: the message says which step

SetupError (of the warehouse: one sentence, exit 1)
|-- PortInUseError        another program listens there: stop it, or choose another port
'-- AlreadyRunningError   `socialflow up` runs on this home
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.store.leases.flow_leases import LeaseHolder


_SHOWN = 3
"""Odd answers that a message tells in full."""


class FlowError(Exception):
    """Base of the errors of flows."""


class NotConnectedError(FlowError):
    """Nobody came back from the platform in time, or it was refused there or here."""


class PartlyFailedError(FlowError):
    """A run did what it could; `failures` holds the reason for each account that it could not serve."""

    def __init__(self, what: str, failures: Mapping[str, str], *, of: int) -> None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(failures.items()))
        super().__init__(f"{what} failed for {len(failures)} of {of} accounts: {reasons}")
        self.failures = dict(failures)


class OddAnswerError(FlowError):
    """A platform gave answers that could not be kept; all others are kept."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        self.message = f"odd answers were left out: {'; '.join(problems[:_SHOWN])}{more}"
        super().__init__(self.message)


class DoubtfulDataError(FlowError):
    """A run's data is in the lake, and a check found what cannot be true in it."""

    def __init__(self, what: str, failed: Mapping[str, int]) -> None:
        found = ", ".join(f"{count} x {name}" for name, count in sorted(failed.items()))
        super().__init__(
            f"{what} brought numbers that cannot be true ({found}); they are kept: see quality.findings"
        )


class PublishingBehindError(FlowError):
    """The publisher did what it could, and still something is not as it should be."""


class FlowBusyError(FlowError):
    """Another process runs this flow: a second run has nothing to do."""

    def __init__(self, flow: str, holder: LeaseHolder) -> None:
        super().__init__(
            f"{flow} is already running: {holder.owner}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.flow = flow
        self.holder = holder

    def as_dict(self) -> dict[str, str]:
        """Return the result of a run that had nothing to do."""
        return {"skipped": str(self)}


class DemoError(FlowError):
    """A step of the demo did not come about."""


class PortInUseError(SetupError):
    """Another program listens on a port that we need."""

    def __init__(self, part: str, host: str, port: int, setting: str) -> None:
        super().__init__(
            f"port {port} on {host} is in use, so the {part} cannot start: stop what listens there, "
            f"or set {setting} to a free port"
        )


class AlreadyRunningError(SetupError):
    """One home, one launcher."""


class ChildStartError(FlowError):
    """A child of the launcher does not become ready."""
