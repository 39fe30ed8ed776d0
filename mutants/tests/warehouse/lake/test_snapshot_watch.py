"""The newest commit's number is believed only while the catalog's files prove it, and never for long."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from warehouse.lake.connect import Lake
from warehouse.lake.snapshot_watch import LONGEST_S, CommitWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.settings import WarehouseSettings


class Catalog:
    """A catalog's file and the lake behind it, which counts how often it is asked."""

    def __init__(self, path: Path) -> None:
        self.path, self.number, self.asked = path, 1, 0
        path.write_bytes(b"x")
        self.wal = path.with_name(path.name + "-wal")

    def ask(self) -> int:
        self.asked += 1
        return self.number

    def age(self, file: Path, seconds: float) -> None:
        """Make the file look written that long ago."""
        os.utime(file, (time.time() - seconds,) * 2)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = Catalog(tmp_path / "catalog.sqlite")
    made.age(made.path, 60)
    return made


def test_unchanged_files_are_not_asked_again(catalog: Catalog) -> None:
    watch = CommitWatch(catalog.path, catalog.ask)
    assert [watch.snapshot_id() for _ in range(5)] == [1] * 5
    assert catalog.asked == 1


def test_whatever_changes_a_file_is_asked_about(catalog: Catalog) -> None:
    watch = CommitWatch(catalog.path, catalog.ask)
    changes: list[Callable[[], object]] = [
        lambda: (catalog.wal.write_bytes(b"a"), catalog.age(catalog.wal, 30)),
        lambda: catalog.age(catalog.wal, 20),
        lambda: (catalog.wal.write_bytes(b"ab"), catalog.age(catalog.wal, 20)),
        lambda: (catalog.path.write_bytes(b"y"), catalog.age(catalog.path, 10)),
        catalog.wal.unlink,
    ]
    for number, change in enumerate(changes, start=2):
        watch.snapshot_id()
        catalog.number = number
        change()
        assert watch.snapshot_id() == number


def test_fresh_files_prove_nothing(catalog: Catalog) -> None:
    """Two commits within a tick of the file system's clock leave the same time and, at times, the same size."""
    watch = CommitWatch(catalog.path, catalog.ask)
    catalog.age(catalog.path, 0)
    assert watch.snapshot_id() == 1
    catalog.number = 2
    assert watch.snapshot_id() == 2


def test_nothing_is_believed_for_long(catalog: Catalog) -> None:
    seconds = 100.0
    watch = CommitWatch(catalog.path, catalog.ask, clock=lambda: seconds)
    watch.snapshot_id()
    catalog.number = 2
    seconds += LONGEST_S * 0.9
    assert watch.snapshot_id() == 1
    seconds += LONGEST_S * 0.2
    assert watch.snapshot_id() == 2


def test_a_catalog_that_is_no_file_is_always_asked(catalog: Catalog) -> None:
    watch = CommitWatch(None, catalog.ask)
    assert [watch.snapshot_id() for _ in range(3)] == [1] * 3
    assert catalog.asked == 3


def test_anothers_commit_is_seen_at_once(lake_settings: WarehouseSettings) -> None:
    with Lake.open(lake_settings) as writer, Lake.open(lake_settings, read_only=True) as reader:
        for _ in range(4):
            before = reader.snapshot_id()
            assert reader.snapshot_id() == before
            with writer.write() as cursor:
                cursor.execute("INSERT INTO schema_version VALUES (0, 'of the test', now())")
            assert reader.snapshot_id() == writer.snapshot_id() == before + 1
