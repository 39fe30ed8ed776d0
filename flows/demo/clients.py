"""HTTP clients of the demo: for the SocialFlow API and the simulated platforms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import httpx

from connectors.http.encoding import NO_COMPRESSION, bound_decoding
from flows.errors import DemoError
from flows.serving.child_start import ChildStart
from flows.serving.launcher import PROCESSES_FILE, PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flows.settings import FlowSettings

SHOWN_PLATFORMS = frozenset({"twitter", "instagram", "mastodon", "bluesky"})
"""Four platforms that together cover every way to find out whether a post was published."""


class Servers:
    """HTTP clients of the demo. Every call raises DemoError with the server's message if it fails."""

    def __init__(self, settings: FlowSettings, home: Path) -> None:
        self._processes = home / PROCESSES_FILE
        self._api = _open(settings.api_url)
        self._sandbox = _open(f"{settings.sandbox_url}/_sandbox")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for client in (self._api, self._sandbox):
            await client.aclose()

    async def wait_for_api(self) -> None:
        """Wait until API and sandbox answer."""
        await self._wait_for(self._sandbox, "health", ["sandbox"])
        await self._wait_for(self._api, "/healthz", ["api"])

    async def sign_in(self, api_key: str, api_secret: str) -> str:
        """Exchange the key for a token, use it for further calls, and return it."""
        body = {"api_key": api_key, "api_secret": api_secret}
        token = str((await _call(self._api, "POST", "/api/v1/auth/token", json=body))["access_token"])
        self._api.headers["Authorization"] = f"Bearer {token}"
        return token

    async def list_sandbox_accounts(self) -> list[dict[str, Any]]:
        """Return the simulated accounts of the demo, with their credentials."""
        accounts: list[dict[str, Any]] = await _call(self._sandbox, "GET", "accounts")
        return [account for account in accounts if account["platform"] in SHOWN_PLATFORMS]

    async def connect(self, account: dict[str, Any]) -> dict[str, Any]:
        """Connect a simulated account through the API."""
        body = {
            "platform": account["platform"],
            "access_token": account["app_password"] or account["access_token"],
            "timezone": account["timezone"],
        }
        if account["app_password"]:
            body["handle"] = account["handle"]
        else:
            body |= {name: account[name] for name in ("refresh_token", "expires_at") if account[name]}
        if account["instance_url"]:
            body["instance_url"] = account["instance_url"]
        connected: dict[str, Any] = await _call(self._api, "POST", "/api/v1/accounts/connect", json=body)
        return connected

    async def create_post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Schedule a post through the API."""
        post: dict[str, Any] = await _call(self._api, "POST", "/api/v1/posts", json=body)
        return post

    async def get_post(self, post_id: str) -> dict[str, Any]:
        """Return a post with its publications."""
        post: dict[str, Any] = await _call(self._api, "GET", f"/api/v1/posts/{post_id}")
        return post

    async def get_overview(self) -> dict[str, Any]:
        """Return the response of the overview endpoint for 30 days."""
        answer: dict[str, Any] = await _call(self._api, "GET", "/api/v1/analytics/overview?period=30d")
        return answer

    async def get_optimal_times(self) -> dict[str, Any]:
        """Return the response of the optimal-times endpoint."""
        answer: dict[str, Any] = await _call(self._api, "GET", "/api/v1/schedules/optimal-times?limit=8")
        return answer

    async def list_sent(self) -> list[dict[str, Any]]:
        """Return the sandbox's record of the posts published through its platforms' APIs."""
        posts: list[dict[str, Any]] = await _call(self._sandbox, "GET", "posts?via=api")
        return posts

    async def wait_for_publisher(self) -> None:
        """Wait until a publisher is running."""
        await self._wait_for(self._api, "/readyz", PUBLISHERS, lambda answer: _read_publisher(answer) == "ok")

    async def _wait_for(
        self,
        client: httpx.AsyncClient,
        path: str,
        names: Sequence[str],
        is_ready: Callable[[httpx.Response], bool] = lambda answer: answer.is_success,
    ) -> None:
        """Wait until the server is ready, while one of the named child processes is alive and starting."""
        start = ChildStart(self._processes, names)
        while True:
            try:
                if is_ready(await client.get(path, timeout=2)):
                    return
            except httpx.TransportError:
                pass  # not up yet
            start.check()
            await asyncio.sleep(0.2)


def _read_publisher(answer: httpx.Response) -> str | None:
    try:
        found: str | None = answer.json().get("publisher")
    except ValueError:
        return None
    return found


def _open(base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=30,
        headers=NO_COMPRESSION,
        event_hooks={"response": [bound_decoding]},
    )


async def _call(client: httpx.AsyncClient, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 (JSON)
    try:
        answer = await client.request(method, path, **content)
    except httpx.TransportError as error:
        raise DemoError(f"{method} {path} got no response: {type(error).__name__}") from error
    if answer.is_error:
        raise DemoError(
            f"{method} {answer.request.url.path} failed with {answer.status_code}: {answer.text[:500]}"
        )
    return answer.json()
