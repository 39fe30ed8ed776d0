"""Posts must be published on time while publishers are killed, or while Prefect's server hangs.

The launcher's own supervisor keeps the publishers, as under `socialflow up`, with every setting at its default. The
platforms behave; what happens is

    kills            SIGKILL of a random publishing process every two to seven seconds, for as long as posts fall due
    --kill-all       the same of both publishers at once
    --prefect-hangs  all of `socialflow up` runs, and Prefect's server is stopped (SIGSTOP) as soon as it has started:
                     it accepts connections and never answers, which is worse than being away

and then the platforms' own record is compared with the store, post by post, and with the clock.

    python -m tests.chaos.kill_storm --seeds 10 [--postgres] [--kill-all] [--prefect-hangs]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from flows.serving.launcher import PUBLISHERS, build_specs, build_supervisor, prepare
from flows.settings import FlowSettings
from tests.chaos.storm import OPEN, Plan, connect_all, database, free_port, wait_for
from tests.chaos.storm import Verdict as Found
from tests.chaos.storm import judge as compare
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.serving.supervisor import Supervisor

WORD = "publish"
"""What the command line of a publishing process holds."""


@dataclass(frozen=True)
class KillStorm:
    """What a storm consists of."""

    posts: int = 150
    seconds: float = 60.0
    between_kills: tuple[float, float] | None = (2.0, 7.0)
    """Seconds from one kill to the next, at random between these; None = nobody is killed."""
    kill_all: bool = False
    """Kill both publishers at once, each time: nobody is left who could take over."""
    prefect_hangs: bool = False
    seed: int = 1
    database_url: str | None = None
    calm: float = 60.0
    """Seconds that everything may take to go out once the last post was due."""


@dataclass
class Verdict:
    """What was found when the storm was over."""

    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    kills: int = 0
    lateness: list[float] = field(default_factory=list)
    """Seconds from each post's time to the platform's own record of it, sorted."""

    def lateness_at(self, share: float) -> float:
        """Return the lateness that this share of the posts did not exceed."""
        return self.lateness[min(len(self.lateness) - 1, int(share * len(self.lateness)))]


@contextlib.contextmanager
def supervised(home: Path, storm: KillStorm) -> Iterator[tuple[Supervisor, str]]:
    """Keep the sandbox and the publishers alive during the block; yield the supervisor and the sandbox's address."""
    settings = FlowSettings(api_port=free_port(), prefect_port=free_port(), sandbox_port=free_port())
    specs = build_specs(home, settings, with_sandbox=True)
    wanted = {spec.name for spec in specs} if storm.prefect_hangs else {"sandbox", *PUBLISHERS}
    if storm.database_url:
        for spec in specs:
            dict.__setitem__(spec.env, "SOCIALFLOW_DATABASE_URL", storm.database_url)  # type: ignore[arg-type]  # a plain dict
    prepare(specs[0].env)
    supervisor = build_supervisor(home, settings, [spec for spec in specs if spec.name in wanted])
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        wait_for(f"{settings.sandbox_url}/_sandbox/health", 120)
        wait_until_ready(supervisor, PUBLISHERS)
        if storm.prefect_hangs:
            wait_until_ready(supervisor, ("prefect-server",))
            os.kill(supervisor.pids["prefect-server"], signal.SIGSTOP)
        yield supervisor, settings.sandbox_url
    finally:
        if storm.prefect_hangs and "prefect-server" in supervisor.pids:
            os.kill(supervisor.pids["prefect-server"], signal.SIGCONT)
        supervisor.ask_to_stop()
        thread.join()


def wait_until_ready(supervisor: Supervisor, names: tuple[str, ...], seconds: float = 120.0) -> None:
    """Wait until these children are ready."""
    deadline = time.monotonic() + seconds
    while not supervisor.is_ready(*names):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{names} did not become ready")
        time.sleep(0.05)  # polling other processes, bounded by the deadline


def kill_until(supervisor: Supervisor, storm: KillStorm, end: datetime) -> int:
    """Kill a random publishing process again and again until `end`; return how many were killed."""
    draw = random.Random(storm.seed + 1)
    kills = 0
    while storm.between_kills is not None:
        pause = draw.uniform(*storm.between_kills)
        if datetime.now(UTC) + timedelta(seconds=pause) > end:
            break
        time.sleep(pause)  # the storm's own rhythm
        victims = [
            pid for name, pid in sorted(supervisor.pids.items()) if name in PUBLISHERS and is_publishing(pid)
        ]
        chosen = victims if storm.kill_all else victims and [draw.choice(victims)]
        for pid in chosen:
            os.kill(pid, signal.SIGKILL)
        kills += len(chosen)
    return kills


def is_publishing(pid: int) -> bool:
    """Tell a publishing process by its command line."""
    with contextlib.suppress(psutil.Error):
        return any(WORD in part for part in psutil.Process(pid).cmdline())
    return False


def run_storm(storm: KillStorm, home: Path) -> Verdict:
    """Run one storm in an empty home and return what was found."""
    verdict = Verdict()
    settings = WarehouseSettings(home=home, database_url=storm.database_url)
    with Store.open(settings) as store, supervised(home, storm) as (supervisor, url):
        accounts = asyncio.run(connect_all(store, url, datetime.now(UTC)))
        draw = random.Random(storm.seed)
        plan = Plan(store, url, accounts, storm.seed)
        start = datetime.now(UTC) + timedelta(seconds=2 + storm.posts / 50)
        times = {}
        for _ in range(storm.posts):
            due = start + timedelta(seconds=draw.uniform(0, storm.seconds))
            plan.schedule(due)
            times[list(plan.texts.values())[-1]] = due
        end = start + timedelta(seconds=storm.seconds)
        time.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()))  # the storm begins at its time
        verdict.kills = kill_until(supervisor, storm, end)
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))  # the last posts fall due
        wait_for_calm(store, storm.calm)
        found = Found()
        compare(url, store, plan.texts, found)
        verdict.statuses, verdict.problems = found.statuses, found.problems
        posts = httpx.get(f"{url}/_sandbox/posts", params={"via": "api"}).json()
        verdict.lateness = sorted(
            (datetime.fromisoformat(post["created_at"]) - times[post["text"]]).total_seconds()
            for post in posts
        )
    return verdict


def wait_for_calm(store: Store, seconds: float) -> None:
    """Wait until no publication is on its way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with store.read() as session:
            if session.query(Publication.id).filter(Publication.status.in_(OPEN)).first() is None:
                return
        time.sleep(0.5)  # polling other processes, bounded by the deadline


def main() -> None:
    """Run storms of consecutive seeds and end with 1 where any post was lost, doubled or too late."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="against a PostgreSQL server of its own")
    parser.add_argument("--kill-all", action="store_true", help="both publishers each time, not one")
    parser.add_argument(
        "--prefect-hangs", action="store_true", help="nobody is killed; Prefect's server hangs"
    )
    arguments = parser.parse_args()
    failed = False
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        with (
            tempfile.TemporaryDirectory() as folder,
            database(Path(folder), wanted=arguments.postgres) as url,
        ):
            storm = KillStorm(
                posts=arguments.posts,
                seconds=arguments.seconds,
                between_kills=None if arguments.prefect_hangs else (2.0, 7.0),
                kill_all=arguments.kill_all,
                prefect_hangs=arguments.prefect_hangs,
                seed=seed,
                database_url=url,
            )
            verdict = run_storm(storm, Path(folder) / "home")
        p50, p99, worst = (verdict.lateness_at(share) for share in (0.5, 0.99, 1.0))
        late = p99 > 2 if storm.prefect_hangs else p50 > 3 or worst > 45
        print(
            f"seed {seed}: {dict(verdict.statuses)}; kills {verdict.kills}; lateness p50 {p50:.2f} s, "
            f"p99 {p99:.2f} s, worst {worst:.2f} s; problems {len(verdict.problems)}",
            flush=True,
        )
        for problem in verdict.problems:
            print("  " + problem, flush=True)
        failed = failed or late or bool(verdict.problems)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
