"""Run the model's batches of accounts in threads. NumPy releases the GIL while it computes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Batch = TypeVar("Batch")

_MAX_THREADS = 4  # each holds the arrays of one batch, about 100 MB


def map_batches(work: Callable[[Batch], None], batches: Iterable[Batch]) -> None:
    """Run `work` on every batch, several in parallel; each writes its own rows, so the order does not matter."""
    waiting = list(batches)
    threads = min(_MAX_THREADS, os.cpu_count() or 1, len(waiting))
    if threads < 2:
        for batch in waiting:
            work(batch)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="timing") as pool:
        for done in [pool.submit(work, batch) for batch in waiting]:
            done.result()
