"""Some simulated days of commits and nights: few files, a short catalog, and not a row changed."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

import pytest
from simulated_year import FIRST_DAY, Night, Year, YearPlan

from warehouse.lake.maintenance import rebuild_marts

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.lake.connect import Lake

PLAN = YearPlan(days=12, commits_per_day=1, accounts=4, posts_per_day=4, keep_days=5, keep_payload_days=4)


@pytest.mark.long
def test_a_lake_that_is_maintained_stays_small_and_keeps_every_row(
    lake: Lake, read_marts: Callable[[Lake], Any]
) -> None:
    files_known: list[int] = []

    def look(_day: int, night: Night) -> None:
        assert night.report["after"]["files"] < 40
        (row,) = lake.query("SELECT count(*) AS n FROM __ducklake_metadata_lake.ducklake_data_file")
        files_known.append(row["n"])

    year = Year(lake, PLAN)
    year.run(look)

    (raw,) = lake.query(
        "SELECT count(*) AS n, count(DISTINCT (publication_id, captured_at)) AS keys, count(raw) AS payloads "
        "FROM raw.post_snapshots"
    )
    assert raw["n"] == raw["keys"] == year.rows
    assert 0 < raw["payloads"] < year.rows  # older ones went, their rows stayed
    kept = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept
    # One snapshot a day is kept, so that the catalog stops growing once the oldest goes.
    days = lake.query(
        "SELECT count(*) AS n FROM ducklake_snapshots('lake') WHERE snapshot_time < $today::TIMESTAMPTZ",
        {"today": FIRST_DAY + timedelta(days=PLAN.days - 1)},
    )
    assert days[0]["n"] <= PLAN.keep_days
    assert max(files_known[-3:]) < 1.3 * max(files_known[5:8])
