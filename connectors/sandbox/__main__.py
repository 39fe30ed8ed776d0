"""`python -m connectors.sandbox`: run the simulated platforms alone, for use with any client."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

import uvicorn

from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.settings import SandboxSettings
from connectors.sandbox.world import SandboxWorld


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run until interrupted, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--seed", type=int, default=7, help="the same seed tells the same world")
    parser.add_argument("--history-days", type=int, default=182)
    parser.add_argument("--accounts-per-platform", type=int, default=1)
    parser.add_argument(
        "--enforce-rate-limits", action="store_true", help="answer 429 at the platforms' numbers"
    )
    parser.add_argument("--journal", type=Path, help="file that keeps what went out over a restart")
    given = parser.parse_args(arguments)
    world = SandboxWorld(
        given.seed,
        history_days=given.history_days,
        accounts_per_platform=given.accounts_per_platform,
        journal=given.journal,
        settings=SandboxSettings(enforce_rate_limits=given.enforce_rate_limits),
    )
    config = uvicorn.Config(create_sandbox_app(world), log_level="warning", access_log=False)
    try:
        # Bind here rather than in the server, so that port 0 can be reported with its real number.
        listener = socket.create_server((given.host, given.port))
    except OSError as error:
        sys.stderr.write(
            f"Cannot listen on {given.host}:{given.port} ({error.strerror}): choose another --port\n"
        )
        return 1
    address = f"http://{given.host}:{listener.getsockname()[1]}"
    sys.stderr.write(
        f"Simulated platforms on {address} (what to connect with: {address}/_sandbox/accounts)\n"
    )
    sys.stderr.flush()
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
