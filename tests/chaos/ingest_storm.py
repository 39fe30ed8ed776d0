"""Chaos test of the ingest: two real processes are killed with SIGKILL while the posts' counters grow.

A sandbox with a clock of its own is moved through the ages at which posts are measured. At each, two processes work
as the flows do and are killed: at random moments, as soon as a Parquet file of theirs appears (inside the lake's
transaction), or exactly between the lake's commit and the store's mark (the store is held shut meanwhile). After a
clean last run the lake is compared with the store, with the sandbox, with its own marts rebuilt, and with a second
lake that got the same raw rows in one go. Everything follows from one seed.

    python -m tests.chaos.ingest_storm --seeds 10 [--postgres]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.chaos import ingester
from tests.chaos.ingest_judge import judge, judge_marks
from tests.chaos.ingest_scene import START, Scene, scene
from tests.chaos.storm import database
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.measuring.measurements import list_due_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

AGES = tuple(timedelta(hours=hours) for hours in (0, 1, 4, 9, 24, 48, 72, 120, 168, 336, 720))
"""The moments at which there is work, counted from the start."""


@dataclass(frozen=True)
class Storm:
    """What a storm consists of."""

    seed: int = 1
    ages: tuple[timedelta, ...] = AGES
    rounds: int = 3
    """Pairs of processes started at each age; the first is always killed, the others by chance."""
    accounts: int = 2
    """On each platform."""
    history_days: int = 3
    marks: int = 3
    """Kills between the lake's commit and the store's mark that there must be."""
    patience: float = 120.0
    """Seconds that a run may take on a busy machine."""
    postgres: bool = False
    """Store and lake's catalog in a PostgreSQL server of the storm's own, as on several machines."""


@dataclass
class Verdict:
    """What was found when the storm was over."""

    kills: Counter[str] = field(default_factory=Counter)
    """By kind of moment; only processes that were still alive count."""
    finished: int = 0
    """Runs that came to their end."""
    figures: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Rage:
    """Kills pairs of processes, each time at another kind of moment."""

    def __init__(self, made: Scene, store: Store, lake: Lake, storm: Storm, verdict: Verdict) -> None:
        self._scene = made
        self._store = store
        self._lake = lake
        self._storm = storm
        self._verdict = verdict
        self._draw = random.Random(storm.seed)
        self._longest = 0.8
        """Seconds that a whole run takes: random kills come within that. Halved by a kill that came too late."""

    def blow(self) -> None:
        """Go through all ages."""
        for number, age in enumerate(self._storm.ages):
            self._scene.set_clock(START + age)
            # The first age has only histories to read; a mark needs something that is due.
            self.kill(self._draw.choice(["random", "file"]) if number == 0 else self._next_kind())
            for _ in range(self._storm.rounds - 1):
                if self._draw.random() < 0.5:
                    self.kill(self._draw.choice(["random", "file"]))
                else:
                    self.finish()

    def kill(self, kind: str) -> None:
        """Start two processes and kill both at such a moment."""
        if kind == "mark":
            with self._store.write():  # nobody else can mark anything until both are dead
                known, pair = self._count_rows(), self._start_pair()
                self._await(pair, lambda: self._count_rows() > known)
                killed = self._end(pair)
        elif kind == "file":
            known, pair = self._count_files(), self._start_pair()
            self._await(pair, lambda: self._count_files() > known)
            killed = self._end(pair)
        else:
            pair, killed = self._start_pair(), 0
            for process in pair:
                process.join(self._draw.uniform(0, self._longest))
                killed += self._end([process])
            if not killed:
                self._longest = max(self._longest / 2, 0.05)
        self._verdict.kills[kind] += killed
        self._verdict.problems += judge_marks(self._store, self._lake)

    def finish(self) -> None:
        """Start two processes and let both end by themselves."""
        began = time.monotonic()
        pair = self._start_pair()
        for process in pair:
            process.join(self._storm.patience)
            if process.exitcode != 0:
                self._verdict.problems.append(f"a run that nobody killed ended with {process.exitcode}")
        self._end(pair)
        self._longest = time.monotonic() - began
        self._verdict.finished += 2

    def _next_kind(self) -> str:
        kinds = ["mark", "file", "random"]
        return min(kinds, key=lambda kind: (self._verdict.kills[kind] > 0, self._draw.random()))

    def _start_pair(self) -> list[ForkServerProcess]:
        # Now the same moments are read by both, and now moments apart.
        later = self._draw.choice([0, 0, 20])
        return [self._scene.start(), self._scene.start(self._scene.now + timedelta(seconds=later))]

    def _await(self, pair: list[ForkServerProcess], come: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._storm.patience
        while any(process.is_alive() for process in pair) and time.monotonic() < deadline:
            if come():
                return
            time.sleep(0.005)  # polling for a moment in another process, bounded by the deadline

    def _end(self, processes: list[ForkServerProcess]) -> int:
        alive = 0
        for process in processes:
            alive += process.is_alive()
            process.kill()
            process.join()
        return alive

    def _count_rows(self) -> int:
        return int(self._lake.query("SELECT count(*) AS n FROM raw.post_snapshots")[0]["n"])

    def _count_files(self) -> int:
        return sum(1 for _ in (self._scene.settings.home / "lake" / "data" / "raw").rglob("*.parquet"))


def run_storm(storm: Storm, folder: Path) -> Verdict:
    """Run one storm in an empty folder and return what was found."""
    verdict = Verdict()
    with (
        database(folder, wanted=storm.postgres) as url,
        scene(
            folder,
            seed=storm.seed,
            history_days=storm.history_days,
            accounts=storm.accounts,
            settings=make_settings(folder / "home", url),
        ) as made,
        Store.open(made.settings) as store,
        Lake.open(made.settings, threads=1) as lake,
    ):
        Rage(made, store, lake, storm, verdict).blow()
        last = made.start()
        last.join(storm.patience)
        if last.exitcode != 0:
            verdict.problems.append(f"the last run ended with {last.exitcode}")
        with store.read() as session:
            forgotten = sum(len(due.publications) for due in list_due_snapshots(session, made.now, 10_000))
        if forgotten:
            verdict.problems.append(f"{forgotten} publications are still due after the last run")
        posts = httpx.get(f"{made.url}/_sandbox/posts").json()
        made.set_clock(START)  # as it was when the sandbox made its world
        problems, verdict.figures = judge(
            store, lake, folder, ingester.make_world(*made.world, made.clock), posts
        )
        verdict.problems += problems
    if verdict.kills["mark"] < storm.marks:
        verdict.problems.append(f"the storm was too weak: {dict(verdict.kills)}")
    return verdict


def make_settings(home: Path, url: str | None) -> WarehouseSettings:
    """Return the settings of a storm: all in the home, or store and catalog in the PostgreSQL at `url`."""
    if url is None:
        return WarehouseSettings(home=home)
    return WarehouseSettings(
        home=home,
        database_url=url,
        lake_catalog=f"postgres:{url}",
        lake_data_path=str(home / "lake" / "data"),
    )


def main() -> None:
    """Run storms of consecutive seeds and end with 1 where any of them found a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="against a PostgreSQL server of its own")
    given = parser.parse_args()
    failed = False
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            verdict = run_storm(Storm(seed=seed, postgres=given.postgres), Path(folder))
            log = (Path(folder) / "ingest.log").read_text(errors="replace")
        print(
            f"seed {seed}: kills {dict(verdict.kills)}; runs finished {verdict.finished}; {verdict.figures}; "
            f"problems {len(verdict.problems)}; {time.monotonic() - began:.0f} s",
            flush=True,
        )
        for problem in verdict.problems:
            print("  " + problem, flush=True)
        if verdict.problems:
            failed = True
            print("  the processes' last words:", *log.splitlines()[-30:], sep="\n    ", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
