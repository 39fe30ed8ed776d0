"""An account's own statuses, page by page, newest first.

Source: mastodon/schema.json 4.7.0, GET /api/v1/accounts/{id}/statuses.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from connectors.errors import UnavailableError
from connectors.http.client import PlatformApi
from connectors.mastodon.statuses import parse_statuses, parse_time

_PAGE = 40  # the maximum page size


async def list_page(
    api: PlatformApi,
    account_id: str,
    cursor: str | None,
    *,
    exclude_replies: bool,
    odd: list[str] | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page without boosts, and the cursor of the next page; None = the end.

    `odd`: see `connectors.listings.read_items`.
    """
    params = {"limit": str(_PAGE), "exclude_reblogs": "true"}
    if exclude_replies:
        params["exclude_replies"] = "true"
    if cursor:
        params["max_id"] = cursor
    statuses = await api.read(
        f"/api/v1/accounts/{account_id}/statuses", lambda body: parse_statuses(body, odd), params=params
    )
    if cursor is not None and any(status["id"] == cursor for status in statuses):
        raise UnavailableError("Mastodon: the instance gave the same page twice, its listing is broken now")
    # A page may be short because boosts were filtered out; only an empty page is the end.
    return statuses, statuses[-1]["id"] if statuses else None


async def list_since(api: PlatformApi, account_id: str, since: datetime) -> AsyncIterator[dict[str, Any]]:
    """Yield the statuses since that time, including replies."""
    cursor: str | None = None
    while True:
        statuses, cursor = await list_page(api, account_id, cursor, exclude_replies=False)
        for status in statuses:
            if parse_time(status["created_at"]) >= since:
                yield status
        if cursor is None or parse_time(statuses[-1]["created_at"]) < since:
            return
