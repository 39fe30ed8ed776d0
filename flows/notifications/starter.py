"""Start a round of notifications from a publisher: ask the store once a minute whether there is something to send.

A round is a process of its own, so that no fault, wait or import of a notification can delay a post; it is killed
after `LONGEST_ROUND`. It does not need Prefect, so people are also notified when Prefect's flows are behind.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from flows.notifications.notifier import has_work
from flows.notifications.settings import read_settings
from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from flows.notifications.settings import NotifySettings
    from warehouse.store.database import Store

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
LONGEST_ROUND = timedelta(minutes=5)
LOG_EVERY = 60
"""Of consecutive failed checks, the first and then every n-th are logged."""
FLOWS_AFTER = timedelta(minutes=30)
"""How long this process must have checked without a gap before it reports a flow that is behind.

After a laptop has slept, or an installation was stopped, every flow is behind until its first run.
"""


class Watch:
    """Measures for how long checks have followed each other without a gap, by the given times."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._last: datetime | None = None

    def look(self, now: datetime) -> bool:
        """Note a check; return whether flows that are behind are reported by now."""
        if self._since is None or self._last is None or now - self._last > LOOK_EVERY * 3:
            self._since = now
        self._last = now
        return now - self._since >= FLOWS_AFTER


@asynccontextmanager
async def keep_notifying(store: Store, *, clock: Callable[[], datetime]) -> AsyncIterator[None]:
    """Check once a minute while the block runs; its end stops a round in progress. Without addresses, do nothing.

    A wrong setting of notifications is logged, and the block runs: it must not delay posts.
    """
    try:
        settings = read_settings()
    except SetupError as error:
        logger.warning("no notification is sent until the settings are correct: %s", error)
        settings = None
    if settings is None or not settings.addresses:
        yield
        return
    task = asyncio.create_task(_look_on(store, settings, clock), name="notifications")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _look_on(store: Store, settings: NotifySettings, clock: Callable[[], datetime]) -> None:
    watch = Watch()
    failures = 0
    while True:
        try:
            await look_once(store, settings, clock(), with_flows=watch.look(clock()))
            failures = 0
        except Exception:  # the store restarts, or a process cannot be started: a minute later again
            if failures % LOG_EVERY == 0:
                logger.exception("notifications could not be sent (%d times in a row)", failures + 1)
            failures += 1
        await asyncio.sleep(LOOK_EVERY.total_seconds())


async def look_once(store: Store, settings: NotifySettings, now: datetime, *, with_flows: bool) -> int | None:
    """Run a round in a process of its own if there is something to do; return its exit code, None = nothing to do.

    Raises RuntimeError: it failed, or took too long. Its own log says why.
    """
    if not await asyncio.to_thread(_ask, store, settings, now, with_flows):
        return None
    words = ["-m", "flows.notifications", *(["--with-flows"] if with_flows else [])]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=asyncio.subprocess.DEVNULL)
    try:
        code = await asyncio.wait_for(process.wait(), LONGEST_ROUND.total_seconds())
    except TimeoutError:
        raise RuntimeError(f"a round of notifications took over {LONGEST_ROUND} and was stopped") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise RuntimeError(f"a round of notifications ended with {code}: see the lines above")
    return code


def _ask(store: Store, settings: NotifySettings, now: datetime, with_flows: bool) -> bool:  # noqa: FBT001 (a thread's argument)
    with store.read() as session:
        return has_work(session, settings, now, with_flows=with_flows)
