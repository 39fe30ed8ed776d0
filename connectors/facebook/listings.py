"""Paginated lists of a Page: its posts, its videos, and the comments on a post.

Sources: meta/Page.json (edges published_posts, videos), meta/PagePost.json (edge comments).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from connectors.candidates import Candidate
from connectors.errors import UnavailableError
from connectors.facebook.capabilities import LABEL, VERSION
from connectors.facebook.posts import parse_listing
from connectors.http.client import PlatformApi
from connectors.meta.api import parse_time
from connectors.parts import SentPart
from connectors.types import Media

_PAGE = 100
_COMMENT_FIELDS = "id,message,from,created_time,attachment"


async def list_page(
    api: PlatformApi,
    edge: str,
    fields: str,
    cursor: str | None,
    *,
    more: Mapping[str, str] | None = None,
    odd: list[str] | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of `edge` (11/videos, 11_22/comments) and the cursor of the next page; None = the end.

    `odd`: see `connectors.listings.read_items`.
    """
    params = {"fields": fields, "limit": str(_PAGE), **(more or {}), **({"after": cursor} if cursor else {})}
    items, following = await api.read(
        f"{VERSION}/{edge}", lambda body: parse_listing(body, odd), params=params
    )
    if following is not None and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
    return items, following


async def list_since(
    api: PlatformApi, edge: str, fields: str, since: datetime, **more: str
) -> AsyncIterator[dict[str, Any]]:
    """Yield the items created since that time, from a list sorted newest first."""
    cursor: str | None = None
    while True:
        items, cursor = await list_page(api, edge, fields, cursor, more=more)
        for item in items:
            if parse_time(item["created_time"]) >= since:
                yield item
        if cursor is None or (items and parse_time(items[-1]["created_time"]) < since):
            return


async def list_comments(api: PlatformApi, page_id: str, post_id: str) -> list[Candidate]:
    """Return the Page's own comments on a post, however many others commented since.

    Facebook returns the author of the Page's own comments and withholds the names of other people.
    """
    order, own, cursor = {"filter": "stream", "order": "reverse_chronological"}, [], None
    while True:
        comments, cursor = await list_page(api, f"{post_id}/comments", _COMMENT_FIELDS, cursor, more=order)
        for comment in comments:
            if (comment.get("from") or {}).get("id") in {None, page_id}:
                sent = SentPart(comment["id"], None, parse_time(comment["created_time"]))
                own.append(Candidate(sent, comment.get("message") or "", partial(_shows, comment)))
        if cursor is None:
            return own


def _shows(comment: Mapping[str, Any], media: Sequence[Media]) -> bool:
    """Return whether a comment has a photo if and only if ours has one. A link's preview is an attachment as well."""
    kind = str((comment.get("attachment") or {}).get("type") or "")
    return kind.startswith("photo") == bool(media)
