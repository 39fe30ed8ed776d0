"""Answers made from the lake, kept while the lake has not changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_ANSWERS = 512
_MOST_BYTES = 16_000_000


class AnswerCache:
    """The latest answers by their ETag, which names the lake's snapshot; safe to share between threads.

    An answer that several ask for at once is made once: after a commit, every dashboard asks the same.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._making: dict[str, Future[bytes]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get_or_make(self, etag: str, make: Callable[[], bytes]) -> bytes:
        """Return the answer; `make` makes it where it is not known. What `make` raises, all who wait for it get."""
        with self._lock:
            body = self._answers.get(etag)
            if body is not None:
                self._answers.move_to_end(etag)
                return body
            running = self._making.get(etag)
            if running is None:
                mine = self._making[etag] = Future[bytes]()
        if running is not None:
            return running.result()
        try:
            body = make()
        except BaseException as error:
            with self._lock:
                del self._making[etag]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[etag]
            self._put(etag, body)
        mine.set_result(body)
        return body

    def _put(self, etag: str, body: bytes) -> None:
        """Keep the answer; those unused for longest make room."""
        self._answers[etag] = body
        self._bytes += len(body)
        while len(self._answers) > _MOST_ANSWERS or self._bytes > _MOST_BYTES:
            _, dropped = self._answers.popitem(last=False)
            self._bytes -= len(dropped)
