"""Create the sign-in link that is printed when everything runs, in a separate process to keep the launcher small."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.settings import FlowSettings

_SECONDS = 60


def describe_sign_in(environment: Mapping[str, str], settings: FlowSettings, *, only_first: bool) -> str:
    """Return a sign-in link, or how to get one; with `only_first`, a link only while nobody can sign in yet."""
    first = ["--first"] if only_first else []
    link = ""
    try:
        done = subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "flows.cli", "dashboard", "--no-open", *first],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        link = done.stdout.strip() if done.returncode == 0 else ""
    except subprocess.TimeoutExpired:  # a busy machine: the command is there for later
        link = ""
    if link:
        return f"{link} (signs this machine's browser in, once, within 15 minutes)"
    return f"{settings.api_url}/dashboard (`socialflow dashboard` opens it, signed in)"
