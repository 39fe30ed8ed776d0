"""Location and format of each platform's specification: another platform is one more line."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.specs.bot_api import BotApiContract
from tests.specs.discovery import DiscoveryContract
from tests.specs.lexicon import LexiconContract
from tests.specs.meta import MetaContract
from tests.specs.openapi import OpenApiContract
from tests.specs.postman import PostmanContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.types import Platform
    from tests.specs.exchanges import Contract, RecordingTransport

VARIABLE = "SOCIALFLOW_SPECS"
_ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get(VARIABLE) or _ROOT.parent / "shared" / "reference" / "specs")
ABSENT = (
    f"the platforms' specifications are not at hand: put them beside the checkout as ../shared/reference/specs, "
    f"or name their folder in {VARIABLE}"
)

_INSTAGRAM = {
    "account": "IGUserForIGOnlyAPI",
    "objects": ("IGMediaForIGOnlyAPI", "ShadowIGMediaBuilder"),
    "calls": {"refresh_access_token": "IGRefreshAccessTokenForIGOnlyAPI"},
    "returns": {
        "Media": "IGMediaForIGOnlyAPI",
        "User": "IGUserForIGOnlyAPI",
        "Comment": "IGComment",
        "InsightsResult": "InstagramInsightsResult",
    },
}
_FACEBOOK = {
    "account": "Page",
    "objects": ("PagePost", "Photo", "AdVideo"),
    # The upload of a reel goes to the address that its start names.
    "outside": ("/_facebook_upload/",),
}

_CONTRACTS: dict[str, Callable[[Path], Contract]] = {
    "twitter": lambda specs: OpenApiContract(specs / "x" / "openapi.json"),
    # Rails writes a repeated parameter as id[]; the document is generated from prose, whose oneOf overlap.
    "mastodon": lambda specs: OpenApiContract(
        specs / "mastodon" / "schema.json", arrays="[]", exclusive=False
    ),
    # Its oneOf overlap too; its times lack their zone; a video goes to the storage that the API names.
    "pinterest": lambda specs: OpenApiContract(
        specs / "pinterest" / "openapi.json",
        outside=("/_pinterest_storage/",),
        exclusive=False,
        naive_times=True,
    ),
    "bluesky": lambda specs: LexiconContract(specs / "bluesky" / "lexicons"),
    "instagram": lambda specs: MetaContract(specs / "meta", **_INSTAGRAM),  # type: ignore[arg-type] # a plain dict
    "facebook": lambda specs: MetaContract(specs / "meta", **_FACEBOOK),  # type: ignore[arg-type] # a plain dict
    "threads": lambda specs: PostmanContract(specs / "threads" / "threads-api.postman_collection.json"),
    "youtube": lambda specs: DiscoveryContract(specs / "youtube" / "youtube.v3.json"),
    "telegram": lambda specs: BotApiContract(specs / "telegram" / "api.min.json"),
}

UNSPECIFIED = frozenset({"linkedin", "tiktok"})
"""Platforms that publish no machine-readable specification."""


@cache
def contract_of(platform: Platform) -> Contract:
    return _CONTRACTS[platform](SPECS)


def check_all(platform: Platform, wire: RecordingTransport) -> None:
    """Fail with one line for each kind of mismatch, however many items of a list show it."""
    contract = contract_of(platform)
    wrong = [problem for exchange in wire.exchanges for problem in contract.check(exchange)]
    shown = dict.fromkeys(re.sub(r"/\d+(?=[/: ])", "/*", problem) for problem in wrong if problem)
    assert not wrong, "\n".join(shown)
