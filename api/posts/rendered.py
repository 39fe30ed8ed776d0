"""Lists of posts as JSON, each post rendered once as long as nothing about it changes.

A commit to one post leaves the others rendered. What is kept is found by the values it was rendered from, so it cannot
be out of date.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson

from api.posts.views import render_post
from warehouse.store.posts.list_rows import load_raw_post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.http.renderings import Renderings
    from warehouse.store.posts.list_rows import RawPost


def render_page(
    kept: Renderings, posts: Sequence[RawPost], *, has_more: bool, next_cursor: str | None, dialect: str
) -> bytes:
    """Return the body of a list, byte for byte what `Page[PostOut]` would be. `dialect`: of the store."""

    def render(post: RawPost) -> bytes:
        return render_post(*load_raw_post(post, dialect)).model_dump_json().encode()

    entries = b",".join([kept.get_or_make(post, partial(render, post)) for post in posts])
    more = b"true" if has_more else b"false"
    return b'{"data":[%b],"has_more":%b,"next_cursor":%b}' % (entries, more, orjson.dumps(next_cursor))
