"""`socialflow accounts connect PLATFORM --browser`, as typed, beside a running API and simulated platforms."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from api.settings import ApiSettings
from tests.api.harness import PUBLIC_URL, RunningServer, SettableClock, open_anonymous
from warehouse.store.models import AccountRow, ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.harness import Server


class PresentClock(SettableClock):
    """The command has the machine's clock, so the server has it too."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settings = ApiSettings(public_url=PUBLIC_URL)
    with RunningServer(tmp_path / "home", PresentClock(), settings) as running:
        yield running


def begin(server: Server, browser: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command; the "browser" that it opens writes down the address."""
    script = browser.with_suffix(".py")
    script.write_text(
        f"import sys, pathlib; p = pathlib.Path({str(browser)!r}); p.with_suffix('.tmp').write_text(sys.argv[1]); "
        "p.with_suffix('.tmp').rename(p)"
    )
    environment = {
        **os.environ,
        "SOCIALFLOW_API_PORT": str(urlsplit(server.url).port),
        "BROWSER": f"{sys.executable} {script} %s",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "accounts", "connect", *arguments, "--browser"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(browser: Path, command: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 60
    while not browser.exists():
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < deadline, "no browser was opened"
        time.sleep(0.05)
    return browser.read_text()


def consent(server: Server, address: str) -> httpx.URL:
    """Say yes on the platform's page; return where it leads."""

    async def open_page() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server.sandbox)) as client:
            return await client.get(address)

    answer = asyncio.run(open_page())
    assert answer.status_code == 302, answer.text
    location = httpx.URL(answer.headers["location"])
    assert str(location).startswith(PUBLIC_URL)
    return location


def come_back(server: Server, location: httpx.URL) -> int:
    with open_anonymous(server) as anonymous:
        return anonymous.get(location.raw_path.decode()).status_code


def keys_of(server: Server) -> list[ApiKey]:
    with server.services.store.read() as session:
        return session.query(ApiKey).all()


def accounts_of(server: Server) -> list[AccountRow]:
    with server.services.store.read() as session:
        return session.query(AccountRow).all()


def test_the_browser_is_opened_and_the_account_appears(server: Server, tmp_path: Path) -> None:
    browser = tmp_path / "opened"
    command = begin(server, browser, "twitter", "--timezone", "Europe/Berlin")
    address = wait_for(browser, command)
    assert "code_challenge=" in address
    assert come_back(server, consent(server, address)) == 200
    _, said = command.communicate(timeout=60)
    assert command.returncode == 0, said
    [account] = accounts_of(server)
    assert (account.platform, account.status, account.timezone) == ("twitter", "active", "Europe/Berlin")
    assert address in said
    assert f"connected twitter @{account.handle} as {account.id}" in said
    # What it asked the API with is of no use to anybody any more.
    assert [key.revoked_at is not None for key in keys_of(server)] == [True]


def test_without_opening_the_address_is_printed_and_a_refusal_ends_the_wait(
    server: Server, tmp_path: Path
) -> None:
    browser = tmp_path / "opened"
    command = begin(
        server, browser, "--platform", "mastodon", "--instance-url", "https://mastodon.example", "--no-open"
    )
    assert command.stderr is not None
    assert "Open this address" in command.stderr.readline()
    address = command.stderr.readline().strip()
    location = consent(server, address)
    denied = location.copy_remove_param("code").copy_set_param("error", "access_denied")
    began = time.monotonic()
    assert come_back(server, denied) == 403
    _, said = command.communicate(timeout=60)
    assert time.monotonic() - began < 20, "it waited on although all was over"
    assert command.returncode == 1
    assert "the page in the browser says why" in said
    assert accounts_of(server) == []
    assert not browser.exists()
    assert [key.revoked_at is not None for key in keys_of(server)] == [True]


def test_nobody_comes_back(server: Server, tmp_path: Path) -> None:
    command = begin(server, tmp_path / "opened", "twitter", "--no-open", "--timeout", "1")
    _, said = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "nobody returned" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bluesky",), "app password"),
        (("mastodon",), "instance"),
        ((), "name one platform"),
    ],
)
def test_what_cannot_be_connected_so_says_why(
    server: Server, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    _, said = (command := begin(server, tmp_path / "opened", *arguments)).communicate(timeout=60)
    assert command.returncode == 1
    (line,) = said.strip().splitlines()
    assert words in line


def test_without_a_running_api_the_remedy_is_named(
    server: Server, tmp_path: Path, unused_tcp_port: int
) -> None:
    elsewhere = type(server)(**{**vars(server), "url": f"http://127.0.0.1:{unused_tcp_port}"})
    _, said = (command := begin(elsewhere, tmp_path / "opened", "twitter")).communicate(timeout=60)
    assert command.returncode == 1
    assert "start `socialflow up` first" in said
