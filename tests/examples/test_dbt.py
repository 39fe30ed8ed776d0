"""examples/dbt on a filled lake, with dbt from an environment of its own (`make test-dbt`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.warehouse.questions.trap_lake import fill, now_for_tests
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings

ROOT = Path(__file__).parents[2]
DBT = ROOT / ".venv" / "dbt" / "bin" / "dbt"


@pytest.mark.dbt
def test_dbt_builds_its_models_on_the_attached_lake(tmp_path: Path) -> None:
    if not DBT.exists():
        pytest.skip("dbt is not installed: `make test-dbt` installs it")
    home, project = tmp_path / "home", tmp_path / "dbt"
    shutil.copytree(ROOT / "examples" / "dbt", project)
    with Lake.open(WarehouseSettings(home=home), threads=1) as lake:
        fill(lake, now_for_tests())
        (known,) = lake.query("SELECT count(*) AS posts, sum(engagement_24h) AS total FROM marts.posts_wide")
        # The lake stays open for writing while dbt reads.
        ran = subprocess.run(
            [DBT, "build", "--no-use-colors"],
            cwd=project,
            env=os.environ
            | {
                "SOCIALFLOW_HOME": str(home),
                "SOCIALFLOW_COMMAND": f"{sys.executable} -m flows.cli",
                "PYTHONPATH": str(ROOT),
                "DBT_PROFILES_DIR": ".",
                "DBT_PROJECT_DIR": ".",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with duckdb.connect(str(project / "analysis.duckdb"), read_only=True) as built:
        rows = built.execute("SELECT sum(posts), sum(engagement_24h) FROM account_weeks").fetchone()
    assert rows == (known["posts"], pytest.approx(known["total"]))
