"""Hostile inputs against a running API process and the commands: refused clearly, nothing stored, memory bounded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.hostile.bombs import attack_by_servers
from tests.hostile.corpus import all_cases, mutations
from tests.hostile.files import write_all
from tests.hostile.target import FORGED, HANG_SECONDS, Case, Report, count_rows, running_target
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.target import Target

EVERY = 7
"""The test run sends each seventh of the many similar cases; `make hostile` sends all."""
MANY = {"body", "value", "query", "cursor", "etag", "path"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_target(tmp_path_factory.mktemp("hostile")) as running:
        yield running


def thin(cases: Iterator[Case]) -> Iterator[Case]:
    for number, case in enumerate(cases):
        many = case.kind in MANY or case.kind.startswith("host of")
        if not many or number % EVERY == 0:
            yield case


def test_the_corpus_is_refused(target: Target) -> None:
    report = Report()
    target.attack(thin(all_cases(target)), report)
    print("\n".join(report.lines()))
    assert report.tried.total() > 1000
    assert report.faults == []


def test_random_changes_of_it_break_nothing(target: Target) -> None:
    report = Report()
    target.attack(mutations(target, seed=1), report, until=time.monotonic() + 3)
    assert report.faults == []


def test_answers_of_hostile_servers_are_refused(tmp_path: Path) -> None:
    report = Report()
    attack_by_servers(tmp_path, report)
    print("\n".join(report.lines()))
    assert report.faults == []


def test_files_that_lie_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("SOCIALFLOW_HOME", str(home))
    with Store.open(WarehouseSettings(home=home)):
        pass
    runner = CliRunner()
    runner.invoke(app, ["workspace", "show"])
    before, faults = count_rows(home), []
    for words, refused in write_all(tmp_path):
        began = time.process_time()
        result = runner.invoke(app, words)
        name = " ".join(words).replace(str(tmp_path), "")
        if result.exit_code not in ((1, 3) if refused else (0, 1)) or not isinstance(
            result.exception, (SystemExit, type(None))
        ):
            faults.append(f"{name}: exit {result.exit_code} {result.output[-300:]} {result.exception!r}")
        if any(
            line.startswith(FORGED) or not line.replace("\t", "").isprintable()
            for line in result.output.split("\n")
        ):
            faults.append(f"{name}: raw characters reach the terminal: {result.output[-300:]!r}")
        if result.exit_code == 1 and not result.output.strip():
            faults.append(f"{name}: not a word is said: {result.exception!r}")
        if refused and len(result.output) > 20_000:
            faults.append(f"{name}: {len(result.output)} characters are printed")
        if (worked := time.process_time() - began) > HANG_SECONDS:
            faults.append(f"{name}: took {worked:.1f} s")
        after = count_rows(home)
        if refused and after != before:
            changed = {
                table: count - before[table] for table, count in after.items() if count != before[table]
            }
            faults.append(f"{name}: stored {changed}")
        before = after
    print("\n".join(faults))
    assert faults == []
