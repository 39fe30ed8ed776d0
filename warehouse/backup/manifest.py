"""What a backup says about itself. It is the last member of the archive, so that a cut-off file has none."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import IO, TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from warehouse.lake.attach import attach_lake

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from warehouse.settings import WarehouseSettings

FORMAT = 1
MANIFEST = "manifest.json"
STORE, CATALOG, KEY = "store.sqlite", "lake/catalog.sqlite", "secret.key"
DATA, MEDIA = "lake/data/", "media/"
_PIECE = 1_048_576


class FileEntry(BaseModel):
    """One member of the archive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """The manifest's content. Rows are counted per table, of the lake as `schema.table`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    version: str
    """The version of SocialFlow that made the backup."""
    made_at: datetime
    generation: int
    key_included: bool
    store_rows: dict[str, int]
    lake_rows: dict[str, int] | None
    """None = there was no lake."""
    files: dict[str, FileEntry]


class HashingReader:
    """A file that is read once, and what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        piece = self._source.read(size)
        self._hash.update(piece)
        self.size += len(piece)
        return piece

    def exhaust(self, target: IO[bytes]) -> None:
        """Copy the rest into `target`."""
        while piece := self.read(_PIECE):
            target.write(piece)

    @property
    def entry(self) -> FileEntry:
        """Return what was read so far as an entry of the manifest."""
        return FileEntry(size=self.size, sha256=self._hash.hexdigest())


def count_store_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the rows of every table of the operational store."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    return {name: _count(connection, name) for (name,) in names}


def count_lake_rows(settings: WarehouseSettings, catalog: Path, data: str) -> dict[str, int]:
    """Return the rows of every table of the lake with this catalog, by reading all its files' row counts."""
    copied = settings.model_copy(update={"lake_catalog": f"sqlite:{catalog}", "lake_data_path": data})
    with attach_lake(copied, read_only=True) as connection:
        names = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
        ).fetchall()
        rows = {}
        for schema, table in names:
            statement = f"SELECT count(*) FROM lake.{_name(schema)}.{_name(table)}"  # noqa: S608 (quoted names)
            found = connection.execute(statement).fetchone()
            rows[f"{schema}.{table}"] = int(found[0]) if found else 0
        return rows


def _count(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {_name(name)}").fetchone()  # noqa: S608 (a quoted name)
    return int(row[0])


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
