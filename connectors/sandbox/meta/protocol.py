"""The Graph API's protocol for Instagram, Facebook and Threads: errors, tokens, fields, times, cursors."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, bearer_token, parse_iso
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost


def graph_error(
    message: str, code: int, *, subcode: int | None = None, status: int = 400, transient: bool = False
) -> Answer:
    """Return an error in the Graph API's format."""
    error: dict[str, object] = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "is_transient": transient,
        "fbtrace_id": "A" + hashlib.blake2b(message.encode(), digest_size=8).hexdigest(),
    }
    if subcode is not None:
        error["error_subcode"] = subcode
    return Answer({"error": error}, status)


def no_object(node: str) -> Answer:
    """Return the Graph API's error for an id that is unknown or not the caller's."""
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation"
    )
    return graph_error(message, 100, subcode=33)


@dataclass(slots=True)
class GraphProtocol:
    """Token checks, error responses and headers of one Graph API platform."""

    platform: Platform

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token; an invalid one is a 400 with code 190, as in the Graph API."""
        token = bearer_token(call)
        if token is None:
            try:
                token = call.parameters().get("access_token")
            except ValueError:
                return graph_error("The request body is not valid JSON.", 100)
        if not token:
            return graph_error("An access token is required to request this resource.", 104)
        who = judge_token(call.world, self.platform, token, kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        if who == "expired":
            return graph_error("Error validating access token: Session has expired.", 190, subcode=463)
        if who == "revoked":
            message = "Error validating access token: The user has not authorized application."
            return graph_error(message, 190, subcode=458)
        return graph_error("Invalid OAuth access token - Cannot parse access token", 190)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response.

        A rate limit reports the minutes to wait; Retry-After is the sandbox's addition.
        """
        if kind == "rate_limited":
            wait = max(0, int(-(-(reset - at) // 1)))
            usage = {"call_count": 100, "total_cputime": 25, "total_time": 25, "type": str(self.platform)}
            usage["estimated_time_to_regain_access"] = -(-wait // 60)
            # A Page's own limit is a 400; the app's is a 429.
            if self.platform is Platform.FACEBOOK:
                answer = graph_error("(#32) Page request limit reached", 32)
            else:
                answer = graph_error("(#4) Application request limit reached", 4, status=429, transient=True)
            answer.headers["x-business-use-case-usage"] = orjson.dumps(
                {"17841400000000000": [usage]}
            ).decode()
            answer.headers["retry-after"] = str(wait)
            return answer
        if kind == "unauthorized":
            return graph_error("Error validating access token: Session has expired.", 190, subcode=463)
        if kind == "forbidden":
            message = "(#10) Application does not have permission for this action"
            return graph_error(message, 10, status=403)
        message = "An unknown error has occurred."
        return graph_error(message, 1, status=500, transient=True)

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return X-App-Usage, in percent of the limit."""
        used = min(100, 100 * (state.limit - state.remaining) // state.limit)
        return {
            "x-app-usage": orjson.dumps({"call_count": used, "total_time": 1, "total_cputime": 1}).decode()
        }


def is_own(call: Call) -> bool:
    """Return whether the path's user is the token's own, by id or as "me"."""
    return str(call.path.get("node", "me")) in ("me", call.owner.external_id)


def pick_fields(
    values: dict[str, Any], call: Call, *, always: Iterable[str] = (), default: Iterable[str] = ("id",)
) -> dict[str, Any]:
    """Return the requested fields; unknown fields are omitted."""
    asked = read_fields(call.parameters().get("fields", ""))
    if not asked:
        asked = tuple(default)
    names = dict.fromkeys((*always, *(name_field(item) for item in asked)))
    # Every node of the Graph API includes its id.
    if "id" in values:
        names["id"] = None
    return {name: values[name] for name in names if name in values}


def read_list(text: str) -> tuple[str, ...]:
    """Read "a,b" or a JSON array of strings."""
    if text.startswith("["):
        return tuple(str(item) for item in orjson.loads(text))
    return tuple(item.strip() for item in text.split(",") if item.strip())


def read_fields(text: str) -> tuple[str, ...]:
    """Split "a,b.limit(0){c,d}" into its two fields, each with its modifiers."""
    fields, depth = [""], 0
    for letter in text:
        depth += (letter in "({") - (letter in ")}")
        if letter == "," and depth == 0:
            fields.append("")
        else:
            fields[-1] += letter
    return tuple(field.strip() for field in fields if field.strip())


def name_field(field: str) -> str:
    """Return the bare name of a field such as b.limit(0){c,d}."""
    return field.partition("{")[0].partition(".")[0]


def read_page(call: Call) -> tuple[list[SandboxPost], bool]:
    """Return one page of the caller's posts, newest first, and whether there are more. Raises ValueError."""
    given = call.parameters()
    size = min(100, max(1, int(given.get("limit", "25"))))
    below = read_cursor(given["after"]) if given.get("after") else None
    above = read_cursor(given["before"]) if given.get("before") else None
    since = read_time(given["since"]) if given.get("since") else 0.0
    until = read_time(given["until"]) if given.get("until") else float("inf")
    found: list[SandboxPost] = []
    for post in call.world.list_posts(call.owner, below=below, above=above):
        if post.created < since or len(found) > size:
            break
        if post.created <= until:
            found.append(post)
    return found[:size], len(found) > size


def write_paging(call: Call, first: int, last: int, *, more: bool) -> dict[str, object]:
    """Return the `paging` object of a page whose first and last posts have these numbers."""
    after = write_cursor(last)
    if call.page_fault == "repeated_cursor":
        after, more = call.parameters().get("after") or write_cursor(first + 1), True
    paging: dict[str, object] = {"cursors": {"before": write_cursor(first), "after": after}}
    if more:
        # As in the Graph API, the URL repeats every parameter, including the token.
        address = f"{call.base_url}{call.request.url.path}"
        paging["next"] = f"{address}?{urlencode({**call.query, 'after': after})}"
    return paging


def read_time(text: str) -> float:
    """Read Unix seconds or an ISO time. Raises ValueError."""
    return float(text) if text.isdigit() else parse_iso(text)


def write_time(at: float) -> str:
    """Format a time as the Graph API does: 2026-01-02T03:04:05+0000."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def write_cursor(number: int) -> str:
    """Encode a cursor."""
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def read_cursor(cursor: str) -> int:
    """Decode a cursor. Raises ValueError."""
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise ValueError(f"Invalid cursor {cursor!r}") from None
