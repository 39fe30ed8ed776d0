"""Compare ingest with dlt and with a bare Arrow append of the same rows, in one run.

Two comparisons: the whole pull (HTTP, parsing, loading) and the load step alone. Each processes every post
once per round, as runs do, on top of the data of earlier rounds. Ours maintains six marts, checks each row,
loads each row once even if repeated, and merges small files; dlt merges by primary key into a DuckDB file;
the bare append does none of this. `append_once` is the part of our load that corresponds to the bare append
plus deduplication: without marts, checks and merges. All figures are rows per second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import httpx
import orjson
from dlt.sources.rest_api import rest_api_source
from pydantic import SecretStr

import warehouse.lake.load
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Platform
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications, to_batch
from warehouse.lake.maintenance import merge_if_many
from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dlt.sources import DltSource

ACCOUNTS = 100
AGES_H = (1, 3, 6, 12, 24, 48, 72, 120, 168, 336, 720, 1440)
KEY = ["id", "turn"]
BATCH = 100
"""Posts in one request, as the platform allows."""
START = datetime(2026, 3, 2, tzinfo=UTC)


def published(number: int, publications: int) -> datetime:
    """Posts are spread over 90 days."""
    return START + timedelta(days=90) * (number / publications)


def rows_of(
    numbers: Sequence[int], turn: int, publications: int, metrics: Sequence[Any]
) -> list[PostSnapshot]:
    """The lake rows of one response."""
    rows = []
    for number, counted in zip(numbers, metrics, strict=True):
        at = published(number, publications)
        rows.append(
            PostSnapshot(
                workspace_id="ws",
                publication_id=f"pub_{number:09d}",
                account_id=f"acct_{number % ACCOUNTS:03d}",
                captured_at=at + timedelta(hours=AGES_H[turn]),
                published_at=at,
                impressions=counted.impressions,
                likes=counted.likes,
                comments=counted.comments,
                shares=counted.shares,
                saves=counted.saves,
                raw=counted.raw,
                api_version="2",
            )
        )
    return rows


def order(publications: int) -> list[int]:
    """Return the posts grouped by account, as a run requests them."""
    return sorted(range(publications), key=lambda number: (number % ACCOUNTS, number))


def load_dimensions(lake: Lake, publications: int) -> None:
    """Put accounts and publications into the lake."""
    load_accounts(
        lake, [AccountDim(f"acct_{n:03d}", "ws", "twitter", f"account{n}") for n in range(ACCOUNTS)]
    )
    load_publications(
        lake,
        [
            PublicationDim(
                publication_id=f"pub_{number:09d}",
                post_id=f"post_{number:09d}",
                workspace_id="ws",
                account_id=f"acct_{number % ACCOUNTS:03d}",
                platform="twitter",
                origin="external",
                kind="text",
                published_at=published(number, publications),
            )
            for number in range(publications)
        ],
    )


async def pull(base: str, turn: int, publications: int) -> list[PostSnapshot]:
    """Fetch one round of every post through the real connector, eight requests at a time."""
    numbers = order(publications)
    settings = ConnectorSettings(twitter_base_url=base, allow_private_instances=True)
    rows: list[PostSnapshot] = []
    async with httpx.AsyncClient() as control:
        await control.get(f"{base}/turn", params={"turn": turn})
    async with ConnectorPool(settings) as pool:
        account = Account(
            "acct", Platform.TWITTER, Credentials(SecretStr("token")), external_id="1", handle="a"
        )
        connector = pool.open(account)
        slots = asyncio.Semaphore(8)

        async def ask(asked: list[int]) -> None:
            async with slots:
                batch = await connector.fetch_metrics([str(number) for number in asked])
            rows.extend(rows_of(asked, turn, publications, batch.metrics))

        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(numbers), BATCH):
                tasks.create_task(ask(numbers[start : start + BATCH]))
    return rows


def chunks(rows: list[PostSnapshot], size: int) -> Iterator[list[PostSnapshot]]:
    """Yield what goes into one commit."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def measure_ours(base: str, home: Path, publications: int, turns: int, size: int) -> dict[str, float]:
    """Pull and load round by round.

    Each load is followed by a bare append of the same rows, in commits of the same size.
    """
    fetching = loading = appending = merging = loading_cpu = appending_cpu = 0.0
    marts = time_marts()
    # The bare append has its own lake: ours must not merge its files.
    beside = home.with_name("bare")
    with (
        Lake.open(WarehouseSettings(home=home), threads=1) as lake,  # as an ingest run opens it
        Lake.open(WarehouseSettings(home=beside), threads=1) as bare,
    ):
        load_dimensions(lake, publications)
        for turn in range(turns):
            began = time.perf_counter()
            rows = asyncio.run(pull(base, turn, publications))
            fetching += time.perf_counter() - began
            for part in chunks(rows, size):
                began = time.perf_counter()
                cpu = time.process_time()
                if load_post_snapshots(lake, part, f"run_{turn}") != len(part):
                    raise SystemExit("a row was left out: the benchmark is wrong")
                loading += time.perf_counter() - began
                loading_cpu += time.process_time() - cpu
                began, cpu = time.perf_counter(), time.process_time()
                table = to_batch(part, PostSnapshot)
                with bare.write() as cursor:
                    cursor.register("batch", table)
                    cursor.execute(
                        "INSERT INTO raw.post_snapshots BY NAME SELECT *, 'platform' AS source, 'run' AS run_id, "
                        "now() AS loaded_at FROM batch"
                    )
                    cursor.unregister("batch")
                appending += time.perf_counter() - began
                appending_cpu += time.process_time() - cpu
            began, cpu = time.perf_counter(), time.process_time()
            merge_if_many(lake, datetime.now(UTC))
            merging += time.perf_counter() - began
            loading += time.perf_counter() - began
            loading_cpu += time.process_time() - cpu
            print(
                f"  round {turn + 1} of {turns}: {loading:.1f} s loading, {appending:.1f} s bare", flush=True
            )
    total = publications * turns
    return {
        "pull_rows_s": total / (fetching + loading),
        "load_rows_s": total / loading,
        "append_once_rows_s": total / (loading - merging - sum(marts)),
        "bare_append_rows_s": total / appending,
        "load_cpu_s": loading_cpu,
        "bare_append_cpu_s": appending_cpu,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def time_marts() -> list[float]:
    """Return a list that receives the seconds of each load spent on marts and checks."""
    spent: list[float] = []
    for name in ("refresh_after_post_snapshots", "check_post_snapshots"):
        work = getattr(warehouse.lake.load, name)

        def timed(*args: object, work: Callable[..., None] = work, **more: object) -> None:
            began = time.perf_counter()
            work(*args, **more)
            spent.append(time.perf_counter() - began)

        setattr(warehouse.lake.load, name, timed)
    return spent


def measure_dlt(base: str, folder: Path, publications: int, turns: int) -> dict[str, float]:
    """Pull with dlt's own REST source.

    Then load the same rows from memory, to time dlt's load step alone.
    """
    pulled = loaded = 0.0
    for turn in range(turns):
        pages = (turn * publications // BATCH + 1, (turn + 1) * publications // BATCH)
        began = time.perf_counter()
        make_pipeline("pulled", folder).run(make_source(base, *pages))
        pulled += time.perf_counter() - began
        with httpx.Client() as client:
            answers = [
                client.get(f"{base}/page", params={"page": page}).content
                for page in range(pages[0], pages[1] + 1)
            ]
        held = [row for answer in answers for row in orjson.loads(answer)["data"]]
        began = time.perf_counter()
        make_pipeline("loaded", folder).run(
            held, table_name="post_snapshots", write_disposition="merge", primary_key=KEY
        )
        loaded += time.perf_counter() - began
        print(
            f"  dlt, round {turn + 1} of {turns}: {pulled:.1f} s pulling, {loaded:.1f} s loading", flush=True
        )
    rows = publications * turns
    return {"dlt_pull_rows_s": rows / pulled, "dlt_load_rows_s": rows / loaded}


def make_source(base: str, first_page: int, last_page: int) -> DltSource:
    """Dlt's REST source for the pages of one round."""
    paginator = {
        "type": "page_number",
        "base_page": 1,
        "page": first_page,
        "total_path": None,
        "maximum_page": last_page + 1,
    }
    endpoint = {"path": "page", "data_selector": "data", "paginator": paginator}
    return rest_api_source(
        {
            "client": {"base_url": base},
            "resource_defaults": {"primary_key": KEY, "write_disposition": "merge"},
            "resources": [{"name": "post_snapshots", "endpoint": endpoint}],
        }
    )


def make_pipeline(name: str, folder: Path) -> dlt.Pipeline:
    """A pipeline into a separate DuckDB file."""
    return dlt.pipeline(
        name,
        destination=dlt.destinations.duckdb(str(folder / f"{name}.duckdb")),
        dataset_name="lake",
        pipelines_dir=str(folder / "pipelines"),
    )


def main() -> None:
    """Run and print; --json for machine-readable output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publications", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10, help="snapshots of each publication (at most 12)")
    parser.add_argument(
        "--commit-rows", type=int, default=50_000, help="rows in one commit; a run writes as many at most"
    )
    parser.add_argument("--dlt-rounds", type=int, help="default: as many")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("ingest_source.py")
    server = subprocess.Popen([sys.executable, str(script), str(port), str(options.publications)])
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(f"{base}/turn?turn=0")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        with tempfile.TemporaryDirectory() as folder:
            figures: dict[str, float] = dict(
                measure_ours(
                    base, Path(folder) / "home", options.publications, options.rounds, options.commit_rows
                )
            )
            figures |= measure_dlt(
                base, Path(folder), options.publications, options.dlt_rounds or options.rounds
            )
    finally:
        server.terminate()
        server.wait(timeout=20)
    figures["load_of_bare_append"] = figures["load_rows_s"] / figures["bare_append_rows_s"]
    figures["append_once_of_bare_append"] = figures["append_once_rows_s"] / figures["bare_append_rows_s"]
    figures["load_of_dlt"] = figures["load_rows_s"] / figures["dlt_load_rows_s"]
    figures["pull_of_dlt"] = figures["pull_rows_s"] / figures["dlt_pull_rows_s"]
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:26} {value:12,.2f}")


if __name__ == "__main__":
    main()
