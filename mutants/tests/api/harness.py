"""A real server on loopback over a real store, lake and sandbox, and workspaces to ask it from."""

from __future__ import annotations

import itertools
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings
from connectors.sandbox.app import SandboxApp, create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Credentials, Platform, VerifiedAccount
from connectors.webhooks.settings import WebhookSettings
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, CreatedApiKey, create_api_key
from warehouse.store.access.workspaces import create_workspace
from warehouse.store.accounts.accounts import connect_account

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from api.http.services import Services

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
PUBLIC_URL = "https://social.example"
"""Where browsers would reach the API."""
RETURN_URL = "https://app.example/accounts?tab=1"
APPS: dict[str, Any] = {
    f"{name}_{part}": f"{part}-of-{name}"
    for name in ("instagram", "facebook", "threads", "linkedin", "youtube", "pinterest")
    for part in ("client_id", "client_secret")
} | {"twitter_client_id": "id-of-x", "tiktok_client_key": "key-of-tiktok", "tiktok_client_secret": "secret"}
"""Our apps, as the simulated platforms know them."""
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture, as far as its first bytes tell"


@dataclass
class SettableClock:
    """The server's and the sandbox's time; stands still until a test moves it."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> datetime:
        self.at += timedelta(**span)
        return self.at


@dataclass
class Server:
    """A running API."""

    app: FastAPI
    url: str
    clock: SettableClock
    world: SandboxWorld
    sandbox: SandboxApp
    """The simulated platforms themselves, as a browser reaches them."""

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services


@dataclass
class Tenant:
    """A workspace with a key that holds every scope but admin, and a client with its token."""

    server: Server
    workspace_id: str
    key: CreatedApiKey
    client: httpx.Client
    accounts: dict[str, str] = field(default_factory=dict)

    def add_account(self, platform: str, external_id: str | None = None) -> str:
        """Connect an account without asking its platform."""
        name = external_id or f"{platform}-user"
        verified = VerifiedAccount(
            name, name, name.title(), Credentials(SecretStr(f"token-{name}"), SecretStr(f"refresh-{name}"))
        )
        store = self.server.services.store
        with store.write() as session:
            row = connect_account(
                session, store.cipher, self.workspace_id, verified, Platform(platform), self.server.clock()
            )
        self.accounts[name] = row.id
        return row.id

    def client_with(self, *scopes: str) -> httpx.Client:
        """A client whose token holds only these scopes."""
        store = self.server.services.store
        with store.write() as session:
            key = create_api_key(
                session, store.cipher, self.workspace_id, "narrow", scopes, self.server.clock()
            )
        return open_client(self.server, key)

    def create_post(self, **fields: object) -> dict[str, Any]:
        """Create a post by API."""
        body = {"content": "hello", "platforms": ["twitter"], "scheduled_at": in_hours(1), **fields}
        answer = self.client.post("/api/v1/posts", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def upload(self, content: bytes = PNG, name: str = "a.png") -> dict[str, Any]:
        """Upload a picture by API."""
        answer = self.client.post("/api/v1/media", files={"file": (name, content)})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def create_slot(self, account_id: str, weekday: int = 1, at: str = "09:00") -> dict[str, Any]:
        """Add a slot to an account's queue by API."""
        answer = self.client.post(
            f"/api/v1/accounts/{account_id}/queue-slots", json={"weekday": weekday, "time": at}
        )
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def create_recurrence(self, **fields: object) -> dict[str, Any]:
        """Create a rule by API: every day at nine, from tomorrow on."""
        body = {
            "rrule": "FREQ=DAILY",
            "starts_at": "2026-03-03T09:00:00",
            "content": "daily",
            "platforms": ["twitter"],
            **fields,
        }
        answer = self.client.post("/api/v1/recurrences", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


def in_hours(hours: float, start: datetime = NOON) -> str:
    """An ISO 8601 time that many hours after noon."""
    return (start + timedelta(hours=hours)).isoformat()


def open_client(server: Server, key: CreatedApiKey, **token_fields: str) -> httpx.Client:
    """Exchange a key for a token and return a client that sends it."""
    body = {"api_key": key.api_key, "api_secret": key.api_secret, **token_fields}
    with open_anonymous(server) as anonymous:
        answer = anonymous.post("/api/v1/auth/token", json=body)
    assert answer.status_code == 200, answer.text
    client = open_anonymous(server)
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def open_anonymous(server: Server) -> httpx.Client:
    """Return a client without a token."""
    # An empty context: loading the certificates of the world takes 50 ms, and nothing here speaks TLS.
    return httpx.Client(base_url=server.url, timeout=30, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class RunningServer:
    """Run the API in a thread of this process until the end of the `with` block."""

    def __init__(
        self,
        home: Path,
        clock: SettableClock,
        settings: ApiSettings | None = None,
        *,
        allow_private: bool = True,
        database_url: str | None = None,
        apps: Mapping[str, Any] = APPS,
    ) -> None:
        world = SandboxWorld(seed=7, now=clock, history_days=1)
        sandbox = create_sandbox_app(world)
        app = create_app(
            settings or ApiSettings(public_url=PUBLIC_URL, connect_return_urls=RETURN_URL),
            warehouse=WarehouseSettings(home=home, database_url=database_url),
            connectors=ConnectorSettings(allow_private_instances=allow_private, **apps),
            webhook_settings=WebhookSettings(allow_private=allow_private),
            clock=clock,
            platform_transport=httpx.ASGITransport(sandbox),
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)
        self._server = Server(app, "", clock, world, sandbox)

    def __enter__(self) -> Server:
        self._thread.start()
        waiting = threading.Event()
        while not self._uvicorn.started:
            assert self._thread.is_alive(), "the server did not start"
            waiting.wait(0.02)
        port = self._uvicorn.servers[0].sockets[0].getsockname()[1]
        self._server.url = f"http://127.0.0.1:{port}"
        return self._server

    def __exit__(self, *_exception: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server did not stop"


_numbers = itertools.count()


def make_tenant(server: Server, *, timezone: str = "UTC") -> Tenant:
    """Make a workspace, a key and a client."""
    workspace_id = f"ws_test{next(_numbers)}"
    store = server.services.store
    scopes = [scope for scope in SCOPES if scope != "admin"]
    with store.write() as session:
        create_workspace(
            session, workspace_id=workspace_id, name="Test", timezone=timezone, now=server.clock()
        )
        key = create_api_key(session, store.cipher, workspace_id, "test", scopes, server.clock())
    return Tenant(server, workspace_id, key, open_client(server, key))
