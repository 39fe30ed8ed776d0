"""Ends the launcher's children when the launcher itself was killed and could not.

Runs as a process of its own, with nothing but the standard library (`python -I -S guard.py`). Its standard input is
a pipe whose other end only the launcher holds: a line per process group that was started ("+123") or is over
("-123"), "bye" at an orderly end. When the pipe closes without "bye", every group left is asked to end and,
five seconds later, killed. Whole groups, because a runner's flow runs are processes too.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def watch() -> None:
    """Read until the launcher is gone, then end what it left behind."""
    # Ctrl-C is for the launcher, which then ends its children in order.
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
    """Ask, wait, kill."""
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Signal a whole group; False = nothing of it is left."""
    if sys.platform == "win32":
        return False
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group that holds only zombies
        return False
    return True


if __name__ == "__main__":
    watch()
