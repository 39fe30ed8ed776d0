"""Backups of an installation on PostgreSQL and S3: made while it works, restored after a loss, also into a home."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pyarrow import fs
from sqlalchemy import func, select

from flows.maintenance.nightly import BACKUP_LEASE, maintain_stores
from flows.resources import Resources
from flows.settings import FlowSettings
from flows.work_sharing import WorkLeases
from tests.flows.cli.installation.conftest import PNG, environment
from tests.flows.cli.installation.test_backup import call, call_json, dump_lake, dump_store, refused
from tests.flows.cli.installation.test_move import write_settings
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.media_files import open_media_files
from warehouse.move.lake import list_files, open_files
from warehouse.move.store import copy_as_of_now
from warehouse.settings import WarehouseSettings
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
    assert "not this installation's" in used
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
