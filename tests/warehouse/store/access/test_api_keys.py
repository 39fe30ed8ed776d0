from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.store.access.api_keys import (
    SCOPES,
    CreatedApiKey,
    create_api_key,
    expand_scopes,
    get_usable_api_key,
    is_well_formed,
    list_api_keys,
    require_grantable,
    revoke_api_key,
    verify_credentials,
)
from warehouse.store.access.workspaces import create_workspace, ensure_default_workspace

if TYPE_CHECKING:
    from warehouse.store.database import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def make_key(store: Store, **changes: object) -> CreatedApiKey:
    with store.write() as session:
        workspace = ensure_default_workspace(session, NOW)
        wanted: dict[str, Any] = {"name": "pipeline", "scopes": ["write", "read"], "now": NOW, **changes}
        return create_api_key(session, store.cipher, workspace.id, **wanted)


def verify(store: Store, key: str, secret: str, now: datetime = NOW) -> str | None:
    with store.read() as session:
        row = verify_credentials(session, store.cipher, key, secret, now=now)
    return row.id if row else None


def test_a_key_is_verified_by_both_its_parts(any_store: Store) -> None:
    first, second = make_key(any_store), make_key(any_store)
    assert verify(any_store, first.api_key, first.api_secret) == first.row.id
    assert verify(any_store, first.api_key, second.api_secret) is None
    assert verify(any_store, second.api_key, first.api_secret) is None
    assert verify(any_store, first.api_key, "") is None
    assert verify(any_store, "", "") is None


def test_scopes_are_kept_in_order_and_once(any_store: Store) -> None:
    assert make_key(any_store, scopes=["write", "read", "write"]).row.scopes == ["read", "write"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": ["read", "everything"]}, "scope"),
        ({"scopes": []}, "scope"),
        ({"name": "  "}, "name"),
        ({"expires_at": NOW}, "expires_at"),
    ],
)
def test_bad_input_stores_nothing(store: Store, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        make_key(store, **changes)
    assert raised.value.field == field
    with store.read() as session:
        assert list_api_keys(session, "ws_default") == []


def test_an_expired_key_is_refused(any_store: Store) -> None:
    made = make_key(any_store, expires_at=NOW + timedelta(hours=1))
    assert verify(any_store, made.api_key, made.api_secret, NOW + timedelta(minutes=59)) == made.row.id
    assert verify(any_store, made.api_key, made.api_secret, NOW + timedelta(hours=1)) is None
    with any_store.read() as session:
        assert get_usable_api_key(session, made.row.id, NOW + timedelta(hours=2)) is None


def test_a_revoked_key_is_refused_and_stays_listed(any_store: Store) -> None:
    made = make_key(any_store)
    for later in (timedelta(0), timedelta(hours=1)):
        with any_store.write() as session:
            assert revoke_api_key(session, "ws_default", made.row.id, NOW + later).revoked_at == NOW
    assert verify(any_store, made.api_key, made.api_secret) is None
    with any_store.read() as session:
        assert [row.id for row in list_api_keys(session, "ws_default")] == [made.row.id]


def test_another_workspace_cannot_revoke_it(store: Store) -> None:
    made = make_key(store)
    with store.write() as session:
        create_workspace(session, workspace_id="ws_other", name="Other", now=NOW)
        with pytest.raises(NotFoundError):
            revoke_api_key(session, "ws_other", made.row.id, NOW)
        assert list_api_keys(session, "ws_other") == []
    assert verify(store, made.api_key, made.api_secret) == made.row.id


def test_form_and_checksum(store: Store) -> None:
    made = make_key(store)
    assert made.api_key.startswith("sf_")
    assert is_well_formed(made.api_key)
    assert is_well_formed(made.api_secret)
    swapped = made.api_key[:5] + made.api_key[6] + made.api_key[5] + made.api_key[7:]
    assert not is_well_formed(swapped) or swapped == made.api_key
    assert not is_well_formed(made.api_key[:-1])
    assert not is_well_formed("sk_something")


def test_neither_value_is_anywhere_in_the_store(store: Store) -> None:
    made = make_key(store)
    with store.read() as session:
        dump = repr(session.execute(text("SELECT * FROM api_keys")).all())
    assert made.row.key_hint in dump
    # All of the key beyond the few characters of the hint, and all of the secret.
    assert made.api_key[9:] not in dump
    assert made.api_secret not in dump


def test_the_work_is_the_same_whether_the_key_exists(store: Store) -> None:
    made = make_key(store)
    seen: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    verify(store, made.api_key, "wrong")
    of_known, seen[:] = list(seen), []
    verify(store, "sf_unknown", "wrong")
    assert seen == of_known
    assert [statement.split()[0] for statement in seen] == ["SELECT"]


def test_nobody_grants_more_than_they_hold(store: Store) -> None:
    holder = make_key(store, expires_at=NOW + timedelta(hours=1)).row
    require_grantable(holder, ["read", "write"], ["read"], NOW + timedelta(minutes=30))
    with pytest.raises(InvalidInputError, match="analytics"):
        require_grantable(holder, ["read"], ["read", "analytics"], NOW)
    with pytest.raises(InvalidInputError, match="cannot expire later"):
        require_grantable(holder, ["admin"], ["analytics"], None)
    assert expand_scopes(["admin"]) == set(SCOPES)
