"""The client in examples/ against the running API, over connections that break."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.settings import ApiSettings
from tests.api.harness import RunningServer, SettableClock, in_hours, make_tenant

if TYPE_CHECKING:
    from types import ModuleType

    from tests.api.harness import Tenant

FILE = Path(__file__).parents[2] / "examples" / "client" / "socialflow_client.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("socialflow_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client_module = load()


class BreakingTransport(httpx.BaseTransport):
    """Passes requests on; of the chosen ones the answer is lost after the server has done the work."""

    def __init__(self, lose: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._lose = lose
        self.sent: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        if request.method == "POST" and request.url.path.endswith("/posts"):
            self.sent.append((request.url.path, request.headers["idempotency-key"]))
            if len(self.sent) <= self._lose:
                raise httpx.ReadError("the connection broke", request=request)
        return answer

    def close(self) -> None:
        self._inner.close()


def open_client(tenant: Tenant, **more: Any) -> Any:
    key = tenant.key
    return client_module.SocialFlow(
        tenant.server.url,
        api_key=key.api_key,
        api_secret=key.api_secret,
        sleep=more.pop("sleep", lambda _seconds: None),
        **more,
    )


def test_a_lost_answer_makes_one_post(tenant: Tenant) -> None:
    transport = BreakingTransport(lose=2)
    with open_client(tenant, transport=transport) as flow:
        post = flow.create_post("once", platforms=["twitter"], scheduled_at=in_hours(1))
        assert len(transport.sent) == 3
        assert len(set(transport.sent)) == 1
        assert [one["id"] for one in flow.posts()] == [post["id"]]


def test_it_gives_up_after_its_tries(tenant: Tenant) -> None:
    transport = BreakingTransport(lose=99)
    with open_client(tenant, transport=transport) as flow, pytest.raises(httpx.ReadError):
        flow.create_post("once", platforms=["twitter"])
    assert len(transport.sent) == client_module.ATTEMPTS
    assert len(tenant.client.get("/api/v1/posts").json()["data"]) == 1


def test_it_pages_by_itself_and_filters(tenant: Tenant) -> None:
    with open_client(tenant) as flow:
        made = [flow.create_post(f"n {n}", platforms=["twitter"], status="draft")["id"] for n in range(5)]
        assert [one["id"] for one in flow.posts(page_size=2, status="draft")] == made[::-1]
        assert list(flow.posts(status="published")) == []


def test_everything_else_it_knows(tenant: Tenant) -> None:
    with open_client(tenant) as flow:
        post = flow.create_post("first", platforms=["twitter"], scheduled_at=in_hours(1))
        changed = flow.update_post(post["id"], version=post["version"], content="second")
        assert flow.read_post(post["id"])["content"] == "second"
        with pytest.raises(client_module.ApiProblemError) as stale:
            flow.update_post(post["id"], version=post["version"], content="third")
        assert (stale.value.status, stale.value.code) == (412, "stale")
        assert changed["version"] > post["version"]
        assert len(flow.calendar()[0]["entries"]) == 1
        assert flow.cancel_post(post["id"])["status"] == "canceled"
        assert {one["platform"] for one in flow.accounts()} == {"twitter", "mastodon"}
        assert flow.overview("7d")["total_engagement"] is None
        assert flow.optimal_times() == []
        # A token that has run out is replaced.
        tenant.server.clock.advance(hours=2)
        assert flow.read_post(post["id"])["status"] == "canceled"


def test_a_wrong_field_and_wrong_credentials_are_told(tenant: Tenant) -> None:
    with open_client(tenant) as flow, pytest.raises(client_module.ApiProblemError) as refused:
        flow.create_post("x", platforms=["myspace"])
    assert refused.value.errors[0]["pointer"].startswith("/platforms")
    assert refused.value.request_id
    with (
        client_module.SocialFlow(tenant.server.url, api_key="sf_x", api_secret="wrong") as stranger,
        pytest.raises(client_module.ApiProblemError, match="invalid_credentials"),
    ):
        stranger.accounts()


def test_it_waits_as_long_as_the_server_says(tmp_path: Path) -> None:
    clock = SettableClock()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(seconds=seconds)

    with RunningServer(tmp_path / "home", clock, ApiSettings(rate_limit=3)) as server:
        tenant = make_tenant(server)
        with open_client(tenant, sleep=sleep) as flow:
            for _ in range(5):
                flow.accounts()
    assert waited == [20.0, 20.0]
