"""Paginated lists of an account: its media and the comments on a medium, matched with a publication.

Source: meta/IGUserForIGOnlyAPI.json (edge media), meta/IGMediaForIGOnlyAPI.json (edge comments),
meta/IGComment.json.
"""

from datetime import datetime
from typing import Any

from connectors.base import PublishRequest
from connectors.candidates import Candidate, window_start
from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.instagram.capabilities import LABEL, VERSION
from connectors.instagram.media import parse_candidate, parse_comments, parse_page
from connectors.instagram.options import InstagramOptions
from connectors.meta.api import parse_time
from connectors.parts import SentPart

_PAGE = 100
_COMMENTS = 50  # the maximum page size of comments
_POST_FIELDS = "id,caption,media_type,media_product_type,permalink,timestamp,children"


async def list_page(
    api: PlatformApi,
    user_id: str,
    since: datetime,
    cursor: str | None,
    odd: list[str] | None = None,
    *,
    edge: str = "media",
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of the account's media, newest first, and the cursor of the next page; None = the end.

    `odd`: see `connectors.listings.read_items`.
    `edge`: "stories" for those of the last 24 hours, which are not among the media.
    """
    params = {"fields": _POST_FIELDS, "limit": str(_PAGE), "since": str(int(since.timestamp()))}
    if cursor:
        params["after"] = cursor
    items, following = await api.read(
        f"{VERSION}/{user_id}/{edge}", lambda body: parse_page(body, odd), params=params
    )
    _check_cursor(cursor, following)
    return items, following


async def list_candidates(api: PlatformApi, user_id: str, request: PublishRequest) -> list[Candidate]:
    """Return what the account published since the first attempt."""
    since, cursor = window_start(request), None
    edge = "stories" if InstagramOptions.of(request.content).kind == "story" else "media"
    found: list[Candidate] = []
    while True:
        items, cursor = await list_page(api, user_id, since, cursor, edge=edge)
        found += [parse_candidate(item) for item in items if parse_time(item["timestamp"]) >= since]
        if cursor is None or (items and parse_time(items[-1]["timestamp"]) < since):
            return found


async def list_comments(api: PlatformApi, username: str | None, media_id: str) -> list[Candidate]:
    """Return the account's own comments on a post, however many others commented since."""
    mine, cursor = (username or "").lstrip("@").lower(), None
    own: list[Candidate] = []
    while True:
        params = {"fields": "id,text,timestamp,username", "limit": str(_COMMENTS)}
        if cursor:
            params["after"] = cursor
        comments, following = await api.read(f"{VERSION}/{media_id}/comments", parse_comments, params=params)
        for comment in comments:
            author = str(comment.get("username") or mine).lower()
            if not mine or author == mine:
                sent = SentPart(comment["id"], None, parse_time(comment["timestamp"]))
                own.append(Candidate(sent, comment["text"]))
        if following is None:
            return own
        _check_cursor(cursor, following)
        cursor = following


def _check_cursor(cursor: str | None, following: str | None) -> None:
    if following is not None and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
