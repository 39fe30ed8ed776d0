"""A short ingest chaos test in every test run; `make chaos-ingest` runs the long ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.chaos.ingest_storm import Storm, run_storm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "postgres", [False, pytest.param(True, marks=pytest.mark.long)], ids=["sqlite", "postgres"]
)
def test_killed_ingests_lose_no_row_double_none_and_forget_nothing(tmp_path: Path, *, postgres: bool) -> None:
    ages = tuple(timedelta(hours=hours) for hours in (0, 4, 72))
    storm = Storm(
        seed=1, ages=ages, rounds=1 if postgres else 2, accounts=1, history_days=2, marks=1, postgres=postgres
    )
    verdict = run_storm(storm, tmp_path)
    assert verdict.problems == []
    assert verdict.kills.total() >= storm.rounds * 2
    assert verdict.figures["snapshots"] > verdict.figures["publications"] > 0
