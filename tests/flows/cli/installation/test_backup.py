"""`socialflow backup` and `socialflow restore`: everything comes back, and nothing is half done."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from pydantic import SecretStr
from sqlalchemy import Engine, event
from typer.testing import CliRunner, Result

from flows.cli import app
from warehouse.backup import create
from warehouse.backup.create import create_backup
from warehouse.errors import ConflictError
from warehouse.lake.connect import Lake
from warehouse.lake.maintenance import maintain_lake
from warehouse.settings import WarehouseSettings
from warehouse.store.clock import utc_now
from warehouse.store.crypto import adopt_next_secret, load_secret, make_next_secret, new_secret
from warehouse.store.database import Store
from warehouse.store.installation import arrive
from warehouse.store.rotation import finish_rotation, is_rotating, rotate_secret

HISTORY = "published_at,likes,comments,shares,kind,post_id\n" + "".join(
    f"2026-01-{day:02}T09:00:00Z,{day * 10},{day},1,text,p{day}\n" for day in range(1, 29)
)

WRITER = """
import sys
from datetime import UTC, datetime
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.models import Workspace
settings = WarehouseSettings()
with Store.open(settings) as store, Lake.open(settings, threads=1) as lake:
    for number in range(100_000):
        with store.write() as session:
            for half in "ab":
                session.add(Workspace(id=f"ws_{number}_{half}", name="pair", created_at=datetime.now(UTC)))
                session.flush()
        load_accounts(lake, [AccountDim(f"acct_{number}_{half}", "ws_1", "twitter", half) for half in "ab"])
        if number == 2:
            print("at work", flush=True)
"""


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environment)


def call_json(*arguments: str, **environment: str) -> Any:
    result = call(*arguments, "--json", **environment)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: str, **environment: str) -> str:
    """Return the one sentence with which a command refuses."""
    result = call(*arguments, **environment)
    assert (result.exit_code, "Traceback" in result.stderr) == (1, False), result.stderr
    return next(line for line in result.stderr.splitlines() if line.startswith("error: "))


def dump_store(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(home / "socialflow.sqlite")) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
        ).fetchall()
        tables = {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # noqa: S608 (our own tables)
            for (name,) in names
            if name != "instance"
        }
        tables["instance"] = connection.execute("SELECT id, secret_fingerprint FROM instance").fetchall()
        return tables


def dump_lake(home: Path) -> dict[str, list[dict[str, Any]]]:
    with Lake.open(WarehouseSettings(home=home), read_only=True, threads=1) as lake:
        names = lake.query(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
            "WHERE database_name = 'lake' ORDER BY 1"
        )
        return {row["name"]: lake.query(f"FROM {row['name']} ORDER BY ALL") for row in names}


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="session")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rows in the store and the lake, and an upload."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "history.csv").write_text(HISTORY)
    there = {"SOCIALFLOW_HOME": str(folder / "home")}
    call_json("keys", "create", "--name", "ci", **there)
    call_json(
        "import-history", str(folder / "history.csv"), "--account", "a", "--platform", "twitter", **there
    )
    media = folder / "home" / "media"
    media.mkdir(mode=0o700, exist_ok=True)
    (media / "media_1").write_bytes(os.urandom(3_000))
    return folder / "home"


@pytest.fixture
def home(full_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(full_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def file(home: Path, tmp_path: Path) -> Path:
    assert home.exists()
    call_json("backup", str(tmp_path / "all.tar"))
    return tmp_path / "all.tar"


def test_every_table_and_file_comes_back(home: Path, tmp_path: Path) -> None:
    file, restored = tmp_path / "all.tar", tmp_path / "restored"
    made = call_json("backup", str(file))
    assert file.stat().st_mode & 0o077 == 0
    assert made["key_included"] is True
    assert made["lake_rows"]["raw.post_snapshots"] == 28
    back = call_json("restore", str(file), SOCIALFLOW_HOME=str(restored))
    assert back["store_rows"] == made["store_rows"]
    now, then = dump_store(restored), dump_store(home)
    told = [row for row in now["audit_log"] if row not in then["audit_log"]]
    assert len(told) == 1
    assert "backup_restored" in told[0]
    assert any("backup_started" in row for row in then["audit_log"])
    now["audit_log"].remove(told[0])
    assert now == then
    assert dump_lake(restored) == dump_lake(home)
    assert list_files(restored / "media") == list_files(home / "media")
    assert (restored / "secret.key").read_text() == (home / "secret.key").read_text()
    files = [restored / name for name in ("secret.key", "socialflow.sqlite", "media/media_1")]
    assert [path.stat().st_mode & 0o077 for path in files] == [0, 0, 0]
    assert not list(restored.glob(".restore-*"))
    doctor = call_json("doctor", SOCIALFLOW_HOME=str(restored))
    assert doctor["failed"] == []
    with Lake.open(WarehouseSettings(home=restored)) as lake:  # the lake can be written and maintained again
        maintain_lake(lake, utc_now())
    with Store.open(WarehouseSettings(home=restored)) as store:
        arrival = arrive(store, utc_now())
        assert arrival is not None
        assert "a backup of" in arrival.reason


def list_audit_log(home: Path) -> list[dict[str, Any]]:
    entries = call_json("audit-log", SOCIALFLOW_HOME=str(home))
    return [one for one in entries if one["action"].startswith("backup")]


def test_the_audit_log_tells_of_backups_and_of_a_restore(home: Path, tmp_path: Path) -> None:
    here = {"SOCIALFLOW_HOME": str(home)}
    call_json("backup", str(tmp_path / "plain.tar"), **here)
    call_json("backup", str(tmp_path / "apart.tar"), "--key-file", str(tmp_path / "key"), **here)
    call_json("backup", str(tmp_path / "bare.tar"), "--without-key", **here)
    assert [one["detail"] for one in reversed(list_audit_log(home))] == [
        {"file": "plain.tar", "key": "inside"},
        {"file": "apart.tar", "key": "in a file"},
        {"file": "bare.tar", "key": "left out"},
    ]
    assert {one["actor"]["kind"] for one in list_audit_log(home)} == {"command_line"}
    restored = tmp_path / "restored"
    made = call_json("restore", str(tmp_path / "plain.tar"), SOCIALFLOW_HOME=str(restored))
    newest, oldest = list_audit_log(restored)
    assert (newest["action"], oldest["action"]) == ("backup_restored", "backup_started")
    assert datetime.fromisoformat(newest["detail"]["made_at"]) == datetime.fromisoformat(made["made_at"])


def test_what_killed_commands_left_is_removed(home: Path, tmp_path: Path) -> None:
    old, fresh = tmp_path / ".all.tar.old", tmp_path / ".all.tar.fresh.part"
    old.mkdir()
    (old / "store.sqlite").touch()
    fresh.touch()
    os.utime(old, (0, 0))
    call_json("backup", str(tmp_path / "all.tar"))
    assert (old.exists(), fresh.exists()) == (False, True)
    (home / ".restore-abc").mkdir()
    (home / ".restore-abc" / "secret.key").touch()
    call_json("restore", str(tmp_path / "all.tar"), "--force")
    assert not list(home.glob(".restore-*"))


def test_a_full_disk_is_one_sentence(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_json("backup", str(tmp_path / "all.tar"))
    full = {"PRAGMA": "PRAGMA max_page_count = 60"}

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(full["PRAGMA"])

    event.listen(Engine, "connect", limit)
    try:
        new = tmp_path / "new.env"
        new.write_text(
            f"SOCIALFLOW_HOME={tmp_path / 'new'}\nSOCIALFLOW_SECRET_KEY_FILE={home / 'secret.key'}\n"
        )
        assert "full" in refused("migrate-to", str(new))
    finally:
        event.remove(Engine, "connect", limit)

    def fail(*_arguments: object, **_words: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(create, "_add_lake", fail)
    said = refused("backup", str(tmp_path / "again.tar"))
    assert said == "error: the backup was broken off, and nothing was written: No space left on device"
    assert not (tmp_path / "again.tar").exists()


@pytest.mark.parametrize("moment", ["rotated", "adopted", "finished"])
def test_a_backup_during_a_rotation_holds_the_key_of_its_store(
    home: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WarehouseSettings(home=home)
    copy = create.copy_sqlite
    before = load_secret(settings)

    def rotate_first(source: Path, target: Path) -> None:
        """Copy the store at a moment that no test could hit otherwise: just after a rotation went so far."""
        if target.name == "store.sqlite":
            with Store.open(settings) as store:
                rotate_secret(store, make_next_secret(settings), utc_now())
            if moment != "rotated":
                adopt_next_secret(settings)
            if moment == "finished":
                with Store.open(settings) as store:
                    finish_rotation(store, utc_now())
        copy(source, target)

    monkeypatch.setattr(create, "copy_sqlite", rotate_first)
    create_backup(settings, tmp_path / "all.tar")
    restored = tmp_path / "restored"
    call_json("restore", str(tmp_path / "all.tar"), SOCIALFLOW_HOME=str(restored))
    assert load_secret(WarehouseSettings(home=restored)) != before
    assert call_json("doctor", SOCIALFLOW_HOME=str(restored))["failed"] == []
    if moment != "finished":
        done = call_json("secrets", "rotate", "--yes", SOCIALFLOW_HOME=str(restored))
        assert done == {"state": "rotated"}
    with Store.open(WarehouseSettings(home=restored)) as store:
        assert not is_rotating(store)


def test_a_backup_whose_key_is_replaced_elsewhere_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = create.copy_sqlite
    given = WarehouseSettings(home=home, secret_key=SecretStr(load_secret(WarehouseSettings(home=home))))

    def rotate_first(source: Path, target: Path) -> None:
        if target.name == "store.sqlite":
            with Store.open(given) as store:
                rotate_secret(store, new_secret(), utc_now())
        copy(source, target)

    monkeypatch.setattr(create, "copy_sqlite", rotate_first)
    with pytest.raises(ConflictError, match="being rotated"):
        create_backup(given, tmp_path / "all.tar", key_file=tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_backup_beside_a_writer_is_consistent(home: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "SOCIALFLOW_HOME": str(home)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "at work\n"
        for number in range(3):
            call_json("backup", str(tmp_path / f"{number}.tar"))
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        if writer.stdout:
            writer.stdout.close()
    for number in range(3):
        restored = tmp_path / f"restored-{number}"
        call_json("restore", str(tmp_path / f"{number}.tar"), SOCIALFLOW_HOME=str(restored))
        pairs = [row for row in dump_store(restored)["workspaces"] if "pair" in row]
        lake = [row for row in dump_lake(restored)["dims.accounts"] if row["account_id"].count("_") == 2]
        assert len(pairs) >= 6
        assert len(pairs) % 2 == 0
        assert len(lake) % 2 == 0
        assert len(lake) >= len(pairs) - 2


def damage_end(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def damage_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(64) + b"x" * 64 + content[middle + 128 :]


@pytest.mark.parametrize(
    "damage",
    [
        damage_end,
        damage_middle,
        lambda _content: b"garbage" * 5_000,
        lambda _content: b"",
        lambda content: content[:512],
    ],
)
def test_a_damaged_file_is_refused(file: Path, tmp_path: Path, damage: Any) -> None:
    file.write_bytes(damage(file.read_bytes()))
    restored = tmp_path / "restored"
    assert "cannot be restored" in refused("restore", str(file), SOCIALFLOW_HOME=str(restored))
    assert [path.name for path in restored.rglob("*") if path.name != "up.lock"] == []


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "evil.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert "unexpected member" in refused("restore", str(file), SOCIALFLOW_HOME=str(tmp_path / "restored"))
    assert not (tmp_path / "outside").exists()


def test_a_used_home_needs_force_and_is_moved_aside(home: Path, file: Path) -> None:
    before = dump_store(home)
    call_json("keys", "create", "--name", "later")
    changed = dump_store(home)
    assert "--force" in refused("restore", str(file))
    assert dump_store(home) == changed
    aside = Path(call_json("restore", str(file), "--force")["aside"])
    restored = dump_store(home)
    restored["audit_log"] = [row for row in restored["audit_log"] if "backup_restored" not in row]
    assert restored == before
    with closing(sqlite3.connect(aside / "store.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM api_keys WHERE name = 'later'").fetchone() == (1,)


def test_a_running_home_is_refused(home: Path, file: Path) -> None:
    with FileLock(home / "up.lock"):
        assert "already runs" in refused("restore", str(file), "--force")
    publishers = home / "publishers"
    publishers.mkdir()
    with FileLock(publishers / "host_1_a.lock"):
        assert "a publisher is at work" in refused("restore", str(file), "--force")


def test_the_key_may_be_kept_apart(home: Path, tmp_path: Path) -> None:
    file, key, restored = tmp_path / "all.tar", tmp_path / "apart.key", str(tmp_path / "restored")
    assert call_json("backup", str(file), "--key-file", str(key))["key_included"] is False
    assert key.stat().st_mode & 0o077 == 0
    assert (home / "secret.key").read_bytes().strip() not in file.read_bytes()
    assert "--key-file" in refused("restore", str(file), SOCIALFLOW_HOME=restored)
    (tmp_path / "wrong.key").write_text("x" * 40)
    wrong = refused("restore", str(file), "--key-file", str(tmp_path / "wrong.key"), SOCIALFLOW_HOME=restored)
    assert "not the one of this backup" in wrong
    call_json("restore", str(file), "--key-file", str(key), SOCIALFLOW_HOME=restored)
    assert call_json("backup", str(file), "--without-key", SOCIALFLOW_HOME=restored)["key_included"] is False
    assert "exclude each other" in refused("backup", str(file), "--without-key", "--key-file", str(key))


def test_what_cannot_be_backed_up_is_one_sentence(home: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "all.tar")
    assert "cannot use the store" in refused(
        "backup", target, SOCIALFLOW_DATABASE_URL="postgresql://127.0.0.1:1/x"
    )
    assert "lake" in refused("backup", target, SOCIALFLOW_LAKE_CATALOG="postgres:host=127.0.0.1 port=1")
    assert "there is no store" in refused("backup", target, SOCIALFLOW_HOME=str(tmp_path / "nothing"))
    assert "no folder" in refused("backup", str(tmp_path / "missing" / "all.tar"))
    assert "is a folder" in refused("backup", str(tmp_path))
    assert "there is no file" in refused("restore", str(tmp_path / "missing.tar"))
    next((home / "lake" / "data").rglob("*.parquet")).unlink()
    assert "missing" in refused("backup", target)
    assert [path.name for path in tmp_path.iterdir() if "all.tar" in path.name] == []
