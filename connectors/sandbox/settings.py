"""Sandbox settings: limits, delays, and the limitations of compatible servers.

All of them can be changed at run time, through `PATCH /_sandbox/settings`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class SandboxSettings:
    """Configurable behaviour for tests. Durations are in seconds."""

    enforce_rate_limits: bool = False
    """Answer 429 at the platforms' real limits; if off, the headers still count down, from a huge limit."""
    duplicate_window_s: float = 3600.0
    """X: how long a duplicate text of the same account is rejected. X does not publish its own value."""
    instagram_image_delay_s: float = 0.0
    """Instagram: how long an image container stays IN_PROGRESS."""
    instagram_video_delay_s: float = 1.0
    """Instagram: the same for a video container."""
    twitter_video_delay_s: float = 1.0
    """X: how long a finalized video is processed."""
    mastodon_video_delay_s: float = 1.0
    """Mastodon: how long an uploaded video is processed."""
    mastodon_text_limit: int = 500
    """Mastodon: the longest text that the instance accepts."""
    mastodon_idempotency: bool = True
    """Off: a compatible server that ignores Idempotency-Key."""
    mastodon_batch_read: bool = True
    """Off: a compatible server without GET /api/v1/statuses?id[]= (answers 405 in plain text)."""
    mastodon_plain_errors: bool = False
    """On: a compatible server with plain text errors."""
    mastodon_html_errors: bool = False
    """On: a compatible server whose errors are text/html, and that answers 400 to an unknown token."""
    mastodon_markdown: bool = False
    """On: a compatible server that renders every text as Markdown."""
    mastodon_double_escapes: bool = False
    """On: a compatible server that escapes &, < and > twice."""
    mastodon_short_links: bool = False
    """On: a compatible server that shortens links, in text and target."""
    mastodon_full_mentions: bool = False
    """On: a compatible server that completes a mention with its host."""
    mastodon_source: bool = True
    """Off: a compatible server without GET /api/v1/statuses/{id}/source."""
    mastodon_letter_ids: bool = False
    """On: a compatible server with letters in ids: lower case for new statuses, else upper case."""
    mastodon_application: str = "SocialFlow"
    """Mastodon: the name of the application that the accounts' tokens belong to."""
    list_lag_s: float = 0.0
    """Every platform: how long a new post is missing from listings."""
    pinterest_video_delay_s: float = 1.0
    """Pinterest: how long an uploaded video is processed."""
    pinterest_lifetime_metrics: bool = True
    """Off: a pin from before Pinterest's lifetime counters: analytics cover the last ninety days only."""
    threads_image_delay_s: float = 0.0
    """Threads: how long an image container stays IN_PROGRESS."""
    threads_video_delay_s: float = 1.0
    """Threads: the same for a video container."""
    facebook_video_delay_s: float = 1.0
    """Facebook: how long a video is processed."""
    facebook_duplicate_window_s: float = 600.0
    """Facebook: how long the text of the Page's last post is rejected. Facebook publishes no value."""
    linkedin_duplicate_window_s: float = 3600.0
    """LinkedIn: how long a duplicate text of the same author is rejected. The real value is not known."""
    linkedin_member_reads: bool = True
    """Off: a member's app without the scope r_member_social, which cannot read posts."""
    linkedin_member_statistics: bool = True
    """Off: a member's app without the scopes for post and profile analytics."""
    linkedin_video_delay_s: float = 1.0
    """LinkedIn: how long an uploaded video is processed."""
    youtube_hidden_subscribers: bool = False
    """YouTube: whether the channels hide their subscriber count."""
    telegram_may_post: bool = True
    """Telegram: whether the bots are administrators with the right to post."""
    tiktok_privacy_levels: tuple[str, ...] = ("PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY")
    """TikTok: audiences that an account may post to. A private account has no PUBLIC_TO_EVERYONE."""
    tiktok_processing_delay_s: float = 0.0
    """TikTok: how long a post is processed after all of it has arrived."""
    tiktok_moderation_delay_s: float = 0.0
    """TikTok: how long after publication a post's id is withheld."""
    tiktok_fail_reasons: tuple[str, ...] = ()
    """TikTok: every unpublished post fails for the first of these reasons."""
    tiktok_errors_in_200: bool = False
    """On: TikTok's errors come with HTTP 200, as some of them do."""
    tiktok_statistics_scope: bool = True
    """Off: a token without user.info.profile and user.info.stats."""
    bluesky_appview: bool = True
    """Off: a PDS without an AppView: app.bsky.* answers 502."""
    retired_insights: tuple[str, ...] = ("impressions", "plays", "video_views")
    """Instagram, Facebook, Threads: metric names that fail an insights request, whatever else it requests."""

    def update(self, changes: Mapping[str, object]) -> None:
        """Set the named fields.

        Raises ValueError that names the invalid field and its type; nothing is changed then.
        """
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        checked: dict[str, object] = {}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown setting {name!r}: use one of {', '.join(known)}")
            checked[name] = _convert(name, value, known[name])
        for name, value in checked.items():
            setattr(self, name, value)

    def describe(self) -> dict[str, object]:
        """Return all fields with their current values."""
        return asdict(self)


def _convert(name: str, value: object, present: object) -> object:
    if isinstance(present, bool):
        if isinstance(value, bool):
            return value
        raise ValueError(f"{name} must be true or false, not {value!r}")
    if isinstance(present, float):
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
    if isinstance(present, int):
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise ValueError(f"{name} must be a whole number, 0 or more, not {value!r}")
    if isinstance(present, str):
        if isinstance(value, str):
            return value
        raise ValueError(f"{name} must be a text, not {value!r}")
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"{name} must be a list of strings, not {value!r}")
