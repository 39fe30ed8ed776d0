"""Remember what the columns of a user's own files mean: one file `import-maps.json` in the home folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import orjson

from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.lake.import_.formats.base import normalize
from warehouse.lake.import_.types import RememberedMapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE_NAME = "import-mappings.json"
_MAX_BYTES = 4 << 20


def load_mappings(home: Path) -> list[RememberedMapping]:
    """Return the remembered mappings by name. Raises InvalidInputError if the file was damaged by hand."""
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            data = orjson.loads(file.read(_MAX_BYTES))
        return [
            RememberedMapping(str(item["name"]), dict(item["columns"]), list(item["header"]))
            for item in data["mappings"]
        ]
    except FileNotFoundError:
        return []
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{path} is damaged: correct it, or delete it and map the columns again", field="map"
        ) from error


def remember(home: Path, name: str, columns: Mapping[str, str], header: Sequence[str]) -> RememberedMapping:
    """Keep a mapping under a name; one of the same name or for the same header is replaced."""
    key = sorted({normalize(column) for column in header})
    kept = RememberedMapping(name, dict(columns), key)
    others = [one for one in load_mappings(home) if one.name != name and list(one.header) != key]
    _save(home, [*others, kept])
    return kept


def forget(home: Path, name: str) -> None:
    """Remove a mapping. Raises NotFoundError."""
    mappings = load_mappings(home)
    kept = [one for one in mappings if one.name != name]
    if len(kept) == len(mappings):
        raise NotFoundError(f"there is no mapping {name}: `socialflow import-maps list` shows all")
    _save(home, kept)


def _save(home: Path, mappings: Sequence[RememberedMapping]) -> None:
    data = {
        "mappings": [
            {"name": one.name, "columns": dict(one.columns), "header": list(one.header)}
            for one in sorted(mappings, key=lambda one: one.name)
        ]
    }
    with write_beside(home / FILE_NAME) as path, path.open("wb") as file:
        file.write(orjson.dumps(data, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
