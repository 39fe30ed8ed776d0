"""Invariants of lake and store after ingests were killed. Each function returns the violations."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from connectors.types import Platform
from warehouse.lake.connect import Lake
from warehouse.lake.load import (
    load_account_snapshots,
    load_accounts,
    load_post_snapshots,
    load_publications,
)
from warehouse.lake.maintenance import rebuild_marts
from warehouse.lake.marts import KEYS
from warehouse.settings import WarehouseSettings
from warehouse.store.measuring.measurements import next_snapshot_at
from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from connectors.sandbox.world import SandboxWorld
    from warehouse.store.database import Store

    Tables = dict[str, list[tuple[Any, ...]]]


def judge_marks(store: Store, lake: Lake) -> list[str]:
    """What the store marks as measured must be in the lake, at any time, killed or not."""
    with store.read() as session:  # before the lake is read: that may only be ahead
        marked = session.scalars(select(Publication).where(Publication.snapshot_count > 0)).all()
    captured = _captured(lake)
    return [
        f"{row.id} is marked as measured, and no row of the lake leads to {row.next_snapshot_at}"
        for row in marked
        if not any(
            next_snapshot_at(row.published_at or at, at) == row.next_snapshot_at for at in captured[row.id]
        )
    ]


def judge(
    store: Store,
    lake: Lake,
    folder: Path,
    world: SandboxWorld,
    posts: list[dict[str, Any]],
) -> tuple[list[str], dict[str, int]]:
    """Compare the lake with the store, with the sandbox's record, and its marts with those of the same raw rows.

    Returns what is wrong, and figures.
    """
    figures: dict[str, int] = {}
    problems = judge_marks(store, lake) + judge_keys(lake)
    problems += _judge_plan(store, lake, posts, figures) + _judge_counters(store, lake, world)
    problems += _judge_files(lake, folder, figures)
    kept = _read_marts(lake)
    with Lake.open(WarehouseSettings(home=folder / "second"), threads=1) as second:
        _load_once(lake, second)
        problems += [f"loaded in one go, {name} differs" for name in _differing(kept, _read_marts(second))]
    rebuild_marts(lake)
    problems += [f"rebuilt, {name} differs" for name in _differing(kept, _read_marts(lake))]
    return problems, figures


def judge_keys(lake: Lake) -> list[str]:
    """Return the tables of the lake in which a key is there more than once."""
    doubled = []
    for table, key in {
        "raw.post_snapshots": "publication_id, captured_at",
        "raw.account_snapshots": "account_id, captured_at",
        "dims.publications": "publication_id",
        "dims.accounts": "account_id",
    }.items():
        (row,) = lake.query(
            f"SELECT count(*) AS n FROM (SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1)"  # noqa: S608 (names from above)
        )
        if row["n"]:
            doubled.append(f"{row['n']} keys of {table} are there more than once")
    return doubled


def _judge_plan(store: Store, lake: Lake, posts: list[dict[str, Any]], figures: dict[str, int]) -> list[str]:
    """Each post of the sandbox is known once, measured, and planned by its newest row."""
    with store.read() as session:
        rows = session.scalars(select(Publication)).all()
        accounts = session.scalars(select(AccountRow)).all()
    ours = {(row.platform, row.external_id) for row in accounts}
    out = [
        (post["platform"], post["external_id"])
        for post in posts
        if (post["platform"], post["account_id"]) in ours
    ]
    captured = _captured(lake)
    problems = []
    if sorted((row.platform, row.external_id or "") for row in rows) != sorted(out):
        problems.append(f"{len(rows)} publications are known, {len(out)} posts are out")
    for row in rows:
        times = captured[row.id]
        if not times or row.published_at is None:
            problems.append(f"{row.id} was never measured")
        elif row.next_snapshot_at != next_snapshot_at(row.published_at, max(times)):
            problems.append(f"{row.id} is planned for {row.next_snapshot_at}, not by its newest row")
    counted = {
        row["account_id"] for row in lake.query("SELECT DISTINCT account_id FROM raw.account_snapshots")
    }
    problems += [f"the followers of {row.id} were never counted" for row in accounts if row.id not in counted]
    figures.update(publications=len(rows), snapshots=sum(len(times) for times in captured.values()))
    return problems


def _judge_counters(store: Store, lake: Lake, world: SandboxWorld) -> list[str]:
    """Each row holds what its own post had at its own moment."""
    with store.read() as session:
        rows = session.scalars(select(Publication)).all()
    world.published()  # invents every account's history, as the sandbox did
    posts = {row.id: world.find_post(Platform(row.platform), row.external_id or "") for row in rows}
    problems = []
    for row in lake.query("SELECT publication_id, captured_at, comments FROM raw.post_snapshots"):
        post = posts.get(row["publication_id"])
        now = None if post is None else world.counters(post, row["captured_at"].timestamp())
        if now is None or row["comments"] != now.comments:
            problems.append(f"{row['publication_id']} of {row['captured_at']} has {row['comments']} comments")
    return problems


def _judge_files(lake: Lake, folder: Path, figures: dict[str, int]) -> list[str]:
    """Every file that the lake knows is there; others, of killed transactions, may be there too."""
    known = set()
    for table in lake.query(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'"
    ):
        schema, name = table["schema_name"], table["table_name"]
        for row in lake.query(
            "SELECT data_file, delete_file FROM ducklake_list_files('lake', $name, schema => $schema)",
            {"name": name, "schema": schema},
        ):
            known |= {path for path in row.values() if path}
    names = {path.rsplit("/", 1)[-1] for path in known}
    found = {path.name for path in (folder / "home" / "lake" / "data").rglob("*.parquet")}
    ever = {
        row["path"].rsplit("/", 1)[-1]
        for kind in ("data", "delete")
        for row in lake.query(f"SELECT path FROM __ducklake_metadata_lake.ducklake_{kind}_file")  # noqa: S608 (same)
    }
    figures["orphans"] = len(found - ever)
    (row,) = lake.query(
        "SELECT count(*) AS n FROM ducklake_snapshots('lake') WHERE map_contains(changes, 'merge_adjacent')"
    )
    figures["merges"] = row["n"]
    return [f"the lake needs {name}, which is gone" for name in sorted(names - found)]


def _captured(lake: Lake) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for row in lake.query("SELECT publication_id, captured_at FROM raw.post_snapshots"):
        found[row["publication_id"]].append(row["captured_at"])
    return found


def _read_marts(lake: Lake) -> Tables:
    statements = {mart: f"FROM marts.{mart} ORDER BY {', '.join(key)}" for mart, key in KEYS.items()}
    return {mart: [tuple(row.values()) for row in lake.query(sql)] for mart, sql in statements.items()}


def _differing(one: Tables, other: Tables) -> list[str]:
    return [
        f"{name} ({len(rows)} rows, {len(set(map(repr, rows)) ^ set(map(repr, other[name])))} in one only)"
        for name, rows in one.items()
        if rows != other[name]
    ]


def _load_once(lake: Lake, second: Lake) -> None:
    """Give the second lake the first one's raw rows, all at once."""
    with lake.write() as cursor:
        tables = {
            name: cursor.execute(f"FROM {name}").to_arrow_table()
            for name in ("dims.accounts", "dims.publications", "raw.post_snapshots", "raw.account_snapshots")
        }
    load_accounts(second, tables["dims.accounts"])
    load_publications(second, tables["dims.publications"])
    load_post_snapshots(second, tables["raw.post_snapshots"], "once")
    load_account_snapshots(second, tables["raw.account_snapshots"], "once")
