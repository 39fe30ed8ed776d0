"""Build pins, parse Pinterest's responses, and match pins with a publication.

Source: pinterest/openapi.json 5.23.0 (Pin, Board, Account, PinAnalyticsMetricsResponse,
OauthAccessTokenResponse).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from connectors.candidates import Candidate
from connectors.content.counts import read_count
from connectors.listings import read_id, read_items
from connectors.parts import SentPart
from connectors.pinterest.options import PinterestOptions
from connectors.types import (
    AccountMetrics,
    ContentKind,
    ListedPost,
    Media,
    PostContent,
    PostMetrics,
)

METRICS = {
    "IMPRESSION": "impressions",
    "TOTAL_REACTIONS": "likes",
    "TOTAL_COMMENTS": "comments",
    "SAVE": "saves",
    "OUTBOUND_CLICK": "clicks",
    "PIN_CLICK": None,
}
"""Mapping of Pinterest's metrics to ours: a pin click opens the close-up, and stays in `raw`."""

_TITLE_LIMIT = 100
_ALT_LIMIT = 500
_UNBORN = "BEFORE_PIN_CREATED"


@dataclass(frozen=True, slots=True)
class Page:
    """Items of a listing, and the bookmark of the next page."""

    items: list[dict[str, Any]]
    bookmark: str | None


def write_pin(
    content: PostContent, board_id: str, media_source: dict[str, Any], *, section_id: str | None = None
) -> dict[str, Any]:
    """Return the body of POST /v5/pins. The text is the description; its first line is also the title."""
    pin: dict[str, Any] = {"board_id": board_id, "media_source": media_source}
    if section_id is not None:
        pin["board_section_id"] = section_id
    if content.text.strip():
        pin["title"] = _shorten(content.text.strip().splitlines()[0].strip(), _TITLE_LIMIT)
        pin["description"] = content.text
    options = PinterestOptions.of(content)
    if options.title:
        pin["title"] = options.title.strip()
    if link := options.link or content.link:
        pin["link"] = link
    described = "; ".join(item.alt_text.strip() for item in content.media if item.alt_text)
    if options.alt_text is not None:
        described = options.alt_text.strip()
    if described:
        pin["alt_text"] = _shorten(described, _ALT_LIMIT)
    return pin


def list_changes(before: Sequence[PostContent], after: PostContent) -> dict[str, Any]:
    """Return the fields of PATCH /v5/pins/{id} that differ from one of `before`; None removes a value."""
    new = write_pin(after, "", {})
    old = [write_pin(content, "", {}) for content in before]
    names = ("title", "description", "link", "alt_text")
    return {name: new.get(name) for name in names if any(pin.get(name) != new.get(name) for pin in old)}


def write_images(content: PostContent) -> dict[str, Any]:
    """Return the media source of one image, or of a carousel of two to five."""
    urls = [item.url for item in content.media]
    if len(urls) == 1:
        return {"source_type": "image_url", "url": urls[0]}
    return {"source_type": "multiple_image_urls", "items": [{"url": url} for url in urls]}


def parse_sent(body: Any, now: datetime) -> SentPart:  # noqa: ANN401 - JSON
    """Read the receipt; only the id is guaranteed."""
    created_at = body.get("created_at")
    return SentPart(str(body["id"]), permalink(body["id"]), parse_time(created_at) if created_at else now)


def permalink(pin_id: str) -> str:
    """Return the URL of a pin."""
    return f"https://www.pinterest.com/pin/{pin_id}/"


def parse_page(body: Any) -> Page:  # noqa: ANN401 - JSON
    """Read {items, bookmark}; each item has an id."""
    return Page([{**item, "id": str(item["id"])} for item in body["items"]], body.get("bookmark") or None)


def parse_pin(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read one pin."""
    return {**body, "id": read_id(body["id"])}


def parse_pins(body: Any, odd: list[str] | None = None) -> Page:  # noqa: ANN401 - JSON
    """Read a page of pins, each with a readable time. `odd`: see `connectors.listings.read_items`."""
    return Page(read_items(body["items"], _parse_pin, odd), body.get("bookmark") or None)


def _parse_pin(pin: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(pin["created_at"])
    return {**pin, "id": read_id(pin["id"])}


def parse_listed(pin: dict[str, Any]) -> ListedPost:
    """Read one pin of a listing. Without metrics: the listing has no saves.

    A pin that has not been promoted may be later, so only `has_been_promoted: true` says anything.
    """
    return ListedPost(
        external_id=pin["id"],
        published_at=parse_time(pin["created_at"]),
        text=pin.get("description") or pin.get("title") or "",
        kind=_kind(pin),
        permalink=permalink(pin["id"]),
        promoted=True if pin.get("has_been_promoted") is True else None,
    )


def parse_candidate(pin: dict[str, Any], now: datetime) -> Candidate:
    """Return a listed pin as a candidate for matching."""

    def shows(media: Sequence[Media]) -> bool:
        shown = pin.get("media") or {}
        count = len(shown.get("items") or ()) if shown.get("media_type") == "multiple_images" else 1
        return len(media) == count and (_kind(pin) == "video") == any(item.kind == "video" for item in media)

    return Candidate(parse_sent(pin, now), pin.get("description") or pin.get("title") or "", shows)


def parse_boards(body: Any) -> Page:  # noqa: ANN401 - JSON
    """Read a page of boards, or of a board's sections, each with a name."""
    page = parse_page(body)
    for item in page.items:
        item["name"] = str(item.get("name") or item["id"])
    return page


def default_board(boards: Sequence[Mapping[str, Any]], owner: str | None) -> str | None:
    """Return the id of the first public, ordinary board, the account's own before shared ones."""
    ranked = [
        (str((board.get("owner") or {}).get("username", owner)) != owner, str(board["id"]))
        for board in boards
        if board.get("privacy", "PUBLIC") == "PUBLIC" and not board.get("is_ads_only")
    ]
    return min(ranked, key=lambda board: board[0])[1] if ranked else None


def named_item(items: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """Return the id of the board or section with this id, or else with this name, ignoring case."""
    for item in items:
        if str(item["id"]) == name.strip():
            return str(item["id"])
    wanted = name.strip().casefold()
    return next((str(item["id"]) for item in items if str(item["name"]).strip().casefold() == wanted), None)


def parse_account(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Read the account."""
    return {"username": body["username"], **body}


def parse_account_metrics(body: Any, captured_at: datetime) -> AccountMetrics:  # noqa: ANN401 - JSON
    """Read an account's metrics; `pin_count` includes created and saved pins."""
    user = parse_account(body)
    names = ("follower_count", "following_count", "pin_count", "board_count", "monthly_views")
    raw = {name: user[name] for name in names if name in user}
    followers, following, pins = (read_count(raw.get(name)) for name in names[:3])
    return AccountMetrics(captured_at, followers, following, pins, raw)


def parse_metrics(pin_id: str, body: Any, captured_at: datetime) -> PostMetrics:  # noqa: ANN401 - JSON
    """Read {all: {lifetime_metrics, summary_metrics, daily_metrics}}.

    Only totals since the pin's creation are returned: the lifetime value, or the sum over the requested days
    if the pin is younger than that period.
    """
    answer = body.get("all") or next(iter(body.values()))
    values = _read_numbers(answer.get("lifetime_metrics"))
    days = answer.get("daily_metrics") or ()
    if any(day.get("data_status") == _UNBORN for day in days):
        values = {**_read_numbers(answer.get("summary_metrics")), **values}
    columns = {column: values.get(name) for name, column in METRICS.items() if column is not None}
    raw = {name: answer[name] for name in ("lifetime_metrics", "summary_metrics") if name in answer}
    return PostMetrics(pin_id, captured_at, raw=raw, promoted=None, **columns)


def merge_metrics(first: PostMetrics, second: PostMetrics) -> PostMetrics:
    """Merge two responses about one pin that hold different metrics."""
    found = {
        column: value
        for column in METRICS.values()
        if column is not None and (value := getattr(second, column)) is not None
    }
    raw = {name: {**first.raw.get(name, {}), **second.raw[name]} for name in second.raw}
    return replace(first, raw={**first.raw, **raw}, **found)


def parse_time(value: str) -> datetime:
    """Read an ISO 8601 time as aware UTC; Pinterest omits the zone, which is UTC."""
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_numbers(metrics: Mapping[str, Any] | None) -> dict[str, int]:
    counts = {name.upper(): read_count(value) for name, value in (metrics or {}).items()}
    return {name: count for name, count in counts.items() if count is not None}


def _kind(pin: dict[str, Any]) -> ContentKind:
    kind = (pin.get("media") or {}).get("media_type", "image")
    return "video" if kind in {"video", "multiple_videos", "multiple_mixed"} else "photo"


def _shorten(text: str, limit: int) -> str:
    """Cut at a word boundary if one is near, and append an ellipsis."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return (head.rsplit(None, 1)[0] if " " in head[limit // 2 :] else head) + "…"
