"""A forked child is, to everyone else, the program that it would be on its own. Runs in a process without threads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from flows.serving import forked_child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only")

CHILD = """
import json, logging, os, signal, sys, tempfile, threading
from pathlib import Path

what = sys.argv[1]
if what == "tell":
    logging.basicConfig(level=logging.INFO, format="child %(message)s")
    logging.info("logged")
    print("printed")
    handlers = {n: signal.getsignal(getattr(signal, n)) for n in ("SIGINT", "SIGTERM", "SIGHUP")}
    Path("told.json").write_text(json.dumps({
        "argv": sys.argv[1:], "name": __name__, "main": sys.modules["__main__"].__dict__ is globals(),
        "environment": dict(os.environ), "folder": os.getcwd(), "session": os.getsid(0) == os.getpid(),
        "files": sorted(os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")
                        if os.path.exists(f"/proc/self/fd/{one}")),
        "default": {n: handler in (signal.SIG_DFL, signal.default_int_handler) for n, handler in handlers.items()},
        "tmp": tempfile.gettempdir(), "main_thread": threading.current_thread() is threading.main_thread(),
        "shared": "wave" in sys.modules,
        "command": Path("/proc/self/cmdline").read_bytes().rstrip(bytes(1)).decode().split(),
    }))
elif what == "raise":
    raise ValueError("broken on purpose")
elif what == "sentence":
    sys.exit("one sentence")
elif what == "three":
    sys.exit(3)
elif what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""

LAUNCHER = """
import json, logging, os, signal, sys, tempfile
from pathlib import Path
from filelock import FileLock
from flows.serving import forked_child
from flows.serving.supervisor import ChildSpec, Supervisor

folder = Path(sys.argv[1])
logging.basicConfig(level=logging.WARNING, format="launcher %(message)s", stream=sys.stderr)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: None)
tempfile.gettempdir()
lock = FileLock(folder / "up.lock")
lock.acquire()
assert forked_child.can_fork()
forked_child.preload(lambda: __import__("wave"))
environment = {"PATH": "/bin", "SOCIALFLOW_HOME": "here", "MALLOC_ARENA_MAX": "2", "TMPDIR": str(folder / "own")}
(folder / "own").mkdir()
codes = {}
for what in ("tell", "raise", "sentence", "three", "kill"):
    with (folder / f"{what}.log").open("ab") as log:
        child = forked_child.ForkedChild(
            [sys.executable, "-m", "a_child", what, "and more"], folder=folder, environment=environment, log=log
        )
    codes[what] = child.wait()
    assert child.poll() == codes[what]
(folder / "codes.json").write_text(json.dumps(codes))

supervisor = Supervisor(
    [ChildSpec(name="one", command=[sys.executable, "-m", "a_child", "kill"], env=environment, forked=True)],
    folder=folder, logs=folder / "logs",
)
supervisor.tick()
assert type(supervisor._children[0].process) is forked_child.ForkedChild
while "one" in supervisor.pids:
    supervisor.tick()
supervisor.stop()
other = FileLock(folder / "up.lock", timeout=0)
try:
    other.acquire()
except TimeoutError:
    print("still locked")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("forked")
    (folder / "a_child.py").write_text(textwrap.dedent(CHILD))
    (folder / "launcher.py").write_text(textwrap.dedent(LAUNCHER))
    done = subprocess.run(
        [sys.executable, str(folder / "launcher.py"), str(folder)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def test_it_looks_like_a_program_of_its_own(ran: tuple[Path, Any]) -> None:
    folder, _done = ran
    told = json.loads((folder / "told.json").read_text())
    log = str(folder / "tell.log")
    assert told["argv"] == ["tell", "and more"]
    assert (told["name"], told["main"], told["main_thread"]) == ("__main__", True, True)
    assert told["environment"] == {
        "PATH": "/bin",
        "SOCIALFLOW_HOME": "here",
        "MALLOC_ARENA_MAX": "2",
        "TMPDIR": str(folder / "own"),
    }
    assert (told["folder"], told["session"], told["tmp"]) == (str(folder), True, str(folder / "own"))
    assert told["command"] == [sys.executable, "-m", "a_child", "tell", "and", "more"]
    # Neither the lock on the home nor anything else of the launcher is open in it.
    assert told["files"] == sorted(["/dev/null", log, log])
    assert told["default"] == {"SIGINT": True, "SIGTERM": True, "SIGHUP": True}
    assert told["shared"]
    assert (folder / "tell.log").read_text().splitlines() == ["child logged", "printed"]


def test_its_end_is_told_as_a_program_tells_it(ran: tuple[Path, Any]) -> None:
    folder, _done = ran
    assert json.loads((folder / "codes.json").read_text()) == {
        "tell": 0,
        "raise": 1,
        "sentence": 1,
        "three": 3,
        "kill": -signal.SIGKILL,
    }
    assert "ValueError: broken on purpose" in (folder / "raise.log").read_text()
    assert (folder / "sentence.log").read_text() == "one sentence\n"


def test_the_launcher_keeps_its_lock_and_notes_the_end(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _folder, done = ran
    assert done.stdout == "still locked\n"
    assert "launcher one was killed by signal 9" in done.stderr


def test_a_process_with_threads_is_never_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_child.threading, "active_count", lambda: 2)
    loaded: list[str] = []
    forked_child.preload(lambda: loaded.append("something"))
    assert (forked_child.can_fork(), loaded) == (False, [])
