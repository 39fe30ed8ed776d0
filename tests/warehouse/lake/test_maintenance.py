"""Maintenance: fewer files, the same rows, beside readers; nothing deleted that somebody may still need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import (
    KEEP_SNAPSHOTS,
    NEEDLESS_FILES,
    maintain_lake,
    measure_files,
    merge_if_many,
    rebuild_marts,
)

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
    assert (found["tables"], found["delete_files"]) == (17, 0)


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


def test_of_days_gone_by_one_snapshot_is_kept_and_that_can_be_travelled_to(
    lake: Lake, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    load_publications(lake, [make_publication("1")])
    kept: dict[datetime, int] = {}
    for day in range(1, 5):
        at = now - timedelta(days=5 - day)
        for hours in (0, 4, 8):
            load_post_snapshots(
                lake, [make_snapshot(hours=day * 24 + hours, likes=day * 10 + hours)], f"run_{day}_{hours}"
            )
            restamp(lake, at + timedelta(hours=hours))
        if day < 3:  # without a merge the day's last commit is kept
            maintain_lake(lake, at + timedelta(hours=9))
            restamp(lake, at + timedelta(hours=9))
        kept[at] = lake.snapshot_id()
        # After the night: what is kept of the day before must not be what was newest then by chance.
        load_publications(lake, [make_publication("1", text=f"after day {day}")])
        restamp(lake, at + timedelta(hours=8, minutes=30))
    marts = read_marts(lake)

    assert maintain_lake(lake, now - timedelta(hours=10))["snapshots_expired"] > 0
    snapshots = lake.query(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_time < $now::TIMESTAMPTZ - INTERVAL 16 HOUR",
        {"now": now},
    )
    ids = {row["snapshot_id"] for row in snapshots}
    assert {snapshot for at, snapshot in kept.items() if at < now - timedelta(days=2)} <= ids
    for at, snapshot in list(kept.items())[:2]:
        found = lake.query(f"SELECT max(likes) AS likes FROM raw.post_snapshots AT (VERSION => {snapshot})")  # noqa: S608 (a number)
        assert found == [{"likes": 5 * 10 - (now - at).days * 10 + 8}]
    assert read_marts(lake) == marts


@pytest.mark.long
def test_of_weeks_gone_by_one_snapshot_is_kept(
    lake: Lake, make_publication: Make, make_snapshot: Make
) -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    load_publications(lake, [make_publication("1")])
    restamp(lake, monday)
    newest_of_day = {}
    for day in range(28):
        load_post_snapshots(lake, [make_snapshot(hours=day * 24 + 1, likes=day)], "run")
        restamp(lake, monday + timedelta(days=day, hours=1))
        newest_of_day[day] = lake.snapshot_id()
    maintain_lake(lake, monday + timedelta(days=28), keep_snapshots=timedelta(days=90))
    restamp(lake, monday + timedelta(days=28))
    rows = lake.query(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_time < $end::TIMESTAMPTZ ORDER BY ALL",
        {"end": monday + timedelta(days=28)},
    )
    # Six hours before the end and a week further back lies the evening of day 20.
    days = [6, 13, 20, *range(21, 28)]
    assert [row["snapshot_id"] for row in rows] == [newest_of_day[day] for day in days]


def test_the_newest_snapshot_of_a_quiet_lake_is_kept(
    lake: Lake, make_publication: Make, make_snapshot: Make, make_account: Make
) -> None:
    load_publications(lake, [make_publication("1")])
    for hours in (24, 30):
        load_post_snapshots(lake, [make_snapshot(hours=hours, likes=hours)], "run_1")
    maintain_lake(lake, datetime.now(UTC))
    load_accounts(lake, [make_account()])  # one file, so there is nothing to merge after it
    newest = lake.snapshot_id()
    assert maintain_lake(lake, datetime.now(UTC) + timedelta(days=3))["snapshots_expired"] > 0
    assert lake.snapshot_id() == newest
    assert lake.query("SELECT count(*) AS n FROM dims.accounts") == [{"n": 1}]
    assert lake.query("SELECT count(*) AS n FROM raw.post_snapshots") == [{"n": 2}]


def test_loads_merge_when_small_files_are_many_and_only_then(
    lake: Lake, make_publication: Make, make_snapshot: Make, read_marts: Make
) -> None:
    load_publications(lake, [make_publication(str(number)) for number in range(20)])
    most, merges = 0, 0
    for number in range(20):
        load_post_snapshots(lake, [make_snapshot(str(number), likes=1)], "run_1")
        marts = read_marts(lake) if number % 10 == 9 else None
        merged = merge_if_many(lake, datetime.now(UTC))
        merges += merged
        files = measure_files(lake)["files"]
        most = max(most, files)
        if merged:
            assert files < NEEDLESS_FILES / 2
        if marts is not None:
            assert read_marts(lake) == marts
    assert 0 < merges < 5
    assert most < NEEDLESS_FILES + 30
    assert merge_if_many(lake, datetime.now(UTC)) is False


def restamp(lake: Lake, at: datetime) -> None:
    """Give the commits since the last call another time: days cannot be waited for."""
    with lake.write() as cursor:
        cursor.execute(
            f"UPDATE __ducklake_metadata_lake.ducklake_snapshot SET snapshot_time = '{at}' "  # noqa: S608 (a time of ours)
            "WHERE snapshot_time::TIMESTAMPTZ > TIMESTAMPTZ '2026-06-01'"
        )
