"""Ingestion by 1, 2 and 4 runs on PostgreSQL (store and catalog), reading simulated platforms that take time to answer.

backfill  histories of newly connected accounts
metrics   the same publications, all due again; one account answers twenty times slower than the others

Each run is a process of its own that leases accounts as the flows do; all begin at the same moment, on a store and a
lake of their own for each number of runs. The platforms run in another process, which sleeps before each answer. A
figure is only printed if each publication was measured exactly once and the lake has exactly the rows that the runs
report.

    python benchmarks/bench_ingest_runs.py [--accounts 900] [--days 3] [--latency 0.05 0.2] [--runs 1 2 4] [--json]

CPU is that of the runs, of PostgreSQL and of the platforms, so that the figures say where the machine is full.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import psycopg
import uvicorn
from bench_api import free_port
from bench_claims import open_server
from pydantic import SecretStr
from sqlalchemy import make_url, text

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform
from flows.ingestion.history import read_histories
from flows.ingestion.metrics import read_due_metrics
from flows.resources import Resources
from flows.settings import FlowSettings
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.clock import read_time
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

PLATFORMS = (Platform.TWITTER, Platform.MASTODON, Platform.INSTAGRAM)
"""100, 20 and 1 posts per request for metrics."""
SLOWER = 20
"""How much longer the slow account waits for each answer."""
FLOWS = ("backfill", "metrics")
READERS = {"backfill": read_histories, "metrics": read_due_metrics}


class SlowPlatforms:
    """The sandbox, which sleeps before each answer of a platform and counts who waits.

    GET /_bench returns the counts and sets them to zero; `low` and `high` bound the sleep (s), `slow` is a token whose
    requests take longer.
    """

    def __init__(self, app: ASGIApp, seed: int) -> None:
        self._app, self._random = app, random.Random(seed)
        self._low = self._high = 0.0
        self._slow: str | None = None
        self._forget()

    def _forget(self) -> None:
        self._requests, self._waiting, self._held_s, self._last = 0, 0, 0.0, 0.0
        self._cpu = time.process_time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
        elif scope["path"] == "/_bench":
            await self._tell(scope, send)
        else:
            began = time.perf_counter()
            wait = self._random.uniform(self._low, self._high)
            if self._slow and (
                self._slow in str(scope["headers"]) or self._slow in str(scope["query_string"])
            ):
                wait *= SLOWER
            await asyncio.sleep(wait)
            await self._app(scope, receive, send)
            self._requests += 1
            self._held_s += time.perf_counter() - began

    async def _tell(self, scope: Scope, send: Send) -> None:
        found = {
            "requests": self._requests,
            "waited_s": self._held_s,
            "cpu_s": time.process_time() - self._cpu,
        }
        given = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if pair)
        self._low, self._high = float(given["low"]), float(given["high"])
        self._slow = given.get("slow")
        self._forget()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})


@dataclass(frozen=True)
class Cluster:
    """What all runs use: the server with the databases, the platforms' address, and the lake's folder."""

    server: str
    """Address of PostgreSQL without a database: postgresql://..."""
    url: str
    folder: Path

    def settings(self, name: str) -> WarehouseSettings:
        """Return the settings of an installation with this name."""
        address = make_url(self.server)
        store = address.set(drivername="postgresql+psycopg", database=f"store_{name}")
        lake = address.set(database=f"lake_{name}")
        return WarehouseSettings(
            home=self.folder / "home",
            database_url=store.render_as_string(hide_password=False),
            lake_catalog=f"postgres:{lake.render_as_string(hide_password=False)}",
        )

    def run(self, statement: str) -> None:
        """Run a statement in the server's own database."""
        with psycopg.connect(self.server, autocommit=True) as session:
            session.execute(statement)

    def set_latency(self, low: float, high: float, slow: str | None = None) -> dict[str, float]:
        """Set the platforms' answer times; return what they counted until now."""
        params = {"low": low, "high": high} | ({"slow": slow} if slow else {})
        answer = httpx.get(f"{self.url}/_bench", params=params, timeout=30)
        answer.raise_for_status()
        found: dict[str, float] = answer.json()
        return found


def connectors_of(url: str) -> ConnectorSettings:
    """Return settings whose platforms are all the sandbox at this address."""
    return ConnectorSettings(
        twitter_base_url=url, instagram_base_url=url, allow_private_instances=True, read_timeout=60
    )


def serve(port: int, accounts: int, days: int) -> None:
    """Run the simulated platforms."""
    world = SandboxWorld(11, history_days=days, accounts_per_platform=accounts // len(PLATFORMS))
    app = SlowPlatforms(create_sandbox_app(world), seed=1)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


async def connect(settings: WarehouseSettings, url: str) -> None:
    """Connect the sandbox's accounts through the real connectors."""
    offered = (await asyncio.to_thread(httpx.get, f"{url}/_sandbox/accounts", timeout=60)).json()
    async with ConnectorPool(connectors_of(url)) as pool:
        with Store.open(settings) as store, store.write() as session:
            now = read_time(session)
            workspace = ensure_default_workspace(session, now)
            for item in offered:
                platform = Platform(item["platform"])
                if platform in PLATFORMS:
                    account = Account(
                        id="new",
                        platform=platform,
                        credentials=Credentials(SecretStr(item["access_token"])),
                        handle=item["handle"],
                        instance_url=item["instance_url"],
                    )
                    verified = await pool.open(account).verify()
                    connect_account(session, store.cipher, workspace.id, verified, platform, now)


def work(flow: str, cluster: Cluster, name: str, days: int) -> None:
    """Be one run: open everything, say so, wait for the start, read what is due, and print the figures."""

    async def read(resources: Resources) -> dict[str, Any]:
        async with ConnectorPool(connectors_of(cluster.url)) as pool:
            began, cpu = time.time(), time.process_time()
            reader: Any = READERS[flow]
            report = await reader(resources, pool, run_id=f"run_{os.getpid()}")
            report.raise_if_failed()
            return {
                "accounts": sum(ending == "done" for ending in report.by_account.values()),
                "snapshots": report.counts["snapshots"],
                "measured": report.counts.get("measured", report.counts["snapshots"]),
                "cpu_s": time.process_time() - cpu,
                "began": began,
                "ended": time.time(),
            }

    # Ten days more than the history has: nothing of it is left out.
    with Resources(cluster.settings(name), FlowSettings(backfill_days=days + 10)) as resources:
        resources.lake.snapshot_id()
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(asyncio.run(read(resources))), flush=True)


def measure(flow: str, cluster: Cluster, name: str, runs: int, given: argparse.Namespace) -> dict[str, Any]:
    """Let so many runs work at once on an installation; return their figures."""
    settings = cluster.settings(name)
    slow = None
    with Store.open(settings) as store, store.write() as session:
        if flow == "metrics":
            session.execute(text("UPDATE publications SET next_snapshot_at = now() - interval '1 hour'"))
        wanted = session.execute(text("SELECT count(*) FROM publications")).scalar_one()
        if flow == "metrics":
            slow = httpx.get(f"{cluster.url}/_sandbox/accounts", timeout=60).json()[0]["access_token"]
    commits = count_commits(settings)
    command = [
        sys.executable,
        "-W",
        "ignore",
        __file__,
        "--work",
        flow,
        "--name",
        name,
        "--days",
        str(given.days),
    ]
    command += ["--cluster", cluster.server, cluster.url, str(cluster.folder)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(runs)
    ]
    try:
        for worker in workers:
            if worker.stdout is None or worker.stdout.readline().strip() != "ready":
                raise SystemExit("a run did not start")
        cluster.set_latency(given.latency[0], given.latency[1], slow)
        database = measure_server(cluster.server)
        for worker in workers:
            if worker.stdin is not None:
                worker.stdin.write("\n")
                worker.stdin.flush()
        answers = [worker.communicate(timeout=given.seconds)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    database = measure_server(cluster.server) - database
    platforms = cluster.set_latency(0, 0)
    found = [json.loads(answer.strip().splitlines()[-1]) for answer in answers]
    seconds = max(one["ended"] for one in found) - min(one["began"] for one in found)
    with Lake.open(settings, read_only=True) as lake:
        ((rows, doubled),) = lake.query_rows(
            "SELECT count(*), count(*) - count(DISTINCT (publication_id, captured_at)) FROM raw.post_snapshots"
        )
    total = {key: sum(one[key] for one in found) for key in ("accounts", "snapshots", "measured", "cpu_s")}
    before = given.rows.get(name, 0)
    given.rows[name] = rows
    if rows - before != total["snapshots"] or doubled or total["accounts"] != given.accounts:
        raise SystemExit(
            f"{flow}, {runs} runs: {total}, but {rows - before} new rows, {doubled} of them twice"
        )
    if flow == "metrics" and total["measured"] != wanted:
        raise SystemExit(
            f"{runs} runs measured {total['measured']} of {wanted} publications: read twice, or not"
        )
    return {
        "flow": flow,
        "runs": runs,
        "seconds": round(seconds, 1),
        "accounts": total["accounts"],
        "snapshots": total["snapshots"],
        "accounts_per_s": round(total["accounts"] / seconds, 1),
        "snapshots_per_s": round(total["snapshots"] / seconds, 1),
        "requests": platforms["requests"],
        # Of the slots of all runs: how many wait for a platform, on average. 1 = limited by the platforms alone.
        "waiting": round(platforms["waited_s"] / seconds / (runs * 8), 2),
        "first_to_last_end_s": round(
            max(one["ended"] for one in found) - min(one["ended"] for one in found), 1
        ),
        "lake_commits": count_commits(settings) - commits,
        "run_cpu_ms_per_account": round(total["cpu_s"] / total["accounts"] * 1000, 1),
        "postgres_cpu_ms_per_account": round(database / total["accounts"] * 1000, 1),
        "platform_cpu_ms_per_account": round(platforms["cpu_s"] / total["accounts"] * 1000, 1),
        "cores": round((total["cpu_s"] + database + platforms["cpu_s"]) / seconds, 2),
    }


def count_commits(settings: WarehouseSettings) -> int:
    """Return the number of the lake's newest commit."""
    with Lake.open(settings, read_only=True) as lake:
        return lake.snapshot_id()


def measure_server(server: str) -> float:
    """Return the CPU seconds that PostgreSQL and all its processes, also ended ones, have used."""
    with psycopg.connect(server) as session:
        row = session.execute("SELECT pg_backend_pid()").fetchone()
        parent = psutil.Process(row[0]).parent() if row else None
        return 0.0 if parent is None else sum_cpu(parent)


def sum_cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, its living children and those that it has waited for."""
    own = process.cpu_times()
    used = float(own.user + own.system + own.children_user + own.children_system)
    for child in process.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used += float(times.user + times.system)
    return used


@contextmanager
def open_cluster(server: str, folder: Path, given: argparse.Namespace) -> Iterator[Cluster]:
    """Start the platforms; fill a store and a lake from which each measurement gets its own copy."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", __file__, "--serve", str(port)]
    platforms = subprocess.Popen([*command, "--accounts", str(given.accounts), "--days", str(given.days)])
    try:
        address = make_url(server).set(drivername="postgresql")
        cluster = Cluster(address.render_as_string(hide_password=False), url, folder)
        for name in ("store_base", "lake_base"):
            cluster.run(f"CREATE DATABASE {name}")
        settings = cluster.settings("base")
        with Store.open(settings), Lake.open(settings):
            pass
        for _ in range(300):
            try:
                httpx.get(f"{url}/_sandbox/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        asyncio.run(connect(settings, url))
        yield cluster
    finally:
        platforms.kill()
        platforms.wait()


def main() -> None:
    """Measure every number of runs, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accounts", type=int, default=900)
    parser.add_argument(
        "--days", type=int, default=3, help="of history; an account has about three posts a day"
    )
    parser.add_argument("--latency", type=float, nargs=2, default=(0.05, 0.2), help="seconds, from and to")
    parser.add_argument("--runs", type=int, nargs="+", default=(1, 2, 4))
    parser.add_argument("--seconds", type=float, default=300, help="the most that one measurement may take")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=FLOWS, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--cluster", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.accounts -= given.accounts % len(PLATFORMS)
    if given.serve:
        serve(given.serve, given.accounts, given.days)
        return
    if given.work:
        server, url, folder = given.cluster
        work(given.work, Cluster(server, url, Path(folder)), given.name, given.days)
        return
    given.rows = {}
    results = []
    with (
        tempfile.TemporaryDirectory(prefix="socialflow-ingest-", ignore_cleanup_errors=True) as name,
        open_server(Path(name)) as server,
        open_cluster(server, Path(name), given) as cluster,
    ):
        for runs in given.runs:
            for what in ("store", "lake"):
                cluster.run(f"CREATE DATABASE {what}_{runs} TEMPLATE {what}_base STRATEGY file_copy")
            for flow in FLOWS:
                results.append(measure(flow, cluster, str(runs), runs, given))
                if not given.json:
                    print(", ".join(f"{key} {value}" for key, value in results[-1].items()), flush=True)
    if given.json:
        print(json.dumps({"load": os.getloadavg()[0], "results": results}, indent=2))
        return
    for flow in FLOWS:
        of_flow = [one for one in results if one["flow"] == flow]
        speeds = [
            f"{one['runs']}: {one['accounts_per_s'] / of_flow[0]['accounts_per_s']:.2f}" for one in of_flow
        ]
        print(f"{flow}: accounts a second relative to {of_flow[0]['runs']} run: {', '.join(speeds)}")


if __name__ == "__main__":
    main()
