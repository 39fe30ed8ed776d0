"""A real Chromium without a window, driven by its own protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-port=0",
)  # fmt: skip
SECONDS = 120


def find_chromium() -> str | None:
    """Return the program; None = none is installed."""
    return next(
        filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None
    )


class Page:
    """One open page."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._number = connection, 0

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=SECONDS))
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """Return what an expression becomes in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        wait_until(lambda: bool(self.evaluate(condition)))

    def go(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def resize(self, width: int, height: int) -> None:
        """Give the page the size of a screen."""
        mobile = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def photograph(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the whole page, or of what the screen shows."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Ask until a condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


@contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """Start a browser with a new profile in `folder`, and end it."""
    program = find_chromium()
    assert program
    noted = folder / "profile" / "DevToolsActivePort"
    environment = {**os.environ, "HOME": str(folder)}
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: noted.exists() and "\n" in noted.read_text())
        port = noted.read_text().split("\n")[0]

        def pages() -> list[dict[str, Any]]:
            with suppress(httpx.TransportError):
                return [
                    one for one in httpx.get(f"http://127.0.0.1:{port}/json").json() if one["type"] == "page"
                ]
            return []

        wait_until(lambda: bool(pages()))
        with connect(pages()[0]["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            page.call("Page.enable")
            yield page
    finally:
        process.terminate()
        process.wait(timeout=30)


def sign_in(page: Page, url: str, api_key: str, api_secret: str) -> None:
    """Sign in to the dashboard as a person does."""
    page.go(f"{url}/dashboard/login")
    page.evaluate(
        f"document.querySelector('[name=api_key]').value = {json.dumps(api_key)};"
        f"document.querySelector('[name=api_secret]').value = {json.dumps(api_secret)};"
        "document.querySelector('form.fields button').click();"
    )
    page.wait_for("location.pathname === '/dashboard' && document.readyState === 'complete'")
