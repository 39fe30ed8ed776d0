"""Short kill tests in every test run; `make chaos` runs the long ones, on an otherwise idle machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.chaos.kill_storm import KillStorm, run_storm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")


@pytest.mark.parametrize("database", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_posts_go_out_once_while_publishers_are_killed(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    storm = KillStorm(posts=30, seconds=12, between_kills=(2.0, 3.5), seed=3, database_url=url, calm=90)
    verdict = run_storm(storm, tmp_path / "home")
    assert verdict.problems == []
    assert dict(verdict.statuses) == {"published": 30}
    assert verdict.kills >= 2
    # With claims that wait out a lease of 90 s it would be far more, on the busiest machine.
    assert verdict.lateness_at(1.0) < 60


def test_posts_go_out_without_a_prefect_server(tmp_path: Path) -> None:
    """Nothing listens at the address of Prefect's server: no publisher asks for it."""
    storm = KillStorm(posts=30, seconds=6, between_kills=None, seed=4)
    verdict = run_storm(storm, tmp_path / "home")
    assert verdict.problems == []
    assert dict(verdict.statuses) == {"published": 30}
    assert verdict.lateness_at(0.99) < 15  # 2 s where nothing else runs; see docs/decisions
