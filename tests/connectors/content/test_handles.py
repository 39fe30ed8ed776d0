"""Handles are understood as people copy them: with @, or as the address of a profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.handles import read_handle, read_instance
from connectors.types import Platform

BLUESKY, MASTODON, TELEGRAM = Platform.BLUESKY, Platform.MASTODON, Platform.TELEGRAM


@pytest.mark.parametrize(
    ("platform", "given", "name"),
    [
        (BLUESKY, "anna.bsky.social", "anna.bsky.social"),
        (BLUESKY, " @anna.bsky.social ", "anna.bsky.social"),
        (BLUESKY, "https://bsky.app/profile/anna.bsky.social", "anna.bsky.social"),
        (BLUESKY, "bsky.app/profile/anna.bsky.social/post/3k", "anna.bsky.social"),
        (BLUESKY, "at://anna.bsky.social", "anna.bsky.social"),
        (BLUESKY, "did:plc:abc", "did:plc:abc"),
        (TELEGRAM, "@tea", "tea"),
        (TELEGRAM, "https://t.me/tea", "tea"),
        (TELEGRAM, "t.me/s/tea?before=5", "tea"),
        (TELEGRAM, "https://t.me/c/1234567890/5", "-1001234567890"),
        (TELEGRAM, "-1001234567890", "-1001234567890"),
        (MASTODON, "https://tea.example/@anna", "anna@tea.example"),
        (MASTODON, "@anna@tea.example", "anna@tea.example"),
        (MASTODON, "https://tea.example/@bo@other.example", "bo@other.example"),
        (MASTODON, "tea.example/users/anna", "anna@tea.example"),
        (BLUESKY, None, None),
        (BLUESKY, " @ ", None),
        (BLUESKY, "https://[broken/x", "https://[broken/x"),
    ],
)
def test_handle(platform: Platform, given: str | None, name: str | None) -> None:
    assert read_handle(platform, given) == name


@pytest.mark.parametrize(
    ("platform", "handle", "instance_url", "server"),
    [
        (MASTODON, "@anna@tea.example", None, "https://tea.example"),
        (MASTODON, "https://tea.example/@anna", "", "https://tea.example"),
        (MASTODON, "@anna@tea.example", "other.example", "other.example"),
        (MASTODON, "@anna", None, None),
        (MASTODON, None, None, None),
        (BLUESKY, "@anna@tea.example", None, None),
    ],
)
def test_server(platform: Platform, handle: str | None, instance_url: str | None, server: str | None) -> None:
    assert read_instance(platform, handle, instance_url) == server


@given(st.sampled_from([BLUESKY, MASTODON, TELEGRAM]), st.text(max_size=40))
def test_a_name_that_was_read_is_read_the_same_again(platform: Platform, given: str) -> None:
    name = read_handle(platform, given)
    if name is not None and "/" not in name and not name.startswith("@"):
        assert read_handle(platform, name) in {name, name.strip(), None}
