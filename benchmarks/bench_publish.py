"""Throughput and lateness of the publisher, compared with a bare httpx loop that sends the same requests.

Everything in one run on one machine, the sandbox in its own process:

    burst    N posts due at one second; throughput of the publisher as a ratio to the bare loop
    steady   N posts spread over some minutes; lateness p50, p95, p99, max in seconds
    idle     CPU of a publisher that has nothing to do, as a share of one core

    python benchmarks/bench_publish.py [--burst 1000] [--steady 10000 --minutes 5] [--json]
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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from pydantic import SecretStr
from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform, PostContent
from flows.publishing.publisher import run_publisher
from flows.publishing.settings import PublisherSettings
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.publishing.ledger import LedgerEvent, append_events
from warehouse.store.publishing.publications import payload_hash

if TYPE_CHECKING:
    from flows.publishing.report import PublishReport

ACCOUNTS = 8
PORT = 18_777
URL = f"http://127.0.0.1:{PORT}"
MAX_LATENESS = timedelta(hours=1)

QUICKEST = 32
"""Number of concurrent requests at which a bare loop is fastest here."""


def start_sandbox() -> subprocess.Popen[bytes]:
    """Start the simulated platforms with several accounts and no history."""
    command = [sys.executable, "-m", "connectors.sandbox", "--port", str(PORT), "--history-days", "1"]
    process = subprocess.Popen([*command, "--accounts-per-platform", str(ACCOUNTS)])
    for _ in range(200):
        try:
            httpx.get(f"{URL}/_sandbox/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)  # polls another process's start, bounded by the range
        else:
            return process
    process.kill()
    raise SystemExit("the sandbox did not start")


def sandbox_accounts() -> list[dict[str, Any]]:
    """Return the sandbox's X accounts."""
    offered: list[dict[str, Any]] = httpx.get(f"{URL}/_sandbox/accounts").json()
    return [account for account in offered if account["platform"] == "twitter"]


async def run_bare_loop(label: str, posts: int, concurrency: int) -> float:
    """Send the same requests without any overhead; return requests per second."""
    tokens = [account["access_token"] for account in sandbox_accounts()]
    slots = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)

    async with httpx.AsyncClient(base_url=URL, limits=limits, timeout=30) as client:

        async def send(number: int) -> None:
            async with slots:
                headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
                answer = await client.post("/2/tweets", json={"text": f"{label} {number}"}, headers=headers)
                answer.raise_for_status()

        await client.get("/_sandbox/health")
        started = time.perf_counter()
        await asyncio.gather(*(send(number) for number in range(posts)))
        return posts / (time.perf_counter() - started)


async def connect_accounts(store: Store, settings: ConnectorSettings) -> list[AccountRow]:
    """Connect the sandbox's X accounts."""
    now = datetime.now(UTC)
    rows = []
    async with ConnectorPool(settings) as pool:
        for item in await asyncio.to_thread(sandbox_accounts):
            account = Account("new", Platform.TWITTER, Credentials(SecretStr(item["access_token"])))
            verified = await pool.open(account).verify()
            with store.write() as session:
                workspace = ensure_default_workspace(session, now)
                rows.append(
                    connect_account(session, store.cipher, workspace.id, verified, Platform.TWITTER, now)
                )
    return rows


def schedule(store: Store, accounts: list[AccountRow], label: str, times: list[datetime]) -> None:
    """Add one post with one publication per time, in bulk: scheduling is not measured here."""
    now = datetime.now(UTC)
    with store.write() as session:
        ids = []
        for number, due in enumerate(times):
            account = accounts[number % len(accounts)]
            content = PostContent(text=f"{label} {number}")
            post = Post(
                id=store.new_id("post"),
                workspace_id=account.workspace_id,
                content=content.text,
                status="scheduled",
                scheduled_at=due,
                created_at=now,
                updated_at=now,
            )
            publication = Publication(
                id=store.new_id("pub"),
                post_id=post.id,
                workspace_id=account.workspace_id,
                account_id=account.id,
                platform=account.platform,
                content=content.model_dump(mode="json"),
                payload_hash=payload_hash(content),
                status="scheduled",
                scheduled_at=due,
                due_at=due,
                ledger_rows=0,
                ledger_hash="",
                created_at=now,
                updated_at=now,
            )
            session.add_all([post, publication])
            ids.append(publication.id)
        session.flush()
        for start in range(0, len(ids), 1000):
            batch = [LedgerEvent(publication_id, "scheduled") for publication_id in ids[start : start + 1000]]
            append_events(session, batch, now=now)


async def publish(store: Store, settings: ConnectorSettings, until: datetime) -> PublishReport:
    """Run one publisher."""
    async with ConnectorPool(settings) as pool:
        horizon = until - datetime.now(UTC)
        return await run_publisher(store, pool, horizon=horizon, max_lateness=MAX_LATENESS)


def drain_seconds(store: Store, due: datetime) -> float:
    """Return the time between `due` and the commit of the last receipt."""
    with store.read() as session:
        last = max(row for row in session.scalars(select(Publication.updated_at)))
    return (last - due).total_seconds()


def measure_burst(posts: int) -> dict[str, Any]:
    """Compare the publisher with the bare loop on posts due in the same second."""
    settings = ConnectorSettings(twitter_base_url=URL)
    limits = PublisherSettings()
    concurrency = min(limits.concurrency, limits.account_concurrency * len(sandbox_accounts()))
    # Before and after, so that noise on the machine does not decide the ratio.
    before = asyncio.run(run_bare_loop("before", posts, concurrency))
    with tempfile.TemporaryDirectory() as folder, Store.open(WarehouseSettings(home=Path(folder))) as store:
        accounts = asyncio.run(connect_accounts(store, settings))
        due = datetime.now(UTC) + timedelta(seconds=6 + posts / 500)
        schedule(store, accounts, "burst", [due] * posts)
        report = asyncio.run(publish(store, settings, due + timedelta(seconds=1)))
        rate = posts / drain_seconds(store, due)
    after = asyncio.run(run_bare_loop("after", posts, concurrency))
    bare = (before + after) / 2
    # httpx's pool scans all its connections for each request: 32 at once are faster than 64.
    quickest = asyncio.run(run_bare_loop("quickest", posts, QUICKEST))
    return {
        "posts": posts,
        "published": report.published,
        "at_once": concurrency,
        "posts_per_s": round(rate),
        "bare_httpx_per_s": round(bare),
        "ratio": round(rate / bare, 2),
        "goal_ratio": 0.5,
        f"bare_httpx_{QUICKEST}_at_once_per_s": round(quickest),
        f"ratio_to_{QUICKEST}_at_once": round(rate / quickest, 2),
    }


def measure_steady(posts: int, minutes: float) -> dict[str, Any]:
    """Measure lateness for posts at random times."""
    settings = ConnectorSettings(twitter_base_url=URL)
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder, Store.open(WarehouseSettings(home=Path(folder))) as store:
        accounts = asyncio.run(connect_accounts(store, settings))
        start = datetime.now(UTC) + timedelta(seconds=4 + posts / 500)
        times = [start + timedelta(seconds=draw.uniform(0, minutes * 60)) for _ in range(posts)]
        schedule(store, accounts, "steady", times)
        report = asyncio.run(publish(store, settings, max(times) + timedelta(seconds=1)))
    return {
        "posts": posts,
        "minutes": minutes,
        "published": report.published,
        **{
            f"lateness_p{share * 100:g}_s": round(report.lateness_at(share) or 0, 4)
            for share in (0.5, 0.95, 0.99)
        },
        "lateness_max_s": round(max(report.lateness), 4),
        "goal_p99_s": 1.0,
    }


def measure_idle(seconds: float) -> dict[str, Any]:
    """Measure the CPU time of an idle publisher."""
    settings = ConnectorSettings(twitter_base_url=URL)
    process = psutil.Process(os.getpid())
    with tempfile.TemporaryDirectory() as folder, Store.open(WarehouseSettings(home=Path(folder))) as store:
        before = process.cpu_times()
        asyncio.run(publish(store, settings, datetime.now(UTC) + timedelta(seconds=seconds)))
        after = process.cpu_times()
    share = (after.user + after.system - before.user - before.system) / seconds
    return {"seconds": seconds, "cpu_share_of_a_core": round(share, 4), "goal": 0.05}


def main() -> None:
    """Run the three measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burst", type=int, default=1000)
    parser.add_argument("--steady", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sandbox = start_sandbox()
    try:
        results = {
            "burst": measure_burst(arguments.burst),
            "idle": measure_idle(arguments.idle_seconds),
            "steady": measure_steady(arguments.steady, arguments.minutes),
        }
    finally:
        sandbox.kill()
        sandbox.wait()
    if arguments.json:
        print(json.dumps(results))
        return
    for name, figures in results.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<24}{value}")


if __name__ == "__main__":
    main()
