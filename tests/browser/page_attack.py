"""A web page on another port of loopback, in a real browser that is signed in, against a running `socialflow up`.

`tests/flows/serving/test_up.py` starts the program.
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from flows.deployments import REACTING_FLOWS, SCHEDULED_FLOWS
from flows.serving.prefect_environment import read_auth_string
from tests.browser.chromium import open_browser, sign_in, wait_until
from tests.hostile.target import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def attack(
    home: Path, api: str, prefect: str, environment: Mapping[str, str], folder: Path
) -> list[list[str]]:
    """Sign a browser in, open the page in it, and return what each of its attempts came to: [attempt, outcome].

    Fails if something was stored, or if the operator is signed out afterwards.
    """
    # The runner registers its flows in the seconds after the start: what is compared below must stand still.
    wait_until(lambda: len(planned(prefect, home)[1]) == len(SCHEDULED_FLOWS + REACTING_FLOWS), 120)
    made = subprocess.run(
        [*SOCIALFLOW, "keys", "create", "--name", "me", "--scope", "admin", "--json"],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    key = json.loads(made.stdout)
    with hostile_page(api, prefect) as page_url, open_browser(folder) as page:
        sign_in(page, api, key["api_key"], key["api_secret"])
        before = stored(home), planned(prefect, home)
        page.go(page_url)
        page.wait_for("Array.isArray(window.seen)")
        seen: list[list[str]] = page.evaluate("window.seen")
        assert (stored(home), planned(prefect, home)) == before
        page.go(f"{api}/dashboard/keys")
        assert page.evaluate("location.pathname") == "/dashboard/keys", "the page signed the operator out"
    return seen
