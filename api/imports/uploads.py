"""Take an uploaded file of past posts: read what it is, keep it, start it. For the API and the dashboard."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson

from api.http.errors import ApiError
from warehouse.errors import InvalidInputError, StorageError
from warehouse.scratch import scratch_folder
from warehouse.store.imports.imports import get_import, start_import
from warehouse.store.imports.views import describe_import

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.http.services import Services
    from warehouse.store.imports.models import Import

FIELDS = (
    *("platform", "account", "timezone", "date_order", "decimal_mark", "year", "sheet"),
    *("mapping", "remember"),
)
CHOICES = {"date_order": ("dmy", "mdy", "ymd"), "decimal_mark": ("point", "comma")}
_LONGEST = 300
_LONGEST_MAPPING = 100_000
_AT_ONCE = 2
_turns = threading.BoundedSemaphore(_AT_ONCE)


def check_options(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a form without the empty ones. Raises InvalidInputError."""
    options: dict[str, Any] = {}
    for name in FIELDS:
        value = given.get(name, "").strip()
        if not value:
            continue
        longest = _LONGEST_MAPPING if name == "mapping" else _LONGEST
        if len(value) > longest:
            raise InvalidInputError(f"{name} is longer than {longest} characters", field=name)
        if name in CHOICES and value not in CHOICES[name]:
            raise InvalidInputError(f"{name} is {value!r}: use {' or '.join(CHOICES[name])}", field=name)
        if name == "year" and not (value.isdigit() and 1990 <= int(value) <= 2099):
            raise InvalidInputError(f"year is {value!r}: use 1990 to 2099", field=name)
        options[name] = parse_mapping(value) if name == "mapping" else value
    if "remember" in options and "mapping" not in options:
        raise InvalidInputError("remember needs a mapping, which it keeps", field="remember")
    return options


def parse_mapping(value: str) -> dict[str, str]:
    """Return the field of each column: from a JSON object, or from lines COLUMN=FIELD. Raises InvalidInputError."""
    example = 'send {"COLUMN": "published_at", ...} or lines COLUMN=published_at'
    if not value.startswith("{"):
        pairs = [line.rpartition("=") for line in value.splitlines() if line.strip()]
        if not all(column.strip() and field.strip() for column, _, field in pairs):
            raise InvalidInputError(f"mapping is not understood: {example}", field="mapping")
        return {column.strip(): field.strip() for column, _, field in pairs}
    try:
        mapping = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"mapping is not JSON ({error}): {example}", field="mapping") from error
    if not mapping or not all(isinstance(field, str) and column.strip() for column, field in mapping.items()):
        raise InvalidInputError(f"mapping needs a field for each of its columns: {example}", field="mapping")
    return dict(mapping)


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

    Returns the import as `show_import` does. Raises InvalidInputError, also for a file that is refused; its entry then
    has `columns`, if a mapping of them helps. Raises StorageError.
    """
    from warehouse.lake.import_.jobs import keep_upload, look_at, parse_options  # noqa: PLC0415 (Arrow: 40 MB)
    from warehouse.lake.import_.mappings import check_name, load_mappings, remember  # noqa: PLC0415 (same)

    if "\x00" in filename:
        raise InvalidInputError("the file's name contains a NUL character: rename it", field="file")
    now = services.clock()
    home = services.lake.settings.home
    options = dict(options)
    name = options.pop("remember", None)
    with _in_turn(), _errors_in_words_of_forms(), _disk_errors(filename), scratch_folder() as folder:
        if name is not None:
            check_name(name)
        path = folder / (Path(filename).name[-100:] or "file")
        with path.open("wb") as target:
            shutil.copyfileobj(file, target, 1 << 20)
        with path.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        chosen = replace(parse_options(options, now), remembered=load_mappings(home, workspace_id))
        looked = look_at(services.store, workspace_id, path, chosen)
        header = looked.pop("header")
        if looked["detection"]["mapping"] is not None:
            # A remembered one too: the import is the one that was shown, even if it is forgotten meanwhile.
            options["mapping"] = looked["detection"]["mapping"]
        if name is not None:
            remember(home, name, options["mapping"], header, workspace_id)
        told = looked["detection"]
        told |= {part: in_words_of_forms(told[part]) for part in ("notes", "decisions")}
        looked["rejected"] = in_words_of_forms(looked["rejected"])
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
        if start:
            _require(looked["needs"], "name it")
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
    return begin(services, workspace_id, row.id) if start else show_import(row)


@contextmanager
def _in_turn() -> Iterator[None]:
    if not _turns.acquire(blocking=False):
        raise ApiError(
            503,
            "imports_busy",
            f"{_AT_ONCE} files are being read: try again in a moment",
            retryable=True,
            headers={"Retry-After": "10"},
        )
    try:
        yield
    finally:
        _turns.release()


@contextmanager
def _errors_in_words_of_forms() -> Iterator[None]:
    """Name the fields of our form, instead of the command line's options, in what is wrong with a file."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError.from_entries(
            [
                {
                    **entry,
                    "pointer": "/mapping" if entry["pointer"] == "/map" else entry["pointer"],
                    "detail": in_words_of_forms(entry["detail"]),
                }
                for entry in error.entries
            ]
        ) from error


@contextmanager
def _disk_errors(filename: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{filename[:_LONGEST]} cannot be saved now ({error.strerror or type(error).__name__}): try again later"
        ) from error


_OPTION = re.compile(r"--(timezone|date-order|decimal-mark|year|sheet|platform|account|map)\b")


def in_words_of_forms(told: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return what the reader says with the names of our form fields in place of the command line's options."""
    if isinstance(told, str):
        words = told.replace("`socialflow import-maps remove` forgets them", "removing it forgets them")
        return _OPTION.sub(
            lambda match: "mapping" if match[1] == "map" else match[1].replace("-", "_"), words
        )
    if isinstance(told, dict):
        return {name: in_words_of_forms(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [in_words_of_forms(value) for value in told]
    return told


def begin(services: Services, workspace_id: str, import_id: str) -> dict[str, Any]:
    """Start an uploaded import. Raises ConflictError, InvalidInputError if the file does not say what is needed."""
    with services.store.write() as session:
        needs = (get_import(session, workspace_id, import_id).detection or {}).get("needs", [])
        _require(needs, "upload it again and name it")
        shown = show_import(start_import(session, workspace_id, import_id, services.clock()))
    services.imports.wake()
    return shown


def _require(needs: Sequence[str], remedy: str) -> None:
    if needs:
        raise InvalidInputError(f"the file does not say its {' and '.join(needs)}: {remedy}", field=needs[0])


def show_import(row: Import) -> dict[str, Any]:
    """Return an import as `describe_import` does, in the words of forms."""
    shown = describe_import(row)
    report = shown["report"]
    if report is not None:
        report = {**report, "notes": in_words_of_forms(report.get("notes", []))}
        if "rejected" in report:
            report["rejected"] = in_words_of_forms(report["rejected"])
    return shown | {"error": in_words_of_forms(shown["error"]), "report": report}
