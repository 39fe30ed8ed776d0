"""Simulated Pinterest: boards, pins, video uploads, analytics, account, token refresh.

All paths start with /v5.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount, TokenKind
from connectors.sandbox.pinterest.analytics import count_pin
from connectors.sandbox.pinterest.media import PinterestMedia
from connectors.sandbox.tokens import judge_token, rotate_tokens
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, bearer_token, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import Route

    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_LIMITS: Final = {"title": 100, "description": 800, "alt_text": 500, "link": 2048}
_MAX_PAGE: Final = 250
_ANALYTICS_DAYS: Final = 90
_METRICS: Final = frozenset({
    "IMPRESSION", "OUTBOUND_CLICK", "PIN_CLICK", "SAVE", "SAVE_RATE", "TOTAL_COMMENTS", "TOTAL_REACTIONS",
    "USER_FOLLOW", "PROFILE_VISIT",
})  # fmt: skip
_CREATIVE: Final[Mapping[ContentKind, str]] = {"video": "VIDEO"}


class PinterestProtocol:
    """Token checks, error responses and headers of Pinterest: every error is {code, message}."""

    platform = Platform.PINTEREST

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        return who if isinstance(who, SandboxAccount) else refuse_pin(401, 2, "Authentication failed.")

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:  # noqa: ARG002  the protocol's form
        """Return the error response."""
        status, code, message = {
            "rate_limited": (429, 8, "This request exceeded a rate limit."),
            "unauthorized": (401, 2, "Authentication failed."),
            "forbidden": (403, 29, "You are not permitted to access that resource."),
        }.get(kind, (500, 0, "Something went wrong on our end. Sorry about that."))
        return refuse_pin(status, code, message)

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return X-RateLimit-*; the reset is in seconds from now."""
        return {
            "x-ratelimit-limit": str(state.limit),
            "x-ratelimit-remaining": str(state.remaining),
            "x-ratelimit-reset": str(int(state.window)),
        }


class Pinterest:
    """The endpoints of Pinterest for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._media = PinterestMedia(world)

    def routes(self) -> list[Route]:
        """Return the routes."""
        protocol = PinterestProtocol()

        def on(operation: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, protocol, operation, operation, handler, auth)

        return [
            route("/v5/pins", ["POST"], on("publish", self.create)),
            route("/v5/pins", ["GET"], on("read", self.list_pins)),
            route("/v5/pins/{id}", ["GET"], on("read", self.get)),
            route("/v5/pins/{id}", ["PATCH"], on("edit", self.edit)),
            route("/v5/pins/{id}", ["DELETE"], on("delete", self.delete)),
            route("/v5/pins/{id}/analytics", ["GET"], on("metrics", self.analytics)),
            route("/v5/boards", ["GET"], on("prepare", self.list_boards)),
            route("/v5/boards/{id}/sections", ["GET"], on("prepare", self.list_sections)),
            route("/v5/user_account", ["GET"], on("followers", self.get_account)),
            route("/v5/media", ["POST"], on("prepare", self._media.register)),
            route("/v5/media/{id}", ["GET"], on("prepare", self._media.get)),
            route("/_pinterest_storage/{id}", ["POST"], on("prepare", self._media.receive, "none")),
            route("/v5/oauth/token", ["POST"], on("refresh", self.refresh, "none")),
        ]

    def create(self, call: Call) -> Answer:
        """POST /v5/pins."""
        try:
            body = call.json()
        except ValueError:
            return refuse_pin(400, 1, "The request body is not valid JSON.")
        board = _board(call.owner, body.get("board_id"))
        if board is None:
            return refuse_pin(404, 40, "Board not found.")
        section = body.get("board_section_id")
        if section is not None and section != section_id(call.owner):
            return refuse_pin(404, 2031, "Board section not found.")
        for name, limit in _LIMITS.items():
            value = body.get(name)
            if value is not None and (not isinstance(value, str) or len(value) > limit):
                return refuse_pin(400, 1, f"{name!r} must be a text of at most {limit} characters")
        source = body.get("media_source")
        media = (
            self._media.read_source(source, call) if isinstance(source, dict) else "media_source is required"
        )
        if isinstance(media, str):
            return refuse_pin(400, 1, media)
        details = {**media, **{name: body.get(name) for name in ("title", "alt_text", "link")}}
        details["options"] = {name: body.get(name) for name in ("board_id", "board_section_id", "title")}
        if isinstance(source, dict) and "cover_image_key_frame_time" in source:
            details["options"]["cover_image_key_frame_time"] = source["cover_image_key_frame_time"]
        kind: ContentKind = "video" if media["media_type"] == "video" else "photo"
        post = self._world.add_post(
            call.owner, text=body.get("description") or "", kind=kind, at=call.at, details=details
        )
        return Answer(self._show(post, call), 201)

    def list_pins(self, call: Call) -> Answer:
        """GET /v5/pins, newest first; the bookmark is opaque."""
        try:
            size = int(call.query.get("page_size", "25"))
            below = int(call.query["bookmark"], 36) if call.query.get("bookmark") else None
        except ValueError:
            return refuse_pin(400, 1, "page_size and bookmark are invalid")
        if not 1 <= size <= _MAX_PAGE:
            return refuse_pin(400, 1, f"page_size must be between 1 and {_MAX_PAGE}")
        found = list(islice(self._world.list_posts(call.owner, below=below), size + 1))
        page, more = found[:size], len(found) > size
        if call.page_fault == "empty_page" or not page:
            return Answer({"items": [], "bookmark": None})
        bookmark = _base36(page[-1].number) if more else None
        if call.page_fault == "repeated_cursor":
            bookmark = call.query.get("bookmark") or _base36(page[0].number + 1)
        return Answer({"items": [self._show(post, call) for post in page], "bookmark": bookmark})

    def get(self, call: Call) -> Answer:
        """GET /v5/pins/{id}."""
        post = self._own(call)
        return refuse_pin(404, 50, "Pin not found.") if post is None else Answer(self._show(post, call))

    def edit(self, call: Call) -> Answer:
        """PATCH /v5/pins/{id}: the fields that are sent are changed; null removes a value."""
        post = self._own(call)
        if post is None:
            return refuse_pin(404, 50, "Pin not found.")
        try:
            body = dict(call.json())
        except (TypeError, ValueError):
            return refuse_pin(400, 1, "The request body is not valid JSON.")
        for name, limit in _LIMITS.items():
            value = body.get(name)
            if value is not None and (not isinstance(value, str) or len(value) > limit):
                return refuse_pin(400, 1, f"{name!r} must be a text of at most {limit} characters")
        if "board_id" in body and _board(call.owner, body["board_id"]) is None:
            return refuse_pin(404, 40, "Board not found.")
        details: dict[str, Any] = {name: body[name] for name in ("title", "alt_text", "link") if name in body}
        moved = {name: body[name] for name in ("board_id", "board_section_id", "title") if name in body}
        details["options"] = {**(post.detail("options") or {}), **moved}
        details["edits"] = int(post.detail("edits") or 0) + 1
        text = body["description"] or "" if "description" in body else post.text
        self._world.edit_post(post, text=text, details=details)
        return Answer(self._show(post, call))

    def delete(self, call: Call) -> Answer:
        """DELETE /v5/pins/{id}."""
        post = self._own(call)
        if post is None:
            return refuse_pin(404, 50, "Pin not found.")
        self._world.delete_post(post, call.at)
        return Answer(status=204, raw=b"")

    def analytics(self, call: Call) -> Answer:
        """GET /v5/pins/{id}/analytics: lifetime values, and one entry per day of the last ninety."""
        post = self._own(call)
        if post is None:
            return refuse_pin(404, 50, "Pin not found.")
        names = [name for name in call.query.get("metric_types", "").split(",") if name]
        retired = self._world.settings.retired_insights
        if not names or any(name not in _METRICS or name in retired for name in names):
            return refuse_pin(400, 1, "Invalid pins analytics parameters: metric_types")
        try:
            start = datetime.strptime(call.query.get("start_date", ""), "%Y-%m-%d").replace(tzinfo=UTC)
            end = datetime.strptime(call.query.get("end_date", ""), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return refuse_pin(400, 1, "Invalid pins analytics parameters: dates")
        today = datetime.fromtimestamp(call.at, UTC)
        if end < start or today - start > timedelta(days=_ANALYTICS_DAYS):
            return refuse_pin(400, 1, "Invalid pins analytics parameters: at most 90 days back")
        if call.page_fault == "empty_page":
            return Answer({"all": {"daily_metrics": [], "lifetime_metrics": {}, "summary_metrics": {}}})
        return Answer({"all": count_pin(self._world, post, names, start, end, at=call.at)})

    def get_account(self, call: Call) -> Answer:
        """GET /v5/user_account."""
        account = call.owner
        return Answer(
            {
                "id": account.external_id,
                "username": account.handle,
                "business_name": account.display_name,
                "account_type": "BUSINESS",
                "about": "A simulated account.",
                "profile_image": f"{call.base_url}/_sandbox/media/photo.png",
                "website_url": "https://shop.example",
                "follower_count": account.followers(call.at),
                "following_count": 120 + account.index,
                "pin_count": self._world.count_posts(account),
                "board_count": 2,
                "monthly_views": 10 * account.followers(call.at),
            }
        )

    def list_boards(self, call: Call) -> Answer:
        """GET /v5/boards: a secret one first, which is not suitable for a scheduled pin."""
        return Answer({"items": _boards(call.owner), "bookmark": None})

    def list_sections(self, call: Call) -> Answer:
        """GET /v5/boards/{id}/sections: only the board named Tea has one."""
        board = _board(call.owner, call.path["id"])
        if board is None:
            return refuse_pin(404, 40, "Board not found.")
        items = [{"id": section_id(call.owner), "name": "Green"}] if board["name"] == "Tea" else []
        return Answer({"items": items, "bookmark": None})

    def refresh(self, call: Call) -> Answer:
        """POST /v5/oauth/token with the app's credentials: a continuous refresh token works once."""
        form = call.parameters()
        if not call.request.headers.get("authorization", "").lower().startswith("basic "):
            return refuse_pin(401, 2, "Authentication failed.")
        if form.get("grant_type") != "refresh_token":
            return refuse_pin(400, 283, "Invalid grant type")
        token = form.get("refresh_token", "")
        who = judge_token(self._world, Platform.PINTEREST, token, kind="refresh", at=call.at)
        if not isinstance(who, SandboxAccount):
            return refuse_pin(400, 283, "Your refresh token is invalid or expired")
        rotate_tokens(self._world, who, token, call.at)
        refresh_end = int(TOKEN_LIFETIMES[Platform.PINTEREST, "refresh"] or 0)
        return Answer(
            {
                "response_type": "refresh_token",
                "access_token": who.access_token,
                "refresh_token": who.refresh_token,
                "token_type": "bearer",
                "expires_in": int(TOKEN_LIFETIMES[Platform.PINTEREST, "access"] or 0),
                "refresh_token_expires_in": refresh_end,
                "refresh_token_expires_at": int(call.at) + refresh_end,
                "scope": "boards:read,boards:write,pins:read,pins:write,user_accounts:read",
            }
        )

    def _own(self, call: Call) -> SandboxPost | None:
        post = self._world.find_post(Platform.PINTEREST, call.path["id"], call.owner)
        return post if post is not None and post.account is call.owner else None

    def _show(self, post: SandboxPost, call: Call) -> dict[str, Any]:
        image = {"url": f"{call.base_url}/_sandbox/media/photo.png", "width": 600, "height": 900}
        media_type = post.detail("media_type") or ("video" if post.kind == "video" else "image")
        media: dict[str, Any] = {"media_type": media_type}
        if media_type == "multiple_images":
            items = [
                {"item_type": "image", "images": {"600x": image}} for _ in range(post.detail("count") or 2)
            ]
            media["items"] = items
        else:
            media["images"] = {"600x": image}
        options = post.detail("options") or {}
        return {
            "id": post.external_id,
            "created_at": datetime.fromtimestamp(int(post.created), UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "title": post.detail("title"),
            "description": post.text or None,
            "alt_text": post.detail("alt_text"),
            "link": post.detail("link"),
            "board_id": options.get("board_id") or board_id(post.account),
            "board_owner": {"username": post.account.handle},
            "board_section_id": options.get("board_section_id"),
            "parent_pin_id": None,
            "dominant_color": "#6E7874",
            "creative_type": _CREATIVE.get(post.kind, "REGULAR"),
            "is_owner": True,
            "is_standard": True,
            "has_been_promoted": bool(post.detail("promoted")),
            "pin_metrics": None,
            "media": media,
        }


def refuse_pin(status: int, code: int, message: str) -> Answer:
    """Return an error in Pinterest's format."""
    return Answer({"code": code, "message": message}, status)


def board_id(account: SandboxAccount) -> str:
    """Return the id of the account's public board."""
    return f"5{int(account.external_id) % 10**15:015d}2"


def section_id(account: SandboxAccount) -> str:
    """Return the id of the section of the account's board named Tea."""
    return f"{board_id(account)}7"


def _boards(account: SandboxAccount) -> list[dict[str, Any]]:
    first, owner = int(board_id(account)), {"username": account.handle}
    named = ((first - 1, "Drafts", "SECRET"), (first, "All of it", "PUBLIC"), (first + 1, "Tea", "PUBLIC"))
    return [
        {"id": str(number), "name": name, "privacy": privacy, "owner": owner}
        for number, name, privacy in named
    ]


def _board(account: SandboxAccount, board: object) -> dict[str, Any] | None:
    return next((item for item in _boards(account) if item["id"] == board), None)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
