"""Copy the lake: every Parquet file as it is, and the catalog row by row, so that snapshots keep their numbers.

Cursors of incremental exports and the history of the lake stay valid. Files are copied first and skipped when they are
there already: an interrupted move goes on. The catalog is replaced in one transaction at the end.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyarrow import fs

from warehouse.errors import ConflictError, SetupError
from warehouse.lake.attach import (
    attach_lake,
    extension_files,
    local_catalog,
    postgres_words,
    quote,
    refuse_catalog,
)
from warehouse.lake.connect import Lake
from warehouse.lake.locks import make_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings

PIECE = 8_388_608
_OWN_TABLES = {"main.schema_version"}
"""Tables of a lake that have rows from its creation on."""


@dataclass(frozen=True, slots=True)
class LakeCopy:
    """What was copied, the same on both sides."""

    snapshot_id: int
    files: int
    bytes: int
    tables: dict[str, int]
    """Rows by schema.table of the newest snapshot; their hashes were compared."""


@dataclass(frozen=True, slots=True)
class LakeContent:
    """What a lake holds: every table of its newest snapshot."""

    snapshot_id: int
    tables: dict[str, tuple[int, str]]
    """Rows, and a hash of them that does not depend on their order, by schema.table."""


def read_lake(settings: WarehouseSettings) -> LakeContent:
    """Return what a lake of this version holds. Raises SetupError for one of another version, or an unusable one."""
    with Lake.open(settings, read_only=True) as lake:
        lake.snapshot_id()
    with attach_lake(settings, read_only=True) as connection:
        return LakeContent(_newest(connection), _fingerprint(connection))


def prepare_lake(target: WarehouseSettings, wanted: LakeContent) -> None:
    """Create the target's empty lake, or find that of an earlier attempt; to be called before anything is copied.

    Raises ConflictError if the target's lake has rows that are not the source's.
    """
    Lake.open(target).close()
    there = read_lake(target)
    own = sorted(name for name, (rows, _) in there.tables.items() if rows and name not in _OWN_TABLES)
    if own and there.tables != wanted.tables:
        rows = there.tables[own[0]][0]
        raise ConflictError(
            f"the target's lake has rows that are not this installation's ({rows} in {own[0]}): move into an empty one",
            code="target_not_empty",
        )


def move_lake(
    source: WarehouseSettings, target: WarehouseSettings, *, say: Callable[[str], None]
) -> LakeCopy:
    """Copy files and catalog, and compare every table; return what is there. Nobody may write to the source.

    Raises ConflictError if the target's lake has data of its own, or a table differs; SetupError for an unusable lake.
    """
    wanted = read_lake(source)
    prepare_lake(target, wanted)
    files = _copy_files(source, target, say=say)
    with make_lock(target).hold():
        copy_catalog(source, target)
    moved = read_lake(target)
    if moved != wanted or read_lake(source) != wanted:
        different = sorted(name for name in wanted.tables if moved.tables.get(name) != wanted.tables[name])
        what = ", ".join(different) or f"snapshot {moved.snapshot_id} for {wanted.snapshot_id}"
        raise ConflictError(
            f"the lake differs after it was copied ({what}): something else writes to one of them; stop it and move "
            "again",
            code="copy_differs",
        )
    tables = {name: rows for name, (rows, _) in wanted.tables.items()}
    say(f"  {len(tables)} tables, {sum(tables.values())} rows, snapshot {wanted.snapshot_id}")
    return LakeCopy(wanted.snapshot_id, len(files), sum(files.values()), tables)


def _copy_files(
    source: WarehouseSettings, target: WarehouseSettings, *, say: Callable[[str], None]
) -> dict[str, int]:
    """Copy every file below the data path that is missing or has another size; return all sizes by relative path."""
    reading, reading_root = open_files(source)
    writing, writing_root = open_files(target)
    wanted = list_files(reading, reading_root)
    there = list_files(writing, writing_root)
    missing = [path for path, size in wanted.items() if there.get(path) != size]
    for number, path in enumerate(sorted(missing), start=1):
        if isinstance(writing, fs.LocalFileSystem):
            Path(writing_root, path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            reading.open_input_stream(f"{reading_root}/{path}") as original,
            writing.open_output_stream(f"{writing_root}/{path}") as copy,
        ):
            while piece := original.read(PIECE):
                copy.write(piece)
        if number % 100 == 0 or number == len(missing):
            say(f"  files: {len(wanted) - len(missing) + number} of {len(wanted)}")
    copied = list_files(writing, writing_root)
    if short := [path for path, size in wanted.items() if copied.get(path) != size]:
        raise SetupError(
            f"{len(short)} files have another size after they were copied, such as {short[0]}: move again"
        )
    return wanted


def open_files(settings: WarehouseSettings) -> tuple[fs.FileSystem, str]:
    """Return the file system of the lake's data and the root in it, without a slash at the end."""
    place = settings.resolved_lake_data_path.rstrip("/")
    if not place.startswith("s3://"):
        return fs.LocalFileSystem(), str(Path(place).expanduser())
    key, secret = settings.lake_s3_access_key_id, settings.lake_s3_secret_access_key
    bucket = fs.S3FileSystem(
        access_key=key.get_secret_value() if key else None,
        secret_key=secret.get_secret_value() if secret else None,
        endpoint_override=settings.lake_s3_endpoint,
        region=settings.lake_s3_region,
        scheme="https" if settings.lake_s3_use_ssl else "http",
    )
    return bucket, place.removeprefix("s3://")


def list_files(files: fs.FileSystem, root: str) -> dict[str, int]:
    """Return the sizes of all files below `root`, by their paths relative to it."""
    selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
    return {
        found.path.removeprefix(root).lstrip("/"): found.size
        for found in files.get_file_info(selector)
        if found.type == fs.FileType.File
    }


def copy_catalog(source: WarehouseSettings, target: WarehouseSettings) -> None:
    """Replace the rows of the target's catalog in one transaction; call it under a write lock."""
    with closing(duckdb.connect(":memory:")) as connection:
        for settings in (source, target):
            for path in extension_files(settings):
                connection.execute(f"LOAD {quote(str(path))}")
        _attach_catalog(connection, source, "source", "READ_ONLY")
        _attach_catalog(connection, target, "target", "")
        old, new = (_list_catalog(connection, name) for name in ("source", "target"))
        connection.execute("BEGIN TRANSACTION")
        for table, columns in new.items():
            if table not in old:
                connection.execute(f'DELETE FROM target."{table}"')  # noqa: S608 (DuckLake's own names)
                continue
            names = ", ".join(f'"{name}"' for name in columns)
            values = ", ".join(
                f'CAST("{name}" AS {kind})' if name in old[table] else "NULL"
                for name, kind in columns.items()
            )
            connection.execute(f'DELETE FROM target."{table}"')  # noqa: S608 (DuckLake's own names)
            connection.execute(
                f'INSERT INTO target."{table}" ({names}) SELECT {values} FROM source."{table}"'  # noqa: S608 (same)
            )
        connection.execute(
            "UPDATE target.ducklake_metadata SET value = $path WHERE key = 'data_path'",
            {"path": target.resolved_lake_data_path},
        )
        if lost := set(old) - set(new):
            raise SetupError(
                f"the lake's catalog has tables that the target lacks: {', '.join(sorted(lost))}"
            )
        connection.execute("COMMIT")


def _attach_catalog(
    connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings, name: str, options: str
) -> None:
    path = local_catalog(settings)
    kind = "sqlite" if path is not None else "postgres"
    words = str(path) if path is not None else postgres_words(settings)
    wanted = ", ".join(word for word in (f"TYPE {kind}", options) if word)
    try:
        connection.execute(f"ATTACH {quote(words)} AS {name} ({wanted})")
    except duckdb.Error as error:
        raise refuse_catalog(error, settings) from None


def _list_catalog(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, dict[str, str]]:
    """Return the columns of every table of DuckLake's catalog, with their types."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = $name AND starts_with(table_name, 'ducklake_') ORDER BY table_name, column_index",
        {"name": name},
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def _fingerprint(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    names = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
    ).fetchall()
    found = {}
    for schema, table in names:
        # A sum of hashes does not depend on the order of the rows.
        row = connection.execute(
            f'SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM lake."{schema}"."{table}" AS t'  # noqa: S608 (own names)
        ).fetchone()
        found[f"{schema}.{table}"] = (int(row[0]), str(row[1])) if row else (0, "")
    return found


def _newest(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
    if row is None:
        raise SetupError("the lake has no snapshot: it is damaged")
    return int(row[0])
