"""Exported posts come back as the same posts: file, import, file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import duckdb
import pytest

from connectors.types import Platform
from warehouse.lake.export.posts import PostsFormat, write_posts
from warehouse.lake.import_.history import import_history
from warehouse.store.access.workspaces import create_workspace, ensure_default_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FILE = (
    "platform,account,post_id,published_at,captured_at,likes,comments,shares,saves,text\n"
    "twitter,tea,1800000000000000001,2025-05-01 10:07:41,2025-05-02 10:07:41,5,2,3,1,=1+1\n"
    'twitter,tea,1800000000000000002,2025-05-02 10:07:42,,5,2,,,"Two\nlines, and a comma"\n'
    "twitter,cake,1800000000000000003,2025-05-03 10:07:43,2025-06-03 10:07,,,3,,\n"
)
COMPARED = (
    "platform, account, post_id, kind, text, published_at, captured_at, likes, comments, shares, saves, "
    "engagement_24h"
)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "xlsx"])
def test_an_exported_file_is_imported_as_the_same_rows(
    lake_settings: WarehouseSettings, lake: Lake, store: Store, tmp_path: Path, kind: PostsFormat
) -> None:
    assert lake_settings.home.is_dir()
    with store.write() as session:
        first = ensure_default_workspace(session, NOW).id
        second = create_workspace(session, name="other", timezone="UTC", now=NOW).id
    (tmp_path / "posts.csv").write_text(FILE, encoding="utf-8")
    import_history(store, lake, tmp_path / "posts.csv", workspace_id=first, now=NOW)
    path = tmp_path / f"exported.{kind}"
    assert write_posts(lake, path, kind, workspace_id=first) == 3
    if kind == "csv":
        assert ",'=1+1," in path.read_text(encoding="utf-8"), "no spreadsheet runs it"
    again = import_history(store, lake, path, workspace_id=second, now=NOW, platform=Platform.TWITTER)
    assert (again.new_posts, again.loaded, again.rejected) == (3, 3, [])
    same = import_history(store, lake, path, workspace_id=first, now=NOW, platform=Platform.TWITTER)
    assert (same.new_posts, same.loaded) == (0, 0)
    rows = []
    for workspace_id in (first, second):
        beside = tmp_path / f"{workspace_id}.duckdb"
        write_posts(lake, beside, "duckdb", workspace_id=workspace_id)
        with duckdb.connect(str(beside), read_only=True) as connection:
            rows.append(connection.execute(f"SELECT {COMPARED} FROM posts ORDER BY post_id").fetchall())  # noqa: S608 (our own names)
    assert rows[0] == rows[1]


def test_filters_and_formats(
    lake_settings: WarehouseSettings, lake: Lake, store: Store, tmp_path: Path
) -> None:
    assert lake_settings.home.is_dir()
    with store.write() as session:
        workspace_id = ensure_default_workspace(session, NOW).id
    (tmp_path / "posts.csv").write_text(FILE, encoding="utf-8")
    import_history(store, lake, tmp_path / "posts.csv", workspace_id=workspace_id, now=NOW)
    assert get_args(PostsFormat) == ("csv", "xlsx", "parquet", "json", "duckdb")
    for number, (rows, filters) in enumerate(
        (
            (0, {"platform": "mastodon"}),
            (2, {"start": datetime(2025, 5, 2, tzinfo=UTC)}),
            (1, {"end": datetime(2025, 5, 2, tzinfo=UTC)}),
        )
    ):
        path = tmp_path / f"{number}.csv"
        assert write_posts(lake, path, "csv", workspace_id=workspace_id, **filters) == rows
