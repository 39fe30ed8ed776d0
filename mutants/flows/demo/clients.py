"""The three servers that the demo talks to as anybody could: our API, Prefect's, and the simulated platforms'."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import httpx

from flows.errors import DemoError

if TYPE_CHECKING:
    from flows.settings import FlowSettings

START_TIMEOUT = 75.0
"""Seconds for a server to answer for the first time, on a machine that starts all of them at once."""
SHOWN_PLATFORMS = frozenset({"twitter", "instagram", "mastodon", "bluesky"})
"""Four that between them show every way to find out what became of a post."""
_RUNNING = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}


class Servers:
    """HTTP clients for the demo. Every call raises DemoError in the server's own words when it is refused."""

    def __init__(self, settings: FlowSettings) -> None:
        self._api = httpx.AsyncClient(base_url=settings.api_url, timeout=30)
        self._prefect = httpx.AsyncClient(base_url=f"{settings.prefect_url}/api", timeout=30)
        self._sandbox = httpx.AsyncClient(base_url=f"{settings.sandbox_url}/_sandbox", timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for client in (self._api, self._prefect, self._sandbox):
            await client.aclose()

    async def wait_for_api(self) -> None:
        """Return when API and sandbox answer."""
        await _wait_for(self._sandbox, "health", "the sandbox")
        await _wait_for(self._api, "/healthz", "the API")

    async def sign_in(self, api_key: str, api_secret: str) -> str:
        """Exchange the key for a token, use it from now on, and return it."""
        body = {"api_key": api_key, "api_secret": api_secret}
        token = str((await _call(self._api, "POST", "/api/v1/auth/token", json=body))["access_token"])
        self._api.headers["Authorization"] = f"Bearer {token}"
        return token

    async def list_sandbox_accounts(self) -> list[dict[str, Any]]:
        """Return the simulated accounts that the demo shows, and what to connect them with."""
        accounts: list[dict[str, Any]] = await _call(self._sandbox, "GET", "accounts")
        return [account for account in accounts if account["platform"] in SHOWN_PLATFORMS]

    async def connect(self, account: dict[str, Any]) -> dict[str, Any]:
        """Connect a simulated account through our API."""
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
        """Schedule a post through our API."""
        post: dict[str, Any] = await _call(self._api, "POST", "/api/v1/posts", json=body)
        return post

    async def get_post(self, post_id: str) -> dict[str, Any]:
        """Return a post with its publications."""
        post: dict[str, Any] = await _call(self._api, "GET", f"/api/v1/posts/{post_id}")
        return post

    async def get_overview(self) -> dict[str, Any]:
        """Return the overview endpoint's answer for 30 days."""
        answer: dict[str, Any] = await _call(self._api, "GET", "/api/v1/analytics/overview?period=30d")
        return answer

    async def get_optimal_times(self) -> dict[str, Any]:
        """Return the optimal-times endpoint's answer."""
        answer: dict[str, Any] = await _call(self._api, "GET", "/api/v1/schedules/optimal-times?limit=8")
        return answer

    async def list_sent(self) -> list[dict[str, Any]]:
        """Return the sandbox's own record of what was published through its platforms' APIs."""
        posts: list[dict[str, Any]] = await _call(self._sandbox, "GET", "posts?via=api")
        return posts

    async def wait_for_publisher(self, deployment: str) -> None:
        """Return when a run of the publisher is at work; the first one is asked for, later ones are scheduled."""
        await _wait_for(self._prefect, "/health", "Prefect's server")
        wanted = {"deployments": {"name": {"any_": [deployment]}}}
        deadline = time.monotonic() + START_TIMEOUT
        asked = False
        while time.monotonic() < deadline:
            # While it starts, Prefect's server answers 503 now and then: its database is busy.
            with suppress(_BusyError):
                if await _call(self._prefect, "POST", "/flow_runs/filter", json=_RUNNING | wanted):
                    return
                asked = asked or await self._start_run(wanted)
            await asyncio.sleep(0.5)
        raise DemoError(f"no run of {deployment} began within {START_TIMEOUT:.0f} s: see runner.log")

    async def _start_run(self, wanted: dict[str, Any]) -> bool:
        found = await _call(self._prefect, "POST", "/deployments/filter", json=wanted)
        for row in found:
            # The next scheduled run, which starts with the next minute, relieves it.
            await _call(self._prefect, "POST", f"/deployments/{row['id']}/create_flow_run", json={})
        return bool(found)


class _BusyError(DemoError):
    """The server asks to come again."""


async def _wait_for(client: httpx.AsyncClient, path: str, what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            if (await client.get(path, timeout=2)).is_success:
                return
        except httpx.TransportError:
            pass  # not up yet
        await asyncio.sleep(0.2)
    raise DemoError(f"{what} did not answer within {START_TIMEOUT:.0f} s")


async def _call(client: httpx.AsyncClient, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 (JSON)
    try:
        answer = await client.request(method, path, **content)
    except httpx.TransportError as error:
        raise DemoError(f"{method} {path} was not answered: {type(error).__name__}") from error
    if answer.status_code == 503:
        raise _BusyError(f"{method} {answer.request.url.path} is not available now")
    if answer.is_error:
        raise DemoError(
            f"{method} {answer.request.url.path} was answered {answer.status_code}: {answer.text[:500]}"
        )
    return answer.json()
