"""An import that is killed with SIGKILL anywhere and started again has every row once, and leaves no folder."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings

ROWS = 30
SCRIPT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from connectors.types import Platform
from warehouse.lake.connect import Lake
from warehouse.lake.import_ import history
from warehouse.lake.import_.types import ReadOptions
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def run(place, call):
    calls = 0
    def counted(*given):
        nonlocal calls
        calls += 1
        if calls == call:
            end()
    history._TURN_ROWS, history._LOAD_ROWS = 4, 8
    progress = counted if place == "progress" else (lambda *_: None)
    if place in ("file_posts", "insert_post_snapshots"):  # after its statements, before their commit
        real = getattr(history, place)
        def wrapped(*given, **more):
            result = real(*given, **more)
            counted()
            return result
        setattr(history, place, wrapped)
    now = datetime.now(UTC)
    settings = WarehouseSettings()
    with Store.open(settings) as store, Lake.open(settings) as lake:
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        report = history.import_history(
            store, lake, Path(sys.argv[1]), platform=Platform.FACEBOOK, workspace_id=workspace_id, now=now,
            progress=progress, options=ReadOptions(batch_rows=10),
        )
    print(report.rows, report.loaded + report.already_there, len(report.rejected), flush=True)

for point in sys.argv[2:]:
    place, _, call = point.partition(":")
    child = os.fork()
    if child == 0:
        run(place, int(call))
        os._exit(0)
    print(point, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    for folder in Path(os.environ["TMPDIR"]).iterdir():
        os.utime(folder, (0, 0))  # as if it had been left an hour ago
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and fork")
def test_an_import_that_is_killed_anywhere_has_every_row_once(
    lake_settings: WarehouseSettings, lake: Lake, tmp_path: Path
) -> None:
    lake.close()
    path, scratch = tmp_path / "history.csv", tmp_path / "scratch"
    scratch.mkdir()
    script = tmp_path / "kill_points.py"
    script.write_text(SCRIPT, encoding="utf-8")
    path.write_text(
        "account,post_id,published_at,likes,comments,shares\n"
        + "".join(
            f"{'ab'[row % 2]},p{row},2024-05-{row % 28 + 1:02} 10:00,{row},1,1\n" for row in range(ROWS)
        )
    )
    points = [
        "progress:1",
        "progress:3",
        "file_posts:3",
        "insert_post_snapshots:1",
        "progress:8",
        "progress:10",
    ]
    ran = subprocess.run(
        [sys.executable, str(script), str(path), *points, "none:0"],
        env={**os.environ, "SOCIALFLOW_HOME": str(lake_settings.home), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.strip()]
    assert lines[: len(points)] == [f"{point} -9" for point in points], ran.stderr
    assert lines[len(points) :] == [f"{ROWS} {ROWS} 0", "none:0 0"], ran.stderr
    assert list(scratch.iterdir()) == []
    again = type(lake).open(lake_settings)
    try:
        assert again.query(
            "SELECT count(*) AS rows, count(DISTINCT publication_id) AS posts, sum(likes)::INTEGER AS likes "
            "FROM raw.post_snapshots"
        ) == [{"rows": ROWS, "posts": ROWS, "likes": sum(range(ROWS))}]
        assert again.query("SELECT count(*) AS posts FROM marts.publication_latest") == [{"posts": ROWS}]
        assert again.query("SELECT count(*) AS posts FROM dims.publications") == [{"posts": ROWS}]
    finally:
        again.close()
