"""`socialflow migrate-to`: a home moves to PostgreSQL and a bucket, and back; nothing is lost or overwritten."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url

from tests.flows.cli.installation.conftest import PNG, environment
from tests.flows.cli.installation.test_backup import call, call_json, dump_lake, dump_store, refused
from warehouse.lake.connect import Lake
from warehouse.move import store as move_of_store
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.installation import arrive

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def write_settings(path: Path, **settings: object) -> Path:
    path.write_text("".join(f"SOCIALFLOW_{name.upper()}='{value}'\n" for name, value in settings.items()))
    return path


def count_snapshots(home: Path) -> int:
    with Lake.open(WarehouseSettings(home=home), read_only=True) as lake:
        return int(lake.query("SELECT count(*) AS count FROM ducklake_snapshots('lake')")[0]["count"])


def test_a_home_moves_to_servers_and_back(home: Path, servers: dict[str, Any], tmp_path: Path) -> None:
    before, lake_before, snapshots = dump_store(home), dump_lake(home), count_snapshots(home)
    moved = call_json("migrate-to", str(write_settings(tmp_path / "new.env", **servers)))
    assert moved["store"]["accounts"]["rows"] == 1
    assert moved["lake"]["tables"]["raw.post_snapshots"] == 28
    assert moved["media"] == {"files": 1, "missing": 0}
    there = environment(servers)
    counted = call("sql", "SELECT count(*) AS n FROM raw.post_snapshots", **there)
    assert "28" in counted.stdout, counted.stderr
    # The installation works there: numbers of new rows continue, and it is nobody's copy.
    call_json("keys", "create", "--name", "second", **there)
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


def test_an_interrupted_move_goes_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    new = {"home": tmp_path / "new", "database_url": postgres_url, "secret_key_file": home / "secret.key"}
    file = write_settings(tmp_path / "new.env", **new)
    copied: list[str] = []
    copy = move_of_store._copy_table

    def copy_some(source: Store, target: Store, table: Any) -> None:
        if len(copied) == 3:
            raise KeyboardInterrupt
        copied.append(table.name)
        copy(source, target, table)

    with monkeypatch.context() as patch:
        patch.setattr(move_of_store, "_copy_table", copy_some)
        assert call("migrate-to", str(file)).exit_code != 0
    call_json("migrate-to", str(file))
    again = call_json("migrate-to", str(file))
    assert again["store"]["accounts"]["rows"] == 1
    with psycopg.connect(
        make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    ) as session:
        assert session.execute("SELECT count(*) FROM accounts").fetchone() == (1,)


def test_a_target_with_rows_of_its_own_is_left_alone(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(home, other)
    with closing(sqlite3.connect(other / "socialflow.sqlite")) as connection:
        connection.execute("UPDATE workspaces SET name = 'theirs'")
        connection.commit()
    then = dump_store(other)
    file = write_settings(tmp_path / "new.env", home=other)
    assert "workspaces has 1 rows that are not this installation's" in refused("migrate-to", str(file))
    assert dump_store(other) == then


def test_what_is_no_other_place_or_no_key_is_refused(home: Path, tmp_path: Path) -> None:
    here = write_settings(tmp_path / "here.env", home=home)
    assert "SOCIALFLOW_DATABASE_URL" in refused("migrate-to", str(here))
    keyless = write_settings(tmp_path / "keyless.env", home=tmp_path / "new")
    assert "another secret key" in refused("migrate-to", str(keyless))
    assert "there is no file" in refused("migrate-to", str(tmp_path / "nothing.env"))
