"""Posts of lists as JSON, kept as long as nothing about them changes.

A commit to one post leaves the others rendered. What is kept is found by the values it was rendered from, so it cannot
be out of date.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import orjson

from api.posts.views import render_post
from warehouse.store.posts.list_rows import load_raw_post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.posts.list_rows import RawPost

_MOST_BYTES = 16_000_000
"""Of rendered posts; the values they were rendered from take about as much again."""


class RenderedPosts:
    """Rendered posts of one store. Thread-safe."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[RawPost, bytes] = OrderedDict()
        self._bytes = 0
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def render_page(
        self, posts: Sequence[RawPost], *, has_more: bool, next_cursor: str | None, dialect: str
    ) -> bytes:
        """Return the body of a list, byte for byte what `Page[PostOut]` would be."""
        entries = b",".join([self._render(post, dialect) for post in posts])
        cursor = orjson.dumps(next_cursor)
        more = b"true" if has_more else b"false"
        return b'{"data":[%b],"has_more":%b,"next_cursor":%b}' % (entries, more, cursor)

    def _render(self, post: RawPost, dialect: str) -> bytes:
        with self._lock:
            known = self._kept.get(post)
            if known is not None:
                self._kept.move_to_end(post)
                return known
        made = render_post(*load_raw_post(post, dialect)).model_dump_json().encode()
        with self._lock:
            if post not in self._kept:
                self._kept[post] = made
                self._bytes += len(made)
            while self._bytes > self._most_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
        return made
