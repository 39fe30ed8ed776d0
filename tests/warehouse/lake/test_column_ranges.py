"""DuckLake forgets the range of a column whose first rows have no value: no table of ours is filled like that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.lake.column_ranges import delete_range_rows, insert_range_rows

if TYPE_CHECKING:
    from warehouse.lake.connect import Lake

INSERT = """
INSERT INTO quality.{table} BY NAME
SELECT
  'ws' AS workspace_id, 'acct' AS account_id, 'c' AS check_name, 'failed' AS severity, now() AS captured_at,
  'likes' AS metric, unnest({values}::BIGINT[]) AS value, 'run' AS run_id, now() AS found_at
"""
PROBE = """
CREATE TABLE quality.probe (
  workspace_id VARCHAR NOT NULL, account_id VARCHAR, check_name VARCHAR, severity VARCHAR, captured_at TIMESTAMPTZ,
  metric VARCHAR, value BIGINT, run_id VARCHAR, found_at TIMESTAMPTZ
)
"""
VALUES = "SELECT value FROM quality.{table} WHERE value IS NOT NULL ORDER BY value, metric"
LOW = "SELECT count(*) FROM quality.{table} WHERE value < 4"


def fill_and_ask(lake: Lake, table: str) -> tuple[list[int], int]:
    """Insert rows without a value and then some with one in a transaction, and higher ones in another."""
    with lake.write() as cursor:
        for values in ("[NULL]", "[1, 3]"):
            cursor.execute(INSERT.format(table=table, values=values))
    with lake.write() as cursor:
        cursor.execute(INSERT.format(table=table, values="[5, 7]"))
    return ask(lake, table)


def ask(lake: Lake, table: str) -> tuple[list[int], int]:
    """Return the values in their order, and how many are below 4."""
    values = [row[0] for row in lake.query_rows(VALUES.format(table=table))]
    ((low,),) = lake.query_rows(LOW.format(table=table))
    return values, low


def test_tables_of_a_new_lake_know_the_range_of_their_first_rows(lake: Lake) -> None:
    assert fill_and_ask(lake, "findings") == ([1, 3, 5, 7], 2)


def test_an_upgrade_widens_ranges_that_are_wrong_already(lake: Lake) -> None:
    with lake.write() as cursor:
        cursor.execute(PROBE)
    wrong = fill_and_ask(lake, "probe")
    assert wrong != ([1, 3, 5, 7], 2), "DuckLake does it right: warehouse.lake.column_ranges can go"
    lake.run_write(lambda cursor: insert_range_rows(cursor, is_new=False))
    lake.run_write(delete_range_rows)
    assert ask(lake, "probe") == ([1, 3, 5, 7], 2)
    assert lake.query_rows("SELECT count(*) FROM marts.publication_latest") == [(0,)]
