"""The audit tells what it could not check, and which licences a person must read."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tests.audit import Licence, locked_packages, report_licences, report_vulnerabilities

if TYPE_CHECKING:
    from pathlib import Path


def make_tool(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_every_run_time_package_declares_a_licence_that_suits(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(locked_packages()) > 50
    assert report_licences() == []
    assert "not installed here" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "doubtful"),
    [
        ("MIT", False),
        ("unknown", True),
        ("GPL-3.0-only", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT OR GPL-2.0", False),
    ],
)
def test_licences_that_a_person_must_read(name: str, doubtful: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert Licence("package 1", name).needs_a_look is doubtful


@pytest.mark.parametrize("there", [True, False])
def test_what_was_not_checked_is_no_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool  # noqa: FBT001 - a parameter of the test
) -> None:  # fmt: skip
    tool = tmp_path / "pip-audit"
    if there:
        make_tool(tool, "echo 'connection refused' >&2; exit 1")
    assert report_vulnerabilities(tool) is None
    assert "NOT CHECKED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("vulns", "clean"), [("[]", True), ('[{"id": "CVE-1", "fix_versions": ["2"]}]', False)]
)
def test_a_known_vulnerability_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], vulns: str, clean: bool  # noqa: FBT001 - a parameter of the test
) -> None:  # fmt: skip
    answer = f'{{"dependencies": [{{"name": "a", "version": "1", "vulns": {vulns}}}]}}'
    tool = make_tool(tmp_path / "pip-audit", f"for last; do :; done; echo '{answer}' > \"$last\"")
    assert report_vulnerabilities(tool) is clean
    assert ("CVE-1" in capsys.readouterr().out) is not clean
