"""Make a filled lake of every schema version that the main branch ever had, with that version's own code.

    python tests/warehouse/lake/old_lakes/make.py

For each version the newest commit of the main branch that has it is unpacked, and a process with only that code on
its path opens a new lake and loads the same accounts, publications and snapshots. An archive holds the lake's folder
and the rows of raw and dims as that version read them (`rows.json`). Existing archives are left alone: run this after
a migration has been merged, and add the new file.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MIGRATIONS = "warehouse/sql/migrations"

FILL = """
import json, os, sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from warehouse.lake import load, rows
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings

DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
KNOWN = {"workspace_id": "ws_1", "platform": "twitter", "api_version": "2", "kind": "text", "origin": "socialflow"}

def make(kind, **values):
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in {**KNOWN, **values}.items() if name in names})

accounts = [
    make(rows.AccountDim, account_id=f"acct_{one}", handle=one, display_name=one.upper(), timezone="Asia/Tokyo")
    for one in "ab"
]
publications, snapshots, counts = [], [], []
for number in range(40):
    of = {"account_id": f"acct_{'ab'[number % 2]}", "publication_id": f"pub_{number:02}"}
    at = DAY + timedelta(days=number // 2, hours=number % 7)
    origin = "external" if number % 5 == 0 else "socialflow"
    publications.append(make(rows.PublicationDim, **of, post_id=f"post_{number}", published_at=at, origin=origin,
                             text=f"post {number} #tag", permalink=f"https://x.example/{number}"))
    for hours in (1, 25, 200):
        snapshots.append(make(rows.PostSnapshot, **of, published_at=at, captured_at=at + timedelta(hours=hours),
                              likes=10 * number + hours, comments=number,
                              impressions=None if number % 3 else 900 + hours))
for days in range(5):
    for one in "ab":
        counts.append(make(rows.AccountSnapshot, account_id=f"acct_{one}", captured_at=DAY + timedelta(days=days),
                           followers=100 + days, following=7, posts=days))
settings = WarehouseSettings(home=Path(sys.argv[1]))
with Lake.open(settings) as lake:
    load.load_accounts(lake, accounts)
    load.load_publications(lake, publications)
    load.load_post_snapshots(lake, snapshots[:60], "run_1")
    load.load_post_snapshots(lake, snapshots, "run_2")
    load.load_account_snapshots(lake, counts, "run_2")
    tables = lake.query("SELECT table_schema AS s, table_name AS t FROM information_schema.tables "
                        "WHERE table_catalog = 'lake' AND table_schema IN ('raw', 'dims') "
                        "AND table_type = 'BASE TABLE' ORDER BY ALL")
    found = {f"{one['s']}.{one['t']}": lake.query(f"FROM {one['s']}.{one['t']} ORDER BY ALL") for one in tables}
print(json.dumps(found, default=str))
"""


def list_versions() -> dict[str, str]:
    """Return the newest commit of the main branch for each schema version."""
    found: dict[str, str] = {}
    for commit in git("log", "--first-parent", "--format=%h", "main").split():
        names = git("ls-tree", "--name-only", commit, f"{MIGRATIONS}/").split()
        if names:
            found.setdefault(Path(names[-1]).name[:4], commit)
    return found


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def make_lake(version: str, commit: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        code, home = Path(folder, "code"), Path(folder, "home")
        packed = subprocess.run(
            ["git", "archive", commit, "warehouse", "connectors"], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(code, filter="data")
        done = subprocess.run(
            [sys.executable, "-c", FILL, str(home)],
            check=False,
            capture_output=True,
            text=True,
            cwd=code,
            env={**os.environ, "PYTHONPATH": str(code)},
        )
        if done.returncode:
            raise SystemExit(f"{version} ({commit}): {done.stderr[-2000:]}")
        rows = json.dumps(json.loads(done.stdout), indent=0).encode()
        with tarfile.open(HERE / f"{version}.tar.xz", "w:xz") as archive:
            archive.add(home / "lake", "lake", filter=forget_owner)
            entry = tarfile.TarInfo("rows.json")
            entry.size = len(rows)
            archive.addfile(entry, io.BytesIO(rows))
        print(version, commit, (HERE / f"{version}.tar.xz").stat().st_size)


def forget_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.name.endswith((".lock", "-wal", "-shm")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    for one, newest in sorted(list_versions().items()):
        if not (HERE / f"{one}.tar.xz").exists():
            make_lake(one, newest)
