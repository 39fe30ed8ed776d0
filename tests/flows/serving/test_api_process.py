"""The API process as `up` starts it: a request cannot spoof its client address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import ValidationError

from flows.serving.ports import Ports
from flows.settings import FlowSettings
from warehouse.settings import WarehouseSettings
from warehouse.store.audit.models import AuditEntry
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running_api(home: Path, **settings: str) -> Iterator[str]:
    with Ports() as ports:
        port = ports.take_any()
    environment = {
        **os.environ,
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_PORT": str(port),
        "SOCIALFLOW_API_AUTH_FAILURES": "3",
        **settings,
    }
    with (home.parent / "api.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serving.api_process"], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", timeout=2).is_success:
                    break
            assert time.monotonic() < deadline, (home.parent / "api.log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def guess(url: str, number: int) -> int:
    return httpx.post(
        f"{url}/api/v1/auth/token",
        json={"api_key": f"sf_{number}", "api_secret": "guess"},
        headers={"X-Forwarded-For": f"192.0.2.{number}"},
        timeout=10,
    ).status_code


def audited_addresses(home: Path) -> set[str | None]:
    """The addresses of failed sign-ins in the audit log."""
    with Store.open(WarehouseSettings(home=home, database_url=None)) as store, store.read() as session:
        return {row.address for row in session.query(AuditEntry).filter_by(action="sign_in_failed")}


def test_a_made_up_address_is_not_believed(tmp_path: Path) -> None:
    with running_api(tmp_path / "home") as url:
        assert [guess(url, number) for number in range(5)] == [401, 401, 401, 429, 429]
    assert audited_addresses(tmp_path / "home") == {"127.0.0.1"}


def test_an_anonymous_request_forges_no_line_of_the_log(tmp_path: Path) -> None:
    with running_api(tmp_path / "home") as url:
        httpx.get(f"{url}/x%0A2026-03-02 INFO forged%1b[2J%E2%80%A8forged", timeout=10)
        log = tmp_path / "api.log"
        deadline = time.monotonic() + 10
        while "forged" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    text = log.read_text()
    assert "\x1b" not in text
    assert not any(line.startswith("2026-03-02 INFO forged") for line in text.splitlines())


def test_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    with running_api(tmp_path / "home", SOCIALFLOW_API_TRUSTED_PROXIES="127.0.0.0/8") as url:
        assert [guess(url, number) for number in range(5)] == [401] * 5
    assert audited_addresses(tmp_path / "home") == {f"192.0.2.{number}" for number in range(5)}


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.0/99", "127.0.0.1, nobody"])
def test_what_is_no_address_is_no_proxy(proxies: str) -> None:
    with pytest.raises(ValidationError, match="api_trusted_proxies"):
        FlowSettings(api_trusted_proxies=proxies)
