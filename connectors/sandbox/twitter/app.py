"""Simulated X: posts, lookups, the user, OAuth2 refresh.

Media uploads are in `media`, the JSON of responses in `views`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connectors.content.text import count_weighted
from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount
from connectors.sandbox.tokens import judge_token, rotate_tokens
from connectors.sandbox.twitter.media import TwitterMedia
from connectors.sandbox.twitter.views import (
    TwitterProtocol,
    invalid_request,
    not_found,
    problem,
    read_token,
    show_created,
    show_post,
    write_token,
)
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, parse_iso, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.routing import Route

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_BATCH: Final = 100
_CREATE_FIELDS: Final = frozenset({
    "card_uri", "community_id", "direct_message_deep_link", "edit_options", "for_super_followers_only", "geo",
    "made_with_ai", "media", "nullcast", "paid_partnership", "poll", "quote_tweet_id", "reply", "reply_settings",
    "share_with_followers", "text",
})  # fmt: skip

_OPTIONS: Final = _CREATE_FIELDS - {"text", "media", "reply"}


class Twitter:
    """The endpoints of X for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._media = TwitterMedia(world)
        self._recent: dict[str, dict[tuple[str, str | None], float]] = {}

        for post in world.published(Platform.TWITTER, via="api"):
            said = (post.text, post.detail("reply_to"))
            self._recent.setdefault(post.account.key, {})[said] = post.created

    def routes(self) -> list[Route]:
        """Return the routes, the most used first."""
        protocol = TwitterProtocol()

        def on(operation: str, bucket: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, protocol, operation, bucket, handler, auth)

        return [
            route("/2/tweets", ["POST"], on("publish", "create", self.create)),
            route("/2/tweets", ["GET"], on("metrics", "lookup", self.look_up)),
            route("/2/users/me", ["GET"], on("followers", "me", self.me)),
            route("/2/users/{id}/tweets", ["GET"], on("read", "timeline", self.list_tweets)),
            route("/2/tweets/{id}", ["DELETE"], on("delete", "delete", self.delete)),
            route("/2/tweets/{id}", ["GET"], on("metrics", "lookup", self.look_up_one)),
            route("/2/oauth2/token", ["POST"], on("refresh", "token", self.refresh, "none")),
            *self._media.routes(on),
        ]

    def create(self, call: Call) -> Answer:
        """POST /2/tweets."""
        account = call.owner
        try:
            body = call.json()
        except ValueError:
            return invalid_request("The request body is not valid JSON.")
        unknown = sorted(body.keys() - _CREATE_FIELDS)
        if unknown:
            return invalid_request(f"$.{unknown[0]}: is not defined in the schema", {f"$.{unknown[0]}": []})
        text, media, reply = body.get("text", ""), body.get("media") or {}, body.get("reply") or {}
        if not isinstance(media, dict) or not isinstance(reply, dict) or _excludes(body):
            return invalid_request(
                "$.media and $.reply must be objects; one of media, poll and quote is allowed"
            )
        media_ids = media.get("media_ids", [])
        if not isinstance(text, str) or (not text.strip() and not media_ids):
            return invalid_request("You must provide text or media.", {"text": [str(text)]})
        if media and not (isinstance(media_ids, list) and 1 <= len(media_ids) <= 4):
            return invalid_request("media_ids must hold 1 to 4 ids", {"media.media_ids": media_ids})
        if _is_too_long(text):
            return problem(403, "Forbidden", "Your Tweet text is too long.")
        if any(not self._media.is_ready(media_id, account, call.at) for media_id in media_ids):
            return invalid_request("Your media IDs are invalid.", {"media.media_ids": media_ids})
        parent = reply.get("in_reply_to_tweet_id")
        if parent is not None and self._world.find_post(Platform.TWITTER, parent, account) is None:
            detail = "You attempted to reply to a Tweet that is deleted or not visible to you."
            return problem(403, "Forbidden", detail)
        if self._is_duplicate(account, (text, parent), call.at):
            return problem(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content.")
        kind = self._kind_of(text, media_ids)
        details = self._describe(account, media_ids, parent, _read_options(body, media))
        post = self._world.add_post(account, text=text, kind=kind, at=call.at, details=details)
        return Answer({"data": show_created(post)}, 201)

    def look_up(self, call: Call) -> Answer:
        """GET /2/tweets?ids=: missing ids are omitted from `data` and listed in `errors`."""
        ids = [text for text in call.query.get("ids", "").split(",") if text]
        if not 1 <= len(ids) <= _BATCH:
            message = f"size must be between 1 and {_BATCH}"
            return invalid_request(
                f"The number of values in the `ids` query parameter list {message}", {"ids": ids}
            )
        bad = [text for text in ids if not (text.isascii() and text.isdigit() and len(text) <= 19)]
        if bad:
            return invalid_request(f"The `ids` query parameter value [{bad[0]}] is not valid", {"ids": bad})
        data, errors = [], []
        for external_id in dict.fromkeys(ids):
            post = self._world.find_post(Platform.TWITTER, external_id, call.owner)
            if post is None:
                errors.append(not_found("tweet", "ids", external_id))
                continue
            data.append(show_post(post, call, errors))
        body: dict[str, object] = {}
        if data and call.page_fault != "empty_page":
            body["data"] = data
        if errors:
            body["errors"] = errors
        return Answer(body)

    def look_up_one(self, call: Call) -> Answer:
        """GET /2/tweets/{id}."""
        external_id = call.path["id"]
        post = self._world.find_post(Platform.TWITTER, external_id, call.owner)
        if post is None:
            return Answer({"errors": [not_found("tweet", "id", external_id)]})
        errors: list[dict[str, object]] = []
        data = show_post(post, call, errors)
        return Answer({"data": data, "errors": errors} if errors else {"data": data})

    def me(self, call: Call) -> Answer:
        """GET /2/users/me."""
        account = call.owner
        data: dict[str, object] = {
            "id": account.external_id, "name": account.display_name, "username": account.handle
        }  # fmt: skip
        asked = call.query.get("user.fields", "").split(",")
        if "created_at" in asked:
            data["created_at"] = "2023-01-01T00:00:00.000Z"
        if "public_metrics" in asked:
            posts = self._world.count_posts(account)
            data["public_metrics"] = {
                "followers_count": account.followers(call.at),
                "following_count": 180 + account.index,
                "post_count": posts,
                "listed_count": 12,
                "like_count": 640,
                "media_count": posts // 3,
            }
        return Answer({"data": data})

    def list_tweets(self, call: Call) -> Answer:
        """GET /2/users/{id}/tweets, newest first."""
        query = call.query
        account = self._world.find_account(Platform.TWITTER, call.path["id"])
        if account is None or account.external_id != call.path["id"]:
            return Answer({"errors": [not_found("user", "id", call.path["id"])]})
        try:
            window = _read_window(query)
        except ValueError as error:
            return invalid_request(str(error), {name: [value] for name, value in query.items()})
        found: list[SandboxPost] = []
        for post in self._world.list_posts(account, below=window.below, above=window.above):
            if post.created < window.since or len(found) > window.size:
                break
            if post.created < window.until and (window.replies or post.detail("reply_to") is None):
                found.append(post)
        page, more = found[: window.size], len(found) > window.size
        if call.page_fault == "empty_page" or not page:
            return Answer({"meta": {"result_count": 0}})
        errors: list[dict[str, object]] = []
        data = [show_post(post, call, errors) for post in page]
        meta: dict[str, object] = {
            "result_count": len(page), "newest_id": page[0].external_id, "oldest_id": page[-1].external_id
        }  # fmt: skip
        if call.page_fault == "repeated_cursor":
            meta["next_token"] = query.get("pagination_token") or write_token(page[0].number + 1)
        elif more:
            meta["next_token"] = write_token(page[-1].number)
        body = {"data": data, "meta": meta}
        return Answer({**body, "errors": errors} if errors else body)

    def delete(self, call: Call) -> Answer:
        """DELETE /2/tweets/{id}."""
        post = self._world.find_post(Platform.TWITTER, call.path["id"], call.owner)
        if post is None:
            missing = not_found("tweet", "id", call.path["id"])
            return Answer(
                {**missing, "status": 404}, 404, media_type="application/problem+json; charset=utf-8"
            )
        if post.account is not call.owner:
            return problem(403, "Forbidden", "You are not authorized to delete this Tweet.")
        self._world.delete_post(post, call.at)
        return Answer({"data": {"deleted": True}})

    def refresh(self, call: Call) -> Answer:
        """POST /2/oauth2/token: a refresh token works once."""
        form = call.parameters()
        authorization = call.request.headers.get("authorization", "")
        if not form.get("client_id") and not authorization.lower().startswith("basic "):
            return _oauth_error("unauthorized_client", "Missing valid authorization header", 401)
        if form.get("grant_type") != "refresh_token":
            return _oauth_error("unsupported_grant_type", "Only refresh_token is supported here.")
        token = form.get("refresh_token", "")
        who = judge_token(self._world, Platform.TWITTER, token, kind="refresh", at=call.at)
        if not isinstance(who, SandboxAccount):
            return _oauth_error("invalid_request", "Value passed for the token was invalid.")
        rotate_tokens(self._world, who, token, call.at)
        lifetime = TOKEN_LIFETIMES[Platform.TWITTER, "access"]
        return Answer(
            {
                "token_type": "bearer",
                "expires_in": None if lifetime is None else int(lifetime),
                "access_token": who.access_token,
                "scope": "tweet.read tweet.write users.read media.write offline.access",
                "refresh_token": who.refresh_token,
            }
        )

    def _describe(
        self, account: SandboxAccount, media_ids: list[str], parent: str | None, options: dict[str, Any]
    ) -> dict[str, object] | None:
        if not media_ids and parent is None and not options:
            return None
        answered = None if parent is None else self._world.find_post(Platform.TWITTER, parent, account)
        conversation = answered and (answered.detail("conversation") or answered.external_id)
        return {
            "media_ids": media_ids,
            "reply_to": parent,
            "conversation": conversation,
            "options": options,
        }

    def _is_duplicate(self, account: SandboxAccount, text: tuple[str, str | None], at: float) -> bool:
        """Return whether the account posted the same text recently; remember it if not."""
        window = self._world.settings.duplicate_window_s
        recent = self._recent.setdefault(account.key, {})
        while recent and at - next(iter(recent.values())) > window:
            del recent[next(iter(recent))]
        if text in recent:
            return True
        recent[text] = at
        return False

    def _kind_of(self, text: str, media_ids: list[str]) -> ContentKind:
        if media_ids:
            return self._media.kind_of(media_ids[0])
        return "link" if "https://" in text or "http://" in text else "text"


@dataclass(frozen=True, slots=True)
class _Window:
    """The requested part of a timeline: Unix seconds, and post numbers (exclusive)."""

    size: int
    since: float
    until: float
    below: int | None
    above: int | None
    replies: bool


def _read_window(query: QueryParams) -> _Window:
    """Read the parameters of a listing. Raises ValueError with X's message."""
    size = int(query.get("max_results", "10"))
    if not 5 <= size <= _BATCH:
        raise ValueError(f"The `max_results` query parameter value [{size}] is not between 5 and 100")
    bounds = [int(query["until_id"])] if "until_id" in query else []
    if "pagination_token" in query:
        bounds.append(read_token(query["pagination_token"]))
    return _Window(
        size=size,
        since=parse_iso(query["start_time"]) if "start_time" in query else 0.0,
        until=parse_iso(query["end_time"]) if "end_time" in query else float("inf"),
        below=min(bounds, default=None),
        above=int(query["since_id"]) if "since_id" in query else None,
        replies="replies" not in query.get("exclude", "").split(","),
    )


def _excludes(body: dict[str, Any]) -> bool:
    return sum(bool(body.get(name)) for name in ("media", "poll", "quote_tweet_id")) > 1


def _read_options(body: dict[str, Any], media: dict[str, Any]) -> dict[str, Any]:
    options = {name: body[name] for name in sorted(_OPTIONS & body.keys())}
    if media.get("tagged_user_ids"):
        options["tagged_user_ids"] = media["tagged_user_ids"]
    return options


def _is_too_long(text: str) -> bool:
    # A character weighs at most 2 and a URL 23, so most texts need no full count and no tables for it.
    return 2 * len(text) + 23 * text.count(".") > 280 and count_weighted(text) > 280


def _oauth_error(code: str, description: str, status: int = 400) -> Answer:
    return Answer({"error": code, "error_description": description}, status)
