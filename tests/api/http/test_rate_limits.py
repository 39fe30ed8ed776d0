"""Limits counted in this process and in Redis: shared by processes, and never a reason to fail."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from fakeredis import TcpFakeServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from api.http.rate_limits import PostgresRateLimiter, RateLimiter, RateLimiters, Window, open_rate_limiters
from api.settings import ApiSettings
from tests.api.harness import RunningServer, SettableClock, make_tenant, open_client
from warehouse.settings import WarehouseSettings
from warehouse.store.access.rate_buckets import open_rate_buckets
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@contextmanager
def running_redis(port: int = 0) -> Iterator[int]:
    """Run a server that speaks Redis's protocol; yield its port."""
    TcpFakeServer.allow_reuse_address = True
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def redis_port() -> Iterator[int]:
    with running_redis() as port:
        yield port


@contextmanager
def opened(port: int, password: str = "", **limits: int) -> Iterator[RateLimiters]:
    storage = SecretStr(f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0")
    with open_rate_limiters(ApiSettings(rate_limit_storage=storage, **limits)) as limiters:  # type: ignore[arg-type] # pydantic's own
        yield limiters


def test_a_bucket_takes_a_burst_and_refills_evenly() -> None:
    limiter = RateLimiter(60)
    burst = [limiter.take("a", NOON) for _ in range(61)]
    assert [state.allowed for state in burst] == [True] * 60 + [False]
    assert (burst[0].remaining, burst[0].reset_seconds) == (59, 1)
    assert (burst[60].remaining, burst[60].reset_seconds, burst[60].retry_after_seconds) == (0, 60, 1)
    assert limiter.take("b", NOON).allowed
    assert limiter.take("a", NOON + timedelta(seconds=1)).allowed
    assert not limiter.take("a", NOON + timedelta(seconds=1)).allowed
    assert limiter.look("a", NOON + timedelta(seconds=61)).remaining == 60


def test_processes_share_what_redis_counts(redis_port: int) -> None:
    with opened(redis_port, rate_limit=3, auth_failures=1) as one, opened(redis_port, rate_limit=3) as other:
        assert one.keys.look("a", NOON).remaining == 3
        states = [limiters.keys.take("a", NOON) for limiters in (one, other, one, other, one)]
        assert [state.allowed for state in states] == [True, True, True, False, False]
        assert [state.remaining for state in states] == [2, 1, 0, 0, 0]
        assert {state.limit for state in states} == {3}
        assert all(60 < state.reset_seconds <= 120 for state in states)
        assert states[2].retry_after_seconds == 0
        assert 55 <= states[3].retry_after_seconds <= 61
        assert not other.keys.look("a", NOON).allowed
        assert one.keys.take("b", NOON).allowed
        # Wrong credentials are counted apart from requests, by the same name as well.
        assert one.failures.take("a", NOON).allowed
        assert one.failures.look("a", NOON).retry_after_seconds > 0


def test_nothing_is_lost_or_counted_twice_among_threads(redis_port: int) -> None:
    with opened(redis_port, rate_limit=50) as one, opened(redis_port, rate_limit=50) as other:
        allowed: list[bool] = []

        def ask(limiter: RateLimiter) -> None:
            allowed.extend(limiter.take("a", NOON).allowed for _ in range(20))

        threads = [threading.Thread(target=ask, args=(item.keys,)) for item in (one, other, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(allowed), sum(allowed)) == (80, 50)


async def test_an_event_loop_is_not_held_up() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # accepts, and never answers
        opened(silent.getsockname()[1], rate_limit=3) as limiters,
    ):
        turning = asyncio.create_task(turn())
        start = time.monotonic()
        state = await limiters.keys.take_async("a", NOON)
        waited = time.monotonic() - start
        turning.cancel()
        assert state.allowed
        assert 0.2 < waited < 5, "an answer is waited for a quarter of a second"
        assert turns > 3
        # It is left alone for a while: the next request does not wait.
        start = time.monotonic()
        assert limiters.keys.take("a", NOON).allowed
        assert time.monotonic() - start < 0.2


def test_without_redis_each_process_counts_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    with running_redis() as port:
        pass
    with opened(port, password="hunter2", rate_limit=2) as one, opened(port, rate_limit=2) as other:
        with caplog.at_level(logging.WARNING):
            assert [one.keys.take("a", NOON).allowed for _ in range(3)] == [True, True, False]
        (record,) = caplog.records
        assert "this process counts on its own for 5 s" in record.getMessage()
        assert "SOCIALFLOW_API_RATE_LIMIT_STORAGE" in record.getMessage()
        assert "hunter2" not in caplog.text
        assert [other.keys.take("a", NOON).allowed for _ in range(3)] == [True, True, False]


def test_redis_is_asked_again_when_it_is_back() -> None:
    with running_redis() as port:
        pass
    with opened(port, rate_limit=2) as one, opened(port, rate_limit=2) as other:
        assert one.keys.take("a", NOON).remaining == 1
        with running_redis(port):
            assert other.keys.take("a", NOON).remaining == 1
            assert one.keys.take("a", NOON + timedelta(seconds=4.9)).remaining == 0, "still by itself"
            assert one.keys.take("a", NOON + timedelta(seconds=5)).remaining == 0, "the other's one, and this"
            assert not other.keys.take("a", NOON).allowed
        # Away again in the middle: its own count goes on.
        assert one.keys.take("b", NOON + timedelta(seconds=5)).remaining == 1


def test_two_servers_share_a_keys_requests(redis_port: int, tmp_path: Path) -> None:
    storage = SecretStr(f"redis://127.0.0.1:{redis_port}")
    settings = ApiSettings(rate_limit=3, auth_failures=2, rate_limit_storage=storage)
    with (
        RunningServer(tmp_path / "home", SettableClock(), settings) as first,
        RunningServer(tmp_path / "home", SettableClock(), settings) as second,
    ):
        tenant = make_tenant(first)
        with open_client(second, tenant.key) as elsewhere:
            answers = [client.get("/api/v1/accounts") for client in (tenant.client, elsewhere) * 2]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert 50 < int(answers[3].headers["retry-after"]) <= 61


WINDOWS = st.builds(
    Window,
    previous=st.integers(0, 1000),
    previous_ends_in=st.floats(0, 60),
    current=st.integers(0, 1000),
    current_ends_in=st.floats(60, 120),
)


@given(WINDOWS, st.integers(1, 1000))
def test_after_the_wait_a_request_is_allowed(window: Window, limit: int) -> None:
    def after(seconds: float) -> Window:
        """Return what Redis keeps then, without a request in between."""
        if seconds >= window.current_ends_in - 60:  # this minute becomes the one before
            return Window(window.current, max(0.0, window.current_ends_in - seconds), 0, 0.0)
        left = max(0.0, window.previous_ends_in - seconds)
        return window._replace(previous_ends_in=left, current_ends_in=window.current_ends_in - seconds)

    if window.used >= limit and window.current <= limit:
        wait = window.wait(limit)
        assert 1 <= wait <= 61
        assert after(wait).used < limit


@pytest.mark.parametrize(
    "storage",
    [
        "auto",
        "memory",
        "redis://127.0.0.1",
        "redis://:p%40ss@cache.example:6379/0",
        "rediss://a:b@[::1]:6380/2?db=1",
    ],
)
def test_a_storage_is_memory_or_redis(storage: str) -> None:
    with open_rate_limiters(ApiSettings(rate_limit_storage=SecretStr(storage))) as limiters:
        assert (type(limiters.keys) is RateLimiter) == (storage in {"auto", "memory"})


@pytest.mark.parametrize(
    "storage",
    ["", "disk", "memory://", "http://:hunter2@a", "redis://", "redis://:hunter2@a:port", "redis://a b"],
)
def test_another_storage_is_refused_without_its_password(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCIALFLOW_API_RATE_LIMIT_STORAGE", storage)
    if not storage:
        assert ApiSettings().rate_limit_storage.get_secret_value() == "auto"  # empty is not set
        return
    with pytest.raises(ValidationError, match=r"write auto, memory, or redis://") as caught:
        ApiSettings()
    assert "hunter2" not in str(caught.value)


# -- in PostgreSQL


@pytest.fixture
def on_postgres(postgres_url: str, tmp_path: Path) -> Iterator[WarehouseSettings]:
    """A migrated store on PostgreSQL."""
    settings = WarehouseSettings(home=tmp_path / "home", database_url=postgres_url)
    with Store.open(settings):
        yield settings


def test_processes_share_what_postgresql_counts(on_postgres: WarehouseSettings) -> None:
    limits = ApiSettings(rate_limit=3, auth_failures=1)
    with open_rate_limiters(limits, on_postgres) as one, open_rate_limiters(limits, on_postgres) as other:
        assert type(one.keys) is PostgresRateLimiter
        assert one.keys.look("a", NOON).remaining == 3
        states = [limiters.keys.take("a", NOON) for limiters in (one, other, one, other, one)]
        assert [state.allowed for state in states] == [True, True, True, False, False]
        assert [state.remaining for state in states] == [2, 1, 0, 0, 0]
        assert {state.limit for state in states} == {3}
        assert states[2].retry_after_seconds == 0
        assert 1 <= states[3].retry_after_seconds <= 20
        assert 41 <= states[3].reset_seconds <= 60
        assert not other.keys.look("a", NOON).allowed
        assert one.keys.take("b", NOON).allowed
        # Wrong credentials are counted apart from requests, by the same name as well.
        assert one.failures.take("a", NOON).allowed
        assert other.failures.look("a", NOON).retry_after_seconds > 0


def test_a_bucket_in_postgresql_refills_like_one_in_memory(on_postgres: WarehouseSettings) -> None:
    with open_rate_buckets(on_postgres) as buckets, closing(connect(on_postgres)) as database:
        assert buckets is not None
        # One in 20 s: the database's clock goes on while the test runs.
        assert [buckets.take("a", 3).is_allowed for _ in range(4)] == [True, True, True, False]
        database.execute("UPDATE rate_buckets SET at = at - 40")
        assert [buckets.take("a", 3).is_allowed for _ in range(3)] == [True, True, False]
        database.execute("UPDATE rate_buckets SET at = at - 3600")
        assert buckets.look("a", 3) == (3.0, True)
        # A clock that was set back takes nothing away and gives nothing.
        database.execute("UPDATE rate_buckets SET at = at + 7200, tokens = 1")
        assert [buckets.take("a", 3).is_allowed for _ in range(2)] == [True, False]


def test_nothing_is_counted_twice_among_threads_and_processes_in_postgresql(
    on_postgres: WarehouseSettings,
) -> None:
    limits = ApiSettings(rate_limit=20)
    with open_rate_limiters(limits, on_postgres) as one, open_rate_limiters(limits, on_postgres) as other:
        allowed: list[bool] = []

        def ask(limiter: RateLimiter) -> None:
            allowed.extend(limiter.take("a", NOON).allowed for _ in range(10))

        threads = [threading.Thread(target=ask, args=(item.keys,)) for item in (one, other, one, other)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refilled = int((time.monotonic() - start) / 3) + 1
    assert len(allowed) == 40
    assert 20 <= sum(allowed) <= 20 + refilled


def test_full_buckets_are_deleted_in_bounded_steps(on_postgres: WarehouseSettings) -> None:
    fill = (
        "INSERT INTO rate_buckets SELECT 'old-' || n, 1, true, extract(epoch FROM now()) - 121 "
        "FROM generate_series(1, 1500) AS n"
    )
    with open_rate_buckets(on_postgres) as buckets, closing(connect(on_postgres)) as database:
        assert buckets is not None
        database.execute(fill)
        left = []
        for _ in range(3):
            buckets.take("a", 60)
            left.append(database.execute("SELECT count(*) FROM rate_buckets").fetchone())
        assert left == [(501,), (1,), (1,)]


def test_looking_adds_no_row(on_postgres: WarehouseSettings) -> None:
    with open_rate_buckets(on_postgres) as buckets, closing(connect(on_postgres)) as database:
        assert buckets is not None
        assert buckets.look("a", 60) == (60.0, True)
        assert database.execute("SELECT count(*) FROM rate_buckets").fetchone() == (0,)


def test_without_postgresql_each_process_counts_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = WarehouseSettings(home=tmp_path, database_url=f"postgresql://a:hunter2@127.0.0.1:{port}/a")
    with open_rate_limiters(ApiSettings(rate_limit=2), away) as one, caplog.at_level(logging.WARNING):
        assert [one.keys.take("a", NOON).allowed for _ in range(3)] == [True, True, False]
    (record,) = caplog.records
    assert "PostgreSQL does not respond" in record.getMessage()
    assert "SOCIALFLOW_DATABASE_URL" in record.getMessage()
    assert "hunter2" not in caplog.text


def test_two_servers_on_one_postgresql_share_requests_and_failed_sign_ins(
    postgres_url: str, tmp_path: Path
) -> None:
    settings = ApiSettings(rate_limit=3, auth_failures=2)
    clock = SettableClock()
    with (
        RunningServer(tmp_path / "home", clock, settings, database_url=postgres_url) as first,
        RunningServer(tmp_path / "home", clock, settings, database_url=postgres_url) as second,
    ):
        tenant = make_tenant(first)
        with open_client(second, tenant.key) as elsewhere:
            answers = [client.get("/api/v1/accounts") for client in (tenant.client, elsewhere) * 2]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
            wrong = {"api_key": "sf_x", "api_secret": "wrong"}
            tried = [
                client.post("/api/v1/auth/token", json=wrong).status_code
                for client in (tenant.client, elsewhere) * 2
            ]
            assert tried == [401, 401, 429, 429]


def connect(settings: WarehouseSettings) -> psycopg.Connection[tuple[object, ...]]:
    address = make_url(settings.resolved_database_url).set(drivername="postgresql")
    return psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)
