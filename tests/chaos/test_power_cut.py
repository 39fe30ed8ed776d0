"""One power failure during a flow start, in every test run; `make chaos-power` repeats it twenty times."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.chaos.power_cut import run_cuts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX"),
    # A whole program: one worker for it where tests run in parallel.
    pytest.mark.xdist_group("whole-program"),
]


def test_flows_succeed_again_after_everything_was_killed_while_one_started(tmp_path: Path) -> None:
    verdict = run_cuts(tmp_path / "home", cuts=1, seed=1, flows=("ingest-metrics",))
    assert verdict.problems == []
    assert verdict.cuts == 1
    assert set(verdict.recovered) == {"ingest-metrics"}
