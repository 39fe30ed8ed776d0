"""The bucket of the lake, Prefect's server and the disk: what /metrics and the doctor say when one is away."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry

from api.pages import surroundings
from api.pages.surroundings import SurroundingsCollector, check_address, check_lake_storage
from flows.maintenance import lake_doctor
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def bucket(answer: bytes | None) -> Iterator[str]:
    """Yield host:port of a server that gives every request this answer; None = it accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done, taken = threading.Event(), []

        def serve() -> None:
            while not done.is_set():
                try:
                    taken.append(listener.accept()[0])
                except TimeoutError:
                    continue
                if answer is not None:
                    taken[-1].recv(4096)
                    taken[-1].sendall(answer)
                    taken[-1].close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()
            for one in taken:
                one.close()


def settings_of(home: Path, endpoint: str) -> WarehouseSettings:
    return WarehouseSettings(
        home=home, lake_data_path="s3://bucket/lake/", lake_s3_endpoint=endpoint, lake_s3_use_ssl=False
    )


REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
OVERLOADED = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "expected", "told"),
    [
        (REFUSED, "ok", None),
        (OVERLOADED, "failed", "answers with status 503"),
        (None, "failed", "does not answer (timed out)"),
        (b"what?\r\n\r\n", "failed", "does not answer"),
    ],
    ids=["refuses", "fails", "hangs", "is no HTTP server"],
)
async def test_a_silent_bucket_is_told_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, expected: str, told: str | None
) -> None:
    monkeypatch.setattr(surroundings, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(lake_doctor, "BUCKET_SECONDS", 0.2)
    with bucket(answer) as endpoint:
        settings = settings_of(tmp_path, endpoint)
        began = time.monotonic()
        assert await check_lake_storage(settings) == expected
        line = lake_doctor.find_silent_bucket(settings)
        assert time.monotonic() - began < 5
    if told is None:
        assert line is None
    else:
        assert line is not None
        assert line[:2] == ("lake files", "failed")
        assert told in line[2]
        assert "max-keys" not in line[2]


async def test_a_folder_and_nobody(tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path)
    assert await check_lake_storage(settings) == "not_checked"
    Lake.open(settings).close()
    (tmp_path / "lake" / "data").mkdir(exist_ok=True)
    assert await check_lake_storage(settings) == "ok"
    assert lake_doctor.find_silent_bucket(settings) is None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert await check_address(f"http://127.0.0.1:{port}/", what="Prefect", below=400) == "failed"
    assert await check_lake_storage(settings_of(tmp_path, "not a host")) == "failed"


@pytest.mark.parametrize(
    ("results", "lines"),
    [
        (("ok", "failed"), {"socialflow_lake_storage_up 1.0", "socialflow_orchestrator_up 0.0"}),
        (("failed", "not_checked"), {"socialflow_lake_storage_up 0.0"}),
    ],
)
def test_what_is_not_configured_has_no_sample(tmp_path: Path, results: Any, lines: set[str]) -> None:
    registry = CollectorRegistry()
    registry.register(SurroundingsCollector(tmp_path, *results))
    found = [one for one in generate_latest(registry).decode().splitlines() if not one.startswith("#")]
    assert {one for one in found if "_up" in one} == lines
    assert any(one.startswith("socialflow_home_free_bytes ") for one in found)
