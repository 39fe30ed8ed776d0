"""Run started imports in a thread of the API process, one after another; the next start continues them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from warehouse.store.imports.imports import next_lease_end
from warehouse.store.imports.owners import name_owner

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.media_files import MediaFiles
    from warehouse.store.database import Store

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 20.0
"""Between looks at an import that another process runs."""


class ImportRunner:
    """Runs unfinished imports. It has a thread only while there are some."""

    def __init__(self, store: Store, lake: Lake, media: MediaFiles, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._lake = lake
        self._media = media
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._asked = False

    def wake(self) -> None:
        """Run what is unfinished, in the background."""
        with self._lock:
            self._asked = True
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._work, name="imports", daemon=True)
                self._thread.start()

    def resume(self) -> None:
        """Continue what an earlier process left."""
        with self._store.read() as session:
            unfinished, _ = next_lease_end(session)
        if unfinished:
            self.wake()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs; return whether that is so. For tests."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Stop after the current batch of rows, which takes a second or two."""
        self._stopping.set()
        self.wait(60)

    def _work(self) -> None:
        from warehouse.lake.import_.jobs import StoppedError, run_next  # noqa: PLC0415 (Arrow: 40 MB)

        owner = name_owner()
        while not self._stopping.is_set():
            with self._lock:
                self._asked = False
            try:
                ran = run_next(
                    self._store,
                    self._lake,
                    self._media,
                    owner=owner,
                    clock=self._clock,
                    stop=self._stopping.is_set,
                )
            except StoppedError:
                break
            except (
                Exception
            ):  # a fault must not end the thread silently: the import stays unfinished, and is tried again
                logger.exception("an import failed unexpectedly; it is tried again in %.0f s", _WAIT_SECONDS)
                ran = None
                self._stopping.wait(_WAIT_SECONDS)
            if ran is not None:
                logger.info("finished the import %s", ran)
                continue
            with self._store.read() as session:
                unfinished, _ = next_lease_end(session)
            if unfinished:
                self._stopping.wait(_WAIT_SECONDS)
                continue
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
        with self._lock:
            self._thread = None
