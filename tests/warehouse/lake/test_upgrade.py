"""A lake of an older version that holds rows: brought up to date with its marts made by the new rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import warehouse.lake.migrate
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.rows import AccountDim, PublicationDim
from warehouse.sql import list_migrations

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings

MARTS = ("publication_latest", "publication_at_age", "engagement_daily", "post_performance")


def read_marts(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    return {mart: lake.query(f"FROM marts.{mart} ORDER BY ALL") for mart in MARTS}


def test_an_old_lake_with_rows_is_upgraded_with_its_marts(
    warehouse_settings: WarehouseSettings,
    monkeypatch: pytest.MonkeyPatch,
    make_snapshot: Callable[..., Any],
) -> None:
    """The marts of a migration are filled from rows that were there before it."""
    old = [item for item in list_migrations() if item[0] <= 2]
    with monkeypatch.context() as before:
        before.setattr(warehouse.lake.migrate, "list_migrations", lambda: old)
        before.setattr(warehouse.lake.migrate, "NEWEST_VERSION", 2)
        before.setattr("warehouse.lake.connect.NEWEST_VERSION", 2)
        before.setattr(warehouse.lake.migrate, "rebuild_all_marts", lambda _cursor: None)
        rows = [make_snapshot(hours=hours, likes=hours) for hours in (1, 30)]
        with Lake.open(warehouse_settings) as lake, lake.write() as cursor:
            cursor.execute(
                "INSERT INTO dims.accounts (account_id, workspace_id, platform, handle) "
                "VALUES ('acct_a', 'ws_1', 'mastodon', 'ada')"
            )
            cursor.execute(
                "INSERT INTO dims.publications (publication_id, post_id, workspace_id, account_id, platform, origin, "
                "published_at) VALUES ('pub_1', 'post_1', 'ws_1', 'acct_a', 'mastodon', 'external', $1)",
                [rows[0].published_at],
            )
            for row in rows:
                cursor.execute(
                    "INSERT INTO raw.post_snapshots (workspace_id, publication_id, account_id, captured_at, likes, "
                    "published_at, source, run_id, loaded_at) "
                    "VALUES ('ws_1', 'pub_1', 'acct_a', $1, $2, $3, 'platform', 'old', $1)",
                    [row.captured_at, row.likes, row.published_at],
                )
    with Lake.open(warehouse_settings) as lake:
        upgraded = read_marts(lake)
        assert upgraded["publication_latest"][0]["likes"] == 30
        assert upgraded["publication_at_age"]
    fresh = warehouse_settings.model_copy(update={"home": warehouse_settings.home.with_name("fresh")})
    with Lake.open(fresh) as lake:
        load_accounts(lake, [AccountDim("acct_a", "ws_1", "mastodon", "ada")])
        dim = PublicationDim(
            "pub_1", "post_1", "ws_1", "acct_a", "mastodon", "external", None, rows[0].published_at
        )
        load_publications(lake, [dim])
        load_post_snapshots(lake, rows, "old")
        assert read_marts(lake) == upgraded


def test_a_snapshot_that_comes_late_is_kept(
    lake: Lake, warehouse_settings: WarehouseSettings, make_snapshot: Callable[..., Any]
) -> None:
    """The newest is known already: of the rest, only what raw does not hold is inserted."""
    first, late, newest = (make_snapshot(hours=hours, likes=hours) for hours in (1, 20, 30))
    assert load_post_snapshots(lake, [first, newest], "run") == 2
    assert load_post_snapshots(lake, [first, late, newest], "run") == 1
    held = lake.query("SELECT likes FROM raw.post_snapshots ORDER BY captured_at")
    assert [row["likes"] for row in held] == [1, 20, 30]
    at_once = warehouse_settings.model_copy(update={"home": warehouse_settings.home.with_name("at-once")})
    with Lake.open(at_once) as other:
        load_post_snapshots(other, [first, late, newest], "run")
        assert read_marts(lake) == read_marts(other)


def test_a_late_snapshot_is_told_from_others_by_publication_and_time(
    lake: Lake,
    warehouse_settings: WarehouseSettings,
    make_publication: Callable[..., Any],
    make_snapshot: Callable[..., Any],
) -> None:
    """Beside it: another publication's at the same time, a newer one of its own, a newer one of another's time."""
    known = [
        make_snapshot(name, hours=hours, likes=hours) for name, hours in (("1", 30), ("2", 20), ("3", 50))
    ]
    late = make_snapshot("1", hours=20, likes=1)
    newer = make_snapshot("1", hours=40, likes=2)
    late_elsewhere = make_snapshot("3", hours=40, likes=3)
    publications = [make_publication(name) for name in "123"]
    load_publications(lake, publications)
    assert load_post_snapshots(lake, known, "run") == 3
    assert load_post_snapshots(lake, [late, newer, late_elsewhere, *known], "run") == 3
    held = lake.query("SELECT publication_id, likes FROM raw.post_snapshots ORDER BY ALL")
    assert [tuple(row.values()) for row in held] == [
        *(("pub_1", likes) for likes in (1, 2, 30)),
        ("pub_2", 20),
        *(("pub_3", likes) for likes in (3, 50)),
    ]
    at_once = warehouse_settings.model_copy(update={"home": warehouse_settings.home.with_name("at-once")})
    with Lake.open(at_once) as other:
        load_publications(other, publications)
        load_post_snapshots(other, [*known, late, newer, late_elsewhere], "run")
        assert read_marts(lake) == read_marts(other)


def test_a_lake_of_version_8_gets_zones_texts_and_true_ages(
    warehouse_settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, make_snapshot: Callable[..., Any]
) -> None:
    """Zones come from the posting times, which knew the workspace's; empty imported texts are not known."""
    old = [item for item in list_migrations() if item[0] <= 8]
    with monkeypatch.context() as before:
        before.setattr(warehouse.lake.migrate, "list_migrations", lambda: old)
        before.setattr(warehouse.lake.migrate, "NEWEST_VERSION", 8)
        before.setattr("warehouse.lake.connect.NEWEST_VERSION", 8)
        with Lake.open(warehouse_settings) as lake, lake.write() as cursor:
            cursor.execute(
                "INSERT INTO dims.accounts (account_id, workspace_id, platform, handle, timezone) VALUES "
                "('acct_a', 'ws_1', 'twitter', 'ada', NULL), ('acct_b', 'ws_1', 'twitter', 'bob', NULL), "
                "('acct_c', 'ws_1', 'twitter', 'cy', 'Asia/Tokyo'), ('acct_d', 'ws_1', 'twitter', 'di', 'Mars/Base')"
            )
            cursor.execute(
                "INSERT INTO marts.optimal_times SELECT 'ws_1', 'acct_a', 'twitter', 'Europe/Berlin', 0, 0, 0, 0, 0, "
                "0, 0, 0, 'own', 'none', 0, 0, 'old', now()"
            )
            at = make_snapshot().published_at
            for name, source, text, origin in (
                ("1", "import", "", "external"),
                ("2", "platform", "", "external"),
                ("3", "import", "#Tea", "external"),
                ("4", "import", "", "socialflow"),
                ("5", "import", "", "external"),
            ):
                cursor.execute(
                    "INSERT INTO dims.publications (publication_id, post_id, workspace_id, account_id, platform, "
                    "origin, published_at, text) VALUES ($1, $1, 'ws_1', 'acct_a', 'twitter', $4, $2, $3)",
                    [name, at, text, origin],
                )
                cursor.execute(
                    "INSERT INTO raw.post_snapshots (workspace_id, publication_id, account_id, captured_at, likes, "
                    "published_at, source, run_id, loaded_at) "
                    "VALUES ('ws_1', $1, 'acct_a', $2::TIMESTAMPTZ + INTERVAL 25 HOUR, 100, $2, $3, 'old', $2)",
                    [name, at, source],
                )
            # Measured on the platform after it was imported: its text was read there.
            cursor.execute(
                "INSERT INTO raw.post_snapshots BY NAME SELECT * REPLACE ('platform' AS source, "
                "captured_at + INTERVAL 1 MINUTE AS captured_at) FROM raw.post_snapshots WHERE publication_id = '5'"
            )
    with monkeypatch.context() as broken:
        broken.setattr(warehouse.lake.migrate, "rebuild_all_marts", lambda _cursor: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Lake.open(warehouse_settings)
    with Lake.open(warehouse_settings) as lake:
        zones = lake.query("SELECT account_id, timezone FROM dims.accounts ORDER BY 1")
        assert [row["timezone"] for row in zones] == ["Europe/Berlin", "UTC", "Asia/Tokyo", "UTC"]
        texts = lake.query(
            "SELECT text, text_length, hashtags FROM dims.publications ORDER BY publication_id"
        )
        assert [tuple(row.values()) for row in texts] == [
            (None, None, None),
            ("", 0, []),
            ("#Tea", 4, ["tea"]),
            ("", 0, []),
            ("", 0, []),
        ]
        ages = lake.query(
            "SELECT DISTINCT engagement, after_hours FROM marts.publication_at_age WHERE age_hours = 24"
        )
        assert ages == [{"engagement": None, "after_hours": 25}], "seen once: no straight line from zero"
        slots = lake.query("SELECT DISTINCT timezone FROM marts.slot_engagement")
        assert slots == [{"timezone": "Europe/Berlin"}]
        assert len(lake.query("FROM marts.posts_wide")) == 5
