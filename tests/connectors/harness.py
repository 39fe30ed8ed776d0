"""Test harness of connectors: a clock, the publisher's saved state, a simulated account."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
from pydantic import SecretStr

from connectors.base import PublishRequest
from connectors.candidates import Candidate, reads_like, says
from connectors.sandbox.accounts import SandboxAccount
from connectors.types import Account, Credentials, Media, Platform, PostContent

SANDBOX = "http://sandbox.test"
PNG = b"\x89PNG\r\n\x1a\n"
MP4 = b"\x00\x00\x00\x18ftypmp42"


def fits(candidate: Candidate, text: str, *media: Media) -> bool:
    """Whether a look-up takes the candidate for a post of this text and these media."""
    return candidate.shows(media) and (says(candidate, text) or reads_like(candidate, text))


class Flood(httpx.AsyncByteStream):
    """A file that starts like `head` and is 64 MB longer than `largest`, made while it is read."""

    PIECE = 1_000_000

    def __init__(self, head: bytes, largest: int) -> None:
        self.sent = 0
        self._head, self._size = head, largest + 64 * self.PIECE

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        piece = bytes(self.PIECE)
        while self.sent < self._size:
            self.sent += self.PIECE
            yield piece


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class SavedState:
    """Where a publisher would keep a request's state."""

    state: Mapping[str, Any] = field(default_factory=dict)
    saves: int = 0
    on_save: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None

    async def save(self, state: Mapping[str, Any]) -> None:
        self.state, self.saves = dict(state), self.saves + 1
        if self.on_save is not None:
            await self.on_save(state)

    def request(
        self, content: PostContent, at: datetime, *, key: str = "pub_1", taken: frozenset[str] = frozenset()
    ) -> PublishRequest:
        return PublishRequest(
            content=content,
            key=key,
            first_attempt_at=at,
            state=self.state,
            save_state=self.save,
            taken=taken,
        )


class RewritingTransport(httpx.AsyncBaseTransport):
    """Hands requests on, keeps them, and rewrites the JSON of whatever succeeds."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, rewrite: Callable[[Any], Any] = lambda body: body
    ) -> None:
        self.requests: list[httpx.Request] = []
        self._inner = inner
        self._rewrite = rewrite

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        if answer.is_success and content[:1] in {b"{", b"["}:
            content = orjson.dumps(self._rewrite(orjson.loads(content)))
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, content=content)


def write_numbers_as_text(node: Any) -> Any:
    """Return the JSON with every whole number as a string of digits, as Google writes its 64-bit ones."""
    if isinstance(node, dict):
        return {name: write_numbers_as_text(item) for name, item in node.items()}
    if isinstance(node, list):
        return [write_numbers_as_text(item) for item in node]
    return str(node) if isinstance(node, int) and not isinstance(node, bool) else node


TIMES = frozenset(
    {
        "created_at",
        "created_time",
        "create_time",
        "createdAt",
        "timestamp",
        "publishedAt",
        "videoPublishedAt",
    }
)


def spoil_times(node: Any) -> Any:
    """Return the JSON with every time as a word."""
    if isinstance(node, dict):
        return {name: "someday" if name in TIMES else spoil_times(item) for name, item in node.items()}
    return [spoil_times(item) for item in node] if isinstance(node, list) else node


ODD_ITEMS: Mapping[str, Callable[[Any], Any]] = {
    "no object": lambda _item: 7,
    "nothing": lambda _item: None,
    "an empty object": lambda _item: {},
    "times that are words": spoil_times,
}
"""What may stand in a platform's list in the place of a post."""


def spoil_item(body: Any, position: int, spoil: Callable[[Any], Any]) -> Any:
    """Return the response with one item of its list spoiled; unchanged if the list is not longer than `position`."""
    if isinstance(body, list):
        return [spoil(item) if index == position else item for index, item in enumerate(body)]
    if not isinstance(body, dict):
        return body
    lists = ("data", "items", "elements", "feed", "records", "videos")
    return {
        name: spoil_item(value, position, spoil) if name in lists else value for name, value in body.items()
    }


def account_of(owner: SandboxAccount) -> Account:
    """Return the simulated account as a connector takes it."""
    own_server = owner.platform in {Platform.MASTODON, Platform.BLUESKY}
    refresh = SecretStr(owner.refresh_token) if owner.refresh_token else None
    password = SecretStr(owner.app_password) if owner.app_password else None
    return Account(
        id=f"acc_{owner.key}",
        platform=owner.platform,
        credentials=Credentials(SecretStr(owner.access_token), refresh, owner.expires_at, password),
        external_id=owner.external_id,
        handle=owner.handle,
        instance_url=SANDBOX if own_server else None,
    )
