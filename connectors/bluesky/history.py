"""Past posts of a Bluesky account: from the AppView with metrics, or from the PDS's records without.

Sources: lexicons app.bsky.feed.getAuthorFeed, com.atproto.repo.listRecords.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.bluesky.capabilities import LABEL
from connectors.bluesky.records import COLLECTION, parse_feed_item, parse_record
from connectors.errors import GiveUpError, UnavailableError
from connectors.http.client import PlatformApi
from connectors.listings import read_items
from connectors.types import HistoryPage, ListedPost

NO_APPVIEW = frozenset({404, 501, 502})
"""Status of a PDS without an AppView for every request about metrics."""
_PAGE = 100
_RECORDS = "records:"  # prefix of a listRecords cursor, used where the server has no AppView


async def list_history(
    api: PlatformApi, did: str, *, since: datetime, cursor: str | None, captured_at: datetime
) -> HistoryPage:
    """Return one page of up to 100 posts with metrics; without an AppView, records without metrics."""
    if cursor is None or not cursor.startswith(_RECORDS):
        try:
            return await _list_feed(api, did, since=since, cursor=cursor, captured_at=captured_at)
        except (UnavailableError, GiveUpError) as error:
            if cursor is not None or error.status not in NO_APPVIEW:
                raise
    return await _list_records(api, did, since=since, cursor=(cursor or "").removeprefix(_RECORDS))


async def _list_feed(
    api: PlatformApi, did: str, *, since: datetime, cursor: str | None, captured_at: datetime
) -> HistoryPage:
    params = {"actor": did, "limit": str(_PAGE), "filter": "posts_no_replies"}
    if cursor:
        params["cursor"] = cursor
    odd: list[str] = []
    posts, following = await api.read(
        "/app.bsky.feed.getAuthorFeed",
        lambda body: (
            read_items(body["feed"], lambda item: parse_feed_item(item, captured_at, did), odd),
            body.get("cursor"),
        ),
        params=params,
    )
    return _page([post for post in posts if post], odd, since, cursor, following, prefix="")


async def _list_records(api: PlatformApi, did: str, *, since: datetime, cursor: str) -> HistoryPage:
    params = {"repo": did, "collection": COLLECTION, "limit": str(_PAGE)}
    if cursor:
        params["cursor"] = cursor
    odd: list[str] = []
    posts, following = await api.read(
        "/com.atproto.repo.listRecords",
        lambda body: (read_items(body["records"], _parse_listed, odd), body.get("cursor")),
        params=params,
    )
    return _page([post for post in posts if post], odd, since, cursor, following, prefix=_RECORDS)


def _parse_listed(item: Any) -> ListedPost | None:  # noqa: ANN401 - JSON
    """Read one record; None for a reply."""
    return None if "reply" in item["value"] else parse_record(item["uri"], item["value"])


def _page(
    posts: Sequence[ListedPost],
    odd: Sequence[str],
    since: datetime,
    cursor: str | None,
    following: str | None,
    *,
    prefix: str,
) -> HistoryPage:
    if following and following == cursor:
        raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
    # Records are sorted by key. Our keys encode when a post was created, not when it was published, so the
    # listing cannot stop early.
    if not prefix and posts and posts[-1].published_at < since:
        following = None
    kept = tuple(post for post in posts if post.published_at >= since)
    return HistoryPage(kept, prefix + following if following else None, tuple(odd))
