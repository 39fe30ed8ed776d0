"""A web page on another port of loopback, in a real browser that is signed in, against a running `socialflow up`."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.deployments import REACTING_FLOWS, SCHEDULED_FLOWS
from flows.serving.ports import Ports
from flows.serving.prefect_environment import read_auth_string
from tests.browser.chromium import find_chromium, open_browser, sign_in, wait_until
from tests.hostile.target import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("attack.html")
SOCIALFLOW = [sys.executable, "-m", "flows.cli"]
WRITTEN = (
    "api_keys",
    "accounts",
    "posts",
    "publications",
    "webhook_endpoints",
    "recurrences",
    "media_uploads",
)
"""What a page would want to write."""
pytestmark = [
    pytest.mark.skipif(
        find_chromium() is None, reason="no Chromium: apt-get install chromium, or Google Chrome"
    ),
    pytest.mark.xdist_group("whole-program"),
]


@contextmanager
def hostile_page(api: str, prefect: str) -> Iterator[str]:
    body = PAGE.read_text().replace("window.attack", json.dumps({"api": api, "prefect": prefect})).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def stored(home: Path) -> dict[str, int]:
    counts = count_rows(home)
    return {name: counts[name] for name in WRITTEN}


def planned(prefect: str, home: Path) -> list[Any]:
    user, _, password = read_auth_string(home).partition(":")
    with httpx.Client(base_url=f"{prefect}/api", auth=(user, password), timeout=60) as client:

        def ask(path: str) -> Any:
            """Ask until it answers: Prefect's server says 503 while its SQLite database is locked."""
            answers = []

            def answered() -> bool:
                answers.append(client.post(path, json={}))
                return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

            wait_until(answered, 60)
            return answers[-1].raise_for_status().json()

        flows = [one["name"] for one in ask("/flows/filter")]
        deployments = [
            (one["name"], one["entrypoint"], one["pull_steps"]) for one in ask("/deployments/filter")
        ]
        variables = ask("/variables/filter")
    return [sorted(flows), sorted(map(str, deployments)), variables]


def test_a_page_reaches_neither_prefect_nor_the_api_nor_the_dashboard(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Ports() as ports:
        api_port, prefect_port = ports.take_any(), ports.take_any()
    api, prefect = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{prefect_port}"
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SOCIALFLOW_", "PREFECT_"))
        },
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_PORT": str(api_port),
        "SOCIALFLOW_PREFECT_PORT": str(prefect_port),
    }
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen([*SOCIALFLOW, "up"], env=environment, stdout=log, stderr=log)
    try:

        def ready() -> bool:
            assert process.poll() is None, (tmp_path / "up.log").read_text()
            with suppress(httpx.TransportError):
                return httpx.get(f"{api}/readyz", timeout=5).is_success
            return False

        wait_until(ready, 240)
        # The runner registers its flows in the seconds after: what is compared below must stand still.
        wait_until(lambda: len(planned(prefect, home)[1]) == len(SCHEDULED_FLOWS + REACTING_FLOWS), 120)
        made = subprocess.run(
            [*SOCIALFLOW, "keys", "create", "--name", "me", "--scope", "admin", "--json"],
            env=environment, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        key = json.loads(made.stdout)
        with hostile_page(api, prefect) as page_url, open_browser(tmp_path) as page:
            sign_in(page, api, key["api_key"], key["api_secret"])
            before = stored(home), planned(prefect, home)
            page.go(page_url)
            page.wait_for("Array.isArray(window.seen)")
            seen = page.evaluate("window.seen")
            assert (stored(home), planned(prefect, home)) == before
            page.go(f"{api}/dashboard/keys")
            assert page.evaluate("location.pathname") == "/dashboard/keys", "the page signed the operator out"
    finally:
        process.terminate()
        process.wait(timeout=60)
    print(len(seen), "attempts:", dict(Counter(f"{what.split(' ')[0]}: {outcome}" for what, outcome in seen)))
    assert len(seen) > 100
    assert [one for one in seen if one[1] not in {"refused", "opaque"}] == []
    assert [one for one in seen if one[0].startswith(("cors", "socket")) and one[1] != "refused"] == []
