"""A small typed client of SocialFlow's HTTP API: copy this one file into your program. Needs httpx.

    with SocialFlow("http://127.0.0.1:8000", api_key="sf_...", api_secret="sfs_...") as flow:
        post = flow.create_post("Hello", platforms=["mastodon"], scheduled_at="2030-04-15T14:30:00Z")
        for old in flow.posts(status="published"):
            print(old["id"], old["content"])

It gets tokens and renews them, repeats what may be repeated (every POST carries an Idempotency-Key, the same for all
its tries, so that a broken connection never makes two posts), waits as long as the server says, and pages by itself.
"""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Status = Literal["draft", "scheduled", "publishing", "published", "partially_published", "failed", "canceled"]
ATTEMPTS = 5
LONGEST_WAIT_S = 60.0


class Publication(TypedDict):
    """A post on one account. Times are ISO 8601 in UTC."""

    id: str
    account_id: str
    platform: str
    status: str
    reason: str | None
    scheduled_at: str | None
    published_at: str | None
    permalink: str | None


class Post(TypedDict):
    """A post; the server sends more than is named here."""

    id: str
    status: Status
    content: str
    platforms: list[str]
    scheduled_at: str | None
    publications: list[Publication]
    version: int


class Account(TypedDict):
    """A connected account."""

    id: str
    platform: str
    handle: str
    status: str
    health: dict[str, Any]


class TopPost(TypedDict):
    """One of the best posts of a period."""

    post_id: str
    engagement: int


class Overview(TypedDict):
    """A period in figures; None was not measured, which is not 0."""

    total_posts: int
    total_engagement: int | None
    follower_growth: int | None
    top_performing: list[TopPost]
    series: list[dict[str, Any]]


class ApiProblemError(Exception):
    """The server refused. `code` is stable, `detail` is for people, `errors` names the wrong fields."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.status: int = problem.get("status", 0)
        self.code: str = problem.get("code", "")
        self.detail: str = problem.get("detail", "")
        self.errors: list[dict[str, Any]] = problem.get("errors", [])
        self.request_id: str = problem.get("request_id", "")
        self.retryable: bool = problem.get("retryable", False)


class SocialFlow:
    """The API of one workspace. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        api_secret: str,
        scope: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`scope` asks for less than the key may do. `transport` and `sleep` are for tests."""
        self._http = httpx.Client(base_url=url, timeout=60, transport=transport)
        self._credentials = {"api_key": api_key, "api_secret": api_secret}
        if scope is not None:
            self._credentials["scope"] = scope
        self._token: str | None = None
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def create_post(
        self, content: str, *, platforms: Sequence[str], idempotency_key: str | None = None, **fields: object
    ) -> Post:
        """Create a post. `fields`: scheduled_at, status="draft", media, variants, ... as the API names them.

        With an `idempotency_key` of your own also a repetition by another run of your program makes one post.
        """
        body = {"content": content, "platforms": list(platforms), **fields}
        post: Post = self._ask("POST", "/posts", json=body, idempotency_key=idempotency_key)
        return post

    def read_post(self, post_id: str) -> Post:
        """Read a post with the story of each publication."""
        post: Post = self._ask("GET", f"/posts/{post_id}")
        return post

    def update_post(self, post_id: str, *, version: int | None = None, **changes: object) -> Post:
        """Change what is named; with `version` only if nobody has changed the post since (else code stale)."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        post: Post = self._ask("PATCH", f"/posts/{post_id}", json=changes, headers=headers)
        return post

    def cancel_post(self, post_id: str) -> Post:
        """Cancel what has not been sent."""
        post: Post = self._ask("DELETE", f"/posts/{post_id}")
        return post

    def posts(self, *, page_size: int = 100, **filters: object) -> Iterator[Post]:
        """Yield posts, newest first, page by page; filters: status, platform, account_id, from, to."""
        yield from self._pages("/posts", page_size, filters)

    def accounts(self) -> list[Account]:
        """Return the connected accounts."""
        accounts: list[Account] = self._ask("GET", "/accounts")["data"]
        return accounts

    def overview(self, period: str = "30d", **filters: object) -> Overview:
        """Return the figures of a period such as 30d."""
        overview: Overview = self._ask("GET", "/analytics/overview", params={"period": period, **filters})
        return overview

    def optimal_times(self, **filters: object) -> list[dict[str, Any]]:
        """Return the advised times, best first."""
        times: list[dict[str, Any]] = self._ask("GET", "/schedules/optimal-times", params=filters)["data"]
        return times

    def calendar(self, **filters: object) -> list[dict[str, Any]]:
        """Return what is planned by local day; filters: from, to, timezone."""
        days: list[dict[str, Any]] = self._ask("GET", "/schedules", params=filters)["data"]
        return days

    def _pages(self, path: str, page_size: int, filters: Mapping[str, object]) -> Iterator[Any]:
        cursor = None
        while True:
            params = {**filters, "limit": page_size, **({"cursor": cursor} if cursor else {})}
            page = self._ask("GET", path, params=params)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:  # noqa: ANN401 (same)
        own = dict(headers or {})
        if method == "POST":
            own["Idempotency-Key"] = idempotency_key or str(uuid4())
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self._send(method, path, params=params, json=json, headers=own)
            except httpx.TransportError:
                if last:
                    raise
                self._sleep(_backoff(attempt))
                continue
            if answer.is_success:
                return answer.json()
            problem = ApiProblemError(_read_problem(answer))
            if problem.code == "invalid_token" and not last:
                self._token = None  # it has run out: the next try gets another
            elif problem.retryable and not last:
                self._sleep(_wait_of(answer, attempt))
            else:
                raise problem
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 (httpx's own)
        if self._token is None:
            exchanged = self._http.post("/api/v1/auth/token", json=self._credentials)
            if not exchanged.is_success:
                return exchanged
            self._token = exchanged.json()["access_token"]
        request["headers"] = {**request["headers"], "Authorization": f"Bearer {self._token}"}
        return self._http.request(method, f"/api/v1{path}", **request)


def _read_problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        problem: dict[str, Any] = answer.json()
    except ValueError:  # a proxy's page, not our server's answer
        return {"status": answer.status_code, "detail": answer.reason_phrase, "code": "http_error"}
    return problem


def _wait_of(answer: httpx.Response, attempt: int) -> float:
    """Return the seconds to wait before the next try: what the server says, in either of its two forms."""
    said = answer.headers.get("retry-after", "")
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT_S)
    if said:
        return min(max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0), LONGEST_WAIT_S)
    return _backoff(attempt)


def _backoff(attempt: int) -> float:
    return min(0.5 * 2.0**attempt, LONGEST_WAIT_S) * random.uniform(0.5, 1.0)  # noqa: S311 (spreads clients, hides nothing)
