"""The simulation of capacity and the benchmark of layouts, in small: their arithmetic, and that they run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_lake_layout
import numpy as np
import pytest
import simulate_capacity
from simulate_capacity import DAY, Measured, Prices, Scenario

SMALL = Scenario(accounts=10_000, snapshots_per_day=1e6)


def test_a_burst_is_served_first_come_first_served() -> None:
    due = np.zeros(DAY, dtype=np.int64)
    due[1_000] = 1_000
    served = np.full(DAY, 10.0)
    p50, p99, worst = simulate_capacity.lateness(due, served)
    # 1,000 posts at 10 a second: the last one waits for 100 s.
    assert (p50, p99) == pytest.approx((50, 99), abs=6)
    assert 90 < worst <= 100
    served[1_010:1_040] = 0.0  # everything stands still for half a minute
    assert simulate_capacity.lateness(due, served)[0] == pytest.approx(p50 + 30, abs=6)
    assert simulate_capacity.lateness(np.zeros(DAY, dtype=np.int64), served) == (0.0, 0.0, 0.0)


def test_arrivals_have_the_days_posts_and_their_spikes() -> None:
    due = simulate_capacity.arrivals(1e6, seed=1)
    assert due.sum() == pytest.approx(1e6, rel=0.01)
    assert np.array_equal(due, simulate_capacity.arrivals(1e6, seed=1))
    by_minute = due.reshape(24, 60, 60).sum(axis=(0, 2))
    assert by_minute[0] > 2 * by_minute[30] > 3 * by_minute[15] > 9 * by_minute[7]


def test_more_publishers_are_earlier_and_one_core_of_postgresql_is_too_few_for_a_million() -> None:
    measured = Measured()

    def late(processes: int) -> float:
        return simulate_capacity.simulate_publishers(SMALL, measured, processes=processes, concurrency=64)[
            "p99_s"
        ]

    assert late(1) > late(2) > late(8)
    one, many = (
        simulate_capacity.simulate_publishers(
            Scenario(), measured, processes=64, concurrency=1_000, database_cores=cores
        )["p99_s"]
        for cores in (1, 32)
    )
    assert one > simulate_capacity.ALLOWED_LATENESS > many


def test_rarer_visits_need_fewer_requests_and_the_lake_grows_dearer() -> None:
    measured = Measured()
    often, rarely = (
        simulate_capacity.simulate_ingest(SMALL, measured, every_s=every) for every in (300.0, 21_600.0)
    )
    assert often["requests_per_day"] > rarely["requests_per_day"]
    # One request for each post of Instagram, however rarely it is visited.
    assert rarely["by_platform"]["instagram"] == pytest.approx(1e6 * 0.22, rel=0.1)
    lake = simulate_capacity.simulate_lake(SMALL, measured)
    assert lake["busy_last_day"] > lake["busy_first_day"] > 0
    # A day of so many snapshots keeps one writer busy once the lake has those of `lake_days`.
    slope, own = lake["cpu_s_per_load_and_million_rows"] / 1e6, lake["cpu_s_per_load"]
    most = simulate_capacity.find_largest(SMALL.lake_days, measured, own, slope)
    largest = Scenario(accounts=1, snapshots_per_day=most)
    assert simulate_capacity.simulate_lake(largest, measured)["busy_last_day"] == pytest.approx(1)
    assert simulate_capacity.price(SMALL, measured, Prices(), 4.0)["platforms"] > 0


def test_small_installations_are_told_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    simulate_capacity.tell_small(Measured(), 100)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 10", "| 100", "| 1,000", "| 10,000"]


def test_layouts_hold_the_same_rows() -> None:
    plain, both = bench_lake_layout.LAYOUTS[0], bench_lake_layout.LAYOUTS[4]
    results = [bench_lake_layout.measure(one, 5_000, small_loads=2) for one in (plain, both)]
    assert [one["stored"] for one in results] == [6_000, 6_000]
    assert all(one["files_merged"] <= one["files"] for one in results)
    assert all(set(one["queries_ms"]) == set(one["queries_merged_ms"]) for one in results)
