"""Check that the Parquet files in the catalog exist. A missing file makes only some queries fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake


def list_lost_files(lake: Lake) -> list[str]:
    """Return the files of the newest snapshot that are missing or have another size than when written."""
    known = _list_known_files(lake)
    data = lake.settings.resolved_lake_data_path
    if data.startswith("s3://"):
        found = {
            row["file"]
            for row in lake.query(load_sql("maintenance/list_stored_files"), {"pattern": data + "**"})
        }
        return sorted(path for path in known if path not in found)
    return sorted(path for path, size in known.items() if not _is_whole(Path(path), size))


def _list_known_files(lake: Lake) -> dict[str, int]:
    known: dict[str, int] = {}
    for table in lake.query(load_sql("maintenance/list_tables")):
        for row in lake.query(load_sql("maintenance/list_table_files"), table):
            known[row["data_file"]] = row["data_file_size_bytes"]
            if row["delete_file"] is not None:
                known[row["delete_file"]] = row["delete_file_size_bytes"]
    return known


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
