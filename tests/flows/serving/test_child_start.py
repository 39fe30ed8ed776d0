"""Waiting for a child process: as long as it lives and makes progress."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from flows.errors import ChildStartError
from flows.serving.child_start import (
    LONGEST_SECONDS,
    MOST_RESTARTS,
    STUCK_SECONDS,
    ChildStart,
    read_cpu_seconds,
)

if TYPE_CHECKING:
    from pathlib import Path


class Bench:
    """A launcher's file, a clock and the CPU seconds of its children, all set by hand."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.path = folder / "processes.json"
        self.now = 0.0
        self.cpu: dict[int, float | None] = {}
        self.start = ChildStart(self.path, names, monotonic=lambda: self.now, read_cpu=self.cpu.get)

    def note(self, **restarts: int) -> None:
        pids = {name: 100 * (number + 1) + count for number, (name, count) in enumerate(restarts.items())}
        self.path.write_text(json.dumps({"pids": pids, "restarts": restarts}))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.start.check()


def test_a_slow_start_is_waited_for_while_the_child_works(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "api")
    bench.note(api=0)
    for step in range(10):
        bench.cpu[100] = 0.1 * step
        bench.wait(STUCK_SECONDS - 1)


def test_a_child_that_does_nothing_is_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "api")
    bench.note(api=0)
    bench.cpu[100] = 3.0
    bench.wait(1)
    bench.wait(STUCK_SECONDS)
    with pytest.raises(ChildStartError, match=r"api is not ready and has done nothing .*logs/api\.log"):
        bench.wait(1)


def test_a_child_that_keeps_ending_is_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "api")
    for restarts in range(MOST_RESTARTS):
        bench.note(api=restarts)
        bench.wait(60)
    bench.note(api=MOST_RESTARTS)
    with pytest.raises(ChildStartError, match="ended 3 times"):
        bench.wait(1)


def test_one_of_several_is_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "publisher-1", "publisher-2")
    bench.note(**{"publisher-1": 9, "publisher-2": 0})
    bench.wait(STUCK_SECONDS - 1)
    bench.cpu[200] = 1.0
    bench.wait(STUCK_SECONDS - 1)
    bench.note(**{"publisher-1": 9, "publisher-2": MOST_RESTARTS})
    with pytest.raises(ChildStartError, match="publisher-1 or publisher-2"):
        bench.wait(1)


def test_where_cpu_time_cannot_be_read_being_alive_has_to_do_up_to_an_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "api")
    bench.note(api=0)
    for _ in range(9):
        bench.wait(LONGEST_SECONDS / 9)
    with pytest.raises(ChildStartError, match="after 30 min"):
        bench.wait(1)


def test_a_launcher_that_never_starts_it_is_not_waited_for_forever(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "api")
    bench.wait(STUCK_SECONDS)
    with pytest.raises(ChildStartError):
        bench.wait(1)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_the_cpu_time_of_a_live_process_is_read() -> None:
    used = read_cpu_seconds(os.getpid())
    assert used is not None
    assert used > 0
    assert read_cpu_seconds(2**22 + 1) is None
