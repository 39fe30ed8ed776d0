"""An incremental export, replayed over a storm of loads, corrections and deletions, ends equal to a full export."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from warehouse.errors import InvalidInputError
from warehouse.lake.connect import Lake
from warehouse.lake.export.tables import ExportFormat, export_lake
from warehouse.lake.export.workspace_files import KEY_OF, TABLES, write_table
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import maintain_lake, rebuild_marts
from warehouse.lake.rows import AccountDim, AccountSnapshot, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = datetime(2026, 3, 2, tzinfo=UTC)
COMPARED = ("publications", "accounts", "publication_latest", "publication_at_age", "post_performance")
COMPARED += ("engagement_daily", "account_daily", "suspicious_counts", "slot_engagement", "post_snapshots")
COMPARED += ("posts_wide", "account_baselines")

posts = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("measure"), posts, st.sampled_from((1, 5, 23, 25, 30, 170)), st.integers(0, 50)),
    st.tuples(st.just("move"), posts, st.integers(0, 3), st.booleans()),  # another post, another account
    st.tuples(st.just("zone"), st.integers(0, 1), st.sampled_from(("UTC", "Asia/Tokyo", "America/Lima"))),
    st.tuples(st.just("count"), st.integers(0, 1), st.integers(0, 5), st.sampled_from((0, 90, 1200, 1250))),
    st.tuples(st.just("erase"), posts),
    st.tuples(st.just("maintain")),
    st.tuples(st.just("rebuild")),
    st.tuples(st.just("sync")),
)


def take(step: tuple[Any, ...], lake: Lake) -> None:
    kind, *more = step
    if kind == "measure":
        post, hours, likes = more
        row = PostSnapshot("ws_1", f"pub_{post}", "acct_0", DAY + timedelta(hours=hours), DAY, likes=likes)
        load_post_snapshots(lake, [row], "run")
    elif kind == "move":
        number, post, other = more
        account = f"acct_{int(other)}"
        dim = PublicationDim(
            f"pub_{number}",
            f"post_{post}",
            "ws_1",
            account,
            "twitter",
            "external",
            "text",
            DAY + timedelta(hours=post),
        )
        load_publications(lake, [dim])
    elif kind == "zone":
        load_accounts(lake, [AccountDim(f"acct_{more[0]}", "ws_1", "twitter", "same", timezone=more[1])])
    elif kind == "count":
        account, day, followers = more
        at = DAY + timedelta(days=day)
        load_account_snapshots(lake, [AccountSnapshot("ws_1", f"acct_{account}", at, followers)], "run")
    elif (
        kind == "erase"
    ):  # nothing of ours deletes a publication today; an operator may, for a person's request
        with lake.write() as cursor:
            for table in ("raw.post_snapshots", "dims.publications"):
                cursor.execute(f"DELETE FROM {table} WHERE publication_id = $1", [f"pub_{more[0]}"])  # noqa: S608 (from above)
        rebuild_marts(lake)
    elif kind == "rebuild":
        rebuild_marts(lake)


class Copy:
    """What a client keeps: each table by its key, brought up to date by the files of incremental exports."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {name: {} for name in COMPARED}
        self.cursor: int | None = None

    def sync(self, lake: Lake) -> None:
        snapshot_id = lake.snapshot_id()
        for name, rows in self.tables.items():
            key = TABLES[name].key
            for row in read(lake, name, snapshot_id, self.cursor):
                change = row.pop("change", "inserted")
                place = tuple(row[column] for column in key)
                if change == "removed":
                    del rows[place]
                else:
                    assert (place in rows) is (change == "changed"), (name, place, change)
                    rows[place] = row
        self.cursor = snapshot_id


def read(lake: Lake, table: str, snapshot_id: int, since: int | None) -> list[dict[str, Any]]:
    with write_table(
        lake, table, "parquet", workspace_id="ws_1", snapshot_id=snapshot_id, changed_since=since
    ) as path:
        return lake.query(f"FROM '{path}'")


@settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(steps=st.lists(STEPS, min_size=8, max_size=10))
def test_a_replay_equals_a_full_export(
    lake_template: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    home = tmp_path_factory.mktemp("changes") / "home"
    shutil.copytree(lake_template, home)
    copy = Copy()
    with Lake.open(WarehouseSettings(home=home), threads=1) as lake:
        for step in steps:
            take(step, lake)
            if step[0] == "maintain":
                kept = [] if copy.cursor is None else [copy.cursor]
                maintain_lake(lake, datetime.now(UTC) + timedelta(hours=7), kept=kept)
            if step[0] == "sync":
                copy.sync(lake)
        copy.sync(lake)
        for name, rows in copy.tables.items():
            full = read(lake, name, lake.snapshot_id(), None)
            key = TABLES[name].key
            assert rows == {tuple(row[column] for column in key): row for row in full}, name


def test_a_cursor_that_is_gone_or_from_the_future_is_refused_with_the_remedy(
    lake: Lake, make_account: Callable[..., Any], make_snapshot: Callable[..., Any]
) -> None:
    load_accounts(lake, [make_account()])
    old = lake.snapshot_id()
    load_post_snapshots(lake, [make_snapshot(likes=1)], "run")
    load_post_snapshots(lake, [make_snapshot(hours=30, likes=2)], "run")
    later = datetime.now(UTC) + timedelta(hours=7)
    maintain_lake(lake, later, kept=[old])
    (row,) = read(lake, "publication_latest", lake.snapshot_id(), old) or [{}]
    assert row == {}, "nothing of a publication without a dimension row"
    maintain_lake(lake, later)
    for since, code in ((old, "cursor_expired"), (10**6, "unknown_snapshot")):
        with pytest.raises(InvalidInputError, match="without changed_since") as refused:
            read(lake, "publication_latest", lake.snapshot_id(), since)
        assert (refused.value.field, refused.value.code) == ("changed_since", code)


def test_an_export_of_all_tables_holds_only_what_changed(
    lake: Lake, lake_settings: WarehouseSettings, tmp_path: Path, make_publication: Callable[..., Any]
) -> None:
    load_publications(lake, [make_publication("1"), make_publication("2")])
    first = export_lake(lake_settings, tmp_path / "first", ExportFormat.PARQUET)
    load_publications(lake, [make_publication("2", text="new"), make_publication("3")])
    second = export_lake(
        lake_settings, tmp_path / "second", ExportFormat.PARQUET, changed_since=first.snapshot_id
    )
    table = duckdb.read_parquet(str(tmp_path / "second" / "dims.publications.parquet"))
    found = sorted(table.select("publication_id, change, text").fetchall())
    assert found == [("pub_2", "changed", "new"), ("pub_3", "inserted", None)]
    assert second.rows["dims.accounts"] == 0
    assert set(second.rows) <= KEY_OF.keys(), "every table has a key"
    with pytest.raises(InvalidInputError, match="without --changed-since"):
        export_lake(lake_settings, tmp_path / "third", ExportFormat.CSV, changed_since=10**6)
