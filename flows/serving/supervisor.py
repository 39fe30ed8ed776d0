"""Supervise a few processes: start them in order, restart them on exit, stop them in reverse order.

Every child has its own session and process group, so that Ctrl-C on the terminal reaches only the launcher,
and a child's own children (the flow runs of the runner) can be stopped with it. A guard process stops the
groups if the launcher is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from flows.serving import orphan_guard as guard
from flows.serving.child_logs import keep_small, open_log
from flows.serving.forked_child import ForkedChild, can_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
"""Maximum back-off: a killed child is back within 30 s even if its first restart fails too."""
STEADY_SECONDS = 20.0
"""A child that ran this long restarts with the shortest back-off."""
FRESH_SECONDS = 1.0
"""A child that ran this long and was killed or exited cleanly is restarted at once."""
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one child. `after` names children whose `ready_url` must have answered first."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    ready_url: str | None = None
    ready_file: Path | None = None
    """The child writes its process id into this file once it is ready; for children without a URL."""
    after: tuple[str, ...] = ()
    stop_seconds: float = 3.0
    """How long the child may take to exit before it is killed."""
    stop_first: bool = False
    """Stopped before all others, so that its time limit runs while they are stopped one after the other."""
    forked: bool = False
    """Shares the modules that this process has imported, where the system allows it (see `forked_child`). The command
    must be `[python, "-m", module, *arguments]`."""
    once: bool = False
    """A one-off task: not restarted; its stderr goes to the launcher's stderr."""


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | ForkedChild | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    """Monotonic time of the next start."""
    backoff: float = FIRST_BACKOFF_SECONDS
    ready: bool = False
    was_ready: bool = False
    restarts: int = -1
    asked_to_stop_at: float | None = None
    exit_code: int | None = None
    """Exit code of a one-off task."""
    groups: list[int] = field(default_factory=list)
    """Process groups of this child, earlier ones too: a killed runner's flow runs may not be done yet."""


class Supervisor:
    """Runs children until stopped. Use from one thread."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        folder: Path,
        logs: Path,
        on_change: Callable[[Supervisor], None] = lambda _supervisor: None,
    ) -> None:
        """`folder` is the children's working directory; `on_change` is called after each start."""
        self._children = [_Child(spec) for spec in specs]
        self._folder = folder
        self._logs = logs
        self._on_change = on_change
        self._guard: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = 0

    # -- state for the launcher

    @property
    def pids(self) -> dict[str, int]:
        """The running children by name, including the guard."""
        pids = {child.spec.name: child.process.pid for child in self._children if child.process}
        if self._guard:
            pids["guard"] = self._guard.pid
        return pids

    @property
    def restarts(self) -> dict[str, int]:
        """The restart count of each child that was started."""
        return {child.spec.name: child.restarts for child in self._children if child.restarts >= 0}

    def is_ready(self, *names: str) -> bool:
        """Return whether these children (all of them, if none is named) are ready."""
        return all(child.ready for child in self._children if not names or child.spec.name in names)

    def exit_code(self, name: str) -> int | None:
        """The exit code of a one-off task; None while it runs."""
        return next(child.exit_code for child in self._children if child.spec.name == name)

    def catch_signals(self) -> None:
        """Stop on SIGINT, SIGTERM and SIGHUP; a second signal kills at once.

        A signal with a handler is reset to its default in a child. An ignored one (as in a process started
        with a shell's `&`) would be inherited, and uvicorn would then hang on SIGTERM.
        """
        for number in (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if sys.platform != "win32" else ())):
            signal.signal(number, self._on_signal)

    @property
    def stopping(self) -> bool:
        """True after the first signal or `ask_to_stop`."""
        return self._asked_to_stop > 0

    def ask_to_stop(self) -> None:
        """Make `tick` and `run` return."""
        self._asked_to_stop += 1

    def run(self, each_tick: Callable[[], None] = lambda: None) -> None:
        """Keep the children running until asked to stop, then stop them."""
        try:
            while not self.stopping:
                self.tick()
                each_tick()
                time.sleep(_TICK_SECONDS)
        finally:
            self.stop()

    # -- one iteration

    def tick(self) -> None:
        """Start what is due, restart what has exited, record which children are ready."""
        self._keep_guard()
        for child in self._children:
            keep_small(self._logs / f"{child.spec.name}.log")
            if child.process is None:
                self._start_if_due(child)
            elif (code := child.process.poll()) is not None:
                self._note_exit(child, code)
            elif not child.ready:
                child.ready = _is_ready(child.spec, child.process.pid)
                child.was_ready = child.was_ready or child.ready
            elif (
                child.backoff > FIRST_BACKOFF_SECONDS and time.monotonic() - child.started_at > STEADY_SECONDS
            ):
                child.backoff = FIRST_BACKOFF_SECONDS

    def _start_if_due(self, child: _Child) -> None:
        if time.monotonic() < child.start_at or child.exit_code is not None:
            return
        # Wait for it on the first start only: later the child retries by itself.
        awaited = [other for other in self._children if other.spec.name in child.spec.after]
        if not all(other.was_ready for other in awaited):
            return
        spec = child.spec
        with open_log(self._logs / f"{spec.name}.log") as log:
            child.process = self._start(spec, log)
        child.started_at = time.monotonic()
        child.ready = False
        child.restarts += 1
        child.groups.append(child.process.pid)
        self._tell_guard(f"+{child.process.pid}")
        self._on_change(self)

    def _start(self, spec: ChildSpec, log: IO[bytes]) -> subprocess.Popen[bytes] | ForkedChild:
        if spec.forked and can_fork():
            return ForkedChild(spec.command, folder=self._folder, environment=spec.env, log=log)
        return subprocess.Popen(  # noqa: S603 (our own command lines)
            list(spec.command),
            cwd=self._folder,
            env=dict(spec.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=None if spec.once else subprocess.STDOUT,
            start_new_session=True,
        )

    def _note_exit(self, child: _Child, code: int) -> None:
        child.process = None
        lived = time.monotonic() - child.started_at
        from_outside = code in {-_KILL, -signal.SIGTERM}
        tells = child.spec.ready_url is not None or child.spec.ready_file is not None
        blameless = from_outside or (tells and child.ready and code == 0)
        at_once = blameless and lived > FRESH_SECONDS
        child.ready = False
        if child.spec.once:
            child.exit_code = code
            return
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if at_once:
            child.backoff = FIRST_BACKOFF_SECONDS
        pause = 0.0 if at_once else child.backoff
        logger.warning(
            "%s %s; starting it again in %.1f s (see %s)",
            child.spec.name, ended, pause, self._logs / f"{child.spec.name}.log",
        )  # fmt: skip
        child.start_at = time.monotonic() + pause
        # A kill from outside is not the child's fault: only a child that fails by itself backs off.
        if not blameless:
            child.backoff = min(child.backoff * 2, LONGEST_BACKOFF_SECONDS)
        # A killed runner's flow runs may continue to their own end.
        for group in [group for group in child.groups if not _signal_group(group, 0)]:
            child.groups.remove(group)
            self._tell_guard(f"-{group}")

    # -- shutdown

    def stop(self) -> None:
        """Stop every child, the last started first; kill those that do not exit in time."""
        for child in self._children:
            if child.spec.stop_first:
                _ask_to_stop(child)
        for child in reversed(self._children):
            deadline = _ask_to_stop(child) + child.spec.stop_seconds
            alive = [group for group in child.groups if _signal_group(group, 0)]
            while alive and time.monotonic() < deadline and self._asked_to_stop < 2:
                if child.process:
                    child.process.poll()  # reaps the process, so that the group counts as gone
                alive = [group for group in alive if _signal_group(group, 0)]
                time.sleep(0.05)
            for group in alive:
                logger.warning(
                    "%s did not end in %.0f s and was killed", child.spec.name, child.spec.stop_seconds
                )
                _signal_group(group, _KILL)
            if child.process:
                child.process.wait()
                child.process = None
            child.groups.clear()
        self._dismiss_guard()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.ask_to_stop()

    # -- the guard

    def _keep_guard(self) -> None:
        if sys.platform == "win32" or (self._guard and self._guard.poll() is None):
            return
        self._guard = subprocess.Popen(  # noqa: S603 (our own file)
            [sys.executable, "-I", "-S", guard.__file__],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        for group in [group for child in self._children for group in child.groups]:
            self._tell_guard(f"+{group}")

    def _tell_guard(self, line: str) -> None:
        if self._guard and self._guard.stdin:
            try:
                self._guard.stdin.write(f"{line}\n".encode())
            except BrokenPipeError:
                logger.warning("the guard process has ended; a new one takes over")  # at the next tick

    def _dismiss_guard(self) -> None:
        if not self._guard:
            return
        self._tell_guard("bye")
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait(timeout=5)
        self._guard = None


_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; False = it no longer exists."""
    if sys.platform == "win32":  # no process groups on this system: signal the child itself
        try:
            os.kill(group, number)
        except OSError:
            return False
        return True
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS refuses for a group of zombies only
        return False
    return True


def _ask_to_stop(child: _Child) -> float:
    """Ask a child to stop, once; return when (monotonic) it was asked."""
    if child.asked_to_stop_at is None:
        child.asked_to_stop_at = time.monotonic()
        for group in child.groups:
            _signal_group(group, signal.SIGTERM)
    return child.asked_to_stop_at


def _is_ready(spec: ChildSpec, pid: int) -> bool:
    if spec.ready_file is not None:
        try:
            return spec.ready_file.read_text() == str(pid)
        except OSError:
            return False
    return spec.ready_url is None or _answers(spec.ready_url)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:  # noqa: S310 (our own http address)
            return bool(answer.status < 500)
    except (URLError, OSError, ValueError):
        return False
