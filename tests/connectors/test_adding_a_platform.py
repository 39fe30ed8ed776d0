"""docs/adding-a-platform.md quotes real code: every quote must be in the file that it names."""

import re
from pathlib import Path

import pytest

from connectors.capabilities import CAPABILITIES
from connectors.content.capabilities import Capabilities
from connectors.registry import CONNECTORS
from connectors.types import METRIC_NAMES, Platform
from warehouse.planning.platforms import describe_platforms

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


@pytest.mark.parametrize("platform", CONNECTORS)
def test_a_page_lists_every_option_with_its_default(platform: Platform) -> None:
    page = (ROOT / "docs" / "platforms" / f"{platform}.md").read_text()
    section = page.partition("## Options\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]*) \| .", section, re.MULTILINE))
    (described,) = describe_platforms(platform)
    assert list(rows) == [option["name"] for option in described["options"]]
    for option in described["options"]:
        default = option["default"]
        words = "" if default is None or default == [] else str(default)
        assert rows[option["name"]].strip("` ") == (words.lower() if isinstance(default, bool) else words)


@pytest.mark.parametrize("platform", CONNECTORS)
def test_a_page_says_what_the_capabilities_say(platform: Platform) -> None:
    capabilities = CONNECTORS[platform].capabilities
    page = (ROOT / "docs" / "platforms" / f"{platform}.md").read_text()
    supported = page.partition("## What is supported")[2].partition("\n## ")[0]
    reported = page.partition("## What is reported")[2].partition("\n## ")[0]
    assert f"{capabilities.text_limit:,}" in supported
    for size in (capabilities.max_image_bytes, capabilities.max_video_bytes):
        if size is not None:
            gigabytes, megabytes = f"{size // 10**9 or 1} GB", f"{size // 10**6} MB"
            assert gigabytes in supported or megabytes in supported or f"{size // 1024**3} GB" in supported
    assert "alt text" in supported, "where there is none, that is said"
    if capabilities.metrics:
        assert [name for name in METRIC_NAMES if name not in reported] == []
    else:
        assert "every metric is NULL" in reported


def describe_editing(capabilities: Capabilities) -> str:
    """Return what a platform's page says about edits after publishing."""
    editing = capabilities.editing
    if editing is None:
        return f"no: {capabilities.why_no_edit}"
    fields = ", ".join(words for name, words in EDITED.items() if name in editing.fields)
    options = ", ".join(f"`{name}`" for name in sorted(editing.options))
    return f"{fields}{f'; options {options}' if options else ''}. {editing.cost}"


EDITED = {
    "text": "text",
    "link": "link",
    "thread": "texts of a thread",
    "first_comment": "first comment",
    "alt_text": "alt text of all media",
}


@pytest.mark.parametrize("platform", CAPABILITIES)
def test_a_page_says_what_an_edit_after_publishing_changes_and_costs(platform: Platform) -> None:
    page = (ROOT / "docs" / "platforms" / f"{platform}.md").read_text()
    assert f"| edits after publishing | {describe_editing(CAPABILITIES[platform])} |" in page
