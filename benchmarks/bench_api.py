"""Throughput and p99 of the HTTP API under 32 clients, compared with a bare FastAPI route of the same bytes.

Everything in one run on one machine, each server in a process of its own, in turns:

    list       GET /posts?limit=20 over 500 posts, nothing changing meanwhile
    list+      the same while another process commits changes all the time, so that nothing can be remembered
    overview   GET /analytics/overview?period=90d over 2,000 posts of history, the lake unchanged
    create     POST /posts, each with an Idempotency-Key; beside it the CPU that the server's process took for one
               (all of its threads share the time of one core, Python's lock allows no more), and one commit of a
               single row by one writer with the store's own settings: the least that a durable create can take

The bare route is an `async def` that returns ready bytes: no token, no store, no checks.

    python benchmarks/bench_api.py [--requests 4000] [--creates 600] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import psutil
from fastapi import FastAPI, Response
from pydantic import SecretStr

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID, ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import Workspace
from warehouse.store.posts.posts import PostDraft, Target, create_post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CLIENTS = 32
POSTS = 500
HISTORY = 2000
LIST = "/api/v1/posts?limit=20"
OVERVIEW = "/api/v1/analytics/overview?period=90d"
CREATE = "/api/v1/posts"


class Result(NamedTuple):
    """Results of one server in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float


def create_bare_app() -> FastAPI:
    """Return an app with one route that returns the file named by BARE_BODY."""
    body = Path(os.environ["BARE_BODY"]).read_bytes()
    app = FastAPI()

    @app.get("/bare")
    async def get_bare() -> Response:
        return Response(body, media_type="application/json")

    return app


async def ask(port: int, requests: list[bytes], status: bytes) -> Result:
    """Send the requests over 32 connections, one at a time each, and measure each response."""
    waiting = iter(requests)
    seconds: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 " + status):
                raise RuntimeError(f"not {status!r}: {head!r}")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            seconds.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    took = time.perf_counter() - began
    seconds.sort()
    return Result(
        len(seconds) / took, seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.99)] * 1000
    )


def write_request(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Return the bytes of one HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def serve(
    command: list[str], environment: Mapping[str, str], port: int, path: str
) -> Iterator[psutil.Process]:
    """Run a server for the duration of the block; yield its process."""
    log = (Path(environment["SOCIALFLOW_HOME"]) / f"bench-{port}.log").open("wb")
    process = subprocess.Popen(command, env=dict(environment), stdout=log, stderr=log)
    try:
        for _ in range(300):
            if process.poll() is not None:
                raise RuntimeError("the server ended")
            try:
                httpx.get(f"http://127.0.0.1:{port}{path}")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(home: Path) -> dict[str, str]:
    """Create a home with two accounts, posts and a history; return the credentials of a key."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings(home=home)) as store:
        with store.write() as session:
            ensure_default_workspace(session, now)
            key = create_api_key(session, store.cipher, DEFAULT_WORKSPACE_ID, "bench", SCOPES, now)
            accounts = []
            for platform in (Platform.TWITTER, Platform.MASTODON):
                who = VerifiedAccount(f"{platform}-1", platform.value, "Bench", Credentials(SecretStr("t")))
                accounts.append(
                    connect_account(session, store.cipher, DEFAULT_WORKSPACE_ID, who, platform, now)
                )
        with store.write() as session:
            for number in range(POSTS):
                content = PostContent(text=f"Post {number}: what a harbour looks like in the morning")
                draft = PostDraft(
                    content=content.text,
                    targets=[Target(account, content) for account in accounts],
                    scheduled_at=now + timedelta(days=3, minutes=number),
                )
                create_post(session, DEFAULT_WORKSPACE_ID, draft, now)
    rows = []
    for number in range(HISTORY):
        at = now - timedelta(days=85) * number / HISTORY
        rows.append(f"{at.isoformat()},{number % 97},{number % 13},{number % 7},h{number}")
    history = home / "history.csv"
    history.write_text("\n".join(["published_at,likes,comments,shares,post_id", *rows]))
    command = [sys.executable, "-m", "flows.cli", "import-history", str(history)]
    subprocess.run(
        [*command, "--platform", "facebook", "--account", "bench"],
        env={**os.environ, "SOCIALFLOW_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    return {"api_key": key.api_key, "api_secret": key.api_secret}


@contextmanager
def changing(home: Path) -> Iterator[None]:
    """Commit a change to the store a hundred times a second, for the duration of the block."""
    over = threading.Event()

    def write() -> None:
        with Store.open(WarehouseSettings(home=home)) as store:
            while not over.wait(0.01):
                with store.write() as session:
                    session.get_one(Workspace, DEFAULT_WORKSPACE_ID).name = f"Bench {time.time()}"

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure_commits(home: Path, count: int = 300) -> float:
    """Return how many single-row commits a second the disk allows with the store's settings."""
    with sqlite3.connect(home / "commits.db", isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)")
        began = time.perf_counter()
        for _ in range(count):
            connection.execute("INSERT INTO t (text) VALUES ('x')")
        return count / (time.perf_counter() - began)


def median(results: list[Result]) -> Result:
    """Return the median of each figure over the rounds."""
    return Result(*(statistics.median(values) for values in zip(*results, strict=True)))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return JSON-serializable results."""
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder:
        home, ours = Path(folder), free_port()
        credentials = fill(home)
        environment = {
            **os.environ,
            "SOCIALFLOW_HOME": folder,
            "SOCIALFLOW_API_PORT": str(ours),
            "SOCIALFLOW_API_RATE_LIMIT": "100000000",
        }
        with serve(
            [sys.executable, "-m", "flows.serving.api_process"], environment, ours, "/healthz"
        ) as server:
            base = f"http://127.0.0.1:{ours}"
            token = httpx.post(f"{base}/api/v1/auth/token", json=credentials).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            report: dict[str, Any] = {}
            for name, path, around in (
                ("list", LIST, None),
                ("list+", LIST, changing),
                ("overview", OVERVIEW, None),
            ):
                answer = httpx.get(base + path, headers=headers, timeout=60)
                answer.raise_for_status()
                request = write_request("GET", path, headers)
                report[name] = compare(arguments, environment, ours, request, answer.content, around)
            report["create"] = measure_creates(arguments, ours, headers, server, home)
    return report


def compare(  # noqa: PLR0917 (what is compared with what)
    arguments: argparse.Namespace,
    environment: Mapping[str, str],
    ours: int,
    request: bytes,
    body: bytes,
    around: Callable[[Path], Any] | None,
) -> dict[str, Any]:
    """Request the same bytes from both servers, alternating."""
    home = Path(environment["SOCIALFLOW_HOME"])
    file, port = home / "bare.json", free_port()
    file.write_bytes(body)
    command = [sys.executable, "-m", "uvicorn", "--factory", "bench_api:create_bare_app", "--port", str(port)]
    command += ["--no-access-log", "--app-dir", str(Path(__file__).parent)]
    mine, bare = [], []
    with serve(command, {**environment, "BARE_BODY": str(file)}, port, "/bare"):
        for _ in range(arguments.rounds):
            bare.append(asyncio.run(ask(port, [write_request("GET", "/bare")] * arguments.requests, b"200")))
            requests = [request] * arguments.requests
            if around is None:
                mine.append(asyncio.run(ask(ours, requests, b"200")))
            else:
                with around(home):
                    mine.append(asyncio.run(ask(ours, requests, b"200")))
    ratios = [one.per_second / other.per_second for one, other in zip(mine, bare, strict=True)]
    return {
        "bytes": len(body),
        "api": median(mine)._asdict(),
        "bare": median(bare)._asdict(),
        "ratio": statistics.median(ratios),
    }


def measure_creates(
    arguments: argparse.Namespace,
    port: int,
    headers: Mapping[str, str],
    server: psutil.Process,
    home: Path,
) -> dict[str, Any]:
    """Create distinct posts, and bare commits, alternating; each figure is the median over the rounds."""
    rounds, cpu_ms, commit_ms = [], [], []
    for _ in range(arguments.rounds):
        commit_ms.append(1000 / measure_commits(home))
        requests = write_creates(arguments.creates, headers)
        before = sum(server.cpu_times()[:2])
        rounds.append(asyncio.run(ask(port, requests, b"201")))
        cpu_ms.append((sum(server.cpu_times()[:2]) - before) * 1000 / arguments.creates)
    return {
        "api": median(rounds)._asdict(),
        "cpu_ms": statistics.median(cpu_ms),
        "commit_ms": statistics.median(commit_ms),
    }


def write_creates(count: int, headers: Mapping[str, str]) -> list[bytes]:
    """Return that many requests, each for a different post."""
    requests = []
    for number in range(count):
        body = json.dumps(
            {
                "content": f"Created {number} {time.time()}",
                "platforms": ["twitter"],
                "scheduled_at": "2035-01-01T00:00:00Z",
            }
        ).encode()
        more = {"Content-Type": "application/json", "Idempotency-Key": f"bench-{number}-{time.time()}"}
        requests.append(write_request("POST", CREATE, {**headers, **more}, body))
    return requests


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--creates", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = run(arguments)
    if arguments.json:
        print(json.dumps(report, indent=1))
        return
    print(f"{CLIENTS} clients, {os.cpu_count()} cores; medians of {arguments.rounds} rounds")
    for name in ("list", "list+", "overview"):
        api, bare = report[name]["api"], report[name]["bare"]
        print(
            f"{name:9} {api['per_second']:6.0f}/s (p99 {api['p99_ms']:5.1f} ms)  bare {bare['per_second']:6.0f}/s "
            f"(p99 {bare['p99_ms']:5.1f} ms)  ratio {report[name]['ratio']:.2f}  ({report[name]['bytes']} bytes)"
        )
    create = report["create"]
    rate, cpu, commit = create["api"]["per_second"], create["cpu_ms"], create["commit_ms"]
    print(
        f"create    {rate:6.0f}/s (p99 {create['api']['p99_ms']:5.1f} ms)  {cpu:.2f} ms CPU each, "
        f"{rate * cpu / 10:.0f} % of a core; one bare commit {commit:.2f} ms, "
        f"{rate * commit / 10:.0f} % of the time"
    )


if __name__ == "__main__":
    main()
