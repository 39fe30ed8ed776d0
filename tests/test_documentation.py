"""The documentation names only files, headings, make targets and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = "api|benchmarks|connectors|docs|examples|flows|tests|warehouse"
NAMED_PATH = re.compile(rf"(?<![\w/.:-])(?:{FOLDERS})/[\w./*<>-]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACEHOLDER = re.compile(r"<|NNNN")
"""Marks a path that a reader completes, such as connectors/<name>/capabilities.py."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_named_path_exists(page: Path) -> None:
    named = {path.rstrip(".") for path in NAMED_PATH.findall(page.read_text(encoding="utf-8"))}
    missing = sorted(path for path in named if not PLACEHOLDER.search(path) and not list(ROOT.glob(path)))
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    shell = "".join(re.findall(r"^(?:```sh\n.*?^```| {4}.*?$)", text, re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(
        re.findall(r"^ *make ([a-z-]+)", shell, re.MULTILINE)
    )
    assert named <= targets


def test_the_map_names_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    platforms = {path.parent.name for path in (ROOT / "connectors").glob("*/connector.py")}
    folders = {
        f"{package.name}/{folder.name}/"
        for package in (ROOT / name for name in ("api", "connectors", "flows", "warehouse"))
        for folder in package.iterdir()
        if (folder / "__init__.py").exists() and folder.name not in platforms
    }
    assert sorted(folder for folder in folders if f"`{folder}" not in text) == []


def test_functions_named_beside_a_file_are_in_it() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    named = re.findall(r"`([\w/]+\.py)`, function `(\w+)`", text)
    assert named
    for path, function in named:
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), (path, function)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_headings_and_its_place_in_the_index(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Status", "Context", "Decision", "Consequences"]
    status = text.partition("## Status\n\n")[2].partition("\n\n")[0]
    assert re.match(r"(Accepted|Superseded), \d{4}-\d\d-\d\d\.", status), status
    number, title = int(page.stem[:4]), text.partition("\n")[0].removeprefix("# ")
    assert title.startswith(f"{number}. ")
    row = f"| [{number}]({page.relative_to(ROOT).as_posix()}) | {title.removeprefix(f'{number}. ')} |"
    assert row in (ROOT / "DECISIONS.md").read_text(encoding="utf-8")


def test_each_decision_has_a_number_of_its_own() -> None:
    """Branches take numbers from ranges of their own, so gaps are allowed."""
    numbers = [int(page.stem[:4]) for page in DECISIONS]
    assert numbers == sorted(set(numbers))
