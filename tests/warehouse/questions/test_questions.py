"""Every worked query of docs/warehouse.md against an independent computation, on a lake with traps."""

from __future__ import annotations

import json
import re
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.warehouse.questions.independent import ANSWERS, World
from tests.warehouse.questions.trap_lake import fill, now_for_tests, read_frames
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).parents[3] / "examples" / "notebook" / "posts.ipynb"
DOCUMENT = (Path(__file__).parents[3] / "docs" / "warehouse.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("## Example queries")[2].partition("\n## ")[0]
QUESTIONS = dict(re.findall(r"^([A-Z][^\n]*\?)\n\n```sql\n(.*?)```", SECTION, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, World]]:
    home = tmp_path_factory.mktemp("questions") / "home"
    now = now_for_tests()
    with Lake.open(WarehouseSettings(home=home), threads=1) as lake:
        fill(lake, now)
        yield lake, World(read_frames(lake), now)


def test_every_documented_query_has_an_independent_answer() -> None:
    assert QUESTIONS.keys() == ANSWERS.keys()
    assert len(QUESTIONS) >= 20
    assert SECTION.count("```sql") == len(QUESTIONS)


@pytest.mark.parametrize("question", ANSWERS)
def test_sql_and_pandas_agree(asked: tuple[Lake, World], question: str) -> None:
    lake, world = asked
    found = [tuple(plain(value) for value in row.values()) for row in lake.query(QUESTIONS[question])]
    expected = [tuple(plain(value) for value in row) for row in ANSWERS[question](world)]
    assert found, question
    if "kind" in QUESTIONS[question].partition("FROM")[0]:  # NULL is sorted differently
        found, expected = (sorted(rows, key=str) for rows in (found, expected))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other)
        for value, wanted in zip(one, other, strict=True):
            if isinstance(value, float) and isinstance(wanted, float):
                # Values at an age are kept to a 1024th.
                assert value == pytest.approx(wanted, rel=2e-4, abs=1e-6), (one, other)
            else:
                assert value == wanted, (one, other)


def test_every_cell_of_the_notebook_runs(asked: tuple[Lake, World], monkeypatch: pytest.MonkeyPatch) -> None:
    lake, _world = asked
    monkeypatch.setenv("SOCIALFLOW_HOME", str(lake.settings.home))
    monkeypatch.setenv("SOCIALFLOW_COMMAND", f"{sys.executable} -m flows.cli")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), "stored without results"
            exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)  # noqa: S102 (our own notebook)
    assert len(names["posts"]) == 240
    assert len(names["known"]) >= 50
    assert set(names["weeks"]["platform"]) == {"twitter", "mastodon", "bluesky"}
    names["lake"].close()


def plain(value: Any) -> Any:
    """Numbers as float, times as datetime, days as text: SQL and pandas have several types for each."""
    if value is None or isinstance(value, (str, list)):
        return value
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if hasattr(value, "to_pytimedelta"):
        value = value.to_pytimedelta()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "total_seconds"):
        return round(value.total_seconds(), 3)
    return float(value)
