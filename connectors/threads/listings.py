"""A profile's own lists, page by page: its posts and its replies; and which of them is a part of ours.

Source: threads/*.json ("Get a List of All a User's Threads", "Get a List of All a User's Replies").
"""

from datetime import datetime, timedelta
from typing import Any

from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.meta.api import parse_time
from connectors.parts import Part, Progress, SentPart
from connectors.threads.capabilities import LABEL, VERSION
from connectors.threads.posts import POST_FIELDS, REPLY_FIELDS, parse_page, parse_sent, says

_PAGE = 100
_CLOCK_MARGIN = timedelta(seconds=10)


async def list_page(
    api: PlatformApi, edge: str, fields: str, since: datetime, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of `edge` (threads or replies), newest first, and the cursor of the next; None = the end."""
    params = {"fields": fields, "limit": str(_PAGE), "since": str(int(since.timestamp()))}
    if cursor:
        params["after"] = cursor
    items, following = await api.read(f"{VERSION}/me/{edge}", parse_page, params=params)
    if following is not None and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
    return items, following


async def find_post(api: PlatformApi, part: Part, progress: Progress) -> SentPart | None:
    """Return this part among what the account posted since the first attempt; None = it is not there."""
    request, parent = progress.request, progress.parent_of(part)
    reply_to = parent.id if parent else None
    edge, fields = ("threads", POST_FIELDS) if parent is None else ("replies", REPLY_FIELDS)
    kind = request.content.kind if parent is None else "text"
    taken = request.taken | {sent.id for sent in progress.sent}
    since, cursor = request.first_attempt_at - _CLOCK_MARGIN, None
    while True:
        items, cursor = await list_page(api, edge, fields, since, cursor)
        for item in items:
            if parse_time(item["timestamp"]) < since or item["id"] in taken:
                continue
            if says(item, part.text, kind=kind, reply_to=reply_to):
                return parse_sent(item)
        if cursor is None or (items and parse_time(items[-1]["timestamp"]) < since):
            return None
