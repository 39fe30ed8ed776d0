"""The limits of all platforms, without network access: for planning, validation and counters."""

from dataclasses import replace

from connectors.bluesky.capabilities import CAPABILITIES as BLUESKY
from connectors.content.capabilities import Capabilities, ContentProblem
from connectors.content.validation import find_problems
from connectors.errors import UnsupportedError
from connectors.facebook.capabilities import CAPABILITIES as FACEBOOK
from connectors.instagram.capabilities import CAPABILITIES as INSTAGRAM
from connectors.linkedin.capabilities import CAPABILITIES as LINKEDIN
from connectors.mastodon.capabilities import CAPABILITIES as MASTODON
from connectors.pinterest.capabilities import CAPABILITIES as PINTEREST
from connectors.telegram.capabilities import CAPABILITIES as TELEGRAM
from connectors.threads.capabilities import CAPABILITIES as THREADS
from connectors.tiktok.capabilities import CAPABILITIES as TIKTOK
from connectors.twitter.capabilities import CAPABILITIES as TWITTER
from connectors.types import Platform, PostContent
from connectors.youtube.capabilities import CAPABILITIES as YOUTUBE

CAPABILITIES: dict[Platform, Capabilities] = {
    entry.platform: entry
    for entry in (
        TWITTER,
        INSTAGRAM,
        FACEBOOK,
        THREADS,
        LINKEDIN,
        TIKTOK,
        MASTODON,
        BLUESKY,
        PINTEREST,
        TELEGRAM,
        YOUTUBE,
    )
}


def get_capabilities(platform: Platform, *, text_limit: int | None = None) -> Capabilities:
    """Return the platform's limits.

    `text_limit` overrides the default with the limit of the account's server.

    Raises UnsupportedError if the platform has no connector.
    """
    if platform not in CAPABILITIES:
        known = ", ".join(sorted(CAPABILITIES))
        raise UnsupportedError(f"there is no connector for {platform} yet: choose from {known}")
    capabilities = CAPABILITIES[platform]
    return capabilities if text_limit is None else replace(capabilities, text_limit=text_limit)


def validate_content(
    platform: Platform, content: PostContent, *, text_limit: int | None = None
) -> list[ContentProblem]:
    """Return everything that the platform would reject in `content`; [] = valid. No network access."""
    return find_problems(get_capabilities(platform, text_limit=text_limit), content)
