"""`socialflow migrate-to`: a home moves to PostgreSQL and a bucket, and back; nothing is lost or overwritten."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine

from tests.flows.cli.installation.conftest import PNG, environment
from tests.flows.cli.installation.test_backup import call, call_json, dump_lake, dump_store, refused
from tests.warehouse.store.test_upgrade_steps import make_value
from warehouse.errors import SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.move import store as move_of_store
from warehouse.move.media import move_media
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.installation import arrive
from warehouse.store.leases.flow_leases import end_run, take_lease

if TYPE_CHECKING:
    from pathlib import Path


def write_settings(path: Path, **settings: object) -> Path:
    path.write_text("".join(f"SOCIALFLOW_{name.upper()}='{value}'\n" for name, value in settings.items()))
    return path


def count_snapshots(home: Path) -> int:
    with Lake.open(WarehouseSettings(home=home), read_only=True) as lake:
        return int(lake.query("SELECT count(*) AS count FROM ducklake_snapshots('lake')")[0]["count"])


def fill_every_table(home: Path) -> None:
    """Add a row with a value in every column: booleans, JSON, times, bytes, numbers."""
    engine = create_engine(f"sqlite:///{home / 'socialflow.sqlite'}")
    metadata = MetaData()
    with engine.begin() as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if table.name not in {"instance", "alembic_version"}:
                row = {column.name: make_value(connection, table, column, 2) for column in table.columns}
                connection.execute(table.insert(), row)
        # It must not look as if somebody is at work.
        connection.exec_driver_sql("UPDATE publishers SET ended_at = beat_at")
    engine.dispose()


def change(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "socialflow.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_home_moves_to_servers_and_back(home: Path, servers: dict[str, Any], tmp_path: Path) -> None:
    fill_every_table(home)
    before, lake_before, snapshots = dump_store(home), dump_lake(home), count_snapshots(home)
    moved = call_json("migrate-to", str(write_settings(tmp_path / "new.env", **servers)))
    assert all(table["rows"] for table in moved["store"].values())
    assert moved["lake"]["tables"]["raw.post_snapshots"] == 28
    assert moved["media"] == {"files": 1, "missing": 1}
    there = environment(servers)
    counted = call("sql", "SELECT count(*) AS n FROM raw.post_snapshots", **there)
    assert "28" in counted.stdout, counted.stderr
    # The installation works there: numbers of new rows continue, and it is nobody's copy.
    call_json("keys", "create", "--name", "second", **there)
    with psycopg.connect(servers["database_url"]) as session:
        session.execute("SELECT nextval(pg_get_serial_sequence('publication_attempts', 'id'))")
        row = session.execute("SELECT lastval() - max(id) FROM publication_attempts").fetchone()
        assert row == (1,)
    with Store.open(WarehouseSettings(**servers)) as store:
        assert arrive(store, datetime.now(UTC)) is None
    with Store.open(WarehouseSettings(home=home)) as store:
        left = arrive(store, datetime.now(UTC))
    assert left is not None
    assert "moved to another place" in left.reason

    back = tmp_path / "back"
    shutil.copyfile(home / "secret.key", tmp_path / "key")
    settings = write_settings(tmp_path / "back.env", home=back, secret_key_file=tmp_path / "key")
    call_json("migrate-to", str(settings), **there)
    after = dump_store(back)
    for name in ("instance", "audit_log", "api_keys", "alembic_version"):
        after.pop(name), before.pop(name)
    assert after == before
    assert dump_lake(back) == lake_before
    assert count_snapshots(back) >= snapshots
    assert [path.read_bytes() for path in (back / "media").iterdir()] == [PNG]


def test_a_move_goes_on_after_each_table(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended after any table, it starts nothing in the new place, and goes on from there."""
    fill_every_table(home)
    new = WarehouseSettings(home=tmp_path / "new", secret_key_file=home / "secret.key")
    copied: list[str] = []
    copy = move_of_store._copy_table

    def copy_one(source: Store, target: Store, table: Any) -> None:
        if copied and copied[-1] != "end":
            copied.append("end")
            raise KeyboardInterrupt
        copied.append(table.name)
        copy(source, target, table)

    monkeypatch.setattr(move_of_store, "_copy_table", copy_one)
    tables = len(move_of_store.list_tables()) - 1
    with Store.open(WarehouseSettings(home=home)) as source, Store.open(new) as target:
        for number in range(1, tables):
            with pytest.raises(KeyboardInterrupt):
                move_of_store.move_store(source, target, say=print)
            assert len(set(copied) - {"end"}) == number
            with pytest.raises(SetupError, match="not all of it has arrived"):
                arrive(target, datetime.now(UTC))
        copies = move_of_store.move_store(source, target, say=print)
        move_of_store.require_unchanged(source, copies)
        move_of_store.settle(source, target)
        assert arrive(target, datetime.now(UTC)) is None


def test_an_interrupted_move_goes_on(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_settings(tmp_path / "new.env", home=tmp_path / "new", secret_key_file=home / "secret.key")
    with monkeypatch.context() as patch:
        patch.setattr("flows.cli.installation.move.move_media", interrupt)
        assert call("migrate-to", str(file)).exit_code != 0
    for _ in range(2):
        assert call_json("migrate-to", str(file))["store"]["accounts"]["rows"] == 1
    assert len(dump_store(tmp_path / "new")["accounts"]) == 1


def interrupt(*_arguments: object, **_words: object) -> None:
    raise KeyboardInterrupt


def test_a_row_that_postgresql_cannot_store_is_named(home: Path, tmp_path: Path, postgres_url: str) -> None:
    new = {"home": tmp_path / "new", "database_url": postgres_url, "secret_key_file": home / "secret.key"}
    file = write_settings(tmp_path / "new.env", **new)
    for table, column, bad in (
        ("accounts", "display_name", "x" * 301),
        ("posts", "details", '{"a": NaN}'),
        ("posts", "content", "a\0b"),
        ("publications", "snapshot_count", 3_000_000_000),
    ):
        with closing(sqlite3.connect(home / "socialflow.sqlite")) as connection:
            one = f"FROM {table} ORDER BY id LIMIT 1"
            key, before = connection.execute(f"SELECT id, {column} {one}").fetchone()
            write = f"UPDATE {table} SET {column} = ? WHERE id = ?"  # noqa: S608 (our own tables)
            with connection:
                connection.execute(write, (bad, key))
            assert f"cannot store the row id={key} of {table} (" in refused("migrate-to", str(file))
            with connection:
                connection.execute(write, (before, key))
    call_json("migrate-to", str(file))


def test_a_target_with_rows_of_its_own_is_left_alone(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(home, other)
    change(other, "UPDATE workspaces SET name = 'theirs'")
    then = dump_store(other)
    file = write_settings(tmp_path / "new.env", home=other)
    assert "workspaces has 1 rows that are not this installation's" in refused("migrate-to", str(file))
    assert dump_store(other) == then
    with closing(sqlite3.connect(other / "socialflow.sqlite")) as connection:
        assert connection.execute("SELECT place FROM instance").fetchone() in {(None,), ("null",)}
    # Its store is empty, its lake is not, although it has no publication and as many snapshots.
    lake = WarehouseSettings(home=tmp_path / "lake", secret_key_file=home / "secret.key")
    with Lake.open(lake, threads=1) as theirs, Lake.open(WarehouseSettings(home=home), threads=1) as ours:
        while theirs.snapshot_id() < ours.snapshot_id():
            load_accounts(theirs, [AccountDim(f"acct_{theirs.snapshot_id()}", "ws_1", "twitter", "theirs")])
    before = dump_lake(tmp_path / "lake")
    file = write_settings(tmp_path / "lake.env", home=lake.home, secret_key_file=home / "secret.key")
    assert "the target's lake has rows that are not this installation's" in refused("migrate-to", str(file))
    assert dump_lake(tmp_path / "lake") == before


def test_a_place_of_another_version_is_refused_before_it_is_changed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(home, other)
    file = write_settings(tmp_path / "new.env", home=other)
    for version, words in (("0020", "of an older version"), ("9999", "newer version")):
        change(other, f"UPDATE alembic_version SET version_num = '{version}'")  # noqa: S608 (ours)
        assert words in refused("migrate-to", str(file))
        with closing(sqlite3.connect(other / "socialflow.sqlite")) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (version,)
    # A lake that an interrupted upgrade has left behind: nothing is created in the new place.
    with monkeypatch.context() as later:
        later.setattr("warehouse.lake.connect.NEWEST_VERSION", 9_999)
        file = write_settings(tmp_path / "lake.env", home=tmp_path / "n", secret_key_file=home / "secret.key")
        assert "of an older version" in refused("migrate-to", str(file))
    assert not (tmp_path / "n").exists()


def test_who_works_meanwhile_is_noticed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_settings(tmp_path / "new.env", home=tmp_path / "new", secret_key_file=home / "secret.key")
    with Store.open(WarehouseSettings(home=home)) as store:
        with store.write() as session:
            take_lease(session, "ingest-metrics", owner="a", lease=timedelta(minutes=1))
        assert "ingest-metrics are running" in refused("migrate-to", str(file))
        with store.write() as session:
            end_run(session, "ingest-metrics", owner="a", outcome="succeeded")

    def publish(*arguments: Any, **words: Any) -> tuple[int, int]:
        change(
            home, "UPDATE publications SET status = 'canceled' WHERE id = (SELECT min(id) FROM publications)"
        )
        return move_media(*arguments, **words)

    with monkeypatch.context() as patch:
        patch.setattr("flows.cli.installation.move.move_media", publish)
        assert "publications differs after it was copied" in refused("migrate-to", str(file))
    new = WarehouseSettings(home=tmp_path / "new", secret_key_file=home / "secret.key")
    with Store.open(new) as store, pytest.raises(SetupError, match="nothing is published"):
        arrive(store, datetime.now(UTC))


def test_what_is_no_other_place_or_no_key_is_refused(home: Path, tmp_path: Path) -> None:
    here = write_settings(tmp_path / "here.env", home=home)
    assert "SOCIALFLOW_DATABASE_URL" in refused("migrate-to", str(here))
    keyless = write_settings(tmp_path / "keyless.env", home=tmp_path / "new")
    assert "has no secret key" in refused("migrate-to", str(keyless))
    (tmp_path / "other.key").write_text("another key with more than 32 characters")
    other = write_settings(
        tmp_path / "other.env", home=tmp_path / "new", secret_key_file=tmp_path / "other.key"
    )
    assert "another secret key" in refused("migrate-to", str(other))
    assert not (tmp_path / "new").exists(), "a store would remember the wrong key"
    misspelt = write_settings(tmp_path / "misspelt.env", databse_url="postgresql://db/socialflow")
    assert "sets SOCIALFLOW_DATABSE_URL, which nothing reads" in refused("migrate-to", str(misspelt))
    wrong = write_settings(tmp_path / "wrong.env", home=tmp_path / "new", lake_s3_use_ssl="perhaps")
    assert "SOCIALFLOW_LAKE_S3_USE_SSL" in refused("migrate-to", str(wrong))
    assert "there is no file" in refused("migrate-to", str(tmp_path / "nothing.env"))
