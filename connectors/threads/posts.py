"""Parse Threads' responses: the profile, posts, insights, the quota, and errors.

Source: threads/*.json (fields, metrics); developers.facebook.com, "Threads: Troubleshooting".
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.candidates import Candidate
from connectors.errors import ConnectorError, OutcomeUnknownError
from connectors.http.client import Refusal
from connectors.listings import read_id, read_items
from connectors.meta import api as graph_api
from connectors.meta.api import count_children, parse_cursor, parse_data, parse_time, read_error
from connectors.parts import SentPart
from connectors.types import ContentKind, ListedPost, Media, PostMetrics

INSIGHTS = ("views", "likes", "replies", "reposts", "quotes", "shares")
_SHARES = ("reposts", "quotes", "shares")
POST_FIELDS = "id,media_type,permalink,text,timestamp,link_attachment_url,children"
REPLY_FIELDS = "id,media_type,permalink,text,timestamp,replied_to,children"
_NOT_FOUND = 24
_REPOST = "REPOST_FACADE"
_KINDS: dict[str, ContentKind] = {"IMAGE": "photo", "CAROUSEL_ALBUM": "photo", "VIDEO": "video"}


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error object to a connector error."""
    code, name = read_error(refusal)
    if refusal.purpose == "publish" and code == _NOT_FOUND:
        # The container is too new, expired, or published by an earlier attempt. Its status tells which.
        return OutcomeUnknownError(refusal.message, status=refusal.status, platform_code=name)
    return graph_api.explain(refusal)


def parse_profile(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the profile."""
    return {**body, "id": str(body["id"]), "username": str(body["username"])}


def parse_page(body: Any, odd: list[str] | None = None) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of posts and the cursor of the next page. Reposts of others' posts are left out.

    `odd`: see `connectors.listings.read_items`.
    """
    own = [
        item for item in parse_data(body) if not isinstance(item, dict) or item.get("media_type") != _REPOST
    ]
    return read_items(own, _parse_item, odd), parse_cursor(body)


def _parse_item(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(item["timestamp"])
    return {**item, "id": read_id(item["id"]), "text": item.get("text") or ""}


def parse_listed(item: dict[str, Any]) -> ListedPost:
    """Read one post of a listing."""
    return ListedPost(
        item["id"],
        parse_time(item["timestamp"]),
        item["text"],
        read_kind(item),
        permalink=item.get("permalink"),
    )


def parse_sent(item: dict[str, Any]) -> SentPart:
    """Read the receipt of a post."""
    return SentPart(str(item["id"]), item.get("permalink"), parse_time(item["timestamp"]))


def parse_metrics(post_id: str, values: Mapping[str, int], captured_at: datetime) -> PostMetrics:
    """Map insights to our columns; a rejected metric stays None.

    Shares = reposts + quotes + shares, which Threads counts separately. Views count every display and play:
    neither impressions nor video views, so they stay in `raw`.
    """
    shared = [values[name] for name in _SHARES if name in values]
    return PostMetrics(
        post_id,
        captured_at,
        likes=values.get("likes"),
        comments=values.get("replies"),
        shares=sum(shared) if shared else None,
        raw=dict(values),
    )


def parse_exhausted(body: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether the quota of posts, or of replies, is used up.

    Reads {data: [{quota_usage, config: {quota_total}}]}, and the same fields for replies.
    """
    (quota,) = body["data"]
    return any(
        f"{name}config" in quota
        and int(quota[f"{name}quota_usage"]) >= int(quota[f"{name}config"]["quota_total"])
        for name in ("", "reply_")
    )


def read_kind(item: Mapping[str, Any]) -> ContentKind:
    """Return the kind of media of the post."""
    kind = _KINDS.get(item.get("media_type") or "")
    if kind is not None:
        return kind
    return "link" if item.get("link_attachment_url") or "http" in item["text"] else "text"


def parse_candidate(item: Mapping[str, Any]) -> Candidate:
    """Return a listed post as a candidate for matching."""

    def shows(media: Sequence[Media]) -> bool:
        match item.get("media_type"):
            case "VIDEO":
                return len(media) == 1 and media[0].kind == "video"
            case "IMAGE":
                return len(media) == 1 and media[0].kind == "image"
            case "CAROUSEL_ALBUM":
                return len(media) == count_children(item)
            case _:
                return not media

    return Candidate(parse_sent(dict(item)), item["text"], shows)


def answers(item: Mapping[str, Any], parent: SentPart | None) -> bool:
    """Return whether a listed post may be a reply to `parent`; with None, whether it is no reply."""
    named = (item.get("replied_to") or {}).get("id")
    return parent is None or named is None or str(named) == parent.id
