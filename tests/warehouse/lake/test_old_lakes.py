"""Lakes of every schema version so far, filled by their own code: brought up to date with nothing lost or changed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.errors import SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.migrate import NEWEST_VERSION
from warehouse.upgrades import plan_upgrade

if TYPE_CHECKING:
    from warehouse.settings import WarehouseSettings

ARCHIVES = sorted((Path(__file__).parent / "old_lakes").glob("*.tar.xz"))
IN_EVERY_RUN = {"0003", "0008", "0015"}
"""Oldest, in the middle, newest; the others are in `make test-long`: each migration rebuilds all marts."""
KEYS = {
    "raw.post_snapshots": ("publication_id", "captured_at"),
    "raw.account_snapshots": ("account_id", "captured_at"),
    "dims.accounts": ("account_id",),
    "dims.publications": ("publication_id",),
}


def unpack(archive: Path, settings: WarehouseSettings) -> dict[str, list[dict[str, Any]]]:
    with tarfile.open(archive) as packed:
        packed.extractall(settings.home, filter="data")
    loaded: dict[str, list[dict[str, Any]]] = json.loads((settings.home / "rows.json").read_text())
    return loaded


def read(lake: Lake, table: str) -> list[dict[str, Any]]:
    rows = lake.query(f"FROM {table} ORDER BY ALL")
    return [json.loads(json.dumps(row, default=str)) for row in rows]


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(path, id=path.name[:4], marks=() if path.name[:4] in IN_EVERY_RUN else pytest.mark.long)
        for path in ARCHIVES
    ],
)
def test_it_is_brought_up_to_date_with_every_row(
    archive: Path, warehouse_settings: WarehouseSettings
) -> None:
    before = unpack(archive, warehouse_settings)
    plan = plan_upgrade(warehouse_settings)
    assert plan.lake_version == int(archive.name[:4])
    assert [int(step.number) for step in plan.lake_steps][-1:] == (
        [NEWEST_VERSION] if plan.lake_version < NEWEST_VERSION else []
    )
    with Lake.open(warehouse_settings, threads=1) as lake:
        assert {len(before[table]) for table in KEYS} == {120, 10, 2, 40}
        for table, key in KEYS.items():
            after = read(lake, table)
            order = lambda row, key=key: [str(row[name]) for name in key]  # noqa: E731 (used once, as a key)
            for old, new in zip(sorted(before[table], key=order), sorted(after, key=order), strict=True):
                names = old.keys() & new.keys()
                assert len(names) >= 6
                assert {name: new[name] for name in names} == {name: old[name] for name in names}
        latest = lake.query("SELECT publication_id, likes FROM marts.publication_latest ORDER BY 1")
        assert latest == [
            {"publication_id": f"pub_{number:02}", "likes": 10 * number + 200} for number in range(40)
        ]
        wide = lake.query("SELECT count(*) AS n, count(text_length) AS texts FROM marts.posts_wide")
        assert wide == [{"n": 40, "texts": 40}]
    assert not plan_upgrade(warehouse_settings).lake_steps


def test_every_version_that_main_had_until_now_is_here() -> None:
    """A new migration comes with a lake of the version before it: see old_lakes/make.py."""
    versions = [int(path.name[:4]) for path in ARCHIVES]
    assert versions[:8] == [3, 4, 5, 6, 7, 8, 10, 11]
    assert versions[-1] >= 15


def test_a_lake_of_a_newer_version_is_refused_and_left_alone(warehouse_settings: WarehouseSettings) -> None:
    unpack(ARCHIVES[-1], warehouse_settings)
    with Lake.open(warehouse_settings, threads=1) as lake, lake.write() as cursor:
        cursor.execute("INSERT INTO schema_version VALUES (9999, '9999_later', now())")
    for read_only in (False, True):
        with pytest.raises(SetupError, match="created by a newer SocialFlow"):
            Lake.open(warehouse_settings, read_only=read_only)
