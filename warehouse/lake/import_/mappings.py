"""Remember what the columns of a user's own files mean: one file `import-mappings.json` in the home folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from filelock import FileLock

from connectors.printable import printable
from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.lake.import_.formats.base import normalize
from warehouse.lake.import_.types import RememberedMapping
from warehouse.store.access.workspaces import DEFAULT_WORKSPACE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FILE_NAME = "import-mappings.json"
LONGEST_NAME = 100
_MAX_BYTES = 4 << 20
_MAX_MAPPINGS = 1_000


def load_mappings(home: Path, workspace_id: str = DEFAULT_WORKSPACE_ID) -> list[RememberedMapping]:
    """Return a workspace's mappings by name. Raises InvalidInputError if the file was damaged by hand."""
    return [
        RememberedMapping(str(item["name"]), dict(item["columns"]), list(item["header"]))
        for item in _read(home)
        if item["workspace_id"] == workspace_id
    ]


def remember(
    home: Path,
    name: str,
    columns: Mapping[str, str],
    header: Sequence[str],
    workspace_id: str = DEFAULT_WORKSPACE_ID,
) -> RememberedMapping:
    """Keep a mapping under a name; one of the same name or for the same header is replaced.

    Raises InvalidInputError for a name that is empty or too long, and if there are too many.
    """
    check_name(name)
    key = sorted({normalize(column) for column in header})
    with _changing(home) as items:
        kept = [
            one
            for one in items
            if one["workspace_id"] != workspace_id or (one["name"] != name and sorted(one["header"]) != key)
        ]
        if len(kept) >= _MAX_MAPPINGS:
            raise InvalidInputError(f"{_MAX_MAPPINGS} mappings are kept: remove some", field="remember")
        items[:] = [
            *kept,
            {"workspace_id": workspace_id, "name": name, "columns": dict(columns), "header": key},
        ]
    return RememberedMapping(name, dict(columns), key)


def check_name(name: str) -> None:
    """Raise InvalidInputError for a name that cannot be kept."""
    if not name.strip() or len(name) > LONGEST_NAME or printable(name) != name:
        raise InvalidInputError(
            f"the name of a mapping has 1 to {LONGEST_NAME} characters, without control characters",
            field="remember",
        )


def forget(home: Path, name: str, workspace_id: str = DEFAULT_WORKSPACE_ID) -> RememberedMapping:
    """Remove a mapping and return it. Raises NotFoundError."""
    with _changing(home) as items:
        found = [one for one in items if one["workspace_id"] == workspace_id and one["name"] == name]
        if not found:
            raise NotFoundError(f"there is no mapping {printable(name)}")
        items.remove(found[0])
    return RememberedMapping(name, dict(found[0]["columns"]), list(found[0]["header"]))


def _read(home: Path) -> list[dict[str, Any]]:
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            data = orjson.loads(file.read(_MAX_BYTES))
        # Earlier versions kept those of the default workspace only, without its id.
        return [
            {
                "workspace_id": str(item.get("workspace_id", DEFAULT_WORKSPACE_ID)),
                "name": str(item["name"]),
                "columns": {str(column): str(field) for column, field in item["columns"].items()},
                "header": [str(column) for column in item["header"]],
            }
            for item in data["mappings"]
        ]
    except FileNotFoundError:
        return []
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{path} is damaged: correct it, or delete it and map the columns again", field="map"
        ) from error


@contextmanager
def _changing(home: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield all mappings, and save what the caller makes of them."""
    with FileLock(home / "import-mappings.lock", timeout=30):
        items = _read(home)
        yield items
        data = {"mappings": sorted(items, key=lambda one: (one["workspace_id"], one["name"]))}
        with write_beside(home / FILE_NAME) as path, path.open("wb") as file:
            file.write(orjson.dumps(data, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
