from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from connectors.types import Credentials, Platform, PostContent, VerifiedAccount
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.store.access.workspaces import create_workspace, ensure_default_workspace
from warehouse.store.accounts import accounts
from warehouse.store.accounts.accounts import credentials as account_credentials
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.models import AccountRow, Publication
from warehouse.store.posts.posts import PostDraft, Target, create_post, get_post

if TYPE_CHECKING:
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WORKSPACE = "ws_default"


def connect(
    store: Store,
    *,
    token: str = "token-1",  # noqa: S107 (planted, no secret)
    refresh: str | None = "refresh-1",
    expires_at: datetime | None = None,
    workspace: str = WORKSPACE,
    platform: Platform = Platform.TWITTER,
    external_id: str = "100",
    now: datetime = NOW,
) -> str:
    credentials = Credentials(
        SecretStr(token),
        SecretStr(refresh) if refresh else None,
        expires_at,
        SecretStr("app") if refresh else None,
    )
    verified = VerifiedAccount(external_id, f"handle-{external_id}", "Name", credentials)
    with store.write() as session:
        ensure_default_workspace(session, now)
        return accounts.connect_account(session, store.cipher, workspace, verified, platform, now).id


def load(store: Store, account_id: str) -> AccountRow:
    with store.read() as session:
        return session.get_one(AccountRow, account_id)


def credentials_of(store: Store, account_id: str) -> Credentials:
    return account_credentials.open_account(load(store, account_id), store.cipher).credentials


def test_a_reconnect_updates_and_never_wipes_a_refresh_token_with_nothing(any_store: Store) -> None:
    first = connect(any_store)
    again = connect(any_store, token="token-2", refresh=None, now=NOW + timedelta(days=1))
    assert again == first
    kept = credentials_of(any_store, first)
    assert kept.access_token.get_secret_value() == "token-2"
    assert kept.refresh_token is not None
    assert kept.refresh_token.get_secret_value() == "refresh-1"
    assert kept.app_password is not None


def test_a_reconnect_with_a_new_refresh_token_takes_it(store: Store) -> None:
    account_id = connect(store)
    connect(store, refresh="refresh-2")
    kept = credentials_of(store, account_id)
    assert kept.refresh_token is not None
    assert kept.refresh_token.get_secret_value() == "refresh-2"


def test_refreshed_credentials_keep_what_was_not_sent_anew(store: Store) -> None:
    account_id = connect(store)
    with store.write() as session:
        account_credentials.save_credentials(
            session, store.cipher, account_id, Credentials(SecretStr("token-3")), NOW + timedelta(hours=1)
        )
    kept = credentials_of(store, account_id)
    assert kept.access_token.get_secret_value() == "token-3"
    assert kept.refresh_token is not None


def test_the_same_account_in_two_workspaces_is_two_rows(any_store: Store) -> None:
    first = connect(any_store)
    with any_store.write() as session:
        create_workspace(session, workspace_id="ws_other", name="Other", now=NOW)
    second = connect(any_store, workspace="ws_other")
    assert first != second
    with any_store.read() as session:
        with pytest.raises(NotFoundError):
            accounts.get_account(session, WORKSPACE, second)
        assert [row.id for row in accounts.list_accounts(session, WORKSPACE)] == [first]


def test_a_revoked_account_works_again_after_a_reconnect(store: Store) -> None:
    account_id = connect(store)
    with store.write() as session:
        account_credentials.mark_revoked(session, account_id, "token was revoked", NOW)
    health = accounts.account_health(load(store, account_id), NOW)
    assert (health.status, health.reason, health.at) == ("revoked", "token was revoked", NOW)
    connect(store, token="token-2", now=NOW + timedelta(hours=1))
    assert accounts.account_health(load(store, account_id), NOW + timedelta(hours=1)).status == "ok"


@pytest.mark.parametrize(
    ("lifetime", "passed", "status"),
    [
        (None, timedelta(days=999), "ok"),
        (timedelta(days=60), timedelta(days=1), "ok"),
        (timedelta(days=60), timedelta(days=55), "expiring"),
        (timedelta(days=60), timedelta(days=60), "expired"),
        # A token of two hours is refreshed all the time: it is not "expiring" during all of its life.
        (timedelta(hours=2), timedelta(hours=1), "ok"),
        (timedelta(hours=2), timedelta(minutes=115), "expiring"),
        (timedelta(hours=2), timedelta(hours=2), "expired"),
    ],
)
def test_health_by_the_tokens_end(
    store: Store, lifetime: timedelta | None, passed: timedelta, status: str
) -> None:
    account_id = connect(store, expires_at=None if lifetime is None else NOW + lifetime)
    health = accounts.account_health(load(store, account_id), NOW + passed)
    assert health.status == status
    assert health.at == (None if lifetime is None else NOW + lifetime)


def schedule(store: Store, account_id: str) -> tuple[str, str]:
    with store.write() as session:
        target = Target(session.get_one(AccountRow, account_id), PostContent(text="hello"))
        draft = PostDraft("hello", [target], NOW + timedelta(hours=1))
        post = create_post(session, WORKSPACE, draft, NOW)
        return post.id, session.query(Publication).filter_by(post_id=post.id).one().id


def test_a_disconnect_forgets_the_credentials_and_cancels_what_was_planned(any_store: Store) -> None:
    account_id = connect(any_store)
    post_id, publication_id = schedule(any_store, account_id)
    with any_store.write() as session:
        row, canceled = accounts.disconnect_account(session, WORKSPACE, account_id, NOW)
        assert canceled == [publication_id]
        assert row.credentials is None
    with any_store.read() as session:
        assert get_post(session, WORKSPACE, post_id).status == "canceled"
        assert accounts.list_accounts(session, WORKSPACE) == []
    with pytest.raises(ConflictError):
        account_credentials.open_account(load(any_store, account_id), any_store.cipher)
    # A refresh that was under way must not bring them back.
    with any_store.write() as session:
        account_credentials.save_credentials(
            session, any_store.cipher, account_id, Credentials(SecretStr("late")), NOW
        )
    assert load(any_store, account_id).credentials is None


@pytest.mark.parametrize("status", ["claimed", "sending", "unknown"])
def test_a_disconnect_waits_for_what_is_being_sent(store: Store, status: str) -> None:
    account_id = connect(store)
    _, publication_id = schedule(store, account_id)
    with store.write() as session:
        session.get_one(Publication, publication_id).status = status
    with store.write() as session, pytest.raises(ConflictError) as raised:
        accounts.disconnect_account(session, WORKSPACE, account_id, NOW)
    assert raised.value.code == "publications_in_flight"
    assert load(store, account_id).credentials is not None


def test_targets(any_store: Store) -> None:
    first = connect(any_store, external_id="1")
    second = connect(any_store, external_id="2")
    other = connect(any_store, external_id="3", platform=Platform.MASTODON)

    def pick(**wanted: list[Any]) -> list[str]:
        with any_store.read() as session:
            found = list_target_accounts(session, WORKSPACE, **wanted)
        return [row.id for row in found]

    assert pick(platforms=[Platform.TWITTER]) == [first, second]
    assert pick(platforms=[Platform.TWITTER, Platform.MASTODON], account_ids=[second]) == [second, other]
    assert pick(account_ids=[other, first]) == [other, first]


def test_targets_that_cannot_be(store: Store) -> None:
    revoked = connect(store)
    with store.write() as session:
        account_credentials.mark_revoked(session, revoked, "gone", NOW)
    cases: list[tuple[dict[str, list[Any]], str]] = [
        ({"platforms": [Platform.MASTODON]}, "platform_not_connected"),
        ({"account_ids": ["acct_unknown"]}, "unknown_account"),
        ({"platforms": [Platform.TWITTER]}, "account_revoked"),
    ]
    for wanted, code in cases:
        with store.read() as session, pytest.raises(InvalidInputError) as raised:
            list_target_accounts(session, WORKSPACE, **wanted)
        assert raised.value.code == code


def test_an_imported_history_belongs_to_the_account_of_that_name(any_store: Store) -> None:
    connected = connect(any_store, external_id="7")
    with any_store.write() as session:
        same = accounts.find_or_create_imported_account(session, WORKSPACE, Platform.TWITTER, "HANDLE-7", NOW)
        new = accounts.find_or_create_imported_account(session, WORKSPACE, Platform.FACEBOOK, "Page", NOW)
        again = accounts.find_or_create_imported_account(session, WORKSPACE, Platform.FACEBOOK, "page ", NOW)
        assert same.id == connected
        assert new.id == again.id
        assert accounts.account_health(new, NOW).status == "imported"
        with pytest.raises(InvalidInputError):
            accounts.find_or_create_imported_account(session, WORKSPACE, Platform.FACEBOOK, " ", NOW)


def test_of_many_that_want_to_refresh_at_once_one_may(any_store: Store) -> None:
    account_id = connect(any_store)
    together = threading.Barrier(4)

    def take(_: int) -> bool:
        together.wait(10)
        with any_store.write() as session:
            row = account_credentials.take_refresh_lease(
                session, account_id, now=NOW, until=NOW + timedelta(minutes=2)
            )
            return row is not None

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(take, range(4))) == [False, False, False, True]
    with any_store.write() as session:
        account_credentials.release_refresh(session, account_id, error="the platform was away")
    with any_store.write() as session:
        again = account_credentials.take_refresh_lease(
            session, account_id, now=NOW, until=NOW + timedelta(minutes=2)
        )
        assert again is not None, "given back, it is free again"
        assert again.last_error == "the platform was away"
    with any_store.write() as session:
        after_a_crash = NOW + timedelta(minutes=3)
        assert (
            account_credentials.take_refresh_lease(
                session, account_id, now=after_a_crash, until=after_a_crash
            )
            is not None
        ), "a process that died holds it for its lease and no longer"
