"""Prefect's server requires our sign-in, rejects foreign hosts and origins, and never runs steps."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import prefect.settings
import pytest
from docket import Docket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from flows.cli import app
from flows.deployments import REACTING_FLOWS
from flows.serving.ports import Ports
from flows.serving.prefect_environment import (
    CLIENT_AUTH,
    SERVER_AUTH,
    child_environment,
    prefect_defaults,
    read_auth_string,
)
from flows.serving.prefect_server import WORKER_POLL, poll_less
from flows.settings import FlowSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHELL_STEP = "prefect.deployments.steps.run_shell_script"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)


@dataclass
class Server:
    url: str
    home: Path
    environment: dict[str, str]

    def client(self, **options: object) -> httpx.Client:
        user, _, password = self.environment[CLIENT_AUTH].partition(":")
        return httpx.Client(base_url=self.url, auth=(user, password), timeout=30, **options)  # type: ignore[arg-type] # keywords of a client


@contextmanager
def running(module: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        # The whole group, as the supervisor does: the runner's flow runs are processes of their own.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("prefect") / "home"
    home.mkdir()
    with Ports() as ports:
        settings = FlowSettings(prefect_port=ports.take_any())
    environment = child_environment(home, settings)
    with running("flows.serving.prefect_server", environment, home / "server.log"):

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return httpx.get(f"{settings.prefect_url}/api/health", timeout=2).is_success
            return False

        wait_until(answers, 120)
        yield Server(settings.prefect_url, home, environment)


def test_nobody_is_answered_without_the_sign_in(server: Server) -> None:
    assert httpx.post(f"{server.url}/api/deployments/filter", json={}, timeout=10).status_code == 401
    assert (
        httpx.post(f"{server.url}/api/deployments/filter", json={}, auth=("socialflow", "guess")).status_code
        == 401
    )
    assert httpx.get(f"{server.url}/api/admin/settings", timeout=10).status_code == 401
    with server.client() as client:
        assert client.post("/api/deployments/filter", json={}).json() == []


def test_the_ui_opens_and_asks_for_the_sign_in(server: Server) -> None:
    assert httpx.get(server.url, headers={"Accept": "text/html"}, follow_redirects=True).is_success
    assert httpx.get(f"{server.url}/ui-settings").json()["auth"] == "BASIC"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4200", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    with server.client() as client:
        answer = client.post("/api/deployments/filter", json={}, headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", "https://evil.example", "null"])
def test_a_page_of_another_origin_is_refused(server: Server, origin: str) -> None:
    with server.client() as client:
        asked = client.options(
            "/api/deployments/filter",
            headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"},
        )
        sent = client.post("/api/deployments/filter", json={}, headers={"Origin": origin})
    assert (asked.status_code, sent.status_code) == (403, 403)
    assert "access-control-allow-origin" not in asked.headers
    with pytest.raises(InvalidStatus), connect(f"ws{server.url[4:]}/api/events/in", origin=origin):  # type: ignore[arg-type] # a str
        pass


def test_its_own_pages_may_ask(server: Server) -> None:
    own = server.url.replace("127.0.0.1", "localhost")
    with server.client() as client:
        answer = client.post("/api/deployments/filter", json={}, headers={"Origin": own})
    assert answer.headers["access-control-allow-origin"] == own


def make_deployment(client: httpx.Client, **extra: object) -> httpx.Response:
    flow = client.post("/api/flows/", json={"name": "extend-recurrences"}).json()["id"]
    body = {"name": "theirs", "flow_id": flow, "entrypoint": "os.system", **extra}
    return client.post("/api/deployments/", json=body)


def test_a_deployment_with_steps_is_refused_even_with_the_sign_in(server: Server) -> None:
    steps = [{SHELL_STEP: {"script": "id"}}]
    with server.client() as client:
        assert make_deployment(client, pull_steps=steps).status_code == 403
        plain = make_deployment(client)
        assert plain.status_code == 201, plain.text
        address = f"/api/deployments/{plain.json()['id']}"
        assert client.patch(address, json={"pull_steps": steps}).status_code == 403
        spelled = json.dumps({"pull_steps": steps}).encode("utf-16")
        assert client.patch(address, content=spelled).status_code == 403
        assert client.patch(address, content=b"{" * 2).status_code == 422
        assert client.patch(address, content=b" " * 1_000_001).status_code == 413
        assert client.get(address).json()["pull_steps"] in (None, [])


def test_steps_that_a_database_already_holds_are_not_run(server: Server) -> None:
    """As planted before the server was closed: the runner starts the flow of its own table, without them."""
    marker = server.home / "stolen"
    with (
        server.client() as client,
        running("flows.serving.runner", server.environment, server.home / "r.log"),
    ):

        def deployed() -> bool:
            """Whether the runner has registered its last flow: then it writes no more."""
            wanted = {"deployments": {"name": {"any_": [REACTING_FLOWS[-1].name]}}}
            answer = client.post("/api/deployments/filter", json=wanted)
            return answer.is_success and len(answer.json()) == 1

        wait_until(deployed, 90)
        steps = json.dumps([{SHELL_STEP: {"script": f"touch {marker}"}}])
        with (
            closing(sqlite3.connect(server.home / "prefect" / "prefect.db", timeout=30)) as database,
            database,
        ):
            database.execute("UPDATE deployment SET pull_steps = ?, entrypoint = 'os.system'", (steps,))
        (row,) = client.post(
            "/api/deployments/filter", json={"deployments": {"name": {"any_": ["extend-recurrences"]}}}
        ).json()
        assert row["pull_steps"]
        # Prefect answers 503 while its SQLite database is locked, and its own client asks again.
        key, answers = {"idempotency_key": "once"}, []

        def created() -> bool:
            answers.append(client.post(f"/api/deployments/{row['id']}/create_flow_run", json=key))
            return answers[-1].is_success

        wait_until(created, 60)
        run = answers[-1].json()["id"]
        states = []

        def ended() -> bool:
            answer = client.get(f"/api/flow_runs/{run}")
            states.append(answer.json()["state"]["type"] if answer.is_success else answer.text)
            return states[-1] in {"COMPLETED", "FAILED", "CRASHED"}

        wait_until(ended, 90)
        assert states[-1] == "COMPLETED"
    assert not marker.exists()


def test_the_sign_in_is_derived_from_the_secret_and_differs_between_homes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (read_auth_string(tmp_path / name) for name in ("one", "two"))
    assert one != two
    assert one == read_auth_string(tmp_path / "one")
    user, _, password = one.partition(":")
    assert (user, len(password)) == ("socialflow", 64)
    assert password not in (tmp_path / "one" / "secret.key").read_text()


def test_what_the_operator_sets_for_prefect_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_AUTH, "admin:mine")
    monkeypatch.setenv("PREFECT_SERVER_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "")
    monkeypatch.setenv("PREFECT__FLOW_ENTRYPOINT", "os.system")
    environment = child_environment(tmp_path, FlowSettings(prefect_allowed_hosts="flows.example.com"))
    assert environment[SERVER_AUTH] == environment[CLIENT_AUTH] == "admin:mine"
    assert environment["PREFECT_SERVER_LOGGING_LEVEL"] == "DEBUG"
    assert "https://flows.example.com" in environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert environment["PREFECT__FLOW_ENTRYPOINT"] == "flows.serving.scheduled_flow.scheduled_flow"


def test_the_server_alone_refuses_to_be_open() -> None:
    environment = {name: value for name, value in os.environ.items() if name != SERVER_AUTH}
    done = subprocess.run(
        [sys.executable, "-m", "flows.serving.prefect_server"],
        env=environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert SERVER_AUTH in done.stderr


def test_the_command_prints_the_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("SOCIALFLOW_HOME", str(tmp_path / "own"))
    app(["prefect-auth"], standalone_mode=False)
    assert capsys.readouterr().out.strip() == read_auth_string(tmp_path / "own")


def test_prefect_can_read_every_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in prefect_defaults(FlowSettings()).items():
        monkeypatch.setenv(name, value)
    found = prefect.settings.Settings()
    assert found.server.events.proactive_granularity == timedelta(seconds=60)
    assert found.server.services.late_runs.loop_seconds == 30


@pytest.mark.long
def test_the_worker_of_the_server_polls_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.server.api import background_workers  # noqa: PLC0415 (only this test needs the server)

    module: Any = background_workers
    monkeypatch.setattr(module, "Worker", module.Worker)  # restored afterwards
    poll_less()
    worker = module.Worker(Docket(url="memory://"))
    assert worker.minimum_check_interval == worker.scheduling_resolution == WORKER_POLL
