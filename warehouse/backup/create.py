"""Make a backup while everything runs.

The store comes first, then the lake: what the store knows as measured is then in the lake. The store is copied as of
one moment, by SQLite's online backup, or from PostgreSQL in one REPEATABLE READ transaction into a SQLite file: a
backup has the same form wherever the installation lives, and can be restored elsewhere. The lake's catalog is copied
under the lake's write lock; the Parquet files that it names never change, and are deleted a day after they were last
needed at the earliest (`warehouse.lake.maintenance.GRACE`), so they are read without the lock. The caller keeps the
nightly maintenance from deleting any meanwhile.
"""

from __future__ import annotations

import glob
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from warehouse.atomic_files import write_beside
from warehouse.backup.manifest import (
    CATALOG,
    DATA,
    FORMAT,
    KEY,
    MANIFEST,
    MEDIA,
    STORE,
    FileEntry,
    HashingReader,
    Manifest,
    count_lake_rows,
    count_store_rows,
)
from warehouse.errors import ConflictError, InvalidInputError, NotFoundError, SetupError
from warehouse.lake.attach import local_catalog
from warehouse.lake.connect import Lake
from warehouse.lake.locks import make_lock
from warehouse.media_files import open_media_files
from warehouse.move.lake import PIECE, copy_catalog, list_files, open_files
from warehouse.move.store import copy_as_of_now
from warehouse.store.audit.log import record
from warehouse.store.crypto import NEXT_KEY, Cipher, load_secret
from warehouse.store.database import Store
from warehouse.store.installation import read_generation
from warehouse.upgrades import plan_upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyarrow.fs import FileSystem

    from warehouse.settings import WarehouseSettings


LEFTOVER_AGE = timedelta(days=1)
"""Age from which unfinished files beside a backup count as left over."""


def create_backup(
    settings: WarehouseSettings,
    target: Path,
    *,
    with_key: bool = True,
    key_file: Path | None = None,
    say: Callable[[str], None] = lambda _words: None,
) -> Manifest:
    """Write the backup to `target`, readable by its owner alone; it appears when it is complete.

    The key is in it unless `with_key` is false or `key_file` names a file that gets it instead. Raises SetupError
    where a part cannot be read, InvalidInputError where a file cannot be written, ConflictError where the key is
    being rotated. The audit log records that a backup was begun, in the backup too.
    """
    path, generation = _find_store(settings), 1
    if not plan_upgrade(settings).store_steps:
        with Store.open(settings, create=False) as store:
            with store.read() as session:
                generation = read_generation(session)
            _record_start(store, target, with_key=with_key, key_file=key_file, say=say)
    elif path is None:
        raise SetupError(
            "the store on PostgreSQL is of an older version: back it up with the version that runs it (or with "
            "pg_dump), then upgrade"
        )
    _remove_leftovers(target)
    with write_beside(target) as unfinished, _make_folder(target) as work:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            writer = _Writer(file)
            say("store ...")
            made_at = datetime.now(UTC)
            copy = work / "store.sqlite"
            if path is None:
                _copy_server(settings, work, copy)
            else:
                copy_sqlite(path, copy)
            with closing(sqlite3.connect(copy)) as connection:
                store_rows = count_store_rows(connection)
                secret = _find_key(settings, connection) if key_file is not None or with_key else None
            if key_file is not None and secret is not None:
                _write_key(key_file, secret)
            writer.add_file(STORE, copy)
            lake_rows = _add_lake(settings, writer, work, say)
            _add_media(settings, writer, work, say)
            if secret is not None and key_file is None:
                writer.add_bytes(KEY, f"{secret}\n".encode())
            manifest = Manifest(
                format=FORMAT,
                version=version("socialflow"),
                made_at=made_at,
                generation=generation,
                key_included=KEY in writer.files,
                store_rows=store_rows,
                lake_rows=lake_rows,
                files=writer.files,
            )
            writer.close(manifest)
            file.flush()
            os.fsync(file.fileno())
    return manifest


def _find_store(settings: WarehouseSettings) -> Path | None:
    """Return the store's file; None on PostgreSQL. Raises SetupError.

    The file of an older version is copied as it is: a backup is taken before the upgrade, with the new program.
    """
    url = settings.resolved_database_url
    if not url.startswith("sqlite:"):
        return None
    path = Path(url.removeprefix("sqlite:///"))
    if path.name == ":memory:" or url == "sqlite://":
        raise SetupError("a store in memory cannot be backed up")
    return path


def _record_start(
    store: Store, target: Path, *, with_key: bool, key_file: Path | None, say: Callable[[str], None]
) -> None:
    detail = {"file": target.name, "key": "in a file" if key_file else "inside" if with_key else "left out"}
    try:
        with store.write() as session:
            record(session, "backup_started", None, datetime.now(UTC), detail=detail)
    except SQLAlchemyError as error:  # a full disk is a reason to make a backup, not to refuse one
        say(f"the audit log could not be written: {type(error).__name__}")


def _find_key(settings: WarehouseSettings, copy: sqlite3.Connection) -> str:
    """Return the key of the copied store, which a rotation may have replaced since it was opened."""
    known = copy.execute("SELECT secret_fingerprint FROM instance").fetchone()
    secrets = [load_secret(settings)]
    with suppress(OSError, UnicodeDecodeError):
        secrets.append((settings.home / NEXT_KEY).read_text().strip())
    for secret in secrets:
        if known is None or Cipher(secret).fingerprint == known[0]:
            return secret
    raise ConflictError(
        "the secret key is being rotated: finish `socialflow secrets rotate`, then make the backup",
        code="unfinished_rotation",
    )


def is_local(settings: WarehouseSettings) -> bool:
    """Return whether store, lake and media are all in folders of this machine."""
    return (
        settings.resolved_database_url.startswith("sqlite:")
        and local_catalog(settings) is not None
        and "://" not in settings.resolved_lake_data_path
        and media_folder(settings) is not None
    )


def make_local(settings: WarehouseSettings, home: Path) -> WarehouseSettings:
    """Return settings of an installation in this folder, with the same key and the same access to buckets."""
    return settings.model_copy(
        update={
            "home": home,
            "database_url": None,
            "lake_catalog": None,
            "lake_data_path": None,
            "media_path": None,
            "secret_key": SecretStr(load_secret(settings)),
            "secret_key_file": None,
        }
    )


def _copy_server(settings: WarehouseSettings, work: Path, target: Path) -> None:
    """Copy a store on a server into a SQLite file, as of one moment."""
    copied = make_local(settings, work / "store")
    with Store.open(settings, create=False) as source, Store.open(copied) as store:
        copy_as_of_now(source, store)
        path = store.file
    if path is None:
        raise SetupError("the copy of the store has no file")
    copy_sqlite(path, target)


def media_folder(settings: WarehouseSettings) -> Path | None:
    """Return the folder of uploaded media; None where they are in a bucket."""
    place = settings.media_path
    if place is None:
        return settings.home / "media"
    return None if "://" in place else Path(place).expanduser()


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as of one moment, while others write to it. Raises SetupError."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            # One file that needs no -wal beside it.
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise SetupError(f"cannot copy {source}: {error}") from error


class _Writer:
    """Adds members to the archive and keeps their hashes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self.files: dict[str, FileEntry] = {}

    def add_file(self, name: str, path: Path) -> None:
        """Add a file. Raises FileNotFoundError."""
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            self._add(name, HashingReader(source), size)

    def add_stream(self, name: str, files: FileSystem, path: str) -> None:
        """Add a file of a file system."""
        with files.open_input_stream(path) as source:
            self._add(name, HashingReader(source), files.get_file_info(path).size)

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a member with this content."""
        self._add(name, HashingReader(io.BytesIO(content)), len(content))

    def close(self, manifest: Manifest) -> None:
        """End the archive with its manifest."""
        self.add_bytes(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._tar.close()

    def _add(self, name: str, reader: HashingReader, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(datetime.now(UTC).timestamp())
        self._tar.addfile(member, reader)
        self.files[name] = reader.entry


def _add_lake(
    settings: WarehouseSettings, writer: _Writer, work: Path, say: Callable[[str], None]
) -> dict[str, int] | None:
    catalog = local_catalog(settings)
    if catalog is not None and not catalog.exists():
        return None
    say("lake ...")
    copy = work / "catalog.sqlite"
    if catalog is None:
        _copy_server_catalog(settings, work, copy)
    else:
        with make_lock(settings).hold():
            copy_sqlite(catalog, copy)
    with closing(sqlite3.connect(copy)) as connection:
        # What waits for its deletion in the original is not copied.
        connection.execute("DELETE FROM ducklake_files_scheduled_for_deletion")
        connection.commit()
        query = "SELECT path FROM ducklake_data_file UNION ALL SELECT path FROM ducklake_delete_file"
        needed = {Path(path).name for (path,) in connection.execute(query)}
    writer.add_file(CATALOG, copy)
    files, root = open_files(settings)
    for path in sorted(list_files(files, root)):
        name = PurePosixPath(path).name
        if name in needed:
            writer.add_stream(DATA + path, files, f"{root}/{path}")
            needed.discard(name)
    if needed:
        raise SetupError(
            f"{len(needed)} Parquet files of the lake are missing in {settings.resolved_lake_data_path} "
            f"({min(needed)}): `socialflow doctor` tells more; nothing was written"
        )
    return count_lake_rows(settings, copy, settings.resolved_lake_data_path)


def _copy_server_catalog(settings: WarehouseSettings, work: Path, target: Path) -> None:
    """Copy a catalog on a server into a SQLite file, under the lake's write lock."""
    copied = make_local(settings, work / "lake")
    Lake.open(copied).close()
    with make_lock(settings).hold():
        copy_catalog(settings, copied)
    path = local_catalog(copied)
    if path is None:
        raise SetupError("the copy of the lake's catalog has no file")
    copy_sqlite(path, target)


def _add_media(settings: WarehouseSettings, writer: _Writer, work: Path, say: Callable[[str], None]) -> None:
    say("media ...")
    folder = media_folder(settings)
    if folder is not None:
        for path in _walk(folder):
            if not path.name.startswith("."):
                with suppress(FileNotFoundError):  # an upload that was deleted meanwhile
                    writer.add_file(MEDIA + path.relative_to(folder).as_posix(), path)
        return
    bucket = open_media_files(settings)
    with closing(sqlite3.connect(work / "store.sqlite")) as connection:
        ids = [name for (name,) in connection.execute("SELECT id FROM media_uploads ORDER BY id")]
    spool = work / "upload"
    for media_id in ids:
        with suppress(NotFoundError), bucket.open(media_id) as source:  # one that was deleted meanwhile
            with spool.open("wb") as piece:
                shutil.copyfileobj(source, piece, PIECE)
            writer.add_file(MEDIA + media_id, spool)


def _walk(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


@contextmanager
def _make_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target`, where there is room for copies; removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        yield Path(name)


def _remove_leftovers(target: Path) -> None:
    """Remove what backups of this name that were killed have left: each may be as large as the installation."""
    before = datetime.now(UTC).timestamp() - LEFTOVER_AGE.total_seconds()
    for path in target.parent.glob(f".{glob.escape(target.name)}.*"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_key(path: Path, secret: str) -> None:
    content = f"{secret}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.read_text().strip() == secret:
            return
        raise InvalidInputError(
            f"{path} exists and holds something else: choose another file for the key", field="key_file"
        ) from None
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}", field="key_file") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
