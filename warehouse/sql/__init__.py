"""The lake's SQL: one statement per file, grouped by use; a header gives grain and params.

    migrations/   the lake's tables, numbered, each applied once (these hold several statements)
    archive/      event logs of old publications, moved from the operational store
    load/         raw rows and dimensions, by natural key
    marts/        marts updated with each load
    quality/      checks of each load
    queries/      queries of the product

Schemas are written without a catalog: `warehouse.lake.connect` makes the lake the default catalog.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load_sql(name: str) -> str:
    """Return the text of a statement by its path without suffix, such as 'queries/sum_overview'."""
    return files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def list_migrations() -> tuple[tuple[int, str], ...]:
    """Return (number, name) of every migration, in the order to apply them in."""
    names = [
        entry.name.removesuffix(".sql")
        for entry in files(__name__).joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return tuple(sorted((int(name.split("_", 1)[0]), name) for name in names))
