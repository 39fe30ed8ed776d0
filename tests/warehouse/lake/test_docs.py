"""docs/warehouse.md stays true: its queries run, its table map is the catalog's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.warehouse.lake.lake_console import run_sql
from warehouse.lake.attach import attach_lake
from warehouse.lake.connect import Lake
from warehouse.lake.export.tables import describe_tables
from warehouse.lake.load import load_account_snapshots, load_accounts, load_post_snapshots, load_publications
from warehouse.lake.queries.timing import refresh_optimal_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import WarehouseSettings

    Make = Callable[..., Any]

DOCUMENT = (Path(__file__).parents[3] / "docs" / "warehouse.md").read_text(encoding="utf-8")
EXAMPLES = DOCUMENT.partition("## Example queries")[2].partition("\n## ")[0]
"""tests/warehouse/questions/ computes their answers a second time."""
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT.replace(EXAMPLES, ""), re.DOTALL)


@pytest.fixture
def filled(
    lake_settings: WarehouseSettings,
    make_account: Make,
    make_publication: Make,
    make_snapshot: Make,
    make_count: Make,
) -> WarehouseSettings:
    recent = datetime.now(UTC) - timedelta(days=10)
    with Lake.open(lake_settings) as lake:
        load_accounts(lake, [make_account()])
        load_publications(lake, [make_publication(name, published_at=recent) for name in "12"])
        counters = ((1, 5), (30, 9), (50, 8))
        load_post_snapshots(
            lake,
            [
                make_snapshot("1", hours=hours, published_at=recent, likes=likes, impressions=90)
                for hours, likes in counters
            ],
            "run_1",
        )
        load_account_snapshots(lake, [make_count(100 + days, days=days) for days in range(3)], "run_1")
        refresh_optimal_times(lake, now=datetime.now(UTC))
    return lake_settings


def test_every_query_runs_and_finds_something(filled: WarehouseSettings) -> None:
    assert len(QUERIES) >= 2
    assert len(run_sql(filled, "FROM marts.posts_wide")[1]) == 2, "a view can be read, too"
    for query in QUERIES:
        columns, rows = run_sql(filled, query)
        assert rows, query
        assert len(columns) == len(set(columns)), query


def test_the_page_of_columns_is_the_catalogs(filled: WarehouseSettings) -> None:
    page = Path(__file__).parents[3] / "docs" / "warehouse-columns.md"
    connection = attach_lake(filled, read_only=True)
    connection.execute("USE lake")
    assert page.read_text(encoding="utf-8") == describe_tables(connection), "run `make docs`"
    connection.close()


def test_the_table_map_is_the_catalogs(lake: Lake) -> None:
    mapped = set(re.findall(r"^\| `(\w+\.\w+)` \|", DOCUMENT, re.MULTILINE))
    rows = lake.query(
        "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() WHERE database_name = 'lake'"
    )
    views = lake.query(
        "SELECT schema_name || '.' || view_name AS name FROM duckdb_views() "
        "WHERE database_name = 'lake' AND NOT internal"
    )
    assert mapped == {row["name"] for row in rows + views}
