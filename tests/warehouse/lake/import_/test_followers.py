"""A file with past counts of followers: each count once, at the end of its day, invalid rows named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.lake.import_.followers import import_followers
from warehouse.store.access.workspaces import create_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.lake.connect import Lake
    from warehouse.lake.import_.followers import FollowersReport
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def test_counts_are_loaded_once_and_shown_by_day(store: Store, lake: Lake, tmp_path: Path) -> None:
    with store.write() as session:
        workspace = create_workspace(session, name="Harbor", timezone="America/New_York", now=NOW).id

    def load(text: str, **more: Any) -> FollowersReport:
        path = tmp_path / "followers.csv"
        path.write_text(text, encoding="utf-8")
        asked: dict[str, Any] = {
            "platform": Platform.LINKEDIN,
            "account_name": "quay",
            "workspace_id": workspace,
        }
        return import_followers(store, lake, path, now=NOW, **(asked | more))

    text = (
        "\ufeffDate,Followers,Note\n2026-03-01,100,\n2026-03-02,110,\n2026-03-02,110,again\n2026-03-03,,\nyesterday,7,\n"
        "2026-03-05,130,\n2026-03-03,1.5,\n2026-03-02,111,\n2026-03-03,-4,\n"
    )
    report = load(text)
    assert (report.rows, report.loaded, report.already_there, report.different) == (9, 2, 1, 0)
    assert [(row.line, row.field) for row in report.rejected] == [
        (5, "followers"), (6, "date"), (7, "date"), (8, "followers"), (9, "date"), (10, "followers")
    ]  # fmt: skip
    stored = lake.query("SELECT captured_at, followers FROM raw.account_snapshots ORDER BY 1")
    assert [(row["captured_at"].isoformat(), row["followers"]) for row in stored] == [
        ("2026-03-02T04:59:59+00:00", 100),  # the end of 1 March in New York
        ("2026-03-03T04:59:59+00:00", 110),
    ]
    days = lake.query("SELECT followers, follower_growth FROM marts.account_daily ORDER BY day")
    assert days == [{"followers": 100, "follower_growth": None}, {"followers": 110, "follower_growth": 10}]
    again = load("date,followers\n2026-03-01,100\n2026-03-02,112\n")
    assert (again.loaded, again.already_there, again.different) == (0, 1, 1)
    assert again.account_id == report.account_id
    other = load(
        "captured_at,followers,posts\n2026-02-01 12:00,50,7\n2026-02-01T12:00:00Z,51,7\n",
        timezone="Asia/Tokyo",
    )
    assert other.loaded == 2
    with duckdb.connect() as connection:
        path = str(tmp_path / "x.parquet")
        connection.execute(
            f"COPY (SELECT DATE '2026-01-01' AS date, 40 AS followers) TO '{path}' (FORMAT parquet)"
        )
    asked: dict[str, Any] = {"platform": Platform.LINKEDIN, "account_name": "QUAY", "workspace_id": workspace}
    assert import_followers(store, lake, tmp_path / "x.parquet", now=NOW, **asked).loaded == 1
    before = lake.snapshot_id()
    for wrong, words in (
        ("followers\n1\n", "date"),
        ("date,count\n2026-03-01,1\n", "followers"),
        ("date,followers\nsoon,1\n", "line 2: date soon is not a day"),
        ("", "followers"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            load(wrong, account_name="nobody")
    with pytest.raises(InvalidInputError, match="Mars"):
        load("date,followers\n2026-03-01,1\n", timezone="Mars/Olympus")
    with pytest.raises(InvalidInputError, match="no file"):
        import_followers(store, lake, tmp_path / "none.csv", now=NOW, **asked)
    assert lake.snapshot_id() == before
    assert {row["handle"] for row in lake.query("SELECT handle FROM dims.accounts")} == {"quay"}
