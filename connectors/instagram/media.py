"""Parse Instagram's responses: accounts, media, insights, and errors.

Sources: meta/IG*ForIGOnlyAPI.json (fields), developers.facebook.com (error codes of the Graph API).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.candidates import Candidate
from connectors.content.counts import read_count
from connectors.errors import ConnectorError, OutcomeUnknownError, UnavailableError
from connectors.http.client import Refusal
from connectors.listings import read_id, read_items
from connectors.meta import api as graph_api
from connectors.meta.api import count_children, parse_cursor, parse_data, parse_time, read_error
from connectors.parts import SentPart
from connectors.types import AccountMetrics, ContentKind, ListedPost, Media, PostMetrics

INSIGHTS = ("views", "reach", "likes", "comments", "shares", "saved", "total_interactions")
COLUMNS = {"reach": "reach", "likes": "likes", "comments": "comments", "shares": "shares", "saved": "saves"}
"""Mapping of insights to our metrics; the others stay in `raw`."""
# Codes of the Graph API's error object.
_NOT_READY = "9007/2207027"
_CONTAINER = frozenset({24, 9007})


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error object to a connector error, including container errors."""
    code, name = read_error(refusal)
    if refusal.purpose == "publish" and name == _NOT_READY:
        return UnavailableError(refusal.message, status=refusal.status, platform_code=name)
    if refusal.purpose == "publish" and code in _CONTAINER:
        # The container expired or was published by an earlier attempt. Its status tells which.
        return OutcomeUnknownError(refusal.message, status=refusal.status, platform_code=name)
    return graph_api.explain(refusal)


def parse_account_metrics(user: Mapping[str, Any], captured_at: datetime) -> AccountMetrics:
    """Read an account's metrics."""
    names = ("followers_count", "follows_count", "media_count")
    raw = {name: user[name] for name in names if name in user}
    followers, following, posts = (read_count(raw.get(name)) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_user(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the account; some responses wrap it in {data: [..]}."""
    user = body["data"][0] if isinstance(body.get("data"), list) else body
    return {"username": user["username"], **user}


def parse_page(body: Any, odd: list[str] | None = None) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of media and the cursor of the next page, which exists only if `next` is present.

    `odd`: see `connectors.listings.read_items`.
    """
    return read_items(parse_data(body), _parse_item, odd), parse_cursor(body)


def _parse_item(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(item["timestamp"])
    return {**item, "id": read_id(item["id"]), "caption": item.get("caption") or ""}


def parse_comments(body: Any) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of comments and the cursor of the next page."""
    items = [{**item, "id": str(item["id"]), "text": item.get("text") or ""} for item in parse_data(body)]
    for item in items:
        parse_time(item["timestamp"])
    return items, parse_cursor(body)


def parse_listed(item: dict[str, Any]) -> ListedPost:
    """Read one media object."""
    kind: ContentKind = "video" if item.get("media_type") == "VIDEO" else "photo"
    return ListedPost(
        item["id"], parse_time(item["timestamp"]), item["caption"], kind, permalink=item.get("permalink")
    )


def parse_candidate(item: dict[str, Any]) -> Candidate:
    """Return a listed media object as a candidate for matching."""

    def shows(media: Sequence[Media]) -> bool:
        match item.get("media_type"):
            case "VIDEO":
                return len(media) == 1 and media[0].kind == "video"
            case "CAROUSEL_ALBUM":
                return len(media) == count_children(item)
            case _:
                return len(media) == 1 and media[0].kind == "image"

    sent = SentPart(item["id"], item.get("permalink"), parse_time(item["timestamp"]))
    return Candidate(sent, item["caption"], shows)


def parse_metrics(media_id: str, values: Mapping[str, int], captured_at: datetime) -> PostMetrics:
    """Map insights to our columns; a rejected or unrequested metric stays None."""
    columns = {column: values.get(name) for name, column in COLUMNS.items()}
    return PostMetrics(media_id, captured_at, raw=dict(values), promoted=None, **columns)
