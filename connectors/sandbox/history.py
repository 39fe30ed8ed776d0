"""Post history of the simulated accounts before they are connected: pure functions of the seed and the day.

A day's posts depend only on the seed, the account and the date, so a sandbox started tomorrow has the same
history as one started today.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from connectors.sandbox.engagement import hash_uniforms
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

# How an account without advice posts: mostly in its office hours, sometimes at any other hour of the day.
_HABIT: Final = tuple([1] * 6 + [2] * 2 + [4] * 9 + [3] * 4 + [1] * 3)
_OPENINGS: Final = (
    "New today:",
    "Behind the scenes:",
    "A small note on",
    "Back again:",
    "This week:",
    "Just out:",
)
_SUBJECTS: Final = (
    "the first harvest of the season",
    "a table made from a fallen oak",
    "our slow-baked rye",
    "the blue glaze we nearly gave up on",
    "an evening at the harbour market",
    "the smallest teapot in the shop",
    "a jacket mended for the third time",
    "what the kiln taught us",
)
_CLOSINGS: Final = (
    "Come by.",
    "Tell us what you think.",
    "More soon.",
    "Made by hand.",
    "Thank you all.",
    "Who is in?",
)


@dataclass(frozen=True, slots=True)
class PastPost:
    """One post of an account's history; `created` in Unix seconds with milliseconds."""

    created: float
    text: str
    kind: ContentKind


def build_day(
    seed: int, account_key: str, platform: Platform, day: date, zone: ZoneInfo
) -> Iterator[PastPost]:
    """Yield the account's two to four posts of this local day, oldest first."""
    chance, *draws = hash_uniforms(seed, "day", account_key, day.toordinal())
    hours = _pick_hours(2 + int(chance * 3), draws)
    for hour in hours:
        minute, millis, mood, opening, subject, closing, tag, _ = hash_uniforms(
            seed, "post", account_key, day.toordinal(), hour
        )
        kind = _pick_kind(platform, mood)
        text = " ".join(
            (
                _OPENINGS[int(opening * len(_OPENINGS))],
                f"{_SUBJECTS[int(subject * len(_SUBJECTS))]}.",
                _CLOSINGS[int(closing * len(_CLOSINGS))],
                # The tag makes texts unique; X would reject duplicates.
                f"#{day:%b%d}{int(tag * 1000):03d}",
            )
        )
        if kind == "link":
            text += f" https://shop.example/{day:%Y/%m/%d}/{hour}"
        hour_start = datetime(day.year, day.month, day.day, hour, tzinfo=zone).timestamp()
        yield PastPost(hour_start + int(minute * 3540) + int(millis * 1000) / 1000, text, kind)


def build_history(
    seed: int, account_key: str, platform: Platform, *, timezone: str, until: float, days: int
) -> Iterator[PastPost]:
    """Yield the posts of the last `days` days up to `until` (Unix seconds), oldest first."""
    zone = ZoneInfo(timezone)
    last = datetime.fromtimestamp(until, zone).date()
    since = until - days * 86_400.0
    for back in range(days, -1, -1):
        for post in build_day(seed, account_key, platform, last - timedelta(days=back), zone):
            if since <= post.created < until:
                yield post


def _pick_hours(how_many: int, draws: list[float]) -> list[int]:
    """Draw distinct hours, weighted by habit."""
    weights = list(_HABIT)
    hours = []
    for draw in draws[:how_many]:
        reached = list(accumulate(weights))
        hour = bisect_right(reached, draw * reached[-1])
        hours.append(hour)
        weights[hour] = 0
    return sorted(hours)


def _pick_kind(platform: Platform, mood: float) -> ContentKind:
    if platform is Platform.TIKTOK:
        return "video"
    if platform is Platform.YOUTUBE:
        return "video"
    if platform in (Platform.INSTAGRAM, Platform.PINTEREST):
        return "photo" if mood < 0.75 else "video"
    if mood < 0.45:
        return "text"
    if mood < 0.65:
        return "link"
    return "photo" if mood < 0.92 else "video"
