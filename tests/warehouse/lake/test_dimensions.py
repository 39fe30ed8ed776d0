"""Each account has one effective time zone, in dims.accounts: its own, else its workspace's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import ListedPost, Platform, PostMetrics
from flows.ingestion.lake_rows import post_snapshot, publication_dim
from warehouse.lake.dimensions import mark_promoted, sync_accounts, sync_marks
from warehouse.lake.load import load_post_snapshots, load_publications
from warehouse.store.access.workspaces import create_workspace, update_workspace
from warehouse.store.accounts.accounts import change_account, find_or_create_imported_account
from warehouse.store.accounts.shapes import AccountPatch
from warehouse.store.database import Store
from warehouse.store.models import Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def zones(lake: Lake) -> dict[str, str]:
    return {
        row["handle"]: row["timezone"] for row in lake.query("SELECT handle, timezone FROM dims.accounts")
    }


def test_a_publication_found_deleted_is_marked_with_the_time(
    lake: Lake, lake_settings: WarehouseSettings
) -> None:
    with Store.open(lake_settings) as store:
        with store.write() as session:
            workspace = create_workspace(session, name="Harbor", now=NOW).id
            account = find_or_create_imported_account(session, workspace, Platform.MASTODON, "ada", NOW)
            listed = [ListedPost(name, NOW, "#Tea for @bob", "text") for name in ("kept", "gone")]
            ids = record_external_posts(session, account, listed, NOW).publication_ids
            rows = [session.get_one(Publication, ids[name]) for name in ("kept", "gone")]
            load_publications(lake, [publication_dim(row) for row in rows])
            rows[1].platform_deleted_at = NOW
        assert (sync_marks(store, lake), sync_marks(store, lake)) == (1, 0)
        # A later reading that does not know of it changes nothing.
        rows[1].platform_deleted_at = None
        load_publications(lake, [publication_dim(rows[1])])
    found = lake.query(
        "SELECT external_id, is_deleted, deleted_at, hashtags, mentions, text_length, media_count, post_message "
        "FROM marts.posts_wide ORDER BY external_id"
    )
    known = {"hashtags": ["tea"], "mentions": ["bob"], "text_length": 13, "media_count": None}
    known |= {"post_message": "#Tea for @bob"}
    assert found == [
        {"external_id": "gone", "is_deleted": True, "deleted_at": NOW, **known},
        {"external_id": "kept", "is_deleted": False, "deleted_at": None, **known},
    ]


def test_an_account_has_its_own_zone_else_the_workspaces_and_the_lake_follows(
    lake: Lake, lake_settings: WarehouseSettings
) -> None:
    with Store.open(lake_settings) as store:
        with store.write() as session:
            workspace = create_workspace(session, name="Harbor", timezone="Europe/Berlin", now=NOW).id
            own, shared = (
                find_or_create_imported_account(session, workspace, Platform.MASTODON, name, NOW).id
                for name in ("own", "shared")
            )
            change_account(session, workspace, own, AccountPatch(timezone="Asia/Tokyo"), NOW)
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "Asia/Tokyo", "shared": "Europe/Berlin"}
        with store.write() as session:
            update_workspace(session, workspace, timezone="America/Lima")
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "Asia/Tokyo", "shared": "America/Lima"}
        with store.write() as session:
            change_account(session, workspace, own, AccountPatch(timezone=None), NOW)
            change_account(session, workspace, shared, AccountPatch(timezone="Asia/Kathmandu"), NOW)
        sync_accounts(store, lake)
        assert zones(lake) == {"own": "America/Lima", "shared": "Asia/Kathmandu"}
        before = lake.snapshot_id()
        sync_accounts(store, lake)
        assert lake.snapshot_id() == before, "nothing changed, nothing is written"


@pytest.mark.parametrize(
    ("options", "listed", "language", "tags"),
    [
        ({"language": "de"}, None, "de", None),  # Mastodon, YouTube
        ({"languages": ["pt", "en"]}, "en", "pt", None),  # Bluesky: what was sent, the first of several
        ({"tags": ["b", "a"], "privacy": "public"}, None, None, ["a", "b"]),  # YouTube
        ({}, "fr", "fr", None),
        ({}, None, None, None),
    ],
)
def test_language_and_tags_are_what_was_sent_else_what_the_platform_names(
    lake: Lake, options: dict[str, Any], listed: str | None, language: str | None, tags: list[str] | None
) -> None:
    row = Publication(
        id="pub_1",
        post_id="post_1",
        workspace_id="ws_1",
        account_id="acct_1",
        platform="mastodon",
        origin="socialflow",
        content={"text": "words", "options": options} if options else {"text": "words"},
        published_at=NOW,
    )
    said = ListedPost("1", NOW, "words", "text", language=listed, promoted=True)
    load_publications(lake, [publication_dim(row, listed=said)])
    load_publications(lake, [publication_dim(row)])
    assert lake.query("SELECT paid FROM dims.publications") == [{"paid": True}], "known promotion stays known"
    assert lake.query("SELECT language, tags FROM marts.posts_wide") == [{"language": language, "tags": tags}]


def test_a_post_that_is_measured_again_is_no_longer_deleted(
    lake: Lake, lake_settings: WarehouseSettings
) -> None:
    with Store.open(lake_settings) as store:
        with store.write() as session:
            workspace = create_workspace(session, name="Harbor", now=NOW).id
            account = find_or_create_imported_account(session, workspace, Platform.MASTODON, "ada", NOW)
            ids = record_external_posts(session, account, [ListedPost("1", NOW, "a", "text")], NOW)
            row = session.get_one(Publication, ids.publication_ids["1"])
            load_publications(lake, [publication_dim(row)])
            row.platform_deleted_at = NOW
        assert sync_marks(store, lake) == 1
        with store.write() as session:
            row = session.get_one(Publication, row.id)
            row.platform_deleted_at = None
        assert sync_marks(store, lake) == 0, "as long as nothing newer is known"
        later = NOW + timedelta(hours=1)
        load_post_snapshots(lake, [post_snapshot(row, PostMetrics("1", later, likes=3), None)], "run")
        assert sync_marks(store, lake) == 1
    assert lake.query("SELECT deleted_at FROM dims.publications") == [{"deleted_at": None}]
    assert (mark_promoted(lake, [row.id]), mark_promoted(lake, [row.id]), mark_promoted(lake, [])) == (
        1,
        0,
        0,
    )
