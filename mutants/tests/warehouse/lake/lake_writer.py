"""A writer process for the tests beside it: loads snapshots batch by batch and tells of each when it is in.

Usage: python lake_writer.py CONFIG FIRST LAST, CONFIG being WarehouseSettings as JSON. Batch b holds 40
snapshots of publications that all writers share.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_post_snapshots
from warehouse.lake.rows import PostSnapshot
from warehouse.settings import WarehouseSettings

BATCH_ROWS = 40
PUBLISHED = datetime(2026, 3, 2, tzinfo=UTC)


def make_batch(number: int) -> list[PostSnapshot]:
    """The same rows in every process."""
    captured_at = PUBLISHED + timedelta(hours=number + 1)
    return [
        PostSnapshot("ws_1", f"pub_{row}", "acct_a", captured_at, PUBLISHED, likes=number * row)
        for row in range(BATCH_ROWS)
    ]


def main() -> None:
    settings = WarehouseSettings.model_validate_json(sys.argv[1])
    with Lake.open(settings) as lake:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(sys.argv[2]), int(sys.argv[3])):
            inserted = load_post_snapshots(lake, make_batch(number), f"run_{number}")
            print(number, inserted, flush=True)


if __name__ == "__main__":
    main()
