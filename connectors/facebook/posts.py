"""Parse Facebook's responses about a Page and its posts, and match posts with a publication.

Sources: meta/Page.json, meta/PagePost.json, meta/AdVideo.json (fields); developers.facebook.com (error
codes).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.candidates import Candidate
from connectors.content.counts import read_count
from connectors.errors import ConnectorError, OutcomeUnknownError, RateLimitedError
from connectors.facebook.metrics import read_promoted
from connectors.http.client import Refusal
from connectors.listings import read_id, read_items
from connectors.meta import api as graph_api
from connectors.meta.api import parse_cursor, parse_data, parse_time, read_error
from connectors.parts import SentPart
from connectors.types import AccountMetrics, ContentKind, ListedPost, Media

POST_FIELDS = "id,message,created_time,permalink_url,attachments{media_type,subattachments}"
VIDEO_FIELDS = "id,description,created_time,post_id,permalink_url,status"
DUPLICATE = "duplicate"
"""Platform code for a text identical to the Page's last post."""
_DUPLICATE, _BLOCKED = 506, 368
_KINDS: dict[str, ContentKind] = {
    "photo": "photo", "album": "photo", "video": "video", "reel": "video", "link": "link", "share": "link",
}  # fmt: skip


def explain(refusal: Refusal) -> ConnectorError | None:
    """Map an error object to a connector error."""
    code, name = read_error(refusal)
    if refusal.purpose == "publish" and code == _DUPLICATE:
        # The Page's last post has the same text: it may be this publication, published by an earlier attempt.
        return OutcomeUnknownError(refusal.message, status=refusal.status, platform_code=DUPLICATE)
    if code == _BLOCKED:
        return RateLimitedError(
            refusal.message, retry_at=refusal.retry_at, status=refusal.status, platform_code=name
        )
    return graph_api.explain(refusal)


def parse_page(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read a Page."""
    return {**body, "id": str(body["id"]), "name": str(body["name"])}


def parse_account_metrics(page: Mapping[str, Any], captured_at: datetime) -> AccountMetrics:
    """Read a Page's metrics; Facebook reports neither the Pages it follows nor its number of posts."""
    raw = {name: page[name] for name in ("followers_count", "fan_count") if name in page}
    return AccountMetrics(captured_at, followers=read_count(raw.get("followers_count")), raw=raw)


def parse_listing(body: Any, odd: list[str] | None = None) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of posts or videos and the cursor of the next page. `odd`: see `connectors.listings.read_items`."""
    return read_items(parse_data(body), _parse_item, odd), parse_cursor(body)


def _parse_item(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(item["created_time"])
    return {**item, "id": read_id(item["id"])}


def parse_listed(post: dict[str, Any]) -> ListedPost:
    """Read one post of a listing."""
    return ListedPost(
        post["id"],
        parse_time(post["created_time"]),
        post.get("message") or "",
        read_kind(post),
        permalink=post.get("permalink_url"),
        promoted=read_promoted(post),
    )


def parse_sent(post: dict[str, Any]) -> SentPart:
    """Read the receipt of a listed post."""
    return SentPart(
        post["id"], post.get("permalink_url") or build_permalink(post["id"]), parse_time(post["created_time"])
    )


def read_kind(post: Mapping[str, Any]) -> ContentKind:
    """Return the kind of media of the post, by its first attachment."""
    attachments = (post.get("attachments") or {}).get("data") or [{}]
    return _KINDS.get(attachments[0].get("media_type") or "", "text")


def parse_candidate(post: dict[str, Any]) -> Candidate:
    """Return a listed post as a candidate for matching."""

    def shows(media: Sequence[Media]) -> bool:
        kind = read_kind(post)
        if kind not in {"photo", "video"}:
            return not media
        if kind == "video":
            return len(media) == 1 and media[0].kind == "video"
        return len(media) == _count_photos(post) and media[0].kind == "image"

    return Candidate(parse_sent(post), post.get("message") or "", shows)


def _count_photos(post: Mapping[str, Any]) -> int:
    """Return how many photos a post of photos shows: an album lists them below its first attachment."""
    (first, *_) = post["attachments"]["data"]
    return len((first.get("subattachments") or {}).get("data") or ()) or 1


def build_permalink(post_id: str) -> str:
    """Return a URL that Facebook redirects to the post."""
    return f"https://www.facebook.com/{post_id}"
