"""Stop the launcher's children when the launcher itself was killed and could not.

Runs as a separate process with only the standard library (`python -I -S guard.py`). Its standard input is a
pipe whose other end only the launcher holds. Each line is a process group that was started ("+123") or has
ended ("-123"), or "bye" at a clean shutdown. When the pipe closes without "bye", every remaining group gets
SIGTERM and, five seconds later, SIGKILL. Groups rather than processes, because a runner's flow runs are
processes too.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def watch() -> None:
    """Read until the launcher is gone, then stop its remaining children."""
    # Ctrl-C is handled by the launcher, which then stops its children in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "bye":
            return
        if word.startswith("+"):
            groups.add(int(word[1:]))
        elif word.startswith("-"):
            groups.discard(int(word[1:]))
    end_groups(groups)


def end_groups(groups: set[int]) -> None:
    """Terminate, wait, kill."""
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; False = it no longer exists."""
    if sys.platform == "win32":
        return False
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS raises this for a group of zombies only
        return False
    return True


if __name__ == "__main__":
    watch()
