"""Views of the lake: their one definition, in `warehouse/sql/views/`, with a description of each column.

DuckLake stores no comments of a view's columns and reads no view at an earlier snapshot. So the view's comment contains
the descriptions of its columns, and readers of another snapshot or catalog get the view's query from `select_view`.
Views use no function of the lake: others attach it without making it their default catalog, and then find none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from warehouse.sql import load_sql

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

VIEWS = {
    "dims.dates": "views/dates",
    "marts.account_baselines": "views/account_baselines",
    "marts.posts_wide": "views/posts_wide",
    "marts.slot_engagement": "views/slot_engagement",
}
"""Statement of each view, in order of dependency."""

SINCE_VERSION = 11
"""The lake's version from which on the views are made from these files."""

_RELATION = re.compile(r"\b(?:raw|dims|marts)\.[a-z_]+\b")


def create_views(cursor: DuckDBPyConnection) -> None:
    """Create or replace every view, with its comment. The lake's tables have the newest version."""
    for name in VIEWS:
        cursor.execute(f"CREATE OR REPLACE VIEW {name} AS {_select(name)}")
        lines = [
            describe_view(name),
            *(f"{column}: {text}" for column, text in describe_columns(name).items()),
        ]
        comment = "\n".join(lines).replace("'", "''")
        cursor.execute(f"COMMENT ON VIEW {name} IS '{comment}'")


def describe_view(name: str) -> str:
    """Return what one row of the view is, beginning with "Grain: "."""
    grain = load_sql(VIEWS[name]).partition("\n")[0].removeprefix("-- grain: ")
    return f"Grain: {grain}"


def describe_columns(name: str) -> dict[str, str]:
    """Return the description of each column of the view, in its order."""
    header = load_sql(VIEWS[name]).partition("-- columns:\n")[2].partition("\nSELECT")[0]
    pairs = (line.removeprefix("--   ").partition(": ") for line in header.splitlines())
    return {column: text for column, _, text in pairs}


def select_view(name: str, relation: Callable[[str], str]) -> str:
    """Return the view's query with each table of the lake replaced by `relation(schema.table)`."""

    def replace(found: re.Match[str]) -> str:
        table = found.group()
        return f"({select_view(table, relation)})" if table in VIEWS else relation(table)

    return _RELATION.sub(replace, _select(name))


def _select(name: str) -> str:
    """Return the view's query without its header."""
    text = load_sql(VIEWS[name])
    return text[text.index("\nSELECT") + 1 :].rstrip()
