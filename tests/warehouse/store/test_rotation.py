"""A rotation of the secret loses nothing, wherever it is killed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from connectors.types import Credentials
from tests.warehouse.conftest import connect
from warehouse.errors import ConflictError, SetupError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key, verify_credentials
from warehouse.store.access.sessions import find_session, open_session
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.authorizations import begin_authorization, make_state, take_authorization
from warehouse.store.crypto import adopt_next_secret, load_secret, make_next_secret, new_secret
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, ApiKey, Base
from warehouse.store.posts.idempotency import RepeatableRequest, StoredAnswer, answer_once
from warehouse.store.posts.media import sign_address
from warehouse.store.rotation import _ENCRYPTED, finish_rotation, is_rotating, rotate_secret
from warehouse.store.schedules.calendar_feeds import create_feed, find_feed
from warehouse.store.webhooks.endpoints import create_endpoint, get_endpoint
from warehouse.store.webhooks.endpoints import rotate_secret as rotate_webhook

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, migrated_home: Path) -> WarehouseSettings:
    shutil.copytree(migrated_home, tmp_path / "home", dirs_exist_ok=True)
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return WarehouseSettings(home=tmp_path / "home", database_url=url)


def fill(store: Store) -> dict[str, Any]:
    """Put something into every place that the secret protects; return what opens it."""
    with store.write() as session:
        workspace_id = ensure_default_workspace(session, NOW).id
        key = create_api_key(session, store.cipher, workspace_id, "pipeline", ["admin"], NOW)
        hook = create_endpoint(
            session, store.cipher, workspace_id, url="https://example.com/h", events=["post.failed"], now=NOW
        )
        old_hook_secret = hook.secret
        new_hook = rotate_webhook(session, store.cipher, hook.row, NOW)
        state = make_state()
        begin_authorization(
            session,
            store.cipher,
            workspace_id,
            platform="mastodon",
            state=state,
            kept={"client_secret": "app"},
            now=NOW,
        )
        feed = create_feed(session, store.cipher, workspace_id, "phone", "cli", NOW)
        cookie = open_session(session, store.cipher, key.row, NOW, address="", browser="")
    request = RepeatableRequest(workspace_id, key.row.id, "POST /x", "k", "h" * 64)
    answer_once(store, request, lambda _: StoredAnswer(200, {}, b'{"secret": 1}'), NOW)
    return {
        "account": connect(store, workspace_id, "mastodon", "1"),
        "workspace": workspace_id,
        "key": key,
        "hook": (hook.row.id, old_hook_secret, new_hook.secret),
        "state": state,
        "feed": feed.token,
        "request": request,
        "media": sign_address(store.cipher, "med_1"),
        "cookie": cookie,
    }


def check(store: Store, known: dict[str, Any]) -> None:
    """Everything is readable and opens what it did."""
    cipher = store.cipher
    with store.read() as session:
        account = session.get_one(AccountRow, known["account"])
        assert account.credentials is not None
        assert cipher.decrypt_credentials(account.credentials).access_token.get_secret_value()
        made = known["key"]
        row = verify_credentials(session, cipher, made.api_key, made.api_secret, now=NOW)
        assert row is not None
        assert row.id == made.row.id
        hook_id, old, new = known["hook"]
        hook = get_endpoint(session, known["workspace"], hook_id)
        assert hook.old_secret is not None
        assert cipher.decrypt_text("webhooks", hook.old_secret) == old
        assert cipher.decrypt_text("webhooks", hook.secret) == new
        assert find_feed(session, cipher, known["feed"]) is not None
        assert sign_address(cipher, "med_1") == known["media"]
    answer, replayed = answer_once(store, known["request"], _never, NOW)
    assert (answer.body, replayed) == (b'{"secret": 1}', True)
    # In a session that only reads: it is rolled back, so that it can be taken again.
    with store.read() as session:
        taken = take_authorization(session, cipher, platform="mastodon", state=known["state"], now=NOW)
    assert taken is not None
    assert taken.kept == {"client_secret": "app"}


def _never(_session: object) -> StoredAnswer:
    raise AssertionError("the request was done twice")


def rotate(settings: WarehouseSettings) -> None:
    """What `socialflow secrets rotate` does, from wherever it was interrupted."""
    with Store.open(settings) as store:
        if not is_rotating(store):
            rotate_secret(store, make_next_secret(settings), NOW)
    adopt_next_secret(settings)
    with Store.open(settings) as store:
        finish_rotation(store, NOW)


def test_everything_is_readable_with_the_new_secret_alone(settings: WarehouseSettings) -> None:
    with Store.open(settings) as store:
        known = fill(store)
    before = load_secret(settings)
    for _ in range(2):
        rotate(settings)
        after = load_secret(settings)
        assert after != before
        with Store.open(settings) as store:
            check(store, known)
            assert not is_rotating(store)
            with store.read() as session:
                assert find_session(session, store.cipher, known["cookie"], NOW) is None
        with pytest.raises(SetupError, match="not the one"):
            Store.open(settings.model_copy(update={"secret_key": SecretStr(before)}))
        before = after
    assert not (settings.home / "secret.key.new").exists()
    assert (settings.home / "secret.key").stat().st_mode & 0o077 == 0


def test_killed_after_any_statement_it_can_be_run_again(
    settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(settings) as store:
        known = fill(store)
    count = [0, 0]

    def kill(*_arguments: object) -> None:
        count[0] += 1
        if count[0] == count[1]:
            raise KilledError

    opened = Store.open.__func__  # type: ignore[attr-defined]  # the function below the class method

    def open_deadly(cls: type[Store], given: WarehouseSettings, **more: Any) -> Store:
        store: Store = opened(cls, given, **more)
        event.listen(store._writer, "after_cursor_execute", kill)
        return store

    # Every statement on SQLite; the same statements run on PostgreSQL, where each third one is enough.
    for step in range(1, 100, 3 if settings.database_url else 1):
        count[:] = [0, step]
        try:
            with monkeypatch.context() as patched:
                patched.setattr(Store, "open", classmethod(open_deadly))
                rotate(settings)
        except KilledError:
            pass
        else:
            break
        with Store.open(settings) as store:
            check(store, known)
        before = load_secret(settings)
        rotate(settings)
        with Store.open(settings) as store:
            check(store, known)
            assert not is_rotating(store)
        assert load_secret(settings) != before or step > 1
    assert step > 12, "the listener did not see the statements"


def test_killed_around_the_change_of_the_file(settings: WarehouseSettings) -> None:
    with Store.open(settings) as store:
        known = fill(store)
        make_next_secret(settings)  # killed before the commit
    with Store.open(settings) as store:
        check(store, known)
        new = make_next_secret(settings)
        rotate_secret(store, new, NOW)  # killed after it: the old file is still there
    with Store.open(settings) as store:
        assert store.cipher.secret == new
        check(store, known)
    adopt_next_secret(settings)  # killed before the end
    with Store.open(settings) as store:
        check(store, known)
        assert is_rotating(store)
    rotate(settings)
    assert load_secret(settings) == new
    with Store.open(settings) as store:
        check(store, known)


def test_what_an_old_process_saves_meanwhile_is_not_lost(settings: WarehouseSettings) -> None:
    with Store.open(settings) as old:
        known = fill(old)
        rotate_secret(old, make_next_secret(settings), NOW)
        late = Credentials(access_token=SecretStr("late"), expires_at=NOW + timedelta(days=1))
        with old.write() as session:
            blob = old.cipher.encrypt_credentials(late)
            session.get_one(AccountRow, known["account"]).credentials = blob
    rotate(settings)
    with Store.open(settings) as store, store.read() as session:
        row = session.get_one(AccountRow, known["account"])
        assert row.credentials is not None
        assert store.cipher.decrypt_credentials(row.credentials).access_token.get_secret_value() == "late"


def test_a_key_from_the_environment_takes_two_phases(settings: WarehouseSettings) -> None:
    with Store.open(settings) as store:
        known = fill(store)
        new = new_secret()
        rotate_secret(store, new, NOW)
        with pytest.raises(ConflictError):
            rotate_secret(store, new_secret(), NOW)
    with pytest.raises(SetupError, match="secrets rotate"):
        Store.open(settings)
    changed = settings.model_copy(update={"secret_key": SecretStr(new)})
    with Store.open(changed) as store:
        check(store, known)
        finish_rotation(store, NOW)
        with pytest.raises(ConflictError, match="current one"):
            rotate_secret(store, new, NOW)
    with Store.open(changed) as store:
        check(store, known)


def test_what_cannot_be_read_stops_it_and_changes_nothing(settings: WarehouseSettings) -> None:
    with Store.open(settings) as store:
        known = fill(store)
        with store.write() as session:
            session.get_one(AccountRow, known["account"]).credentials = b"damaged"
        with pytest.raises(SetupError, match=known["account"]):
            rotate_secret(store, new_secret(), NOW)
        assert not is_rotating(store)
        with store.read() as session:
            assert session.get_one(ApiKey, known["key"].row.id).revoked_at is None


def test_every_column_of_bytes_is_encrypted_anew_or_belongs_to_the_rotation() -> None:
    binary = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.type.python_type is bytes
    }
    covered = {f"{column.class_.__tablename__}.{column.key}" for _, column, _ in _ENCRYPTED}
    assert binary == covered | {"instance.lasting_keys", "instance.previous_secret"}
