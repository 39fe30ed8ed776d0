"""One account is one account: a file, a connection and a backfill of it in any order give its posts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from connectors.types import Credentials, ListedPost, Platform, VerifiedAccount
from warehouse.lake.import_.accounts import merge_marked_accounts
from warehouse.lake.import_.history import import_history
from warehouse.lake.maintenance import rebuild_marts
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account, find_or_create_imported_account, list_accounts
from warehouse.store.audit.models import AuditEntry
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.external_posts import record_external_posts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
AT = datetime(2024, 5, 30, 10, 7, tzinfo=UTC)


@pytest.fixture
def workspace_id(lake_settings: WarehouseSettings, store: Store) -> str:
    assert lake_settings.home.is_dir()
    with store.write() as session:
        return ensure_default_workspace(session, NOW).id


@pytest.fixture
def bring(lake: Lake, store: Store, workspace_id: str, tmp_path: Path) -> Callable[..., Any]:
    def run(account: str, rows: str, platform: Platform = Platform.TWITTER, **options: Any) -> Any:
        path = tmp_path / "posts.csv"
        path.write_text(f"post_id,published_at,likes,comments,shares\n{rows}", encoding="utf-8")
        return import_history(
            *(store, lake, path),
            platform=platform,
            account_name=account,
            workspace_id=workspace_id,
            now=NOW,
            **options,
        )

    return run


def connect(
    session: Session, store: Store, workspace_id: str, platform: Platform = Platform.TWITTER, **changes: Any
) -> AccountRow:
    values: dict[str, Any] = {
        "external_id": "17",
        "handle": "TeaHouse",
        "display_name": "Tea House",
        "credentials": Credentials(access_token=SecretStr("token")),
    }
    verified = VerifiedAccount(**(values | changes))
    return connect_account(session, store.cipher, workspace_id, verified, platform, NOW)


ROWS = f"901,{AT:%Y-%m-%d %H:%M},1,2,3\n902,2024-05-31 10:00,4,5,6\n"


@pytest.mark.parametrize(
    ("platform", "name", "of_platform"),
    [
        (Platform.TWITTER, "@teahouse", {}),
        (Platform.TWITTER, "https://x.com/TeaHouse/", {}),
        (Platform.TWITTER, "17", {}),
        (Platform.FACEBOOK, "Tea House", {"handle": "teahouse.page"}),
        (
            Platform.LINKEDIN,
            "https://www.linkedin.com/company/17/",
            {"external_id": "urn:li:organization:17"},
        ),
        (
            Platform.MASTODON,
            "https://tea.example/@TeaHouse",
            {"handle": "teahouse@tea.example", "instance_url": "https://tea.example"},
        ),
    ],
)
def test_import_then_connect_then_import_again_is_one_account(  # noqa: PLR0917 (fixtures)
    bring: Callable[..., Any],
    lake: Lake,
    store: Store,
    workspace_id: str,
    platform: Platform,
    name: str,
    of_platform: dict[str, Any],
) -> None:
    bring(name, ROWS, platform)
    with store.write() as session:
        account = connect(session, store, workspace_id, platform, **of_platform)
        posts = [
            ListedPost("901", AT, "Tea", "text"),
            ListedPost("903", AT + timedelta(days=3), "New", "text"),
        ]
        recorded = record_external_posts(session, account, posts, NOW)
        assert (recorded.existing, recorded.inserted) == (1, 1)
    report = bring(name.upper() if "://" not in name else name, ROWS, platform)
    assert (report.loaded, report.already_there, report.new_posts) == (0, 2, 0)
    with store.read() as session:
        accounts = list_accounts(session, workspace_id)
        assert [(row.id, row.status) for row in accounts] == [(account.id, "active")]
        assert session.query(Publication).count() == 3
    assert lake.query("SELECT count(*) AS posts FROM marts.post_performance") == [{"posts": 2}]


def test_a_post_without_an_id_in_a_file_is_the_platforms_post_of_that_minute(
    bring: Callable[..., Any], store: Store, workspace_id: str
) -> None:
    bring("teahouse", f",{AT:%Y-%m-%d %H:%M},1,2,3\n,2024-06-09 10:00,4,5,6\n")
    with store.write() as session:
        account = connect(session, store, workspace_id)
        recorded = record_external_posts(
            session, account, [ListedPost("901", AT + timedelta(seconds=41), "Tea", "text")], NOW
        )
        assert (recorded.existing, recorded.inserted) == (1, 0)
    assert bring("teahouse", f",{AT:%Y-%m-%d %H:%M},1,2,3\n").new_posts == 0, "and the other way round"
    with store.read() as session:
        rows = session.query(Publication).order_by(Publication.published_at).all()
        assert rows[0].external_id == "901"
        assert (len(rows), rows[0].content["text"]) == (2, "Tea")


def test_an_activity_of_linkedin_is_the_share_of_the_same_second(
    bring: Callable[..., Any], store: Store, workspace_id: str
) -> None:
    """Exports name the activity, the API names the share: another number for the same post."""
    activity, other = "urn:li:activity:7202614379450000000", "urn:li:activity:7202614379450999999"
    rows = f"{activity},{AT:%Y-%m-%d %H:%M}:03,1,2,3\n{other},2024-06-09 10:00,4,5,6\n"
    page = {"external_id": "urn:li:organization:17"}
    assert bring("17", rows, Platform.LINKEDIN).new_posts == 2
    with store.write() as session:
        account = connect(session, store, workspace_id, Platform.LINKEDIN, **page)
        share = ListedPost("urn:li:share:7202614377000000001", AT + timedelta(seconds=2), "Tea", "text")
        late = ListedPost("urn:li:ugcPost:7202614377000000002", AT + timedelta(hours=1), "Cake", "text")
        recorded = record_external_posts(session, account, [share, late], NOW)
        assert (recorded.existing, recorded.inserted) == (1, 1)
    again = bring("17", rows, Platform.LINKEDIN)
    assert (again.new_posts, again.loaded, again.already_there) == (0, 0, 2)
    assert not any("differ" in note for note in again.notes)
    with store.read() as session:
        ids = {row.external_id for row in session.query(Publication)}
    assert ids == {share.external_id, late.external_id, other}


def test_doubles_of_earlier_versions_are_merged_and_named(
    bring: Callable[..., Any], lake: Lake, store: Store, workspace_id: str, read_marts: Callable[[Lake], Any]
) -> None:
    """559 posts were counted as 1,118. The merge continues after a crash between lake and store."""
    bring("other", ROWS + ",2024-06-09 10:00,4,5,6\n")
    with store.write() as session:
        account = connect(session, store, workspace_id)
        posts = [
            ListedPost("901", AT, "Tea", "text"),
            ListedPost("903", AT + timedelta(days=3), "New", "text"),
        ]
        record_external_posts(session, account, posts, NOW)
        imported = find_or_create_imported_account(session, workspace_id, Platform.TWITTER, "other", NOW)
        imported.status, imported.merged_into = "merged", account.id
    for _ in range(2):
        merge_marked_accounts(store, lake, NOW)
    with store.read() as session:
        (entry,) = session.query(AuditEntry).filter_by(action="accounts_merged").all()
        assert (entry.detail["same_posts"], entry.detail["moved_posts"]) == (1, 2)
        assert [row.id for row in session.query(AccountRow)] == [account.id]
        assert {row.account_id for row in session.query(Publication)} == {account.id}
        assert session.query(Publication).count() == 4
    posts_of = lake.query("SELECT account_id, count(*) AS posts FROM marts.publication_latest GROUP BY ALL")
    assert posts_of == [{"account_id": account.id, "posts": 3}]
    kept_up = read_marts(lake)
    rebuild_marts(lake)
    assert read_marts(lake) == kept_up
