"""Simulated LinkedIn: errors, tokens, headers, and the display of the little text format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, bearer_token
from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost

RESERVED: Final = frozenset("\\|{}@[]()<>#*_~")
_TAG: Final = re.compile(r"#\w+")


def refuse(status: int, code: str, message: str, **more: object) -> Answer:
    """Return an error in LinkedIn's format."""
    return Answer({"status": status, "code": code, "message": message, **more}, status)


def not_found(what: str) -> Answer:
    """Return LinkedIn's error for an object that does not exist."""
    return refuse(404, "NOT_FOUND", f"{what} could not be found")


def denied(what: str) -> Answer:
    """Return LinkedIn's error for a missing scope or role."""
    return refuse(
        403, "ACCESS_DENIED", f"Not enough permissions to access: {what}.20260301", serviceErrorCode=100
    )


class LinkedInProtocol:
    """Token checks, error responses and headers of LinkedIn."""

    platform = Platform.LINKEDIN

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token, or a 401 with the reason."""
        if call.request.url.path.startswith("/rest/"):
            version = call.request.headers.get("linkedin-version", "")
            if not re.fullmatch(r"20\d{4}", version):
                return refuse(400, "VERSION_MISSING", "A version must be present. Please specify a version")
            if call.request.headers.get("x-restli-protocol-version") != "2.0.0":
                return refuse(400, "ILLEGAL_ARGUMENT", "X-RestLi-Protocol-Version must be 2.0.0")
        who = judge_token(call.world, self.platform, bearer_token(call), kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        code = {"expired": "EXPIRED", "revoked": "REVOKED"}.get(who, "INVALID")
        message = f"The token used in the request is {code.lower()}"
        return refuse(401, f"{code}_ACCESS_TOKEN", message, serviceErrorCode=65_600)

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response.

        LinkedIn documents no Retry-After; the simulation sends one, as gateways do.
        """
        if kind == "rate_limited":
            message = "Resource level throttle MEMBER DAY limit for calls to this resource is reached."
            answer = refuse(429, "TOO_MANY_REQUESTS", message, serviceErrorCode=101)
            answer.headers["retry-after"] = str(max(0, int(-(-(reset - at) // 1))))
            return answer
        if kind == "unauthorized":
            message = "The token used in the request has expired"
            return refuse(401, "EXPIRED_ACCESS_TOKEN", message, serviceErrorCode=65_601)
        if kind == "forbidden":
            return denied("posts.CREATE")
        return refuse(500, "INTERNAL_SERVER_ERROR", "Internal Server Error")

    def limit_headers(self, state: LimitState) -> dict[str, str]:  # noqa: ARG002  the protocol's form
        """Return nothing: LinkedIn reports its limits only in the developer portal."""
        return {}


def read_little(commentary: str) -> str:
    """Return the text that LinkedIn would show.

    An unescaped reserved character, except a hashtag's sign, cuts the text off at its position, as reported
    for clients that do not escape.
    """
    shown, position = [], 0
    while position < len(commentary):
        char = commentary[position]
        if char == "\\" and commentary[position + 1 : position + 2] in RESERVED:
            position += 1
            shown.append(commentary[position])
        elif char in RESERVED and char != "#":
            break
        else:
            shown.append(char)
        position += 1
    return "".join(shown)


def write_little(text: str) -> str:
    """Return the commentary in LinkedIn's responses: hashtags as templates, the rest escaped."""
    pieces, end = [], 0
    for tag in _TAG.finditer(text):
        value = _escape(tag.group()[1:])
        pieces += [_escape(text[end : tag.start()]), f"{{hashtag|\\#|{value}}}"]
        end = tag.end()
    return "".join([*pieces, _escape(text[end:])])


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in RESERVED else char for char in text)


def is_page(account: SandboxAccount) -> bool:
    """Return whether the account is an organization's page rather than a member."""
    return account.external_id.startswith("urn:li:organization:")


def refuse_duplicate(twin: SandboxPost) -> Answer:
    """Reject a text that the author has already posted; the message names that post."""
    error = {"description": "Duplicate post is detected", "input": {}, "code": "DUPLICATE_POST"}
    return Answer(
        {
            "errorDetailType": "com.linkedin.common.error.BadRequest",
            "message": "com.linkedin.content.common.exception.BadRequestResponseException: Content is a duplicate of "
            f"{twin.external_id}",
            "errorDetails": {"inputErrors": [error]},
            "status": 422,
        },
        422,
    )
