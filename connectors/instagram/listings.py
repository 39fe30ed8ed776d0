"""An account's own lists, page by page: its media, and the comments below one; and which of them is ours.

Source: meta/IGUserForIGOnlyAPI.json (edge media), meta/IGMediaForIGOnlyAPI.json (edge comments), meta/IGComment.json.
"""

from datetime import datetime, timedelta
from typing import Any

from connectors.base import PublishRequest
from connectors.content.text import compose_text, normalise
from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.instagram.capabilities import LABEL, VERSION
from connectors.instagram.media import parse_comments, parse_page
from connectors.meta.api import parse_time
from connectors.parts import SentPart

_PAGE = 100
_COMMENTS = 50  # the most that one page of comments holds
_CLOCK_MARGIN = timedelta(seconds=10)
_POST_FIELDS = "id,caption,media_type,media_product_type,permalink,timestamp"


async def list_page(
    api: PlatformApi, user_id: str, since: datetime, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of the account's media, newest first, and the cursor of the next; None = the end."""
    params = {"fields": _POST_FIELDS, "limit": str(_PAGE), "since": str(int(since.timestamp()))}
    if cursor:
        params["after"] = cursor
    items, following = await api.read(f"{VERSION}/{user_id}/media", parse_page, params=params)
    _check_cursor(cursor, following)
    return items, following


async def find_media(api: PlatformApi, user_id: str, request: PublishRequest) -> SentPart | None:
    """Return the post among what the account published since the first attempt; None = it is not there."""
    since, cursor = request.first_attempt_at - _CLOCK_MARGIN, None
    caption = normalise(compose_text(request.content))
    while True:
        items, cursor = await list_page(api, user_id, since, cursor)
        for item in items:
            late_enough = parse_time(item["timestamp"]) >= since
            if late_enough and item["id"] not in request.taken and normalise(item["caption"]) == caption:
                return SentPart(item["id"], item.get("permalink"), parse_time(item["timestamp"]))
        if cursor is None or (items and parse_time(items[-1]["timestamp"]) < since):
            return None


async def find_comment(api: PlatformApi, username: str | None, text: str, media_id: str) -> SentPart | None:
    """Return the account's own comment of this text below a post, however many others wrote since."""
    mine, cursor = (username or "").lstrip("@").lower(), None
    while True:
        params = {"fields": "id,text,timestamp,username", "limit": str(_COMMENTS)}
        if cursor:
            params["after"] = cursor
        comments, following = await api.read(f"{VERSION}/{media_id}/comments", parse_comments, params=params)
        for comment in comments:
            author = str(comment.get("username") or mine).lower()
            if (not mine or author == mine) and normalise(comment["text"]) == normalise(text):
                return SentPart(comment["id"], None, parse_time(comment["timestamp"]))
        if following is None:
            return None
        _check_cursor(cursor, following)
        cursor = following


def _check_cursor(cursor: str | None, following: str | None) -> None:
    if following is not None and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
