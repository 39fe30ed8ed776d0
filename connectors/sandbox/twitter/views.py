"""Simulated X: JSON of posts and errors, pagination tokens, and the protocol of every request.

Shapes follow X's OpenAPI 2.167, with `repost_count` and `post.fields`. The older names (`retweet_count`, ...)
are returned in addition, but only to clients that use the older parameters (`tweet.fields`).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.twitter.text_links import show_text
from connectors.sandbox.wire import Answer, Call, bearer_token, iso_millis
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost

_PROBLEMS: Final = "https://api.x.com/2/problems/"
_PRIVATE_METRICS_S: Final = 30 * 86_400.0


def problem(status: int, title: str, detail: str, kind: str = "about:blank", **more: object) -> Answer:
    """Return an error in X's format."""
    content = {**more, "title": title, "detail": detail, "type": kind, "status": status}
    return Answer(content, status, media_type="application/problem+json; charset=utf-8")


def invalid_request(message: str, parameters: dict[str, list[str]] | None = None) -> Answer:
    """Return X's 400 for an invalid parameter."""
    detail = "One or more parameters to your request was invalid."
    errors = [{"parameters": parameters or {}, "message": message}]
    return problem(400, "Invalid Request", detail, f"{_PROBLEMS}invalid-request", errors=errors)


class TwitterProtocol:
    """Token checks, error responses and headers of X."""

    platform = Platform.TWITTER

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token; X answers 401 for every invalid one."""
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        return who if isinstance(who, SandboxAccount) else self.refuse("unauthorized", reset=0, at=call.at)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:  # noqa: ARG002  the protocol's form
        """Return the error response."""
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


def show_post(post: SandboxPost, call: Call, errors: list[dict[str, object]]) -> dict[str, object]:
    """Return the post with the requested fields; fields it may not see are added to `errors`."""
    fields = _asked_fields(call)
    shown: dict[str, object] = {**show_created(post)}
    _, entities = _text_of(post)
    keys = _media_keys(post)
    optional: dict[str, object] = {
        "created_at": iso_millis(post.created),
        "author_id": post.account.external_id,
        "conversation_id": post.detail("conversation") or post.detail("reply_to") or post.external_id,
        "entities": entities or None,
        "lang": "en" if post.text else "zxx",
        "attachments": {"media_keys": keys} if keys else None,
    }
    shown.update({name: value for name, value in optional.items() if name in fields and value is not None})
    if _speaks_of_tweets(call):
        shown["edit_history_tweet_ids"] = shown["edit_history_post_ids"]
    for name in fields & {"referenced_tweets", "referenced_posts"}:
        if post.detail("reply_to"):
            shown[name] = [{"type": "replied_to", "id": post.detail("reply_to")}]
    if fields & {"public_metrics", "non_public_metrics", "promoted_metrics"}:
        _add_metrics(shown, post, fields, call, errors)
    return shown


def show_created(post: SandboxPost) -> dict[str, object]:
    """Return the fields that every response about a post has."""
    text, _ = _text_of(post)
    return {"id": post.external_id, "text": text, "edit_history_post_ids": [post.external_id]}


def _add_metrics(
    shown: dict[str, object],
    post: SandboxPost,
    fields: frozenset[str],
    call: Call,
    errors: list[dict[str, object]],
) -> None:
    now = call.world.counters(post, call.at)
    if "public_metrics" in fields:
        shown["public_metrics"] = {
            "impression_count": now.impressions,
            "like_count": now.likes,
            "reply_count": now.comments,
            "repost_count": now.reposts,
            **({"retweet_count": now.reposts} if _speaks_of_tweets(call) else {}),
            "quote_count": now.quotes,
            "bookmark_count": now.saves,
        }
    if "promoted_metrics" in fields:
        if post.detail("promoted") and call.at - post.created <= _PRIVATE_METRICS_S:
            shown["promoted_metrics"] = {
                "impression_count": now.impressions // 2,
                "like_count": now.likes // 2,
            }
        else:
            errors.append(_disallowed_field(post.external_id))
    if "non_public_metrics" not in fields:
        return
    if post.account is call.owner and call.at - post.created <= _PRIVATE_METRICS_S:
        shown["non_public_metrics"] = {
            "impression_count": now.impressions,
            "url_link_clicks": now.clicks,
            "user_profile_clicks": now.reach // 90,
        }
    else:
        errors.append(_not_authorized_field(post.external_id))


def _media_keys(post: SandboxPost) -> list[str]:
    if post.kind not in ("photo", "video"):
        return []
    prefix = "13" if post.kind == "video" else "3"
    return [f"{prefix}_{media_id}" for media_id in post.detail("media_ids") or [post.external_id]]


def _text_of(post: SandboxPost) -> tuple[str, dict[str, Any]]:
    if post.kind not in ("photo", "video"):
        return show_text(post.text)
    part = "video" if post.kind == "video" else "photo"
    address = f"https://x.com/{post.account.handle}/status/{post.external_id}/{part}/1"
    return show_text(post.text, media_address=address)


def _speaks_of_tweets(call: Call) -> bool:
    return "tweet.fields" in call.query


def _asked_fields(call: Call) -> frozenset[str]:
    query = call.query
    asked = f"{query.get('tweet.fields', '')},{query.get('post.fields', '')},{query.get('expansions', '')}"
    return frozenset(asked.split(","))


def not_found(resource: str, parameter: str, value: str) -> dict[str, object]:
    """Return the partial error for an id that X does not know, or no longer knows."""
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


def _disallowed_field(external_id: str) -> dict[str, object]:
    return {
        "resource_id": external_id,
        "detail": "The 'promoted_metrics.impression_count' field cannot be queried for this resource.",
        "title": "Disallowed Resource",
        "resource_type": "tweet",
        "field": "promoted_metrics.impression_count",
        "parameter": "tweet.fields",
        "section": "data",
        "type": f"{_PROBLEMS}disallowed-resource",
    }


def write_token(number: int) -> str:
    """Encode a pagination token as X does, in lower-case base32hex."""
    return base64.b32hexencode(str(number).encode()).rstrip(b"=").decode().lower()


def read_token(token: str) -> int:
    """Decode a pagination token. Raises ValueError with X's message."""
    try:
        raw = base64.b32hexdecode(token.upper() + "=" * (-len(token) % 8))
        return int(raw)
    except ValueError:
        raise ValueError(f"The `pagination_token` query parameter value [{token}] is not valid") from None
