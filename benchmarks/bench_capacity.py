"""What an installation needs: CPU, memory, disk and requests per publication, snapshot and account.

Three parts, each in a fresh process, on SQLite and local files. The figures per 1,000 or per million are the measured
ones multiplied; docs/capacity.md says which were.

    publications   N text posts on simulated X, through the publisher; the platforms run in another process
    snapshots      N snapshots of N / 10 posts, loaded in batches of 5,000 with their marts; small files are merged when
                   there are many. Posts are spread over 90 days, however many there are
    accounts       N accounts with 100 posts each in the lake: the daily timing run

    python benchmarks/bench_capacity.py [--publications 1000] [--snapshots 100000] [--accounts 200] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil

PARTS = ("publications", "snapshots", "accounts")
BATCH = 5_000
TURNS = 10
"""Snapshots per post."""
POSTS_PER_ACCOUNT = 100


def measure_folder(folder: Path) -> int:
    """Return the bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def describe_process(cpu_before: float) -> dict[str, float]:
    """Return CPU seconds since then, and the process's largest memory."""
    import resource  # noqa: PLC0415 (POSIX)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_s": round(time.process_time() - cpu_before, 2), "peak_memory_mb": round(peak)}


def measure_publications(count: int) -> dict[str, Any]:
    """Publish `count` text posts that are due at once."""
    import bench_publish as bench  # noqa: PLC0415 (each process loads what it measures)

    from connectors.settings import ConnectorSettings  # noqa: PLC0415 (same)
    from warehouse.settings import WarehouseSettings  # noqa: PLC0415 (same)
    from warehouse.store.database import Store  # noqa: PLC0415 (same)

    sandbox = bench.start_sandbox()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            settings = ConnectorSettings(twitter_base_url=bench.URL)
            with Store.open(WarehouseSettings(home=folder)) as store:
                accounts = asyncio.run(bench.connect_accounts(store, settings))
                due = datetime.now(UTC) + timedelta(seconds=2 + count / 500)
                before = measure_folder(folder)
                bench.schedule(store, accounts, "capacity", [due] * count)
                cpu = time.process_time()
                report = asyncio.run(bench.publish(store, settings, due + timedelta(seconds=1)))
                used = describe_process(cpu)
            disk = measure_folder(folder) - before
        posts = httpx.get(f"{bench.URL}/_sandbox/posts", params={"via": "api"}, timeout=30).json()
    finally:
        sandbox.kill()
        sandbox.wait()
    if (report.published, len(posts)) != (count, count):
        raise SystemExit(f"{report.published} published, {len(posts)} on the platform, {count} wanted")
    return {"count": count, **used, "disk_mb": round(disk / 1e6, 2), "requests_that_post": len(posts)}


def measure_snapshots(count: int) -> dict[str, Any]:
    """Load `count` snapshots, ten of each post, in the order of their age; building the rows is not counted."""
    from warehouse.lake.connect import Lake  # noqa: PLC0415 (each process loads what it measures)
    from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications  # noqa: PLC0415 (same)
    from warehouse.lake.maintenance import measure_files, merge_if_many  # noqa: PLC0415 (same)
    from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim  # noqa: PLC0415 (same)
    from warehouse.settings import WarehouseSettings  # noqa: PLC0415 (same)

    publications = count // TURNS
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=90) * (number / publications) for number in range(publications)]
    ids = [(f"pub_{number:09d}", f"acct_{number % 100:03d}") for number in range(publications)]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with Lake.open(WarehouseSettings(home=home), threads=1) as lake:  # as a run opens it
            cpu = 0.0
            load_accounts(lake, [AccountDim(f"acct_{n:03d}", "ws", "twitter", f"a{n}") for n in range(100)])
            load_publications(
                lake,
                [
                    PublicationDim(
                        publication_id=publication,
                        post_id=publication.replace("pub", "post"),
                        workspace_id="ws",
                        account_id=account,
                        platform="twitter",
                        origin="external",
                        kind="text",
                        published_at=at,
                    )
                    for (publication, account), at in zip(ids, times, strict=True)
                ],
            )
            for turn in range(TURNS):
                for first in range(0, publications, BATCH):
                    rows = [
                        PostSnapshot(
                            workspace_id="ws",
                            publication_id=ids[number][0],
                            account_id=ids[number][1],
                            captured_at=times[number] + timedelta(hours=2**turn),
                            published_at=times[number],
                            impressions=40 * number % 9_973 * (turn + 1),
                            likes=number % 97 * (turn + 1),
                            raw={"id": str(number), "like_count": number % 97 * (turn + 1)},
                            api_version="2",
                        )
                        for number in range(first, min(first + BATCH, publications))
                    ]
                    began = time.process_time()
                    load_post_snapshots(lake, rows, f"run_{turn}_{first}")
                    merge_if_many(lake, datetime.now(UTC))  # as a run does at its end
                    cpu += time.process_time() - began
            # Of the newest state: merged files are deleted a day later.
            disk = measure_files(lake)["bytes"]
    used = {**describe_process(0), "cpu_s": round(cpu, 2)}
    return {"count": count, **used, "disk_mb": round(disk / 1e6, 1)}


def measure_accounts(count: int) -> dict[str, Any]:
    """Compute the best times of accounts with 100 posts each, as the daily run does; filling is not counted."""
    import bench_optimal_times as bench  # noqa: PLC0415 (each process loads what it measures)

    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        bench.fill(home, count, POSTS_PER_ACCOUNT)
        cpu = time.process_time()
        bench.refresh(home, count, POSTS_PER_ACCOUNT)
        used = describe_process(cpu)
        disk = measure_folder(home)
    return {"count": count, **used, "disk_mb": round(disk / 1e6, 1)}


def run_alone(part: str, count: int) -> dict[str, Any]:
    """Run one part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, f"--{part}", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure all parts, or one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--publications", type=int, default=1_000)
    parser.add_argument("--snapshots", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measures = {
        "publications": measure_publications,
        "snapshots": measure_snapshots,
        "accounts": measure_accounts,
    }
    if options.part:
        print(json.dumps(measures[options.part](getattr(options, options.part))))
        return
    results = {part: run_alone(part, getattr(options, part)) for part in PARTS}
    results["machine"] = {"cores": psutil.cpu_count(), "load": os.getloadavg()[0]}
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for part, found in results.items():
        print(f"{part}: {', '.join(f'{name} {value}' for name, value in found.items())}")


if __name__ == "__main__":
    main()
