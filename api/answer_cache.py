"""Answers made from the lake, kept while the lake has not changed."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_ANSWERS = 512


class AnswerCache:
    """The latest answers by their ETag, which names the lake's snapshot; safe to share between threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, etag: str) -> bytes | None:
        """Return the answer, or None where it has to be made."""
        with self._lock:
            body = self._answers.get(etag)
            if body is not None:
                self._answers.move_to_end(etag)
            return body

    def put(self, etag: str, body: bytes) -> None:
        """Keep the answer; the one unused for longest makes room."""
        with self._lock:
            self._answers[etag] = body
            self._answers.move_to_end(etag)
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
