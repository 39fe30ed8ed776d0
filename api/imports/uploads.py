"""Take an uploaded file of past posts: read what it is, keep it, start it. For the API and the dashboard."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from api.http.errors import ApiError
from warehouse.errors import InvalidInputError, StorageError
from warehouse.store.imports.imports import get_import, start_import
from warehouse.store.imports.views import describe_import

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.http.services import Services

FIELDS = ("platform", "account", "timezone", "date_order", "decimal_mark", "year", "sheet")
CHOICES = {"date_order": ("dmy", "mdy", "ymd"), "decimal_mark": ("point", "comma")}
_LONGEST = 300
_AT_ONCE = 2
_turns = threading.BoundedSemaphore(_AT_ONCE)


def check_options(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a form without the empty ones. Raises InvalidInputError."""
    options: dict[str, Any] = {}
    for name in FIELDS:
        value = given.get(name, "").strip()
        if not value:
            continue
        if len(value) > _LONGEST:
            raise InvalidInputError(f"{name} is longer than {_LONGEST} characters", field=name)
        if name in CHOICES and value not in CHOICES[name]:
            raise InvalidInputError(f"{name} is {value!r}: use {' or '.join(CHOICES[name])}", field=name)
        if name == "year" and not (value.isdigit() and 1990 <= int(value) <= 2099):
            raise InvalidInputError(f"year is {value!r}: use 1990 to 2099", field=name)
        options[name] = value
    return options


def take_upload(
    services: Services,
    workspace_id: str,
    file: IO[bytes],
    *,
    filename: str,
    options: Mapping[str, Any],
    dry_run: bool,
    start: bool,
) -> dict[str, Any]:
    """Read what an uploaded file is, and unless it is a dry run keep it; with `start`, import it.

    Returns the import as `describe_import` does. Raises FileRefusedError, InvalidInputError, StorageError.
    """
    from warehouse.lake.import_.jobs import keep_upload, look_at, parse_options  # noqa: PLC0415 (Arrow: 40 MB)

    if "\x00" in filename:
        raise InvalidInputError("the file's name holds a NUL character: rename it", field="file")
    if not _turns.acquire(blocking=False):
        raise ApiError(
            503,
            "imports_busy",
            f"{_AT_ONCE} files are being read: try again in a moment",
            retryable=True,
            headers={"Retry-After": "10"},
        )
    now = services.clock()
    try:
        with tempfile.TemporaryDirectory(prefix="socialflow-upload-") as folder:
            path = Path(folder) / (Path(filename).name[-100:] or "file")
            with path.open("wb") as target:
                shutil.copyfileobj(file, target, 1 << 20)
            with path.open("rb") as written:
                sha256 = hashlib.file_digest(written, "sha256").hexdigest()
            looked = look_at(services.store, workspace_id, path, parse_options(options, now))
            if dry_run:
                return {
                    "id": None,
                    "status": "ready",
                    "filename": filename[:_LONGEST],
                    "size": path.stat().st_size,
                    "sha256": sha256,
                    "options": dict(options),
                    **looked,
                    **dict.fromkeys(
                        (
                            "progress",
                            "report",
                            "error",
                            "created_at",
                            "started_at",
                            "finished_at",
                            "undone_at",
                        )
                    ),
                }
            if start and looked["needs"]:
                raise InvalidInputError(
                    f"the file does not say its {' and '.join(looked['needs'])}: name it",
                    field=looked["needs"][0],
                )
            row = keep_upload(
                services.store,
                services.media,
                path,
                workspace_id,
                now,
                filename=filename,
                sha256=sha256,
                options=options,
                looked=looked,
            )
    except OSError as error:
        raise StorageError(
            f"{filename[:_LONGEST]} cannot be saved now ({error.strerror or type(error).__name__}): try again later"
        ) from error
    finally:
        _turns.release()
    return begin(services, workspace_id, row.id) if start else describe_import(row)


def begin(services: Services, workspace_id: str, import_id: str) -> dict[str, Any]:
    """Start an uploaded import. Raises ConflictError, InvalidInputError if the file does not say what is needed."""
    with services.store.write() as session:
        needs = (get_import(session, workspace_id, import_id).detection or {}).get("needs", [])
        if needs:
            raise InvalidInputError(
                f"the file does not say its {' and '.join(needs)}: upload it again and name it",
                field=needs[0],
            )
        shown = describe_import(start_import(session, workspace_id, import_id, services.clock()))
    services.imports.wake()
    return shown
