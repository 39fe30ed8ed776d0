"""Run one publisher as a process: `python -m flows.publishing`.

`socialflow up` runs two of them; on other machines any service manager can. It does not need Prefect, runs
for hours, shuts down cleanly on SIGTERM or SIGINT, and must be restarted whenever it exits.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from connectors.logs import configure_logs
from connectors.printable import printable
from connectors.settings import explain_settings
from flows.publishing.service import publish_for
from flows.resources import open_resources
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from flows.publishing.publisher import Publisher

HOURS = 12.0
"""Lifetime of the process: restarting now and then bounds memory leaks."""
SPREAD = 0.2
"""Random variation of the lifetime, as a share, so that two publishers never exit together."""


def main() -> int:
    """Publish until stopped, or until the lifetime is over (exit code 0 in both cases)."""
    parser = argparse.ArgumentParser(prog="python -m flows.publishing", description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help="how long to live, about (default: 12)")
    parser.add_argument(
        "--ready-file", type=Path, help="file that gets this process's id once it is awake and can publish"
    )
    arguments = parser.parse_args()
    configure_logs()
    spread = random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 (spreads restarts, guards nothing)
    try:
        asyncio.run(_publish(timedelta(hours=arguments.hours * spread), arguments.ready_file))
    except (WarehouseError, ValidationError) as error:
        reason = error.message if isinstance(error, WarehouseError) else explain_settings(error)
        sys.stderr.write(f"{printable(reason)}\n")
        return 1
    return 0


async def _publish(duration: timedelta, ready_file: Path | None) -> None:
    def tell() -> None:
        if ready_file is not None:
            ready_file.write_text(str(os.getpid()))

    async with open_resources() as (resources, pool):
        await publish_for(resources, pool, duration, on_awake=tell, on_start=_stop_on_signal)


def _stop_on_signal(publisher: Publisher) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(publisher.stop))


if __name__ == "__main__":
    sys.exit(main())
