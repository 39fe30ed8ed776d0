"""The SQL files and the catalog: documented, complete, and without a place for a secret."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.lake.views import VIEWS, describe_columns, describe_view
from warehouse.sql import list_migrations, load_sql

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake

STATEMENTS = sorted(
    f"{folder.name}/{entry.name.removesuffix('.sql')}"
    for folder in files("warehouse.sql").iterdir()
    if folder.is_dir() and folder.name not in ("migrations", "__pycache__")
    for entry in folder.iterdir()
)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_file_is_one_documented_statement(name: str) -> None:
    text = load_sql(name)
    assert re.match(r"-- grain: \S.*\n(--   \S.*\n)*-- params: \S", text), "its header gives grain and params"
    if name != "history/create_macros":
        assert len(duckdb.extract_statements(text.replace("{measured}", "SELECT 1"))) == 1
    header = text[: re.search(r"^(?!--)", text, re.MULTILINE).start()]  # type: ignore[union-attr]  # there is a body
    for parameter in set(re.findall(r"\$(\w+)", text)):
        if name == "queries/select_measured_as_of" and parameter == "workspace_id":
            continue  # the statement around it has it
        assert parameter in header, f"the header names {parameter}"


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in list_migrations()] == list(range(1, len(list_migrations()) + 1))


def test_every_table_and_column_is_explained_and_none_is_for_a_secret(lake: Lake) -> None:
    tables = lake.query(
        "SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
    )
    columns = lake.query(
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        # DuckDB cannot comment on the columns of a view: the comment of the view describes them.
        "WHERE database_name = 'lake' AND NOT internal AND table_name NOT IN (SELECT view_name FROM duckdb_views())"
    )
    views = lake.query("SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'lake'")
    assert len(tables) == 17
    assert [row for row in tables if not (row["comment"] or "").startswith("Grain: ")] == []
    assert [row for row in columns if not row["comment"]] == []
    for view in VIEWS:
        described = describe_columns(view)
        assert list(described) == [row["column_name"] for row in lake.query(f"DESCRIBE FROM {view}")]
        (comment,) = (row["comment"] for row in views if row["view_name"] == view.partition(".")[2])
        lines = [describe_view(view), *(f"{column}: {text}" for column, text in described.items())]
        assert comment.splitlines() == lines
        assert all(described.values())
    secret = re.compile("token|secret|password|credential|key")
    assert [row for row in columns if secret.search(row["column_name"])] == []
