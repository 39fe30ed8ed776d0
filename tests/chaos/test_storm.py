"""A short publisher chaos test in every test run; `make chaos` runs the long ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.storm import Storm, run_storm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_no_post_is_lost_or_sent_twice(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    storm = Storm(posts=60, seconds=10, kills=6, targeted_kills=2, seed=1, database_url=url, calm=240)
    verdict = run_storm(storm, tmp_path / "home")
    assert verdict.problems == []
    assert set(verdict.statuses) == {"published"}
    assert verdict.statuses["published"] >= 60
    assert verdict.kills >= 6
    assert verdict.targeted_kills >= 2
    assert verdict.frozen >= 1
