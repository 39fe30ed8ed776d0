"""What an import stored can be corrected by the same file, and undone: nothing of it stays, and nothing else goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import Platform
from warehouse.errors import ConflictError
from warehouse.lake.import_.corrections import undo_import
from warehouse.lake.import_.history import import_history
from warehouse.lake.maintenance import rebuild_marts
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.audit.models import AuditEntry
from warehouse.store.imports.imports import begin_undo, claim_import, delete_import
from warehouse.store.models import AccountRow, Post, Publication

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
IDS = "901,2024-05-30 10:07,1,2,3\n902,2024-05-31 12:00,4,5,6\n903,2024-06-02 08:30,4,5,6\n"
NO_IDS = "".join(f",{line.partition(',')[2]}\n" for line in IDS.splitlines())


@pytest.fixture
def workspace_id(lake_settings: WarehouseSettings, store: Store) -> str:
    assert lake_settings.home.is_dir()
    with store.write() as session:
        return ensure_default_workspace(session, NOW).id


@pytest.fixture
def bring(lake: Lake, store: Store, workspace_id: str, tmp_path: Path) -> Callable[..., Any]:
    def run(rows: str, timezone: str = "UTC", account: str = "tea") -> Any:
        path = tmp_path / "posts.csv"
        path.write_text(f"post_id,published_at,likes,comments,shares\n{rows}", encoding="utf-8")
        return import_history(
            *(store, lake, path),
            platform=Platform.TWITTER,
            account_name=account,
            workspace_id=workspace_id,
            now=NOW,
            timezone=timezone,
        )

    return run


@pytest.fixture
def undo(lake: Lake, store: Store, workspace_id: str) -> Callable[[str], dict[str, Any]]:
    def run(import_id: str) -> dict[str, Any]:
        with store.write() as session:
            begin_undo(session, workspace_id, import_id, NOW)
            claim_import(session, NOW, "test", import_id)
        return undo_import(store, lake, import_id, NOW)

    return run


def state(store: Store, lake: Lake, read_marts: Callable[[Lake], Any]) -> Any:
    with store.read() as session:
        posts = sorted((row.id, row.content, row.created_at) for row in session.query(Post))
        publications = sorted(
            (row.id, row.external_id, row.published_at, row.permalink) for row in session.query(Publication)
        )
        accounts = sorted((row.id, row.handle) for row in session.query(AccountRow))
    raw = lake.query("SELECT * EXCLUDE (run_id, loaded_at) FROM raw.post_snapshots ORDER BY ALL")
    dims = [lake.query(f"FROM dims.{table} ORDER BY ALL") for table in ("accounts", "publications")]
    return posts, publications, accounts, raw, dims, read_marts(lake)


def test_the_right_zone_corrects_the_times_of_a_wrong_one(
    bring: Callable[..., Any], lake: Lake, store: Store, read_marts: Callable[[Lake], Any]
) -> None:
    right = bring(IDS, account="other")
    first = bring(IDS, "-05:00")
    report = bring(IDS, "UTC")
    assert (first.new_posts, report.new_posts, report.corrected_times, report.loaded) == (3, 0, 3, 0)
    assert any("corrected" in note for note in report.notes)
    assert right.new_posts == 3
    compared = "published_at, captured_at, likes, is_lifetime"
    rows = lake.query(
        f"SELECT handle, {compared} FROM raw.post_snapshots JOIN dims.accounts USING (account_id) ORDER BY ALL"  # noqa: S608 (our own names)
    )
    assert [list(row.values())[1:] for row in rows[:3]] == [list(row.values())[1:] for row in rows[3:]]
    with store.read() as session:
        times = {(row.external_id, row.published_at) for row in session.query(Publication)}
    assert len(times) == 3
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up


def test_rows_without_ids_that_are_shifted_are_a_warning_and_no_new_posts(bring: Callable[..., Any]) -> None:
    assert bring(NO_IDS, "-05:00").new_posts == 3
    report = bring(NO_IDS, "UTC")
    assert (report.new_posts, report.shifted, report.loaded) == (0, 3, 0)
    assert any("but for -5:00 h" in note for note in report.notes)
    hourly = "".join(f",2024-07-01 {hour:02}:00,1,1,1\n" for hour in range(10, 13))
    later = "".join(f",2024-07-01 {hour:02}:00,1,1,1\n" for hour in range(13, 16))
    assert (bring(hourly).new_posts, bring(later).new_posts) == (3, 3), "posts of every hour are no shift"


def test_an_undo_restores_the_earlier_state_exactly(
    bring: Callable[..., Any],
    undo: Callable[[str], dict[str, Any]],
    lake: Lake,
    store: Store,
    read_marts: Callable[[Lake], Any],
) -> None:
    """The undone import had new posts, restated counts, corrected times and a new account."""
    empty = state(store, lake, read_marts)
    first = bring(IDS, "-05:00")
    before = state(store, lake, read_marts)
    second = bring(IDS.replace("1,2,3", "9,2,3") + "904,2024-06-01 10:00,7,7,7\n")
    assert (second.new_posts, second.corrected_times, second.loaded) == (1, 3, 2)
    undone = undo(second.import_id)
    assert {name: undone[name] for name in ("posts", "measurements", "restored_posts", "accounts")} == {
        "posts": 1,
        "measurements": 2,
        "restored_posts": 3,
        "accounts": 0,
    }
    assert state(store, lake, read_marts) == before
    assert undo(first.import_id)["accounts"] == 1
    assert state(store, lake, read_marts) == empty
    with store.read() as session:
        actions = [
            entry.action for entry in session.query(AuditEntry).filter(AuditEntry.action.like("import%"))
        ]
    assert actions == ["import_finished", "import_finished", "import_undone", "import_undone"]


def test_an_undo_keeps_what_another_import_also_named(
    bring: Callable[..., Any],
    undo: Callable[[str], dict[str, Any]],
    store: Store,
    workspace_id: str,
) -> None:
    first = bring(IDS)
    second = bring(IDS.splitlines()[0] + "\n")
    with store.write() as session, pytest.raises(ConflictError, match="undo the import"):
        delete_import(session, workspace_id, first.import_id, NOW)
    undone = undo(first.import_id)
    assert (undone["posts"], undone["shared_with"]) == (2, [second.import_id])
    with store.write() as session:
        assert [row.external_id for row in session.query(Publication)] == ["901"]
        delete_import(session, workspace_id, first.import_id, NOW)
