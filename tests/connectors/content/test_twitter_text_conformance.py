"""Counting and links against the conformance suite of twitter-text, if its files are available."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from connectors.capabilities import validate_content
from connectors.content.links import find_urls
from connectors.content.text import count_weighted
from connectors.types import Platform, PostContent
from tests.conformance import explain_absence, make_absent_case, read_text

FOLDER = "twitter-text"

# The suite's cases that hold for something else than a post on X today, each with the reason.
OLD_LIMIT = "the case is about the limit of 140; X takes 280 since 2017 (configuration v2)"
NO_EMOJI = "the case is about configuration v2, which counts an emoji's code points; v3 counts the emoji"
ADDRESS_CHECK = "the case checks a single address; in a post X links no such host, so its characters count"
DIFFERENT = {
    "tweets: Invalid Tweet: 141 characters": OLD_LIMIT,
    "tweets: Invalid Tweet: 141 characters (due to newline)": OLD_LIMIT,
    "WeightedTweetsCounterTest: Count a mix of single byte single word, and double word unicode characters": NO_EMOJI,
    "WeightedTweetsCounterTest: Count unicode emoji chars outside the basic multilingual plane with skin tone "
    "modifiers": NO_EMOJI,
    "urls: Valid url: port and userinfo": ADDRESS_CHECK,
    "urls: Valid url: ipv4": ADDRESS_CHECK,
    "urls: Valid url: ipv6": ADDRESS_CHECK,
    "urls: Valid url: sub delims and question marks": "in a post X ends the link before the last +",
}
# Sections about what SocialFlow does not do: it finds no user names, lists or hashtags in posts for X.
UNUSED = {
    *("usernames", "lists", "hashtags", "hashtags_from_astral", "hashtags_with_indices"),
    *("mentions", "mentions_with_indices", "mentions_or_lists_with_indices", "replies"),
    *("cashtags", "cashtags_with_indices"),
}


def _read(name: str) -> list[Any]:
    text = read_text(f"{FOLDER}/{name}")
    if text is None:
        return make_absent_case(f"{FOLDER}/{name}", "absent", {})
    sections = yaml.safe_load(text)["tests"]
    return [
        pytest.param(section, case, id=f"{section}: {case['description']}")
        for section, cases in sections.items()
        if section not in UNUSED
        for case in cases
    ]


@pytest.mark.parametrize(("section", "case"), _read("validate.yml"))
def test_validation(section: str, case: dict[str, Any]) -> None:
    text, expected = case["text"], case["expected"]
    if section.startswith("urls"):
        agrees = (_urls(text) == [text]) == expected
    elif section == "tweets":
        agrees = _is_valid(text) == expected
    else:
        weight = count_weighted(text)
        agrees = weight == expected["weightedLength"] and _is_valid(text) == expected["valid"]
        assert not agrees or weight * 1000 // 280 == expected["permillage"]
    assert agrees == (f"{section}: {case['description']}" not in DIFFERENT)


@pytest.mark.parametrize(("section", "case"), _read("extract.yml"))
def test_links(section: str, case: dict[str, Any]) -> None:
    found = find_urls(case["text"])
    if section in {"urls", "tco_urls_with_params"}:
        assert [url for _start, _end, url in found] == case["expected"]
    else:
        assert [{"url": url, "indices": [start, end]} for start, end, url in found] == case["expected"]


def test_the_configuration_is_the_one_that_is_written_down() -> None:
    text = read_text(f"{FOLDER}/v3.json")
    if text is None:
        pytest.skip(explain_absence(f"{FOLDER}/v3.json"))
    configuration = yaml.safe_load(text)
    scale, heavy = configuration["scale"], configuration["defaultWeight"]
    assert configuration["maxWeightedTweetLength"] == 280
    assert count_weighted("https://example.com") == configuration["transformedURLLength"]
    light = [(item["start"], item["end"]) for item in configuration["ranges"]]
    for start, end in light:
        for point in (start, end, start - 1, end + 1):
            char = chr(max(point, 0))
            weight = scale if any(first <= ord(char) <= last for first, last in light) else heavy
            assert count_weighted(f"a{char}") == (scale + weight) // scale, hex(point)


def _is_valid(text: str) -> bool:
    return not validate_content(Platform.TWITTER, PostContent(text=text))


def _urls(text: str) -> list[str]:
    return [url for _start, _end, url in find_urls(text)]
