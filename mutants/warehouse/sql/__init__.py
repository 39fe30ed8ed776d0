"""The lake's SQL: one statement a file, grouped by what it is for; a header gives grain and params.

    migrations/   the lake's tables, numbered, each applied once (these hold several statements)
    load/         raw rows and dimensions, by natural key
    marts/        what is kept up from them at load time
    quality/      what is looked at in each load
    queries/      what is asked of them

Schemas are written without a catalog: `warehouse.lake.connect` makes the lake the default one.
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
