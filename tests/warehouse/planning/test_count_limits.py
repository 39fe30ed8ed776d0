"""Numbers of links and tags are checked when a post is written, for each platform and each variant."""

from __future__ import annotations

import pytest

from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.planning.wording import Variant, Wording, make_targets
from warehouse.store.accounts.target_accounts import TargetAccount

LINKS = " ".join(f"https://a.example/{number}" for number in range(6))


def account(platform: Platform) -> TargetAccount:
    return TargetAccount("acct_1", "ws_1", platform.value, "tea", None, None, "active")


def test_a_sixth_link_is_refused_with_its_number_and_limit() -> None:
    wording = Wording(content=LINKS, media=[], link=None, thread=(), first_comment=None, variants={})
    with pytest.raises(InvalidInputError) as caught:
        make_targets([account(Platform.THREADS), account(Platform.MASTODON)], wording, due_later=True)
    (entry,) = caught.value.entries
    assert entry["pointer"] == "/content"
    assert entry["code"] == "too_many_links"
    assert entry["detail"].endswith("6 different links, Threads takes 5: leave out 1")
    assert (entry["count"], entry["limit"], entry["unit"]) == (6, 5, "links")


def test_the_link_of_its_own_field_counts_and_a_variant_is_named() -> None:
    five = LINKS.rpartition(" ")[0]
    wording = Wording(
        content="short",
        media=[],
        link="https://a.example/other",
        thread=(),
        first_comment=None,
        variants={Platform.THREADS: Variant(content=five)},
    )
    with pytest.raises(InvalidInputError) as caught:
        make_targets([account(Platform.THREADS)], wording, due_later=True)
    assert [entry["pointer"] for entry in caught.value.entries] == [f"/variants/{Platform.THREADS}/content"]
