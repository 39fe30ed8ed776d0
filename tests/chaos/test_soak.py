"""A short soak in every test run; `make soak` runs two hours of traffic in ten minutes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.chaos.soak import Result, Sample, Soak, examine, run_soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform != "linux", reason="proportional memory is Linux's")
def test_traffic_with_faults_leaves_nothing_behind(tmp_path: Path) -> None:
    # So short that caches and connections still fill: only the machinery, and the posts, are held here.
    soak = Soak(
        seconds=9,
        posts_per_second=3,
        ingest_every=3,
        maintain_every=4,
        kill_every=5,
        sample_every=3,
        probes=1,
        memory_growth=1.0,
        memory_slack_mb=120,
        files_slack=60,
    )
    result = run_soak(soak, tmp_path / "home")
    assert result.problems == []
    assert set(result.verdict.statuses) == {"published"}
    assert len(result.samples) >= 2
    assert min(result.kills, result.ingests, result.nights) >= 1


FLAT = Sample(
    at=0,
    memory_mb={"publisher": 90, "api": 150, "ingest": 200},
    open_files={"publisher": 20, "api": 20, "ingest": 20},
    lake_files=30,
    other_files=20,
    store_mb=1,
    query_ms=60,
    posts=1,
)


@pytest.mark.parametrize(
    ("grown", "told"),
    [
        ({}, None),
        (
            {"memory_mb": {"publisher": 90, "api": 300, "ingest": 200}},
            "memory of api grew from 150 to 300 MB",
        ),
        (
            {"open_files": {"publisher": 60, "api": 20, "ingest": 20}},
            "open files of publisher grew from 20 to 60",
        ),
        ({"lake_files": 500}, "the lake's files grew from at most 30 to 500"),
        ({"other_files": 90}, "other files of the home grew from 20 to 90"),
        ({"query_ms": 200}, "the requests of a sample cost 200 ms of CPU, 60 before"),
    ],
)
def test_growth_is_told(grown: dict[str, object], told: str | None) -> None:
    result = Result(samples=[FLAT] * 9 + [replace(FLAT, **grown)] * 3)  # type: ignore[arg-type]  # fields by name
    assert examine(result, Soak()) == ([] if told is None else [told])
