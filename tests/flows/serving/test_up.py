"""`socialflow up` and `socialflow demo` as whole programs: resolved dependencies do not prove that they run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from flows.serving.launcher import PROCESSES_FILE, PUBLISHERS
from flows.serving.ports import Ports
from flows.serving.prefect_environment import read_auth_string
from tests.browser.chromium import find_chromium
from tests.browser.page_attack import attack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
SOCIALFLOW = [sys.executable, "-m", "flows.cli"]
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX"),
    # One program for the whole module, and one worker for it where tests run in parallel.
    pytest.mark.xdist_group("whole-program"),
]


def wait_until(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)
    return found


@dataclass
class Program:
    """A running `socialflow up`."""

    process: subprocess.Popen[str]
    home: Path
    environment: dict[str, str]
    api: str
    prefect: str

    @property
    def pids(self) -> dict[str, int]:
        noted: dict[str, int] = json.loads((self.home / PROCESSES_FILE).read_text())["pids"]
        return noted

    @property
    def prefect_auth(self) -> tuple[str, str]:
        user, _, password = read_auth_string(self.home).partition(":")
        return user, password

    def family(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def answers(self, address: str) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(address, timeout=2).is_success
        return False

    def runs(self, **state: Any) -> list[dict[str, Any]]:
        """Return the publisher's flow runs in these states, as Prefect's server knows them."""
        body = {
            "deployments": {"name": {"any_": ["publish-due-posts"]}},
            "flow_runs": {"state": {"type": {"any_": state["types"]}}},
        }
        with suppress(httpx.TransportError):
            answer = httpx.post(
                f"{self.prefect}/api/flow_runs/filter", json=body, timeout=5, auth=self.prefect_auth
            )
            if answer.is_success:
                found: list[dict[str, Any]] = answer.json()
                return found
        return []


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("up") / "home"
    with Ports() as ports:
        api, prefect = ports.take_any(), ports.take_any()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOCIALFLOW_")},
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_PORT": str(api),
        "SOCIALFLOW_PREFECT_PORT": str(prefect),
    }
    with (home.parent / "up.log").open("w") as log:
        process = subprocess.Popen([*SOCIALFLOW, "up"], env=environment, stderr=log, text=True)
    running = Program(process, home, environment, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{prefect}")
    try:
        wait_until(lambda: running.answers(f"{running.api}/readyz"), 90)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)


# The tests below follow each other: each leaves the program running, the last one kills it.


def test_a_scheduled_run_starts_by_the_clock(program: Program) -> None:
    """Not one that was asked for: the server's scheduler planned it and the runner picked it up in time."""
    (run, *_) = wait_until(lambda: program.runs(types=["RUNNING", "COMPLETED"]), 100)
    assert run["auto_scheduled"] is True


def test_it_was_ready_only_with_a_publisher_awake(program: Program) -> None:
    assert httpx.get(f"{program.api}/readyz", timeout=10).json()["publisher"] == "ok"
    text = httpx.get(f"{program.api}/metrics", timeout=10).text
    assert "socialflow_publishers_awake 2.0" in text
    assert "socialflow_publisher_clock_skew_seconds" in text


def test_a_second_up_on_the_same_home_refuses(program: Program) -> None:
    second = subprocess.run(
        [*SOCIALFLOW, "up"], env=program.environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert second.returncode == 1
    (line,) = second.stderr.strip().splitlines()
    assert "already runs on" in line
    assert program.process.poll() is None


def test_a_port_in_use_refuses_with_port_and_setting(program: Program, tmp_path: Path) -> None:
    environment = program.environment | {"SOCIALFLOW_HOME": str(tmp_path / "other")}
    other = subprocess.run(
        [*SOCIALFLOW, "up"], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert other.returncode == 1
    (line,) = other.stderr.strip().splitlines()
    assert program.environment["SOCIALFLOW_API_PORT"] in line
    assert "SOCIALFLOW_API_PORT" in line


def test_every_file_is_under_the_home_and_the_doctor_is_content(program: Program) -> None:
    assert {"logs", "prefect", "lake", "socialflow.sqlite", "secret.key"} <= {
        path.name for path in program.home.iterdir()
    }
    assert (program.home / "prefect" / "prefect.db").exists()
    doctor = subprocess.run(
        [*SOCIALFLOW, "doctor", "--json"],
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    findings = json.loads(doctor.stdout)
    assert findings["failed"] == []
    assert {"api", "prefect", "publishers"} <= {item["check"] for item in findings["findings"]}


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium: apt-get install chromium, or Google Chrome")
def test_a_page_reaches_neither_prefect_nor_the_api_nor_the_dashboard(
    program: Program, tmp_path: Path
) -> None:
    seen = attack(program.home, program.api, program.prefect, program.environment, tmp_path)
    print(len(seen), "attempts:", dict(Counter(f"{what.split(' ')[0]}: {outcome}" for what, outcome in seen)))
    assert len(seen) > 100
    assert [one for one in seen if one[1] not in {"refused", "opaque"}] == []
    assert [one for one in seen if one[0].startswith(("cors", "socket")) and one[1] != "refused"] == []


def test_whatever_is_killed_is_back_within_half_a_minute(program: Program) -> None:
    before = program.pids
    for name in (*PUBLISHERS, "api", "runner", "prefect-server", "guard"):
        os.kill(before[name], signal.SIGKILL)

    def all_are_back() -> bool:
        now = program.pids
        fresh = all(now.get(name) not in {None, before[name]} for name in before)
        return fresh and program.answers(f"{program.api}/readyz")

    began = time.monotonic()
    wait_until(all_are_back, 45)  # 30 s on a machine that does nothing else
    assert time.monotonic() - began < 45


def test_prefect_yaml_deploys_to_a_real_server(program: Program) -> None:
    """`prefect --no-prompt deploy --all`, on the server that runs; it needs the work pool that the file names."""
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "SOCIALFLOW_"))
        },
        "PREFECT_API_URL": f"{program.prefect}/api",
        "PREFECT_API_AUTH_STRING": read_auth_string(program.home),
        "PREFECT_HOME": str(program.home / "cli"),
    }
    prefect = [sys.executable, "-m", "prefect"]
    for command in (
        ["work-pool", "create", "socialflow", "--type", "process"],
        ["--no-prompt", "deploy", "--all"],
    ):
        done = subprocess.run(
            [*prefect, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    deployed = httpx.post(
        f"{program.prefect}/api/deployments/filter", json={}, timeout=10, auth=program.prefect_auth
    ).json()
    assert {item["work_pool_name"] for item in deployed} == {"socialflow"}
    assert {(item["path"], tuple(item["pull_steps"] or ())) for item in deployed} == {(None, ())}


def test_no_orphan_is_left_when_the_launcher_itself_is_killed(program: Program) -> None:
    family = program.family()
    assert len(family) >= 6
    program.process.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in family), 15)


@pytest.fixture
def demo_environment() -> dict[str, str]:
    with Ports() as ports:
        names = ("SOCIALFLOW_API_PORT", "SOCIALFLOW_PREFECT_PORT", "SOCIALFLOW_SANDBOX_PORT")
        chosen = {name: str(ports.take_any()) for name in names}
    return {name: value for name, value in os.environ.items() if not name.startswith("SOCIALFLOW_")} | chosen


def test_the_demo_shows_everything(demo_environment: dict[str, str], tmp_path: Path) -> None:
    environment = demo_environment | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*SOCIALFLOW, "demo", "--once", "--json"],
        env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["published"] == result["scheduled"] > 0
    assert result["duplicates"] == 0
    assert result["problems"] == []
    assert result["snapshots"] >= result["history_posts"] > 500
    assert result["overview"]["total_posts"] > 0
    assert result["overview"]["total_engagement"] > 0
    assert result["optimal_times"]["data"]
    assert result["lateness_p95_s"] < 5
    # The throwaway home is gone.
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("socialflow-demo-")] == []
