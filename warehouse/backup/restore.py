"""Restore a backup: unpack it next to its place, verify all of it, and only then put it there.

The restored store is marked: the first publisher looks up what may have been sent since the backup was made
(`warehouse.store.installation`).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from warehouse.backup.create import is_local, media_folder
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
from warehouse.errors import ConflictError, InvalidInputError, SetupError
from warehouse.lake.attach import local_catalog
from warehouse.lake.connect import Lake
from warehouse.media_files import open_media_files
from warehouse.move.lake import move_lake, prepare_lake, read_lake
from warehouse.move.media import move_media
from warehouse.move.store import move_store, require_new, settle
from warehouse.store.audit.log import record
from warehouse.store.crypto import Cipher, load_secret
from warehouse.store.database import Store
from warehouse.store.installation import mark_restored
from warehouse.store.leases.work_leases import forget_all_work

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    manifest: Manifest
    aside: Path | None
    """The folder that holds what was there before."""


def restore_backup(
    settings: WarehouseSettings,
    source: Path,
    *,
    force: bool = False,
    key_file: Path | None = None,
    say: Callable[[str], None] = lambda _words: None,
) -> Restored:
    """Put the backup's store, lake, media and key in their places; the caller sees to it that nothing runs there.

    Where a part belongs on a server, its database and bucket must be empty: nothing is moved aside there.

    Raises InvalidInputError (no backup, cut off, changed, or a wrong key), ConflictError (something is there already,
    and not `force`), SetupError. Nothing is changed where it raises one of these.
    """
    local = is_local(settings)
    if force and not local:
        raise InvalidInputError(
            "--force moves aside what is in a home, and nothing on servers: restore into an empty database and an "
            "empty bucket or prefix, or empty them yourself",
            field="force",
        )
    places = _list_places(settings)
    # On servers the key's file may be there already, put there by hand or by an interrupted attempt: it is compared.
    there = [path for name, path in places.items() if _is_used(path) and (local or name != KEY)]
    if there and not force:
        raise ConflictError(
            f"{there[0]} exists already: restore into an empty home (SOCIALFLOW_HOME), or use --force, which moves "
            "aside what is there",
            code="home_not_empty",
        )
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in settings.home.glob(
        ".restore-*"
    ):  # of one that was killed: a whole installation, with its key
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.home) as name:
        staged = Path(name)
        say("unpacking and verifying ...")
        manifest = _unpack(source, staged)
        secret = _find_key(settings, staged, key_file)
        _verify_store(staged, manifest, secret)
        if manifest.lake_rows is not None:
            _verify_lake(settings, staged, manifest.lake_rows)
        _prepare_store(settings, staged, secret, manifest.made_at, local=local)
        say("putting it in its place ...")
        if not local:
            _place_on_servers(settings, staged, places, secret, manifest, say=say)
            return Restored(manifest, None)
        aside = _move_aside(settings, places) if there else None
        _place(staged, places)
    return Restored(manifest, aside)


def _list_places(settings: WarehouseSettings) -> dict[str, Path]:
    """Return where each part belongs; the store last: without it an interrupted restore is plain to see."""
    catalog, media = local_catalog(settings), media_folder(settings)
    places = {}
    if "://" not in settings.resolved_lake_data_path:
        places[DATA] = Path(settings.resolved_lake_data_path)
    if catalog is not None:
        places[CATALOG] = catalog
    if media is not None:
        places[MEDIA] = media
    if settings.secret_key is None and settings.secret_key_file is None:
        places[KEY] = settings.home / "secret.key"
    if settings.resolved_database_url.startswith("sqlite:"):
        places[STORE] = Path(settings.resolved_database_url.removeprefix("sqlite:///"))
    return places


def _is_used(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    # A journal that is left over would be replayed on the restored database.
    return path.exists() or path.with_name(path.name + "-wal").exists()


def _unpack(source: Path, staged: Path) -> Manifest:
    """Unpack and compare with the manifest. Raises InvalidInputError."""
    found: dict[str, FileEntry] = {}
    try:
        with tarfile.open(source, mode="r:*") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None or path.is_absolute() or ".." in path.parts or member.name in found:
                    raise _refuse(source, f"it holds the unexpected member {member.name!r}")
                target = staged / path
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    reader = HashingReader(stream)
                    reader.exhaust(file)
                    file.flush()
                    os.fsync(file.fileno())
                found[member.name] = reader.entry
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {source}", field="file") from None
    except (tarfile.TarError, EOFError) as error:
        raise _refuse(source, f"it is cut off, damaged, or no backup at all ({error})") from error
    except OSError as error:
        raise InvalidInputError(
            f"cannot unpack {source}: {error.strerror or error}; nothing was changed", field="file"
        ) from error
    if found.pop(MANIFEST, None) is None:
        raise _refuse(source, "it has no manifest at its end: it is cut off, or no backup of SocialFlow")
    manifest = _read_manifest(source, staged / MANIFEST)
    changed = sorted(
        name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)
    )
    if changed or STORE not in found:
        raise _refuse(source, f"{(changed or [STORE])[0]} is not what the manifest says")
    return manifest


def _read_manifest(source: Path, path: Path) -> Manifest:
    content = path.read_bytes()
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise _refuse(source, "its manifest cannot be read: was it made by a newer version?") from None
    if manifest.format != FORMAT:
        raise _refuse(
            source, f"it has format {manifest.format}, this version reads {FORMAT}: update the program"
        )
    return manifest


def _refuse(source: Path, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{source} cannot be restored: {why}; nothing was changed", field="file", code="bad_backup"
    )


def _find_key(settings: WarehouseSettings, staged: Path, key_file: Path | None) -> str:
    """Return the secret key, and have it in the staged folder. Raises InvalidInputError."""
    inside = staged / KEY
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = next((file for file in (key_file, settings.secret_key_file) if file is not None), None)
    if path is None:
        path = inside if inside.exists() else settings.home / "secret.key"
    try:
        secret = path.expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidInputError(
            f"the backup holds no key, and {path} cannot be read: name the key's file with --key-file",
            field="key_file",
            code="key_missing",
        ) from None
    inside.unlink(missing_ok=True)
    descriptor = os.open(inside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{secret}\n")
    return secret


def _verify_store(staged: Path, manifest: Manifest, secret: str) -> None:
    try:
        with closing(sqlite3.connect(staged / STORE)) as connection:
            rows = count_store_rows(connection)
            known = connection.execute("SELECT secret_fingerprint FROM instance").fetchone()
    except sqlite3.Error as error:
        raise InvalidInputError(
            f"the backup's store cannot be read: {error}", field="file", code="bad_backup"
        ) from error
    _compare("the store", manifest.store_rows, rows)
    if known is not None and known[0] != Cipher(secret).fingerprint:
        raise InvalidInputError(
            "the secret key is not the one of this backup: name the right file with --key-file, or set "
            "SOCIALFLOW_SECRET_KEY to the old value; nothing was changed",
            field="key_file",
            code="wrong_key",
        )


def _verify_lake(settings: WarehouseSettings, staged: Path, expected: dict[str, int]) -> None:
    (staged / DATA).mkdir(parents=True, exist_ok=True)
    _compare("the lake", expected, count_lake_rows(settings, staged / CATALOG, str(staged / DATA)))


def _compare(what: str, expected: dict[str, int], rows: dict[str, int]) -> None:
    for name in sorted({*expected, *rows}):
        if expected.get(name) != rows.get(name):
            raise InvalidInputError(
                f"{what}'s table {name} has {rows.get(name)} rows, the backup's manifest says {expected.get(name)}",
                field="file",
                code="bad_backup",
            )


def _prepare_store(
    settings: WarehouseSettings, staged: Path, secret: str, made_at: datetime, *, local: bool
) -> None:
    """Bring the store to this version's schema and mark it as restored. Raises SetupError.

    For servers the audit log tells of the restore when all is there: prepared again, the same backup must be the same.
    """
    with Store.open(_stage(settings, staged, secret)) as store:
        mark_restored(store, made_at)
        with store.write() as session:
            forget_all_work(session)
        if local:
            _record(store, made_at)


def _record(store: Store, made_at: datetime) -> None:
    with store.write() as session:
        record(session, "backup_restored", None, datetime.now(UTC), detail={"made_at": made_at.isoformat()})


def _stage(settings: WarehouseSettings, staged: Path, secret: str) -> WarehouseSettings:
    """Return settings of the unpacked backup as an installation."""
    return settings.model_copy(
        update={
            "home": staged,
            "database_url": f"sqlite:///{staged / STORE}",
            "lake_catalog": f"sqlite:{staged / CATALOG}",
            "lake_data_path": str(staged / DATA),
            "media_path": str(staged / MEDIA),
            "secret_key": SecretStr(secret),
            "secret_key_file": None,
        }
    )


def _place_on_servers(
    settings: WarehouseSettings,
    staged: Path,
    places: dict[str, Path],
    secret: str,
    manifest: Manifest,
    *,
    say: Callable[[str], None],
) -> None:
    """Copy the unpacked backup into empty databases and buckets, and compare every table there.

    Interrupted, it goes on with what is missing when the same backup is restored again.
    """
    source = _stage(settings, staged, secret)
    if KEY in places and not places[KEY].exists():
        _place(staged, {KEY: places[KEY]})
    # Compared before the store is opened, which remembers the key of its creation.
    if Cipher(load_secret(settings)).fingerprint != Cipher(secret).fingerprint:
        raise InvalidInputError(
            "the key of this place is not the backup's: set SOCIALFLOW_SECRET_KEY or SOCIALFLOW_SECRET_KEY_FILE to "
            "that of the backup, or remove the home's secret.key; nothing was changed",
            field="key_file",
            code="wrong_key",
        )
    with Store.open(source) as old, Store.open(settings) as new:
        require_new(new)
        if manifest.lake_rows is not None:
            Lake.open(source).close()  # brings a lake of an older version to this one's tables
            prepare_lake(settings, read_lake(source))
        move_store(old, new, say=say)
        if manifest.lake_rows is not None:
            move_lake(source, settings, say=say)
        move_media(old, open_media_files(source), open_media_files(settings), say=say)
        settle(old, new, with_place=True)
        _record(new, manifest.made_at)


def _move_aside(settings: WarehouseSettings, places: dict[str, Path]) -> Path:
    aside = settings.home / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    aside.mkdir(mode=0o700)
    # The store first: without it nothing of the old home can be started by mistake.
    for name, path in reversed(places.items()):
        for old in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm"))):
            if old.exists():
                target = aside / name.rstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                shutil.move(old, target.with_name(target.name + old.name.removeprefix(path.name)))
    return aside


def _place(staged: Path, places: dict[str, Path]) -> None:
    for name, path in places.items():
        part = staged / name
        if not part.exists():
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path.is_dir():
                path.rmdir()  # an empty one; the parts that were used are aside by now
            shutil.move(part, path)
        except OSError as error:
            raise SetupError(
                f"cannot put {path} in its place: {error.strerror or error}; correct it and restore again with --force"
            ) from error
