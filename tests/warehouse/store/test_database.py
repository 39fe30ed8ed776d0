"""Opening the store: first run, wrong key, newer version, unusable places; nothing is damaged by a refusal."""

from __future__ import annotations

import importlib
import pkgutil
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import create_engine, text

import warehouse.store
from connectors.types import Credentials
from warehouse.errors import SetupError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.crypto import Cipher, load_secret
from warehouse.store.database import Store
from warehouse.store.migrations import alembic_config, migrate
from warehouse.store.models import Base

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_first_run_makes_a_private_home_and_key(warehouse_settings: WarehouseSettings) -> None:
    Store.open(warehouse_settings).close()
    key = warehouse_settings.home / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(warehouse_settings.home.stat().st_mode) == 0o700
    before = key.read_text()
    Store.open(warehouse_settings).close()
    assert key.read_text() == before


def test_first_runs_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from warehouse.settings import WarehouseSettings;"
        "from warehouse.store.database import Store;"
        "s = Store.open(WarehouseSettings(home=Path(sys.argv[1]))); print(s.cipher.fingerprint)"
    )
    command_line = [sys.executable, "-c", program, str(tmp_path / "home")]
    processes = [subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(answers) == 1


def test_another_key_is_refused_and_changes_nothing(warehouse_settings: WarehouseSettings) -> None:
    with Store.open(warehouse_settings) as store, store.write() as session:
        ensure_default_workspace(session, NOW)
    other = warehouse_settings.model_copy(update={"secret_key": SecretStr("k" * 40)})
    with pytest.raises(SetupError, match="not the one this store was created with"):
        Store.open(other)
    Store.open(warehouse_settings).close()


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path, secret_key=SecretStr("short"))
    with pytest.raises(SetupError, match="at least 32"):
        Store.open(settings)


def test_a_store_of_a_newer_version_is_refused(warehouse_settings: WarehouseSettings) -> None:
    with Store.open(warehouse_settings) as store, store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match="newer version"):
        Store.open(warehouse_settings)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="SOCIALFLOW_HOME"):
        Store.open(WarehouseSettings(home=tmp_path / "file"))


def test_an_unreachable_server_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://someone:hunter2secret@127.0.0.1:9/none"
    with pytest.raises(SetupError) as caught:
        Store.open(WarehouseSettings(home=tmp_path, database_url=url))
    assert "127.0.0.1" in caught.value.message
    assert "hunter2secret" not in caught.value.message


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x"])
def test_an_unusable_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SetupError, match="SOCIALFLOW_DATABASE_URL"):
        Store.open(WarehouseSettings(home=tmp_path, database_url=url))


def test_migrations_make_what_the_models_say(any_store: Store) -> None:
    # `check` raises when autogenerate would still find a difference.
    with any_store._engine.connect() as connection:
        command.check(alembic_config(connection))


def test_migrations_go_down_and_up_again(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")
    migrate(engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    migrate(engine)
    engine.dispose()


def test_a_naive_time_never_reaches_the_store(any_store: Store) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(Exception, match="naive time"), any_store.write() as session:
        ensure_default_workspace(session, naive)


def test_credentials_survive_encryption_and_show_nowhere(any_store: Store) -> None:
    credentials = Credentials(SecretStr("the-access"), SecretStr("the-refresh"), NOW, SecretStr("the-app"))
    blob = any_store.cipher.encrypt_credentials(credentials)
    assert any_store.cipher.decrypt_credentials(blob) == credentials
    assert b"the-" not in blob
    assert "the-" not in repr(credentials)


def test_credentials_of_another_key_are_refused() -> None:
    blob = Cipher("a" * 40).encrypt_credentials(Credentials(SecretStr("x")))
    with pytest.raises(SetupError, match="cannot be decrypted"):
        Cipher("b" * 40).decrypt_credentials(blob)


def test_each_purpose_has_its_own_key() -> None:
    cipher = Cipher("a" * 40)
    assert cipher.derive_key("tokens") != cipher.derive_key("credentials")


def test_the_migrations_make_just_the_tables_of_the_models(any_store: Store) -> None:
    for module in pkgutil.walk_packages(warehouse.store.__path__, "warehouse.store."):
        if "migrations" not in module.name:
            importlib.import_module(module.name)
    with any_store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


def test_a_home_that_others_could_read_is_shut(warehouse_settings: WarehouseSettings) -> None:
    home = warehouse_settings.home
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    Store.open(warehouse_settings).close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for path in home.glob("socialflow.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_folder_that_others_need_stays_open_and_what_is_ours_in_it_is_shut(
    warehouse_settings: WarehouseSettings,
) -> None:
    home = warehouse_settings.home
    home.mkdir()
    home.chmod(0o1777)  # as /tmp
    (home / "logs").mkdir(mode=0o755)
    (home / "theirs").write_text("")
    (home / "theirs").chmod(0o644)
    Store.open(warehouse_settings).close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o1777
    assert stat.S_IMODE((home / "theirs").stat().st_mode) == 0o644
    assert stat.S_IMODE((home / "logs").stat().st_mode) == 0o700
    for path in home.glob("socialflow.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_key_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 48 + "\n")
    settings = WarehouseSettings(home=tmp_path / "home", secret_key_file=file)
    Store.open(settings).close()
    assert not (settings.home / "secret.key").exists()
    assert load_secret(settings) == load_secret(WarehouseSettings(secret_key=SecretStr("k" * 48)))
    with pytest.raises(SetupError, match="both set: set only one"):
        load_secret(settings.model_copy(update={"secret_key": SecretStr("k" * 48)}))
    file.write_text("short")
    with pytest.raises(SetupError, match="SOCIALFLOW_SECRET_KEY_FILE has 5 characters"):
        load_secret(settings)
    file.write_bytes(b"\xff" * 50)
    with pytest.raises(SetupError, match="it is not text"):
        load_secret(settings)
    file.unlink()
    with pytest.raises(SetupError, match="cannot read SOCIALFLOW_SECRET_KEY_FILE"):
        load_secret(settings)


def test_two_processes_on_an_empty_database_make_one_workspace(tmp_path: Path, postgres_url: str) -> None:
    """As two API processes and a publisher do whose machines start together."""
    made: list[str] = []

    def begin(store: Store) -> None:
        with store.write() as session:
            made.append(ensure_default_workspace(session, NOW).id)

    with Store.open(WarehouseSettings(home=tmp_path, database_url=postgres_url)) as store:
        second = threading.Thread(target=begin, args=(store,))
        with store.write() as session:
            made.append(ensure_default_workspace(session, NOW).id)
            second.start()
            with store.read() as watching:
                waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                while second.is_alive() and not watching.scalar(waits):
                    watching.rollback()
        second.join()
    assert made == ["ws_default"] * 2
