"""Real writer processes: at once on the same keys, and killed in the middle of their work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warehouse.lake.connect import Lake

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

WRITER = Path(__file__).with_name("lake_writer.py")
BATCH_ROWS = 40

DOUBLES = "SELECT publication_id, captured_at FROM raw.post_snapshots GROUP BY ALL HAVING count(*) > 1"


def start_writer(settings: WarehouseSettings, first: int, last: int) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), settings.model_dump_json(), str(first), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


@pytest.mark.parametrize(
    "catalog", ["lake_settings", pytest.param("postgres_settings", marks=pytest.mark.long)]
)
def test_processes_that_load_the_same_rows_at_once_never_double_one(
    catalog: str, request: pytest.FixtureRequest
) -> None:
    lake_settings: WarehouseSettings = request.getfixturevalue(catalog)
    writers = [start_writer(lake_settings, 0, 6) for _ in range(2)]
    for writer in writers:
        go(writer)
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    inserted = sum(int(line.split()[1]) for output in outputs for line in output.splitlines())
    with Lake.open(lake_settings, read_only=True) as lake:
        assert lake.query(DOUBLES) == []
        assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 6 * BATCH_ROWS}]
    assert inserted == 6 * BATCH_ROWS, "each row was counted by exactly one of the two"


def test_a_killed_writer_loses_nothing_it_told_of_and_blocks_nobody(lake_settings: WarehouseSettings) -> None:
    acknowledged: set[int] = set()
    first = 0
    for extra in (2, 1, 3):
        writer = start_writer(lake_settings, first, first + 1_000)
        go(writer)
        assert writer.stdout is not None
        for _ in range(extra):
            acknowledged.add(int(writer.stdout.readline().split()[0]))
        writer.kill()  # -9, somewhere within the next batch
        rest = writer.communicate(timeout=60)[0]
        acknowledged |= {
            int(line.split()[0]) for line in rest.splitlines() if line.endswith(f" {BATCH_ROWS}")
        }
        first = max(acknowledged) + 1
    # The last batch may be in without a word: running the same again finds that out by itself.
    writer = start_writer(lake_settings, 0, first + 1)
    go(writer)
    writer.communicate(timeout=120)
    with Lake.open(lake_settings) as lake:
        assert lake.query(DOUBLES) == []
        rows = lake.query(
            "SELECT (epoch(captured_at - published_at) / 3600)::INT - 1 AS batch, count(*) AS n, "
            "sum(likes)::BIGINT AS likes FROM raw.post_snapshots GROUP BY ALL ORDER BY ALL"
        )
        factor = BATCH_ROWS * (BATCH_ROWS - 1) // 2
        assert [tuple(row.values()) for row in rows] == [
            (batch, BATCH_ROWS, batch * factor) for batch in range(first + 1)
        ]
        assert acknowledged <= {row["batch"] for row in rows}
