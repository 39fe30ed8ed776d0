"""Uploaded files of past posts: detect and preview one, and run what was started or undone, one at a time.

The file is kept in the storage of uploads under the import's id until the import is done. Whoever runs an import holds
a lease on it: a process that died is replaced, and the next one continues.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import update

from warehouse.errors import InvalidInputError, NotFoundError, WarehouseError
from warehouse.lake.import_.corrections import undo_import
from warehouse.lake.import_.history import load_file
from warehouse.lake.import_.types import ReadOptions
from warehouse.lake.import_.zones import read_in_account_zone
from warehouse.platforms import parse_platform
from warehouse.scratch import scratch_folder
from warehouse.store.imports.imports import (
    claim_import,
    create_import,
    fail_import,
    list_stale_uploads,
    renew_lease,
)
from warehouse.store.imports.models import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from warehouse.lake.connect import Lake
    from warehouse.media_files import MediaFiles
    from warehouse.store.database import Store

PREVIEW_ROWS = 20
_SHOWN_REJECTIONS = 100
_RENEW_AFTER = timedelta(seconds=5)
_PIECE = 1_048_576


class StoppedError(Exception):
    """The process ends: the import continues elsewhere, or at the next start."""


def parse_options(given: Mapping[str, Any], now: datetime) -> ReadOptions:
    """Return the reader's options from JSON values (`show_options`). Raises InvalidInputError."""
    platform = given.get("platform")
    mark = given.get("decimal_mark")
    mapping = given.get("mapping")
    year = given.get("year")
    return ReadOptions(
        platform=parse_platform(str(platform)) if platform else None,
        account=given.get("account") or None,
        timezone=given.get("timezone") or None,
        date_order=given.get("date_order") or None,
        decimal_mark={"point": ".", "comma": ","}.get(str(mark), mark) if mark else None,
        year=int(year) if year else None,
        sheet=given.get("sheet") or None,
        mapping={str(key): str(value) for key, value in mapping.items()} if mapping else None,
        now=now,
    )


def look_at(store: Store, workspace_id: str, path: Path, options: ReadOptions) -> dict[str, Any]:
    """Return what a file is and its first rows, without storing anything. Raises FileRefusedError.

    {"header": all columns, "detection", "preview": up to 20 rows, "rejected": the first 100, "rejected_rows",
    "needs": the options without which it cannot be imported: platform, account}
    """
    detection, batches = read_in_account_zone(store, workspace_id, path, options)
    rows = list(islice((row for batch in batches for row in batch.to_rows()), PREVIEW_ROWS))
    needs = []
    if options.platform is None and detection.platform is None:
        needs.append("platform")
    if options.account is None and not detection.accounts and detection.posts:
        needs.append("account")
    shown = [
        {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in ((name, getattr(row, name)) for name in row.__dataclass_fields__)
            if value is not None
        }
        for row in rows
    ]
    told = detection.to_dict()
    return {
        "header": list(detection.header),
        "detection": {
            name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in told.items()
        },
        "preview": shown,
        "rejected": [row._asdict() for row in detection.rejected[:_SHOWN_REJECTIONS]],
        "rejected_rows": len({row.line for row in detection.rejected}),
        "needs": needs,
    }


def keep_upload(
    store: Store,
    media: MediaFiles,
    path: Path,
    workspace_id: str,
    now: datetime,
    *,
    filename: str,
    sha256: str,
    options: Mapping[str, Any],
    looked: Mapping[str, Any],
) -> Import:
    """Keep an uploaded file and add its import, status ready. Deletes uploads that nobody started within a day."""
    for import_id in _stale(store, now):
        media.remove(import_id)
        with store.write() as session:
            session.delete(session.get_one(Import, import_id))
    with store.write() as session:
        row = create_import(
            session,
            workspace_id,
            now,
            filename=filename,
            size=path.stat().st_size,
            sha256=sha256,
            options=options,
        )
        row.detection = dict(looked)
    try:
        with path.open("rb") as file:
            media.save(row.id, file)
    except BaseException:
        with store.write() as session:
            session.delete(session.get_one(Import, row.id))
        raise
    return row


def _stale(store: Store, now: datetime) -> list[str]:
    with store.read() as session:
        return list_stale_uploads(session, now)


def run_next(
    store: Store,
    lake: Lake,
    media: MediaFiles,
    *,
    owner: str,
    clock: Callable[[], datetime],
    import_id: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> str | None:
    """Run the oldest unfinished import or undo, or the given one; return its id, None = nothing can run now.

    An import that fails is marked with the reason. Raises StoppedError if `stop` says so: its lease is returned.
    """
    with store.write() as session:
        row = claim_import(session, clock(), owner, import_id)
        if row is None:
            return None
        claimed, undoing, filename, options = row.id, row.status == "undoing", row.filename, dict(row.options)
    try:
        if undoing:
            undo_import(store, lake, claimed, clock())
        else:
            with _local_copy(media, claimed, filename) as path:
                _run(store, lake, path, options, import_id=claimed, owner=owner, clock=clock, stop=stop)
    except StoppedError:
        with store.write() as session:
            session.execute(
                update(Import)
                .where(Import.id == claimed, Import.lease_owner == owner)
                .values(lease_owner=None, lease_until=None)
            )
        raise
    except (WarehouseError, duckdb.Error, OSError) as error:
        reason = error.message if isinstance(error, WarehouseError) else f"{type(error).__name__}: {error}"
        with store.write() as session:
            fail_import(session, claimed, clock(), reason[:2000])
    else:
        media.remove(claimed)
    return claimed


def _run(
    store: Store,
    lake: Lake,
    path: Path,
    options: Mapping[str, Any],
    *,
    import_id: str,
    owner: str,
    clock: Callable[[], datetime],
    stop: Callable[[], bool],
) -> None:
    renewed = clock()

    def progress(step: str, done: int, total: int) -> None:
        nonlocal renewed
        if stop():
            raise StoppedError
        now = clock()
        if step == "done" or now - renewed < _RENEW_AFTER:
            return
        renewed = now
        with store.write() as session:
            renew_lease(session, import_id, owner, now, {"step": step, "done": done, "total": total})

    chosen = parse_options(options, clock())
    load_file(store, lake, path, chosen, import_id=import_id, now=clock(), progress=progress)


@contextmanager
def _local_copy(media: MediaFiles, import_id: str, filename: str) -> Iterator[Path]:
    """Yield the upload as a local file with the name that it came with. Raises InvalidInputError if it is gone."""
    with scratch_folder() as folder:
        path = folder / (Path(filename).name[-100:] or "file")
        try:
            with media.open(import_id) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE)
        except NotFoundError:
            raise InvalidInputError(
                "the file is not kept here any more: import it again, which adds only what is missing",
                field="file",
            ) from None
        yield path
