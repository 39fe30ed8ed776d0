"""`socialflow upgrade`: tells what this version changes, and changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import create_engine

import warehouse.lake.migrate
from tests.flows.cli.installation.test_backup import call, call_json, dump_store, refused
from tests.warehouse.store.test_upgrade_steps import fill
from warehouse.lake.attach import attach_lake
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.sql import list_migrations
from warehouse.store.crypto import Cipher
from warehouse.store.migrations import alembic_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old_home(migrated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a store and a lake of earlier versions."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "secret.key").write_text((migrated_home / "secret.key").read_text())
    (home / "secret.key").chmod(0o600)
    engine = create_engine(f"sqlite:///{home / 'socialflow.sqlite'}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0020")
    engine.dispose()
    with monkeypatch.context() as before:
        before.setattr(warehouse.lake.migrate, "list_migrations", lambda: list_migrations()[:3])
        before.setattr(warehouse.lake.migrate, "NEWEST_VERSION", 3)
        before.setattr("warehouse.lake.connect.NEWEST_VERSION", 3)
        Lake.open(WarehouseSettings(home=home)).close()
    return home


def test_a_check_tells_and_changes_nothing(old_home: Path) -> None:
    before = dump_store(old_home)
    shown = call("upgrade", "--check")
    assert "The store is updated from version 0020 to" in shown.stdout
    assert "  0021  Snapshots of the lake that exports were told to continue from." in shown.stdout
    assert "The lake is updated from version 0003 to" in shown.stdout
    assert "Take a backup first" in shown.stdout
    told = call_json("upgrade", "--check")
    assert (told["store_version"], told["lake_version"], told["is_needed"], told["done"]) == (
        "0020",
        3,
        True,
        False,
    )
    assert dump_store(old_home) == before


def test_an_upgrade_is_done_once(old_home: Path) -> None:
    assert old_home.exists()
    assert "The store was updated from version 0020" in call("upgrade").stdout
    again = call("upgrade")
    assert "The store is up to date" in again.stdout
    assert "The lake is up to date" in again.stdout
    assert call_json("upgrade", "--check")["is_needed"] is False


def test_a_backup_is_taken_before_the_upgrade_with_the_new_program(old_home: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{old_home / 'socialflow.sqlite'}")
    with engine.begin() as connection:
        fill(connection, 1)
        connection.exec_driver_sql(
            "UPDATE instance SET secret_fingerprint = ?, lasting_keys = NULL, previous_secret = NULL, place = NULL",
            (Cipher((old_home / "secret.key").read_text().strip()).fingerprint,),
        )
    engine.dispose()
    before = dump_store(old_home)
    file = tmp_path / "before.tar"
    made = call_json("backup", str(file))
    assert (made["store_rows"]["posts"], made["lake_rows"]["main.schema_version"]) == (1, 3)
    assert dump_store(old_home) == before, "and it changes nothing"
    assert call_json("upgrade", "--check")["store_version"] == "0020"
    other = {"SOCIALFLOW_HOME": str(tmp_path / "other")}
    call_json("restore", str(file), **other)
    assert call_json("upgrade", "--check", **other)["store_steps"] == []
    restored = dump_store(tmp_path / "other")
    assert [row[:3] for row in restored["posts"]] == [row[:3] for row in before["posts"]]


def test_a_lake_whose_creation_failed_is_made_by_the_next_upgrade(tmp_path: Path) -> None:
    """A catalog is there, our tables are not: the bucket did not exist, for example."""
    settings = WarehouseSettings(home=tmp_path / "home")
    (settings.home / "lake").mkdir(parents=True)
    attach_lake(settings, create=True).close()
    assert "There is no lake yet" in call("upgrade", "--check").stdout
    assert "The lake was created" in call("upgrade").stdout
    assert "The lake is up to date" in call("upgrade").stdout


def test_without_data_there_is_nothing_to_update(tmp_path: Path) -> None:
    shown = call("upgrade", "--check")
    assert "There is no store yet" in shown.stdout
    assert not (tmp_path / "home").exists()


def test_data_of_a_newer_version_are_refused(old_home: Path) -> None:
    engine = create_engine(f"sqlite:///{old_home / 'socialflow.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    for words in (
        ("upgrade", "--check"),
        ("upgrade",),
        ("backup", str(old_home / "new.tar")),
        ("posts", "list"),
        ("run", "publish"),
        ("pause",),
    ):
        assert "newer version" in refused(*words)
    assert call("doctor").exit_code == 1


def test_a_newer_lake_is_refused(old_home: Path) -> None:
    call_json("upgrade")
    with Lake.open(WarehouseSettings(home=old_home), threads=1) as lake, lake.write() as cursor:
        cursor.execute("INSERT INTO schema_version VALUES (9999, 'later', now())")
    for words in (
        ("upgrade",),
        ("backup", str(old_home / "new.tar")),
        ("sql", "SELECT count(*) FROM raw.post_snapshots"),
        ("analytics", "overview"),
        ("export", "--output", str(old_home / "marts"), "--format", "parquet"),
    ):
        assert "newer SocialFlow (version 9999" in refused(*words), words
