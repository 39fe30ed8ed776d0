"""Start a child as a fork of the launcher instead of as a new interpreter.

The publishers and the API import the same modules, 60 MB of them. The launcher imports these once and the children
share the memory. A child that was killed is back without importing anything, which takes a second of CPU otherwise.

Only on Linux, and only while the launcher has no second thread: elsewhere the caller starts a new interpreter. A
child looks like that interpreter to everyone else: command line, session, environment, signals, output, exit code.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from setproctitle import getproctitle, setproctitle

from connectors.tracing import stop_tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_M_ARENA_MAX = -8
"""Parameter of glibc's mallopt: MALLOC_ARENA_MAX is read only when a program starts."""


def can_fork() -> bool:
    """Return whether a fork of this process is safe: a lock that another thread holds would stay locked."""
    return sys.platform == "linux" and threading.active_count() == 1


def preload(load: Callable[[], None]) -> None:
    """Import what the children will need, so that they share it; nothing happens where they are not forked."""
    if not can_fork():
        return
    load()
    getproctitle()  # finds the place of the command line, which it cannot once the environment has changed
    # Objects of before are never collected again: looking at them would copy the pages that they are on.
    gc.collect()
    gc.freeze()


class ForkedChild:
    """One forked child, with the part of `subprocess.Popen` that the supervisor uses."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: IO[bytes]
    ) -> None:
        """Run `command`, which is `[python, "-m", module, *arguments]`, in `folder`; output goes to `log`.

        Raises OSError if the system starts no more processes.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        self._code: int | None = None
        if self.pid == 0:  # pragma: no cover (the other process)
            _become(command, folder, environment, log.fileno())

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the child runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self) -> int:
        """Wait for the child to exit, and return its exit code."""
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code


def _become(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: int) -> None:
    """Turn this process, a copy of the launcher, into the child; never returns.

    The launcher's stack stays below this call, so that none of its objects is finalized here: a file lock would be
    released for both.
    """
    code = 1
    try:
        _leave_launcher(folder, environment, log)
        _name_process(command)
        _python, _option, module, *arguments = command
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as exit_:
        code = _read_code(exit_)
    except BaseException:  # noqa: BLE001 (as the interpreter does at the end of a program)
        traceback.print_exc()
    finally:
        with suppress(Exception):
            stop_tracing()
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _leave_launcher(folder: Path, environment: Mapping[str, str], log: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    # The launcher's lock on the home, its reserved ports and its pipe to the guard must end with the launcher.
    for opened in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if opened > 2:
            with suppress(OSError):  # the listed folder's own, which is closed by now
                os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both are text files here
    if arenas := environment.get("MALLOC_ARENA_MAX"):
        with suppress(AttributeError, OSError):  # a C library without it
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(arenas))


def _name_process(command: Sequence[str]) -> None:
    """Show the command line that a new interpreter would have: operators and `pkill -f` find processes by it."""
    setproctitle(" ".join(command))
    with suppress(OSError):
        Path("/proc/self/comm").write_text(Path(command[0]).name)


def _read_code(exit_: SystemExit) -> int:
    if exit_.code is None:
        return 0
    if isinstance(exit_.code, int):
        return exit_.code
    sys.stderr.write(f"{exit_.code}\n")
    return 1
