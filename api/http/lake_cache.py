"""Cache of responses computed from the lake, valid for one lake snapshot."""

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
    """Recent responses by ETag, which contains the lake's snapshot id. Thread-safe.

    Concurrent requests for the same response compute it once: after a commit, every dashboard requests the
    same.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._making: dict[str, Future[bytes]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get_or_make(self, etag: str, make: Callable[[], bytes]) -> bytes:
        """Return the cached response, or compute it with `make`.

        All waiting callers get the error that `make` raises.
        """
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
        """Store the response and evict the least recently used."""
        self._answers[etag] = body
        self._bytes += len(body)
        while len(self._answers) > _MOST_ANSWERS or self._bytes > _MOST_BYTES:
            _, dropped = self._answers.popitem(last=False)
            self._bytes -= len(dropped)
