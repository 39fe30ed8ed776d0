"""Hours of traffic in minutes, with faults: memory, open files, files on disk and query time must stay flat.

    publishers  two processes under the launcher's supervisor send posts all the time; the second is killed now and then
    platforms   fail, hang and lose answers, as in the publisher's storm
    ingest      in this process: measures the newest posts again and again; now and then a night's maintenance, by a
                clock that is two days ahead, so that what a night keeps for a day is removed at once
    API         a process that is asked for lists, the overview and /metrics

The traffic is what is compressed: 600 posts an hour become 2 a second. Memory is proportional (PSS), query time is the
API process's CPU for a fixed set of requests, so other work on the machine does not count. SQLite and local files.

    python -m tests.chaos.soak [--seconds 600] [--posts-per-second 2]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from flows.ingestion.followers import read_due_followers
from flows.ingestion.metrics import read_due_metrics
from flows.maintenance.nightly import maintain_stores
from flows.resources import Resources
from flows.serving.launcher import PUBLISHERS, build_specs, build_supervisor, prepare
from flows.settings import FlowSettings
from tests.chaos.kill_storm import wait_until_ready
from tests.chaos.storm import Plan, Verdict, brew, connect_all, free_port, judge, wait_for
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.serving.supervisor import Supervisor
    from warehouse.store.database import Store

HELD = ("publisher", "api")
"""Processes that live for days. One that ingests ends after its run, so its memory is only printed: DuckDB keeps some
for each commit."""
WINDOW = timedelta(seconds=60)
"""Posts that were published within this long are measured each time: constant work, however long it runs."""
ASKED = ("/api/v1/posts?limit=20", "/api/v1/analytics/overview", "/api/v1/accounts", "/metrics")
TWO_DAYS = timedelta(days=2)


@dataclass(frozen=True)
class Soak:
    """How long and how much."""

    seconds: float = 600.0
    posts_per_second: float = 2.0
    ingest_every: float = 5.0
    maintain_every: float = 60.0
    kill_every: float = 45.0
    sample_every: float = 20.0
    probes: int = 5
    """Times that each request is made for a sample of the query time."""
    seed: int = 1
    memory_growth: float = 0.10
    """Largest growth of a process from the second quarter of the run to the last."""
    memory_slack_mb: float = 12.0
    files_slack: int = 12
    """Open files: connections to platforms, which are kept for a while."""
    calm: float = 90.0


@dataclass
class Sample:
    """One line of the table."""

    at: float
    memory_mb: dict[str, float]
    open_files: dict[str, int]
    lake_files: int
    other_files: int
    store_mb: float
    query_ms: float
    posts: int


@dataclass
class Result:
    """What was seen."""

    samples: list[Sample] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    kills: int = 0
    ingests: int = 0
    nights: int = 0
    problems: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve(home: Path) -> Iterator[tuple[Supervisor, FlowSettings]]:
    """Keep the sandbox, two publishers and the API alive during the block."""
    home.mkdir(parents=True, exist_ok=True)
    settings = FlowSettings(api_port=free_port(), prefect_port=free_port(), sandbox_port=free_port())
    specs = build_specs(home, settings, with_sandbox=True)
    wanted = {"sandbox", "api", *PUBLISHERS}
    chosen = [spec for spec in specs if spec.name in wanted]
    for spec in chosen:  # a hanging platform is given up within seconds, and rules of a storm apply
        quick = {"SOCIALFLOW_PUBLISH_SEND_TIMEOUT": "3", "SOCIALFLOW_PUBLISH_SETTLE": "3"}
        dict.update(spec.env, quick)  # type: ignore[arg-type]  # a plain dict
    prepare(specs[0].env)
    supervisor = build_supervisor(home, settings, chosen)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        wait_for(f"{settings.sandbox_url}/_sandbox/health", 120)
        wait_until_ready(supervisor, (*PUBLISHERS, "api"))
        yield supervisor, settings
    finally:
        supervisor.ask_to_stop()
        thread.join()


class Probe:
    """Asks the API, and looks at processes and files."""

    def __init__(
        self, home: Path, supervisor: Supervisor, api_url: str, key: dict[str, str], probes: int
    ) -> None:
        self._home, self.supervisor, self._probes = home, supervisor, probes
        self._client = httpx.Client(base_url=api_url, timeout=30)
        token = self._client.post("/api/v1/auth/token", json=key).raise_for_status().json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connection to the API."""
        self._client.close()

    def take(self, at: float, posts: int) -> Sample:
        """Return one sample."""
        known = self.supervisor.pids
        pids = {"publisher": known["publisher-1"], "api": known["api"], "ingest": os.getpid()}
        processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        api = processes["api"]
        before = cpu_of(api)
        for _ in range(self._probes):
            for path in ASKED:
                self._client.get(path).raise_for_status()
        query_ms = (cpu_of(api) - before) * 1000 / self._probes
        lake = list((self._home / "lake").rglob("*.parquet"))
        return Sample(
            at=at,
            memory_mb={name: one.memory_full_info().pss / 1e6 for name, one in processes.items()},
            open_files={name: one.num_fds() for name, one in processes.items()},
            lake_files=len(lake),
            other_files=sum(1 for path in self._home.rglob("*") if path.is_file()) - len(lake),
            store_mb=sum(path.stat().st_size for path in self._home.glob("socialflow.sqlite*")) / 1e6,
            query_ms=query_ms,
            posts=posts,
        )


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def run_soak(soak: Soak, home: Path, say: bool = False) -> Result:  # noqa: FBT001, FBT002 (one switch)
    """Run one soak in an empty home and return what was seen."""
    result = Result()
    settings = WarehouseSettings(home=home, keep_lake_snapshots=timedelta(days=1))
    with serve(home) as (supervisor, flows), Resources(settings, FlowSettings()) as resources:
        now = datetime.now(UTC)
        accounts = asyncio.run(connect_all(resources.store, flows.sandbox_url, now))
        with resources.store.write() as session:
            workspace = ensure_default_workspace(session, now)
            made = create_api_key(
                session, resources.store.cipher, workspace.id, "soak", ["read", "analytics"], now
            )
        plan = Plan(resources.store, flows.sandbox_url, accounts, soak.seed)
        brew(flows.sandbox_url, soak.seed)
        probe = Probe(
            home,
            supervisor,
            flows.api_url,
            {"api_key": made.api_key, "api_secret": made.api_secret},
            soak.probes,
        )
        try:
            asyncio.run(_spend(soak, resources, plan, probe, result, say=say))
        finally:
            probe.close()
        httpx.delete(f"{flows.sandbox_url}/_sandbox/faults").raise_for_status()
        settle(resources.store, soak.calm)
        judge(flows.sandbox_url, resources.store, plan.texts, result.verdict)
    result.problems += result.verdict.problems + examine(result, soak)
    return result


async def _spend(
    soak: Soak,
    resources: Resources,
    plan: Plan,
    probe: Probe,
    result: Result,
    *,
    say: bool,
) -> None:
    began = time.monotonic()
    turns = {
        "ingest": soak.ingest_every,
        "maintain": soak.maintain_every,
        "kill": soak.kill_every,
        "sample": soak.sample_every,
    }
    due = dict(turns)
    due["sample"] = 0.0
    url = plan.url
    connectors = ConnectorSettings(
        twitter_base_url=url, instagram_base_url=url, allow_private_instances=True, read_timeout=5
    )
    async with ConnectorPool(connectors) as pool:
        # On a busy machine one turn may take as long as a short soak: each is still seen once.
        while (elapsed := time.monotonic() - began) < soak.seconds or (
            min(result.kills, result.ingests, result.nights) < 1 and elapsed < soak.seconds + soak.calm
        ):
            while len(plan.texts) < elapsed * soak.posts_per_second:
                plan.schedule(datetime.now(UTC) + timedelta(seconds=2))
            for name in [name for name, at in due.items() if at <= elapsed]:
                due[name] = elapsed + turns[name]
                if name == "ingest":
                    await _ingest(resources.warehouse, pool, result)
                elif name == "maintain":
                    await asyncio.to_thread(_maintain, resources.warehouse)
                    result.nights += 1
                elif name == "kill":
                    with contextlib.suppress(ProcessLookupError, KeyError):
                        os.kill(probe.supervisor.pids["publisher-2"], signal.SIGKILL)
                        result.kills += 1
                else:
                    sample = await asyncio.to_thread(probe.take, elapsed, len(plan.texts))
                    result.samples.append(sample)
                    if say:
                        print(describe(sample), flush=True)
            await asyncio.sleep(0.2)


async def _ingest(settings: WarehouseSettings, pool: ConnectorPool, result: Result) -> None:
    """Measure as a run of the product does: with stores of its own."""
    now = datetime.now(UTC)
    run_id = f"soak_{result.ingests}"
    with Resources(settings, FlowSettings()) as resources:
        # Reports name what the weather spoiled; the next run reads it again.
        await read_due_metrics(resources, pool, run_id=run_id, since=now - WINDOW, anew=True)
        await read_due_followers(resources, pool, run_id=run_id)
    result.ingests += 1


def _maintain(settings: WarehouseSettings) -> None:
    with Resources(settings, FlowSettings()) as resources:
        maintain_stores(resources, clock=lambda: datetime.now(UTC) + TWO_DAYS)


def settle(store: Store, seconds: float) -> None:
    """Wait until no publication is on its way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with store.read() as session:
            open_ones = session.query(Publication.id).filter(
                Publication.status.in_(("scheduled", "claimed", "sending", "unknown"))
            )
            if open_ones.first() is None:
                return
        time.sleep(0.5)


def examine(result: Result, soak: Soak) -> list[str]:
    """Return what grew: the second quarter of the samples compared with the last one."""
    samples = result.samples
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples[:1], samples[-quarter:]
    problems = []

    def middle(part: list[float]) -> float:
        return statistics.median(part)

    for name in HELD:
        before, after = (middle([one.memory_mb[name] for one in part]) for part in (early, late))
        if after > before * (1 + soak.memory_growth) + soak.memory_slack_mb:
            problems.append(f"memory of {name} grew from {before:.0f} to {after:.0f} MB")
        files_before, files_after = (max(one.open_files[name] for one in part) for part in (early, late))
        if files_after > files_before + soak.files_slack:
            problems.append(f"open files of {name} grew from {files_before} to {files_after}")
    most, now = (max(one.lake_files for one in part) for part in (samples[: 2 * quarter], late))
    if now > 1.5 * most + 40:
        problems.append(f"the lake's files grew from at most {most} to {now}")
    before, after = (middle([float(one.other_files) for one in part]) for part in (early, late))
    if after > before + 10:
        problems.append(f"other files of the home grew from {before:.0f} to {after:.0f}")
    before, after = (middle([one.query_ms for one in part]) for part in (early, late))
    if after > 1.6 * before + 15:
        problems.append(f"the requests of a sample cost {after:.0f} ms of CPU, {before:.0f} before")
    return problems


HEAD = (
    f"{'s':>6}{'posts':>7}{'publisher':>11}{'API':>7}{'ingest':>8} MB{'open files':>16}{'lake':>7}{'other':>7} files"
    f"{'store MB':>10}{'requests ms':>13}"
)


def describe(sample: Sample) -> str:
    """Return a line of the table."""
    memory, files = sample.memory_mb, sample.open_files
    opened = f"{files['publisher']} {files['api']} {files['ingest']}"
    memory_words = f"{memory['publisher']:>11.1f}{memory['api']:>7.1f}{memory['ingest']:>8.1f}"
    return (
        f"{sample.at:>6.0f}{sample.posts:>7}{memory_words}   {opened:>16}{sample.lake_files:>7}{sample.other_files:>7}"
        f"      {sample.store_mb:>10.1f}{sample.query_ms:>13.0f}"
    )


def main() -> None:
    """Run a soak, print the table, and end with 1 where something grew or a post was lost or doubled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--posts-per-second", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="socialflow-soak-") as folder:
        soak = Soak(
            seconds=given.seconds,
            posts_per_second=given.posts_per_second,
            sample_every=given.seconds / 30,
            maintain_every=given.seconds / 10,
            seed=given.seed,
        )
        result = run_soak(soak, Path(folder) / "home", say=True)
    print(
        f"{dict(result.verdict.statuses)}; {result.kills} kills, {result.ingests} ingests, {result.nights} nights; "
        f"load {os.getloadavg()[0]:.1f}; problems {len(result.problems)}"
    )
    for problem in result.problems:
        print("  " + problem)
    sys.exit(1 if result.problems else 0)


if __name__ == "__main__":
    main()
