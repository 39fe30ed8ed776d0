"""Engagement of a simulated audience: pure functions of a seed, a post and a time. No clock, no state.

An account has a hidden curve: one log effect for each of the 168 slots (weekday x hour) in the time zone of
its audience. A post ends up with

    exp(level + curve[slot] + kind effect + noise)   engagements,

where the level follows the account's followers and the noise is normal, fixed by the post's id. It gathers
them along an age curve that is complete after 48 hours. Every counter is the floor of a constant times that
curve, so counters never fall.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.types import ContentKind

SLOTS: Final = 168
COMPLETE_AFTER_S: Final = 48 * 3600.0

_NORMAL = NormalDist()
# Weibull in the age: about 55 % of the total at 2 h, 72 % at 6 h, all of it at 48 h.
_AGE_SCALE_H: Final = 5.0
_AGE_SHAPE: Final = 0.41
_AT_END: Final = 1.0 - math.exp(-((48.0 / _AGE_SCALE_H) ** _AGE_SHAPE))

KIND_EFFECTS: Final[Mapping[ContentKind, float]] = {"text": 0.0, "link": -0.25, "photo": 0.25, "video": 0.4}


@dataclass(frozen=True, slots=True)
class Audience:
    """Hidden properties of an account's followers, which SocialFlow has to estimate."""

    seed: int
    timezone: str
    """IANA time zone in which the slots are counted."""
    curve: tuple[float, ...]
    """168 log effects, index = weekday * 24 + hour (Monday 0), mean 0."""
    followers_at_epoch: float
    """Followers on 2023-01-01."""
    daily_growth: float
    """Daily growth of the followers, as a share."""
    engagement_rate: float
    """Engagements of a median text post per follower."""
    noise_sd: float
    """Standard deviation of the unexplained part of a post's log engagement."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Cumulative counters of one post at one time; each platform shows those that it has."""

    impressions: int = 0
    reach: int = 0
    likes: int = 0
    comments: int = 0
    reposts: int = 0
    quotes: int = 0
    saves: int = 0
    clicks: int = 0
    video_views: int = 0

    @property
    def engagement(self) -> int:
        """Likes, comments, shares (reposts and quotes) and saves together."""
        return self.likes + self.comments + self.reposts + self.quotes + self.saves


def hash_uniforms(seed: int, *parts: object) -> tuple[float, ...]:
    """Return eight numbers in (0, 1) that depend only on the arguments."""
    key = "\x1f".join([str(seed), *map(str, parts)]).encode()
    digest = hashlib.blake2b(key, digest_size=64).digest()
    return tuple(
        (int.from_bytes(digest[start : start + 8], "big") + 0.5) / 2.0**64 for start in range(0, 64, 8)
    )


def compute_age_share(age_seconds: float) -> float:
    """Return the share of its final engagement that a post of this age has: 0 at creation, 1 from 48 h on."""
    if age_seconds <= 0:
        return 0.0
    if age_seconds >= COMPLETE_AFTER_S:
        return 1.0
    hours = age_seconds / 3600.0
    return min(1.0, (1.0 - math.exp(-((hours / _AGE_SCALE_H) ** _AGE_SHAPE))) / _AT_END)


@lru_cache(maxsize=512)
def compute_curve(seed: int, account_key: str, *, sd: float) -> tuple[float, ...]:
    """Draw an account's hidden curve, with mean 0 and standard deviation `sd`.

    It has two daily bumps and its own weekend pattern. Kept, because worlds with the same accounts are made again and
    again in one process.
    """
    first, second, width, weekend, shift, height, spread, sign = hash_uniforms(seed, "curve", account_key)
    morning, evening = 7.0 + 4.0 * first, 17.0 + 4.5 * second
    day_offsets = hash_uniforms(seed, "days", account_key)

    def bump(hour: float, centre: float, hours_wide: float) -> float:
        distance = abs((hour - centre + 12.0) % 24.0 - 12.0)
        return math.exp(-0.5 * (distance / hours_wide) ** 2)

    raw = []
    for weekday in range(7):
        late = 2.0 * shift if weekday >= 5 else 0.0
        day_level = 0.35 * (day_offsets[weekday] - 0.5) - (0.5 * weekend if weekday >= 5 else 0.0)
        for hour in range(24):
            peak = bump(hour, evening + late, 1.8 + 1.5 * width)
            dawn = bump(hour, morning + late, 1.4 + spread) * (0.3 + 0.7 * height)
            noon = 0.25 * bump(hour, 12.5, 1.5) * (1.0 if sign > 0.5 else -1.0)
            raw.append(day_level + peak + dawn + noon)
    mean = sum(raw) / SLOTS
    scale = sd / math.sqrt(sum((value - mean) ** 2 for value in raw) / SLOTS)
    return tuple((value - mean) * scale for value in raw)


def compute_followers(audience: Audience, days: float) -> int:
    """Return the followers `days` after 2023-01-01 (UTC).

    They increase every day by varying amounts, linearly within a day.
    """
    whole = math.floor(days)

    def at(day: int) -> float:
        # Less than a day's growth, so that every day ends above the one before.
        luck = 0.8 * hash_uniforms(audience.seed, "followers", day)[0]
        return audience.followers_at_epoch * math.exp(audience.daily_growth * (day + luck))

    start = at(whole)
    return int(start + (at(whole + 1) - start) * (days - whole))


def compute_final_engagement(
    audience: Audience, *, post_key: str, slot: int, kind: ContentKind, followers: float
) -> float:
    """Return the engagement (a real number) of this post at 48 h."""
    noise = _NORMAL.inv_cdf(hash_uniforms(audience.seed, "noise", post_key)[0]) * audience.noise_sd
    level = math.log(max(1.0, followers) * audience.engagement_rate)
    return math.exp(level + audience.curve[slot] + KIND_EFFECTS[kind] + noise)


def compute_counters(
    final: float, *, seed: int, post_key: str, kind: ContentKind, age_seconds: float
) -> Counters:
    """Split `final` engagement into counters at this age. Counters never fall as the age grows."""
    share = compute_age_share(age_seconds)
    if share <= 0.0:
        return Counters()
    mix = hash_uniforms(seed, "mix", post_key)
    comments, reposts, quotes, saves = _spread(mix[:4], (0.09, 0.10, 0.02, 0.05))
    likes = 1.0 - comments - reposts - quotes - saves
    views_per_engagement = 18.0 + 24.0 * mix[4]
    impressions = final * views_per_engagement + 5.0
    click_rate = 0.02 + 0.02 * mix[5] if kind == "link" else 0.002

    def grown(value: float) -> int:
        return int(value * share)

    return Counters(
        impressions=grown(impressions),
        reach=grown(impressions * (0.65 + 0.25 * mix[6])),
        likes=grown(final * likes),
        comments=grown(final * comments),
        reposts=grown(final * reposts),
        quotes=grown(final * quotes),
        saves=grown(final * saves),
        clicks=grown(impressions * click_rate),
        video_views=grown(impressions * (0.4 + 0.3 * mix[7])) if kind == "video" else 0,
    )


def _spread(uniforms: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Vary each share by up to half of itself."""
    return [share * (0.5 + uniform) for share, uniform in zip(shares, uniforms, strict=True)]
