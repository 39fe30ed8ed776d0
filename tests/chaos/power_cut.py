"""Simulated power failures: kill -9 of all `socialflow up` processes at random moments and flow starts.

After each cut `up` is started again, and every flow that is looked at must succeed within its period and 30 seconds.
The flows of a night are asked for by hand, as a person does in Prefect's UI: nobody waits a day for a test.

    python -m tests.chaos.power_cut --cuts 20 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from flows.deployments import REACTING_FLOWS, SCHEDULED_FLOWS
from flows.serving.ports import Ports
from flows.serving.prefect_environment import read_auth_string
from warehouse.errors import SetupError
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import list_flow_states

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

FLOWS = tuple(one.name for one in SCHEDULED_FLOWS if one.name != "publish-due-posts")
GRACE_SECONDS = 30.0


@dataclass
class Verdict:
    """What was seen."""

    cuts: int = 0
    recovered: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from the start of `up` to each flow's next success."""
    problems: list[str] = field(default_factory=list)


class Machine:
    """A home on a machine whose power can be cut."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with Ports() as ports:
            self._api, self._prefect = ports.take_any(), ports.take_any()
        self.prefect_url = f"http://127.0.0.1:{self._prefect}/api"
        self._process: subprocess.Popen[bytes] | None = None

    def switch_on(self) -> None:
        """Start `socialflow up`."""
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SOCIALFLOW_", "PREFECT_"))
            },
            "SOCIALFLOW_HOME": str(self.home),
            "SOCIALFLOW_API_PORT": str(self._api),
            "SOCIALFLOW_PREFECT_PORT": str(self._prefect),
        }
        with (self.home.parent / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "up"], env=environment, stdout=log, stderr=log
            )

    def cut_power(self) -> int:
        """Kill every process of the tree at once; returns how many there were."""
        if self._process is None:
            return 0
        tree = [psutil.Process(self._process.pid)]
        with suppress(psutil.NoSuchProcess):
            tree += tree[0].children(recursive=True)
        # All stand still before the first is killed: none sees another's end.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in tree:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        psutil.wait_procs(tree, timeout=10)
        self._process.wait()
        self._process = None
        return len(tree)

    def switch_off(self) -> None:
        """End in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return what Prefect's server answers; None where it does not."""
        with suppress(httpx.TransportError, ValueError, SetupError):
            user, password = read_auth_string(self.home, {}).split(":", 1)
            url = f"{self.prefect_url}{path}"
            answer = httpx.post(url, json=body or {}, auth=(user, password), timeout=10)
            if answer.is_success:
                return answer.json()
        return None

    def is_up(self) -> bool:
        """Whether Prefect's server knows all deployments."""
        return len(self.ask("/deployments/filter") or []) == len(SCHEDULED_FLOWS) + len(REACTING_FLOWS)

    def start_flow(self, name: str) -> None:
        """Ask for a run of the flow, as a person does in Prefect's UI."""
        found = self.ask("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        if found:
            self.ask(f"/deployments/{found[0]['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})

    def last_successes(self) -> dict[str, datetime | None]:
        """Return when each flow last succeeded, by the store."""
        with Store.open(WarehouseSettings(home=self.home)) as store, store.read() as session:
            return {row.name: row.last_succeeded_at for row in list_flow_states(session)}

    def count_hanging_runs(self) -> int:
        """Return how many runs wait for a slot, or count as running although their process is dead."""
        body = {"flow_runs": {"state": {"name": {"any_": ["AwaitingConcurrencySlot"]}}}}
        return len(self.ask("/flow_runs/filter", body) or [])


def run_cuts(
    home: Path, *, cuts: int, seed: int, patience: float = 240.0, flows: tuple[str, ...] = FLOWS
) -> Verdict:
    """Cut the power so many times; in turn a moment after `up` is started, and while one of the flows starts."""
    draw, verdict, machine = random.Random(seed), Verdict(), Machine(home)
    try:
        for number in range(cuts):
            machine.switch_on()
            if number % (len(flows) + 1) < len(flows):
                wait_for(machine.is_up, patience)
                machine.start_flow(flows[number % (len(flows) + 1)])
                time.sleep(draw.uniform(0, 6))  # a run's process needs some seconds to start
            else:
                time.sleep(draw.uniform(0, 25))
            verdict.cuts += machine.cut_power() > 0
        machine.switch_on()
        if not wait_for(machine.is_up, patience):
            verdict.problems.append("Prefect's server did not come back")
            return verdict
        began, before = time.monotonic(), machine.last_successes()
        for name in flows:
            machine.start_flow(name)
        waiting = set(flows)

        def look() -> bool:
            now = machine.last_successes()
            for name in sorted(waiting):
                if now.get(name) is not None and now.get(name) != before.get(name):
                    verdict.recovered.setdefault(name, []).append(time.monotonic() - began)
                    waiting.discard(name)
            return not waiting

        wait_for(look, patience)
        verdict.problems += [f"{name} did not succeed again" for name in sorted(waiting)]
        if hanging := machine.count_hanging_runs():
            verdict.problems.append(f"{hanging} runs wait for a slot")
        machine.switch_off()
    finally:
        machine.cut_power()
    return verdict


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll other processes until the condition holds, at most for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.5)
    return False


def main() -> None:
    """Run one series of cuts, and end with 1 where a flow did not come back in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdict = run_cuts(Path(folder) / "home", cuts=given.cuts, seed=given.seed)
        log = (Path(folder) / "up.log").read_text(errors="replace")
    worst = {name: f"{max(seconds):.1f} s" for name, seconds in sorted(verdict.recovered.items())}
    print(f"seed {given.seed}: {verdict.cuts} cuts; next success after {worst}; problems {verdict.problems}")
    if verdict.problems:
        print(*log.splitlines()[-30:], sep="\n  ")
    sys.exit(1 if verdict.problems else 0)


if __name__ == "__main__":
    main()
