"""Maintenance: fewer files, the same rows, beside readers; nothing deleted that somebody may still need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_post_snapshots, load_publications
from warehouse.lake.maintenance import KEEP_SNAPSHOTS, maintain_lake, measure_files
from warehouse.lake.marts import rebuild_marts

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings

    Make = Callable[..., Any]


def files_on_disk(settings: WarehouseSettings) -> set[Path]:
    return set(Path(settings.resolved_lake_data_path).rglob("*.parquet"))


def test_small_files_are_merged_old_ones_go_later_and_no_row_changes(
    lake: Lake,
    lake_settings: WarehouseSettings,
    make_publication: Make,
    make_snapshot: Make,
    read_marts: Make,
) -> None:
    load_publications(lake, [make_publication(name) for name in "12"])
    for hours in range(1, 7):
        load_post_snapshots(
            lake, [make_snapshot(name, hours=hours, likes=hours) for name in "12"], f"run_{hours}"
        )
    marts = read_marts(lake)
    old_files = files_on_disk(lake_settings)
    # The clock of the files is the machine's own, so "now" is real here.
    now = datetime.now(UTC)

    with Lake.open(lake_settings, read_only=True) as reader:
        first = maintain_lake(lake, now)
        assert first["after"]["files"] < first["before"]["files"]
        assert first["snapshots_expired"] == first["files_deleted"] == first["orphans_deleted"] == 0
        assert old_files <= files_on_disk(lake_settings), "a reader may be in the middle of these files"
        assert read_marts(lake) == read_marts(reader) == marts

        much_later = now + KEEP_SNAPSHOTS + timedelta(days=2)
        second = maintain_lake(lake, much_later)
        assert second["snapshots_expired"] > 0
        assert second["files_deleted"] > 0
        assert len(files_on_disk(lake_settings)) < len(old_files)
        assert read_marts(lake) == read_marts(reader) == marts
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 12}]
    rebuild_marts(lake)
    assert read_marts(lake) == marts


def test_rewritten_marts_do_not_pile_up_deletions(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    load_publications(lake, [make_publication(str(number)) for number in range(3)])
    for hours in range(1, 5):
        load_post_snapshots(lake, [make_snapshot("1", hours=hours, likes=1)], "run_1")
    maintain_lake(lake, datetime.now(UTC))
    tables = lake.query("SELECT table_name, file_count FROM ducklake_table_info('lake') WHERE file_count > 1")
    assert tables == []
    found = measure_files(lake)
    assert (found["tables"], found["delete_files"]) == (13, 0)


def test_questions_find_small_numbers_after_columns_without_values_were_maintained(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    """DuckDB trusts the least and greatest value that the catalog tells of a column."""
    load_publications(lake, [make_publication(str(number)) for number in range(8)])  # no age is measured yet
    load_publications(lake, [make_publication(str(number)) for number in range(10, 18)])
    load_post_snapshots(
        lake, [make_snapshot(str(number), likes=number, reach=number) for number in range(6)], "run_1"
    )
    maintain_lake(lake, datetime.now(UTC))
    large = [make_snapshot(str(number), likes=1000 + number, reach=1000) for number in range(10, 14)]
    load_post_snapshots(lake, large, "run_2")
    for table in ("marts.publication_at_age", "marts.publication_latest", "raw.post_snapshots"):
        found = lake.query(
            f"SELECT likes, reach FROM {table} WHERE likes < 100 AND reach < 100 ORDER BY publication_id"  # noqa: S608 (names from above)
        )
        assert found == [{"likes": number, "reach": number} for number in range(6)], table
        rows = lake.query(f"SELECT likes FROM {table} WHERE likes IS NOT NULL ORDER BY publication_id")  # noqa: S608 (same)
        assert sorted(row["likes"] for row in rows) == [*range(6), *range(1010, 1014)], table


def test_a_file_of_an_open_transaction_is_left_alone(
    lake: Lake, lake_settings: WarehouseSettings, make_snapshot: Make
) -> None:
    load_post_snapshots(lake, [make_snapshot(likes=1)], "run_1")
    stray = Path(lake_settings.resolved_lake_data_path) / "raw" / "post_snapshots" / "ducklake-stray.parquet"
    stray.write_bytes(b"of a transaction that has not committed yet")
    maintain_lake(lake, datetime.now(UTC))
    assert stray.exists()
    report = maintain_lake(lake, datetime.now(UTC) + timedelta(days=4))
    assert report["orphans_deleted"] == 1
    assert not stray.exists()
