"""docs/adding-a-platform.md quotes real code: every quotation must be in the file that it names."""

import re
from pathlib import Path

import pytest

from connectors.platforms.registry import CONNECTORS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-platform.md").read_text()
QUOTED = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_quotes_code() -> None:
    assert len(QUOTED) == PAGE.count("```python") >= 5


@pytest.mark.parametrize(("path", "code"), QUOTED)
def test_a_quotation_is_what_the_file_says(path: str, code: str) -> None:
    assert code in (ROOT / path).read_text()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:connectors|docs|tests)/[\w/.-]+\.\w+)`", PAGE)))
)
def test_a_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("platform", CONNECTORS)
def test_every_platform_is_described(platform: str) -> None:
    page = ROOT / "docs" / "platforms" / f"{platform}.md"
    described = page.read_text()
    for heading in (
        "How to get a token",
        "What is supported",
        "What is reported",
        "Limits and costs",
        "Checked",
    ):
        assert f"## {heading}" in described
