"""Who runs an import: one process of one machine."""

from __future__ import annotations

import os
import socket
from uuid import uuid4


def name_owner() -> str:
    """Return a name for this process as the owner of leases."""
    return f"{_host()}/{os.getpid()}/{uuid4().hex[:8]}"


def is_gone(owner: str) -> bool:
    """Return whether the owner was a process of this machine that has ended, so that nobody need wait for its lease."""
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    return host == _host() and rest.isdigit() and not _is_alive(int(rest))


def _host() -> str:
    return socket.gethostname().replace("/", "-")[:40]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        return True
    return True
