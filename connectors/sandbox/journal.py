"""Published posts on disk: a sandbox that is killed and restarted still has every post that it accepted.

One JSON object per line, written before the response is sent. A line truncated by a crash is the last one and
is skipped on reading: its post was never confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Journal:
    """An append-only file of events."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        if self._file.tell() and not path.read_bytes().endswith(b"\n"):
            # Terminates a line truncated by a crash, so that the next one is complete.
            self._file.write(b"\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the events so far, oldest first."""
        with self._path.open("rb") as lines:
            for line in lines:
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue

    def append(self, event: dict[str, object]) -> None:
        """Pass the event to the operating system, where it outlives this process."""
        self._file.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
