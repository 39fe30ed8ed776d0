"""No text of somebody else becomes a formula in a reader's spreadsheet."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.lake.export.formulas import describe, guard_columns, guard_text

TEXTS = ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "plain", "", "a=b", "'=1", None]


@pytest.mark.parametrize("text", [text for text in TEXTS if text is not None])
def test_both_ways_say_the_same(text: str) -> None:
    connection = duckdb.connect()
    connection.execute('CREATE TABLE told ("a ""name" VARCHAR, n INTEGER)')
    connection.execute("INSERT INTO told VALUES ($1, -1)", [text])
    columns = guard_columns(connection.execute(describe("told")).fetchall())
    assert connection.execute(f"SELECT {columns} FROM told").fetchall() == [(guard_text(text), -1)]  # noqa: S608 (a test)
    assert guard_text(text) == (f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text)


def test_what_is_null_stays_null_and_numbers_stay_numbers() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE told AS SELECT NULL::VARCHAR AS a, -1.5 AS n")
    columns = guard_columns(connection.execute(describe("told")).fetchall())
    assert connection.execute(f"SELECT {columns} FROM told").fetchone() == (None, pytest.approx(-1.5))  # noqa: S608 (a test)
