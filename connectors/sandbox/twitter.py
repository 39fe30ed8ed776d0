"""Simulated X: posts, lookups, the user, OAuth2 refresh. Media uploads are in `twitter_media`.

Shapes follow X's OpenAPI 2.167, which calls a repost `repost_count` and fields `post.fields`; the names of
before (`retweet_count`, `tweet.fields`, ...) are answered beside them, as clients of both ages exist.
"""

from __future__ import annotations

import base64
import unicodedata
from typing import Any, Final

from starlette.routing import Route
from twitter_text import parse_tweet

from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount, TokenKind
from connectors.sandbox.limits import LimitState
from connectors.sandbox.tokens import judge_token, rotate_tokens
from connectors.sandbox.twitter_media import TwitterMedia
from connectors.sandbox.twitter_text_links import show_text
from connectors.sandbox.wire import (
    Answer,
    Auth,
    Call,
    Endpoint,
    Handler,
    bearer_token,
    iso_millis,
    parse_iso,
    route,
)
from connectors.sandbox.world import SandboxPost, SandboxWorld
from connectors.types import ContentKind, Platform

_PROBLEMS: Final = "https://api.x.com/2/problems/"
_PRIVATE_METRICS_S: Final = 30 * 86_400.0
_BATCH: Final = 100
_CREATE_FIELDS: Final = frozenset({
    "card_uri", "community_id", "direct_message_deep_link", "edit_options", "for_super_followers_only", "geo",
    "made_with_ai", "media", "nullcast", "paid_partnership", "poll", "quote_tweet_id", "reply", "reply_settings",
    "share_with_followers", "text",
})  # fmt: skip


def problem(status: int, title: str, detail: str, kind: str = "about:blank", **more: object) -> Answer:
    """Return an error as X words it."""
    return Answer({**more, "title": title, "detail": detail, "type": kind, "status": status}, status)


def invalid_request(message: str, parameters: dict[str, list[str]] | None = None) -> Answer:
    """Return X's 400 for a bad parameter."""
    detail = "One or more parameters to your request was invalid."
    errors = [{"parameters": parameters or {}, "message": message}]
    return problem(400, "Invalid Request", detail, f"{_PROBLEMS}invalid-request", errors=errors)


class TwitterDialect:
    """Tokens, refusals and headers of X."""

    platform = Platform.TWITTER

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return whose token it is; X answers 401 for any bad one, whatever is wrong with it."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        return who if isinstance(who, SandboxAccount) else self.refuse("unauthorized", reset=0, at=call.at)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:  # noqa: ARG002  the protocol's form
        """Word a refusal."""
        if kind == "rate_limited":
            return problem(429, "Too Many Requests", "Too Many Requests")
        if kind == "unauthorized":
            return problem(401, "Unauthorized", "Unauthorized")
        if kind == "forbidden":
            return problem(403, "Forbidden", "You are not permitted to perform this action.")
        return problem(500, "Internal Server Error", "Something is broken.", f"{_PROBLEMS}internal-error")

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return x-rate-limit-*; the reset is in Unix seconds."""
        return {
            "x-rate-limit-limit": str(state.limit),
            "x-rate-limit-remaining": str(state.remaining),
            "x-rate-limit-reset": str(int(-(-state.reset // 1))),
        }


class Twitter:
    """The endpoints of X over one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._media = TwitterMedia(world)
        self._recent: dict[str, dict[tuple[str, str | None], float]] = {}

    def routes(self) -> list[Route]:
        """Return the routes, the hottest first."""
        dialect = TwitterDialect()

        def on(operation: str, bucket: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, dialect, operation, bucket, handler, auth)

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
        text = body.get("text", "")
        media = body.get("media")
        media_ids = [] if media is None else media.get("media_ids", [])
        if not isinstance(text, str) or (not text.strip() and not media_ids):
            return invalid_request("You must provide text or media.", {"text": [str(text)]})
        if media is not None and not 1 <= len(media_ids) <= 4:
            return invalid_request("media_ids must hold 1 to 4 ids", {"media.media_ids": media_ids})
        if _is_too_long(text):
            return problem(403, "Forbidden", "Your Tweet text is too long.")
        if any(not self._media.is_ready(media_id, account, call.at) for media_id in media_ids):
            return invalid_request("Your media IDs are invalid.", {"media.media_ids": media_ids})
        parent = (body.get("reply") or {}).get("in_reply_to_tweet_id")
        if parent is not None and self._world.find_post(Platform.TWITTER, parent, account) is None:
            detail = "You attempted to reply to a Tweet that is deleted or not visible to you."
            return problem(403, "Forbidden", detail)
        if self._is_duplicate(account, (text, parent), call.at):
            return problem(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content.")
        kind = self._kind_of(text, media_ids)
        details = {"media_ids": media_ids, "reply_to": parent} if media_ids or parent else None
        post = self._world.add_post(account, text=text, kind=kind, at=call.at, details=details)
        shown, _ = _shown(post)
        ids = [post.external_id]
        data = {
            "id": post.external_id,
            "text": shown,
            "edit_history_post_ids": ids,
            "edit_history_tweet_ids": ids,
        }
        return Answer({"data": data}, 201)

    def look_up(self, call: Call) -> Answer:
        """GET /2/tweets?ids=: what is missing is left out of `data` and named in `errors`."""
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
        fields = _asked_fields(call)
        for external_id in dict.fromkeys(ids):
            post = self._world.find_post(Platform.TWITTER, external_id, call.owner)
            if post is None:
                errors.append(_not_found("tweet", "ids", external_id))
                continue
            data.append(self._show(post, fields, call, errors))
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
            return Answer({"errors": [_not_found("tweet", "id", external_id)]})
        errors: list[dict[str, object]] = []
        data = self._show(post, _asked_fields(call), call, errors)
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
                "tweet_count": posts,
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
            return Answer({"errors": [_not_found("user", "id", call.path["id"])]})
        try:
            size = int(query.get("max_results", "10"))
            since = parse_iso(query["start_time"]) if "start_time" in query else 0.0
            until = parse_iso(query["end_time"]) if "end_time" in query else float("inf")
            below = _read_token(query["pagination_token"]) if "pagination_token" in query else None
            above = int(query["since_id"]) if "since_id" in query else None
            if "until_id" in query:
                below = min(int(query["until_id"]), below if below is not None else int(query["until_id"]))
        except ValueError as error:
            return invalid_request(str(error), {name: [value] for name, value in query.items()})
        if not 5 <= size <= _BATCH:
            message = f"The `max_results` query parameter value [{size}] is not between 5 and 100"
            return invalid_request(message, {"max_results": [str(size)]})
        replies_too = "replies" not in query.get("exclude", "").split(",")
        found: list[SandboxPost] = []
        for post in self._world.list_posts(account, below=below, above=above):
            if post.created < since or len(found) > size:
                break
            if post.created < until and (replies_too or post.detail("reply_to") is None):
                found.append(post)
        page, more = found[:size], len(found) > size
        if call.page_fault == "empty_page" or not page:
            return Answer({"meta": {"result_count": 0}})
        errors: list[dict[str, object]] = []
        data = [self._show(post, _asked_fields(call), call, errors) for post in page]
        meta: dict[str, object] = {
            "result_count": len(page), "newest_id": page[0].external_id, "oldest_id": page[-1].external_id
        }  # fmt: skip
        if call.page_fault == "repeated_cursor":
            meta["next_token"] = query.get("pagination_token") or _write_token(page[0].number + 1)
        elif more:
            meta["next_token"] = _write_token(page[-1].number)
        return Answer(
            {"data": data, "meta": meta, "errors": errors} if errors else {"data": data, "meta": meta}
        )

    def delete(self, call: Call) -> Answer:
        """DELETE /2/tweets/{id}."""
        post = self._world.find_post(Platform.TWITTER, call.path["id"], call.owner)
        if post is None:
            return Answer({"errors": [_not_found("tweet", "id", call.path["id"])]}, 404)
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

    def _is_duplicate(self, account: SandboxAccount, text: tuple[str, str | None], at: float) -> bool:
        """Tell whether the account said this a short while ago; remember it if not."""
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

    def _show(
        self, post: SandboxPost, fields: frozenset[str], call: Call, errors: list[dict[str, object]]
    ) -> dict[str, object]:
        text, entities = _shown(post)
        ids = [post.external_id]
        shown: dict[str, object] = {
            "id": post.external_id, "text": text, "edit_history_post_ids": ids, "edit_history_tweet_ids": ids
        }  # fmt: skip
        if "created_at" in fields:
            shown["created_at"] = iso_millis(post.created)
        if "author_id" in fields:
            shown["author_id"] = post.account.external_id
        if "conversation_id" in fields:
            shown["conversation_id"] = post.detail("reply_to") or post.external_id
        if "entities" in fields and entities:
            shown["entities"] = entities
        if fields & {"referenced_tweets", "referenced_posts"} and post.detail("reply_to"):
            for name in ("referenced_posts", "referenced_tweets"):
                shown[name] = [{"type": "replied_to", "id": post.detail("reply_to")}]
        if "attachments" in fields and post.kind in ("photo", "video"):
            shown["attachments"] = {
                "media_keys": [f"{'7' if post.kind == 'video' else '3'}_{post.external_id}"]
            }
        if not fields & {"public_metrics", "non_public_metrics"}:
            return shown
        now = self._world.counters(post, call.at)
        if "public_metrics" in fields:
            shown["public_metrics"] = {
                "impression_count": now.impressions,
                "like_count": now.likes,
                "reply_count": now.comments,
                "repost_count": now.reposts,
                "retweet_count": now.reposts,
                "quote_count": now.quotes,
                "bookmark_count": now.saves,
            }
        if "non_public_metrics" in fields:
            if post.account is call.owner and call.at - post.created <= _PRIVATE_METRICS_S:
                shown["non_public_metrics"] = {
                    "impression_count": now.impressions,
                    "url_link_clicks": now.clicks,
                    "user_profile_clicks": now.reach // 90,
                }
            else:
                errors.append(_not_authorized_field(post.external_id))
        return shown


def _shown(post: SandboxPost) -> tuple[str, dict[str, Any]]:
    if post.kind not in ("photo", "video"):
        return show_text(post.text)
    part = "video" if post.kind == "video" else "photo"
    address = f"https://x.com/{post.account.handle}/status/{post.external_id}/{part}/1"
    return show_text(post.text, media_address=address)


def _asked_fields(call: Call) -> frozenset[str]:
    query = call.query
    asked = f"{query.get('tweet.fields', '')},{query.get('post.fields', '')},{query.get('expansions', '')}"
    return frozenset(asked.split(","))


def _is_too_long(text: str) -> bool:
    # A character weighs 2 at most and an address 23, so most texts need no real counting.
    if 2 * len(text) + 23 * text.count(".") <= 280:
        return False
    return bool(parse_tweet(unicodedata.normalize("NFC", text)).weightedLength > 280)


def _not_found(resource: str, parameter: str, value: str) -> dict[str, object]:
    return {
        "value": value,
        "detail": f"Could not find {resource} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": resource,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{_PROBLEMS}resource-not-found",
    }


def _not_authorized_field(external_id: str) -> dict[str, object]:
    return {
        "resource_id": external_id,
        "detail": "Sorry, you are not authorized to access 'non_public_metrics' on this Tweet: it is older than "
        "30 days or not your own.",
        "title": "Field Authorization Error",
        "resource_type": "tweet",
        "field": "non_public_metrics",
        "parameter": "tweet.fields",
        "section": "data",
        "type": f"{_PROBLEMS}not-authorized-for-field",
    }


def _oauth_error(code: str, description: str, status: int = 400) -> Answer:
    return Answer({"error": code, "error_description": description}, status)


def _write_token(number: int) -> str:
    """Write a position as X does, in lower-case base32hex."""
    return base64.b32hexencode(str(number).encode()).rstrip(b"=").decode().lower()


def _read_token(token: str) -> int:
    try:
        raw = base64.b32hexdecode(token.upper() + "=" * (-len(token) % 8))
        return int(raw)
    except ValueError:
        raise ValueError(f"The `pagination_token` query parameter value [{token}] is not valid") from None
