"""Backups of an installation on PostgreSQL and S3: made while it works, restored after a loss, also into a home."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pyarrow import fs
from sqlalchemy import func, select

import warehouse.lake.migrate
from flows.maintenance.nightly import BACKUP_LEASE, maintain_stores
from flows.resources import Resources
from flows.settings import FlowSettings
from flows.work_sharing import WorkLeases
from tests.flows.cli.installation.conftest import PNG, environment
from tests.flows.cli.installation.test_backup import call, call_json, dump_lake, dump_store, refused
from tests.flows.cli.installation.test_move import write_settings
from warehouse.errors import SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.media_files import open_media_files
from warehouse.move.lake import list_files, open_files
from warehouse.move.store import copy_as_of_now
from warehouse.settings import WarehouseSettings
from warehouse.sql import list_migrations
from warehouse.store.audit.models import AuditEntry
from warehouse.store.database import Store
from warehouse.store.installation import arrive
from warehouse.store.models import Workspace
from warehouse.store.posts.media import MediaUpload

if TYPE_CHECKING:
    from pathlib import Path


def lose_everything(settings: dict[str, Any]) -> None:
    """Empty the database, with the lake's catalog in it, and the bucket."""
    with psycopg.connect(settings["database_url"], autocommit=True) as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public")
    bucket, root = open_files(WarehouseSettings(**settings))
    assert isinstance(bucket, fs.S3FileSystem)
    for part in (root, str(settings["media_path"]).removeprefix("s3://")):
        for path in list_files(bucket, part):
            bucket.delete_file(f"{part}/{path}")


def test_the_drill(home: Path, servers: dict[str, Any], tmp_path: Path) -> None:
    before, lake_before = dump_store(home), dump_lake(home)
    call_json("migrate-to", str(write_settings(tmp_path / "new.env", **servers)))
    there = environment(servers)
    file = tmp_path / "all.tar"
    made = call_json("backup", str(file), **there)
    assert made["lake_rows"]["raw.post_snapshots"] == 28
    assert made["key_included"]

    used = refused("restore", str(file), **there)
    assert "restore into an empty database" in used
    assert "nothing on servers" in refused("restore", str(file), "--force", **there)

    lose_everything(servers)
    restored = call_json("restore", str(file), **there)
    assert (restored["store_rows"], restored["aside"]) == (made["store_rows"], None)
    counted = call("sql", "SELECT count(*) AS n, sum(likes) AS likes FROM raw.post_snapshots", **there)
    assert "28" in counted.stdout, counted.stderr
    assert str(10 * sum(range(1, 29))) in counted.stdout
    settings = WarehouseSettings(**servers)
    with Store.open(settings) as store:
        arrival = arrive(store, datetime.now(UTC))
        with store.read() as session:
            media_id = session.scalars(select(MediaUpload.id)).one()
    assert arrival is not None, "what was due since the backup is looked up before it is sent"
    assert "a backup of" in arrival.reason
    with open_media_files(settings).open(media_id) as copy:
        assert copy.read() == PNG
    call_json("keys", "create", "--name", "after", **there)

    # The same file restores a laptop.
    laptop = tmp_path / "laptop"
    call_json("restore", str(file), SOCIALFLOW_HOME=str(laptop))
    after = dump_store(laptop)
    for name in ("instance", "audit_log", "alembic_version"):
        after.pop(name), before.pop(name)
    assert after == before
    assert dump_lake(laptop) == lake_before
    assert [path.read_bytes() for path in (laptop / "media").iterdir()] == [PNG]


def test_a_restore_to_servers_goes_on_where_it_was_interrupted(
    home: Path, servers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of an older version's lake, and with the key in the machine's home, after a try with a wrong one."""
    file = tmp_path / "old.tar"
    with monkeypatch.context() as before:
        make_older(home, before)
        call_json("backup", str(file), SOCIALFLOW_HOME=str(home))
    del servers["secret_key_file"]
    there = environment(servers)
    server = tmp_path / "server"
    server.mkdir(mode=0o700)
    (server / "secret.key").write_text("another key with more than 32 characters\n")
    assert "key of this place is not the backup's" in refused("restore", str(file), **there)
    (server / "secret.key").unlink()

    def interrupt(*_arguments: object, **_words: object) -> None:
        raise KeyboardInterrupt

    for step in ("move_lake", "move_media", "settle"):
        with monkeypatch.context() as patch:
            patch.setattr(f"warehouse.backup.restore.{step}", interrupt)
            assert call("restore", str(file), **there).exit_code != 0
        settings = WarehouseSettings(**servers)
        with Store.open(settings) as store, pytest.raises(SetupError, match="not all of it has arrived"):
            arrive(store, datetime.now(UTC))
    call_json("restore", str(file), **there)
    assert (server / "secret.key").read_text() == (home / "secret.key").read_text()
    counted = call("sql", "SELECT likes FROM marts.publication_latest", **there)
    assert "77" in counted.stdout, counted.stderr
    with Store.open(settings) as store, store.read() as session:
        told = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert told.count("backup_restored") == 1


def make_older(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Replace the home's lake by one of an older version, with a row."""
    shutil.rmtree(home / "lake")
    settings = WarehouseSettings(home=home)
    patch.setattr(warehouse.lake.migrate, "list_migrations", lambda: list_migrations()[:3])
    patch.setattr(warehouse.lake.migrate, "NEWEST_VERSION", 3)
    patch.setattr("warehouse.lake.connect.NEWEST_VERSION", 3)
    with Lake.open(settings, threads=1) as lake, lake.write() as cursor:
        cursor.execute(
            "INSERT INTO dims.publications (publication_id, post_id, workspace_id, account_id, platform, origin, "
            "published_at) VALUES ('pub_1', 'post_1', 'ws_1', 'acct_a', 'mastodon', 'external', "
            "'2026-01-01 12:00:00+00')"
        )
        cursor.execute(
            "INSERT INTO raw.post_snapshots (workspace_id, publication_id, account_id, captured_at, likes, "
            "published_at, source, run_id, loaded_at) VALUES ('ws_1', 'pub_1', 'acct_a', '2026-01-02 12:00:00+00', 77, "
            "'2026-01-01 12:00:00+00', 'platform', 'old', '2026-01-02 12:00:00+00')"
        )


def test_a_copy_beside_writers_is_of_one_moment(tmp_path: Path, postgres_url: str) -> None:
    """A writer adds pairs all the time; the copy has whole pairs, and what it read twice was the same."""
    over = threading.Event()
    settings = WarehouseSettings(home=tmp_path / "server", database_url=postgres_url)

    def write(store: Store) -> None:
        number = 0
        while not over.is_set():
            number += 1
            with store.write() as session:
                for half in "ab":
                    now = datetime.now(UTC)
                    session.add(Workspace(id=f"ws_{number}_{half}", name="pair", created_at=now))
                    session.flush()

    with Store.open(settings) as source, Store.open(WarehouseSettings(home=tmp_path / "copy")) as target:
        writing = threading.Thread(target=write, args=(source,))
        writing.start()
        try:
            while True:
                with source.read() as session:
                    if session.scalar(select(func.count()).select_from(Workspace)):
                        break
            copy_as_of_now(source, target)
        finally:
            over.set()
            writing.join()
        with target.read() as session:
            count = session.scalar(select(func.count()).select_from(Workspace)) or 0
    assert count >= 2
    assert count % 2 == 0


@pytest.mark.parametrize("making", [True, False])
def test_no_file_of_the_lake_is_deleted_while_a_backup_is_made(home: Path, making: bool) -> None:  # noqa: FBT001 (parametrized)
    later = datetime.now(UTC) + timedelta(days=40)
    with Resources(WarehouseSettings(home=home), FlowSettings()) as resources:
        for number in range(4):  # files that nothing needs any more, once their snapshots have expired
            load_accounts(resources.lake, [AccountDim("acct_x", "ws_1", "twitter", f"name{number}")])
        with WorkLeases(resources.store, BACKUP_LEASE) as leases:
            if making:
                leases.take(["a backup"], 1)
            done = maintain_stores(resources, clock=lambda: later)
        assert done["snapshots_expired"] > 0
        assert (done["files_deleted"] > 0) is not making
