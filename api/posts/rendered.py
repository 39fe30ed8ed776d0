"""Lists of posts as JSON, each post rendered once as long as nothing about it changes.

A commit to one post leaves the others rendered. What is kept is found by the state it was rendered from, so it cannot
be out of date.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import orjson

from api.posts.views import render_post
from warehouse.store.posts.list_rows import find_pages, load_raw_post, read_raw_posts

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from api.http.renderings import Renderings
    from warehouse.store.database import Connection, Store
    from warehouse.store.posts.list_rows import PageQuestion, RawPost

_ATTEMPTS = 3
_STAMPS_LAST_S = 3600
"""PostgreSQL gives the same transaction id again after four billion others: no server has so many in an hour."""


class RenderedPage(NamedTuple):
    """A page of posts."""

    entries: bytes
    """The posts as JSON, separated by commas."""
    last_id: str | None
    """None = the page is empty."""
    has_more: bool

    def body(self, next_cursor: str | None) -> bytes:
        """Return the body of the list, byte for byte what `Page[PostOut]` would be."""
        more = b"true" if self.has_more else b"false"
        return b'{"data":[%b],"has_more":%b,"next_cursor":%b}' % (
            self.entries,
            more,
            orjson.dumps(next_cursor),
        )


def render_pages(store: Store, kept: Renderings, questions: Sequence[PageQuestion]) -> list[RenderedPage]:
    """Return several pages, read together."""
    for _ in range(_ATTEMPTS):
        with store.read_statements() as connection:
            pages = _render_pages(connection, kept, questions)
        if pages is not None:
            return pages
    # Posts change faster than they can be read after they were found: find and read them in one transaction.
    with store.read_statements(one_state=True) as connection:
        pages = _render_pages(connection, kept, questions)
    if pages is None:
        raise RuntimeError("one state of the store has two stamps of a post")
    return pages


def _render_pages(
    connection: Connection, kept: Renderings, questions: Sequence[PageQuestion]
) -> list[RenderedPage] | None:
    """Return the pages; None = a post changed between the statements."""
    found = find_pages(connection, questions)
    if found.is_torn:
        return None
    wanted = dict.fromkeys(post_id for page in found.pages for post_id in page.ids)
    dialect = connection.dialect.name
    if found.stamps is None:
        raw = read_raw_posts(connection, list(wanted))
        entries = {post_id: _find_or_render(kept, post, post, dialect) for post_id, post in raw.items()}
    else:
        hour = int(time.monotonic() / _STAMPS_LAST_S)
        keys = {post_id: (post_id, found.stamps[post_id], hour) for post_id in wanted}
        known = {post_id: kept.find(key) for post_id, key in keys.items()}
        raw = read_raw_posts(
            connection, [post_id for post_id, rendering in known.items() if rendering is None]
        )
        entries = {post_id: rendering for post_id, rendering in known.items() if rendering is not None}
        for post_id, post in raw.items():
            if post.stamp != found.stamps[post_id]:
                return None
            entries[post_id] = _find_or_render(kept, keys[post_id], post, dialect)
    if len(entries) < len(wanted):
        return None
    return [
        RenderedPage(
            b",".join([entries[post_id] for post_id in page.ids]),
            page.ids[-1] if page.ids else None,
            page.has_more,
        )
        for page in found.pages
    ]


def _find_or_render(kept: Renderings, key: Hashable, post: RawPost, dialect: str) -> bytes:
    known = kept.find(key)
    if known is None:
        known = render_post(*load_raw_post(post, dialect)).model_dump_json().encode()
        kept.keep(key, known)
    return known
