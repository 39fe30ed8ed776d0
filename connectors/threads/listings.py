"""Paginated lists of a profile: its posts and its replies, matched with a publication.

Source: threads/*.json ("Get a List of All a User's Threads", "Get a List of All a User's Replies").
"""

from datetime import datetime
from typing import Any

from connectors.candidates import Candidate, window_start
from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.meta.api import parse_time
from connectors.parts import Part, Progress
from connectors.threads.capabilities import LABEL, VERSION
from connectors.threads.posts import POST_FIELDS, REPLY_FIELDS, answers, parse_candidate, parse_page

_PAGE = 100


async def list_page(
    api: PlatformApi,
    edge: str,
    fields: str,
    since: datetime,
    cursor: str | None,
    *,
    odd: list[str] | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Read a page of `edge` (threads or replies), newest first, and the next cursor; None = the end.

    `odd`: see `connectors.listings.read_items`.
    """
    params = {"fields": fields, "limit": str(_PAGE), "since": str(int(since.timestamp()))}
    if cursor:
        params["after"] = cursor
    items, following = await api.read(
        f"{VERSION}/me/{edge}", lambda body: parse_page(body, odd), params=params
    )
    if following is not None and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
    return items, following


async def list_candidates(api: PlatformApi, part: Part, progress: Progress) -> list[Candidate]:
    """Return the account's posts at this part's position since the first attempt."""
    parent = progress.parent_of(part)
    edge, fields = ("threads", POST_FIELDS) if parent is None else ("replies", REPLY_FIELDS)
    since, cursor = window_start(progress.request), None
    found: list[Candidate] = []
    while True:
        items, cursor = await list_page(api, edge, fields, since, cursor)
        found += [
            parse_candidate(item)
            for item in items
            if parse_time(item["timestamp"]) >= since and answers(item, parent)
        ]
        if cursor is None or (items and parse_time(items[-1]["timestamp"]) < since):
            return found
