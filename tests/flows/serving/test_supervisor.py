"""Real processes: restarted when they exit, stopped in order, and never left behind."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from flows.serving.child_logs import keep_small, open_log
from flows.serving.supervisor import (
    FIRST_BACKOFF_SECONDS,
    FRESH_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    ChildSpec,
    Supervisor,
    _is_ready,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")

GONE = 2**22 + 1
"""No process group: the largest process id of Linux and macOS is smaller."""
SLEEPER = "import time; time.sleep(600)"
PARENT = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(600)"
)
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEPER}"
)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def spec(name: str, code: str = SLEEPER, **more: Any) -> ChildSpec:
    return ChildSpec(name=name, command=[sys.executable, "-c", code], env=dict(os.environ), **more)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*specs: ChildSpec) -> Supervisor:
        made.append(Supervisor(specs, folder=tmp_path, logs=tmp_path / "logs"))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_killed_child_is_started_again(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("one"), spec("two"))
    supervisor.tick()
    first = supervisor.pids
    assert {os.getsid(pid) for pid in first.values()} == set(first.values()), "each in a session of its own"
    os.kill(first["one"], signal.SIGKILL)

    def is_back() -> bool:
        supervisor.tick()
        return supervisor.pids.get("one") not in {None, first["one"]}

    wait_until(is_back)
    assert supervisor.pids["two"] == first["two"]


def test_a_child_that_always_fails_is_tried_less_and_less_often(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("broken", "raise SystemExit(3)"))
    started = []

    def has_tried_three_times() -> bool:
        supervisor.tick()
        pid = supervisor.pids.get("broken")
        if pid and (not started or started[-1][0] != pid):
            started.append((pid, time.monotonic()))
        return len(started) >= 4

    wait_until(has_tried_three_times)
    pauses = [later[1] - earlier[1] for earlier, later in pairwise(started)]
    assert pauses[0] < pauses[1] < pauses[2]


def starts(supervisor: Supervisor, name: str, count: int, after: Callable[[int], None]) -> list[float]:
    """Let `after` deal with each new life of a child; return when each began."""
    began: list[tuple[int, float]] = []

    def seen() -> bool:
        supervisor.tick()
        pid = supervisor.pids.get(name)
        if pid and (not began or began[-1][0] != pid):
            began.append((pid, time.monotonic()))
        if pid and len(began) < count:
            after(pid)
        return len(began) >= count

    wait_until(seen, 60)
    return [at for _pid, at in began]


@pytest.mark.parametrize("steady", [0.5, 600.0])
def test_the_back_off_starts_anew_after_a_steady_time_and_only_then(
    supervise: Callable[..., Supervisor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: float
) -> None:
    monkeypatch.setattr("flows.serving.supervisor.STEADY_SECONDS", steady)
    lives = tmp_path / "lives"
    lives.touch()
    # Fails at once, fails at once, then works for a second and fails.
    code = (
        f"import pathlib, time; lives = pathlib.Path({str(lives)!r}); lives.write_text(lives.read_text() + 'x'); "
        "time.sleep(1.0 if len(lives.read_text()) == 3 else 0); raise SystemExit(3)"
    )
    supervisor = supervise(spec("unlucky", code))
    pauses: list[float] = []
    ended_at: float | None = None

    def has_come_back_three_times() -> bool:
        nonlocal ended_at
        running = "unlucky" in supervisor.pids
        supervisor.tick()
        if running and "unlucky" not in supervisor.pids:
            ended_at = time.monotonic()
        elif ended_at is not None and "unlucky" in supervisor.pids:
            pauses.append(time.monotonic() - ended_at)
            ended_at = None
        return len(pauses) >= 3

    wait_until(has_come_back_three_times, 60)
    assert pauses[1] > 2 * FIRST_BACKOFF_SECONDS - 0.1
    if steady < 1:
        assert pauses[2] < pauses[1]
    else:
        assert pauses[2] > 4 * FIRST_BACKOFF_SECONDS - 0.1


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGUSR1])
def test_a_child_that_is_killed_or_ends_in_order_is_started_again_at_once_however_often(
    supervise: Callable[..., Supervisor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: int
) -> None:
    monkeypatch.setattr("flows.serving.supervisor.FIRST_BACKOFF_SECONDS", 600.0)
    ready = tmp_path / "ready"
    code = (
        "import os, pathlib, signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0)); "
        f"pathlib.Path({str(ready)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    supervisor = supervise(spec("worker", code, ready_file=ready))
    lives: dict[int, float] = {}

    def kill_when_useful(pid: int) -> None:
        lives.setdefault(pid, time.monotonic())
        if supervisor.is_ready("worker") and time.monotonic() - lives[pid] > FRESH_SECONDS + 0.2:
            os.kill(pid, ending)

    assert len(starts(supervisor, "worker", 4, kill_when_useful)) == 4  # with a back-off, in half an hour
    assert supervisor.restarts["worker"] == 3


def test_the_back_off_of_a_child_that_is_killed_before_it_is_ready_does_not_grow(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor = supervise(spec("worker", ready_file=tmp_path / "never"))
    began = starts(supervisor, "worker", 5, lambda pid: os.kill(pid, signal.SIGKILL))
    # Growing it would be 0.5 + 1 + 2 + 4 s; four of the shortest leave room for a busy machine.
    assert supervisor.restarts["worker"] == 4
    assert began[-1] - began[0] < 7.5


@pytest.mark.parametrize(
    ("code", "lived", "ready", "tells", "backoff", "pause", "then"),
    [
        (-signal.SIGKILL, 1.5, False, False, 4.0, 0.0, FIRST_BACKOFF_SECONDS),
        (-signal.SIGTERM, 1.5, False, True, 4.0, 0.0, FIRST_BACKOFF_SECONDS),
        (-signal.SIGKILL, 0.5, True, True, 4.0, 4.0, 4.0),
        (-signal.SIGSEGV, 1.5, True, True, 2.0, 2.0, 4.0),
        (0, 1.5, True, True, 4.0, 0.0, FIRST_BACKOFF_SECONDS),
        (0, 0.5, True, True, 2.0, 2.0, 2.0),
        (0, 1.5, False, True, 2.0, 2.0, 4.0),  # it has never worked
        (0, 1.5, True, False, 2.0, 2.0, 4.0),  # nobody can say whether it has
        (3, 99.0, True, True, FIRST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS, 2 * FIRST_BACKOFF_SECONDS),
        (3, 0.0, False, False, 6.0, 6.0, LONGEST_BACKOFF_SECONDS),
    ],
)
def test_an_exit_decides_when_a_child_starts_again(  # noqa: PLR0917 (a row of the table)
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    code: int,
    lived: float,
    ready: bool,  # noqa: FBT001 (same)
    tells: bool,  # noqa: FBT001 (same)
    backoff: float,
    pause: float,
    then: float,
) -> None:
    told: dict[str, Any] = {"ready_url": "http://127.0.0.1:9/never"} if code % 2 else {"ready_file": tmp_path}
    changes: list[Supervisor] = []
    supervisor = Supervisor(
        [spec("one", **(told if tells else {}))], folder=tmp_path, logs=tmp_path, on_change=changes.append
    )
    (child,) = supervisor._children
    child.ready, child.backoff, child.started_at = ready, backoff, time.monotonic() - lived
    child.groups = [GONE, os.getpgid(0)]
    supervisor._note_exit(child, code)
    assert child.groups == [os.getpgid(0)]
    assert child.start_at == pytest.approx(time.monotonic() + pause, abs=0.3)
    assert (child.process, child.ready, child.backoff, child.exit_code) == (None, False, then, None)
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    assert caplog.messages == [
        f"one {ended}; starting it again in {pause:.1f} s (see {tmp_path / 'one.log'})"
    ]
    assert (supervisor.restarts, supervisor.pids, changes) == ({}, {}, [])
    assert not supervisor.stopping
    supervisor.ask_to_stop()
    assert supervisor.stopping


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, False), (503, False)])
def test_a_server_that_answers_with_an_error_is_not_ready(
    status: int,
    answers: bool,  # noqa: FBT001 (the row says it)
) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request).start()
        told = ChildSpec("one", [], {}, ready_url=f"http://127.0.0.1:{server.server_port}/")
        assert _is_ready(told, 1) is answers


def test_a_ready_file_of_an_earlier_life_says_nothing(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    supervisor = supervise(spec("worker", ready_file=ready))
    assert not _is_ready(supervisor._children[0].spec, 1)
    ready.write_text("1")
    supervisor.tick()
    supervisor.tick()
    assert not supervisor.is_ready("worker")
    ready.write_text(str(supervisor.pids["worker"]))
    supervisor.tick()
    assert supervisor.is_ready("worker")


def test_those_that_stop_first_use_the_time_of_the_others(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    specs = [spec(name, STUBBORN, stop_seconds=2.0, stop_first=True) for name in ("one", "two", "three")]
    supervisor = supervise(*specs)
    supervisor.tick()
    wait_until(lambda: all("deaf" in (tmp_path / "logs" / f"{item.name}.log").read_text() for item in specs))
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 5  # one after the other it would be six seconds and more


def test_a_child_waits_for_what_it_needs(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(
        spec("server", ready_url="http://127.0.0.1:9/never"), spec("client", after=("server",))
    )
    for _ in range(3):
        supervisor.tick()
    assert set(supervisor.pids) == {"server", "guard"}


def test_stopping_ends_grandchildren_too_and_goes_backwards(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("first"), spec("last", PARENT))
    supervisor.tick()
    wait_until(lambda: psutil.Process(supervisor.pids["last"]).children())
    family = [psutil.Process(supervisor.pids["last"]), *psutil.Process(supervisor.pids["last"]).children()]
    first = supervisor.pids["first"]
    stopper = threading.Thread(target=supervisor.stop)
    stopper.start()
    wait_until(lambda: not is_alive(family[0].pid))
    stopper.join(timeout=10)
    assert not any(is_alive(process.pid) for process in family)
    assert not is_alive(first)
    assert supervisor.pids == {}


def test_a_child_that_ignores_the_request_is_killed(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor = supervise(spec("stubborn", STUBBORN, stop_seconds=0.5))
    supervisor.tick()
    pid = supervisor.pids["stubborn"]
    wait_until(lambda: "deaf" in (tmp_path / "logs" / "stubborn.log").read_text())
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 5
    assert not is_alive(pid)


def test_a_child_that_ends_slowly_is_asked_once(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    code = (
        f"import pathlib, signal, sys, time; noted = pathlib.Path({str(noted)!r}); more = []; "
        "signal.signal(signal.SIGHUP, lambda *_: more.append('hup')); "
        "signal.signal(signal.SIGTERM, lambda *_: (more.append('term'), time.sleep(0.4), "
        "noted.write_text(' '.join(more)), sys.exit(0))); noted.write_text('ready'); time.sleep(600)"
    )
    supervisor = supervise(spec("slow", code))
    supervisor.tick()
    wait_until(lambda: noted.exists() and noted.read_text() == "ready")
    supervisor.stop()
    assert noted.read_text() == "term"


def test_work_with_an_end_is_not_repeated(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("work", "raise SystemExit(7)", once=True))

    def is_over() -> bool:
        supervisor.tick()
        return supervisor.exit_code("work") is not None

    wait_until(is_over)
    for _ in range(5):
        supervisor.tick()
    assert (supervisor.exit_code("work"), set(supervisor.pids)) == (7, {"guard"})


LAUNCHER = """
import logging, os, sys
from pathlib import Path
from flows.serving.supervisor import ChildSpec, Supervisor

folder = Path(sys.argv[1])
specs = [ChildSpec(name=name, command=[sys.executable, "-c", code], env=dict(os.environ))
         for name, code in (("one", sys.argv[2]), ("two", sys.argv[3]))]
supervisor = Supervisor(specs, folder=folder, logs=folder / "logs")
supervisor.catch_signals()
supervisor.run(lambda: (folder / "pids").write_text(" ".join(map(str, supervisor.pids.values()))))
(folder / "stopped").write_text("in order")
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = tmp_path / "launcher.py"
    script.write_text(textwrap.dedent(LAUNCHER))
    # As a shell's `&` would: with Ctrl-C ignored.
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), PARENT, SLEEPER],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 (a child of a test, no threads)
    )
    wait_until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 3)
    yield process
    process.kill()
    process.wait()


def families(tmp_path: Path) -> list[int]:
    """Return all pids that the launcher is answerable for, grandchildren included."""
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until(lambda: any(psutil.Process(pid).children() for pid in pids if is_alive(pid)))
    return [*pids, *(child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_order(
    launcher: subprocess.Popen[bytes], tmp_path: Path, number: int
) -> None:
    pids = families(tmp_path)
    launcher.send_signal(number)
    assert launcher.wait(timeout=15) == 0
    assert (tmp_path / "stopped").read_text() == "in order"
    assert [pid for pid in pids if is_alive(pid)] == []


def test_nothing_is_left_behind_when_the_launcher_is_killed(
    launcher: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = families(tmp_path)
    launcher.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_children_can_be_interrupted_although_the_launcher_ignored_it(
    launcher: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pid = families(tmp_path)[1]
    os.kill(pid, signal.SIGINT)
    wait_until(lambda: not is_alive(pid))
    assert launcher.poll() is None


def test_a_log_that_has_grown_large_is_begun_anew_while_its_child_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "talker.log"
    with open_log(path) as log:
        log.write(b"x" * 100)
        log.flush()
        keep_small(path, limit=200)
        assert path.stat().st_size == 100
        log.write(b"y" * 101)
        log.flush()
        keep_small(path, limit=200)
        log.write(b"and on")
    assert path.read_bytes() == b"and on"
    assert path.with_suffix(".log.1").stat().st_size == 201
