"""Errors of flows, named by what the caller should do.

FlowError
|-- PublishingBehindError posts are late or unresolved: the message counts them and says where to look
|-- OddAnswerError        a platform's response could not be stored: the message says which
|-- DoubtfulDataError     metrics that cannot be true were received and stored: look at quality.findings
|-- PartlyFailedError     some accounts failed, the others are done: look at the reasons, run again
|-- NotConnectedError     an account was not connected in the browser: the message says why, start again
|-- ChildStartError       a child process of the launcher does not become ready: look at its log
|-- FlowBusyError         another process runs this flow: the message says which
'-- DemoError             a step of the demo failed: the message says which

SetupError (of the warehouse: one sentence, exit 1)
|-- PortInUseError        another program listens on the port: stop it, or choose another port
'-- AlreadyRunningError   `socialflow up` already runs on this home
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.store.leases.flow_leases import LeaseHolder


_SHOWN = 3
"""Number of problems listed in a message."""


class FlowError(Exception):
    """Base of the errors of flows."""


class NotConnectedError(FlowError):
    """The user did not return from the platform in time, or the connection was refused there or here."""


class PartlyFailedError(FlowError):
    """Some accounts failed; `failures` holds the reason for each of them, `of` the number of accounts."""

    def __init__(self, what: str, failures: Mapping[str, str], *, of: int) -> None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(failures.items()))
        super().__init__(f"{what} failed for {len(failures)} of {of} accounts: {reasons}")
        self.what, self.failures, self.of = what, dict(failures), of

    def __reduce__(self) -> tuple[Any, ...]:
        """Prefect pickles the error of a run: rebuild it from its parts, not from its message."""
        return _rebuild_partly_failed, (self.what, self.failures, self.of)


def _rebuild_partly_failed(what: str, failures: dict[str, str], of: int) -> PartlyFailedError:
    return PartlyFailedError(what, failures, of=of)


class OddAnswerError(FlowError):
    """A platform returned data that could not be stored; everything else is stored."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        self.message = f"invalid responses were skipped: {'; '.join(problems[:_SHOWN])}{more}"
        super().__init__(self.message)
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild it from its parts."""
        return type(self), (self.problems,)


class DoubtfulDataError(FlowError):
    """The data of a run is in the lake, but a check found values that cannot be true."""

    def __init__(self, what: str, failed: Mapping[str, int]) -> None:
        found = ", ".join(f"{count} x {name}" for name, count in sorted(failed.items()))
        super().__init__(
            f"{what} returned impossible values ({found}), which are stored: see quality.findings"
        )
        self.what, self.failed = what, dict(failed)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild it from its parts."""
        return type(self), (self.what, self.failed)


class PublishingBehindError(FlowError):
    """Posts are late or unresolved although the publisher did what it could."""


class FlowBusyError(FlowError):
    """Another process runs this flow: a second run has nothing to do."""

    def __init__(self, flow: str, holder: LeaseHolder) -> None:
        super().__init__(
            f"{flow} is already running: {holder.owner}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.flow = flow
        self.holder = holder

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild it from its parts."""
        return type(self), (self.flow, self.holder)

    def as_dict(self) -> dict[str, str]:
        """Return the result of a run that had nothing to do."""
        return {"skipped": str(self)}


class DemoError(FlowError):
    """A step of the demo failed."""


class PortInUseError(SetupError):
    """Another program listens on a port that is needed."""

    def __init__(self, part: str, host: str, port: int, setting: str) -> None:
        super().__init__(
            f"port {port} on {host} is in use, so the {part} cannot start: stop the program that uses it, "
            f"or set {setting} to a free port"
        )
        self._parts = (part, host, port, setting)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild it from its parts."""
        return type(self), self._parts


class AlreadyRunningError(SetupError):
    """Another launcher already runs on this home."""


class ChildStartError(FlowError):
    """A child process of the launcher does not become ready."""
