"""Wait for a child of the launcher to become ready, as long as it lives and makes progress."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.errors import ChildStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_RESTARTS = 3
"""A child that was restarted this often without becoming ready has failed."""
STUCK_SECONDS = 120.0
"""A child that is not ready and used no CPU for this long is stuck."""
LONGEST_SECONDS = 1800.0
"""Upper limit of the wait, for systems that do not report a process's CPU time."""


class ChildStart:
    """Decides between two readiness checks, from the launcher's state file, whether to keep waiting."""

    def __init__(
        self,
        processes: Path,
        names: Sequence[str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        read_cpu: Callable[[int], float | None] | None = None,
    ) -> None:
        """`names`: children of which one must be ready. `monotonic` and `read_cpu` are for tests."""
        self._processes = processes
        self._names = names
        self._monotonic = monotonic
        self._read_cpu = read_cpu or read_cpu_seconds
        self._began = self._moved = monotonic()
        self._seen: dict[str, tuple[int | None, float | None]] = dict.fromkeys(names, (None, None))

    def check(self) -> None:
        """Raise ChildStartError if none of the children will become ready."""
        now = self._monotonic()
        noted = self._read_noted()
        pids: dict[str, int] = noted.get("pids", {})
        restarts: dict[str, int] = noted.get("restarts", {})
        if all(restarts.get(name, 0) >= MOST_RESTARTS for name in self._names):
            self._fail(f"ended {MOST_RESTARTS} times without being ready")
        for name in self._names:
            pid = pids.get(name)
            seen = (pid, self._read_cpu(pid) if pid else None)
            # Where CPU time cannot be read, being alive is enough.
            if seen != self._seen.get(name) or (pid and seen[1] is None):
                self._seen[name] = seen
                self._moved = now
        if now - self._moved > STUCK_SECONDS:
            self._fail(f"is not ready and has done nothing for {STUCK_SECONDS:.0f} s")
        if now - self._began > LONGEST_SECONDS:
            self._fail(f"is not ready after {LONGEST_SECONDS / 60:.0f} min")

    def _read_noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads(self._processes.read_text())
        except (OSError, ValueError):
            return {}  # the launcher is about to write the file
        return noted

    def _fail(self, what: str) -> None:
        logs = self._processes.parent / "logs"
        names = " or ".join(self._names)
        raise ChildStartError(
            f"{names} {what}: see {' and '.join(f'{logs / name}.log' for name in self._names)}"
        )


def read_cpu_seconds(pid: int) -> float | None:
    """Return the CPU seconds of a process; None if the system has no /proc or the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
