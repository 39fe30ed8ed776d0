"""Explain posting-time advice in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from warehouse.scheduling.placement import UNKNOWN_SLOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from warehouse.scheduling.placement import Candidate, Week

NO_EFFECT = "no reliable timing effect"
WORSE = "worse than usual"
CAVEATS = [
    "This is correlation, not proof: posts at these times did better, which does not show that the time was the cause.",
    "Wide ranges and the basis 'prior' mean that there is little data yet about the account's own audience.",
]
FEW_POSTS = 100
STALE_DAYS = 3
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Percent(NamedTuple):
    """A lift in percent, with one decimal."""

    lift: float
    low: float
    high: float


MOST_LOSSES = 5
"""Accounts whose loss a sentence names."""


def to_percent(lift: float, low: float, high: float) -> Percent:
    """Return fractions as percent."""
    return Percent(*(round(value * 100, 1) for value in (lift, low, high)))


def describe_confidence(confidence: str, lift_high: float) -> str:
    """Return the confidence that a slot is better; "none" becomes "no reliable timing effect" or "worse than usual"."""
    if confidence != "none":
        return confidence
    return WORSE if lift_high < 0 else NO_EFFECT


def describe_time(at: datetime, *, with_date: bool = False) -> str:
    """Return "Tue 18:00" or "Tue 2026-03-03 18:00" of a local time."""
    date = f" {at:%Y-%m-%d}" if with_date else ""
    return f"{_WEEKDAYS[at.weekday()]}{date} {at:%H:%M}"


def describe_slot(row: Mapping[str, Any], at: datetime) -> str:
    """Return the sentence about one row of marts.optimal_times; `at` is its next local instant."""
    lift, low, high = to_percent(row["expected_lift"], row["lift_low"], row["lift_high"])
    slot = describe_time(at)
    size = f"about {abs(lift):.0f} % {'better' if lift >= 0 else 'worse'} than your usual times"
    spread = _spread(low, high)
    if row["basis"] == "prior" and not row["n_posts"] and not row["n_nearby"]:
        return (
            f"Similar accounts did {size} around {slot} ({spread}); there is no data from your own posts yet."
        )
    evidence = f"from {row['n_posts']} posts there and {row['n_nearby']} at similar hours"
    if describe_confidence(row["confidence"], row["lift_high"]) == NO_EFFECT:
        return f"No reliable timing effect around {slot}: posts did {size} ({spread}), {evidence}."
    return f"Posts around {slot} did {size} ({spread}), {evidence}."


def describe_account(best: Mapping[str, Any] | None, at: datetime | None) -> str:
    """Return the verdict on an account from its best row of marts.optimal_times; None = nothing computed yet."""
    if best is None or at is None:
        return "Nothing has been computed for this account yet: post when it suits you, and check again tomorrow."
    lift, low, high = to_percent(best["expected_lift"], best["lift_low"], best["lift_high"])
    if best["account_posts"] == 0:
        return (
            "None of this account's posts has been measured yet. From other accounts of the platform, expect "
            f"{lift:+.0f} % at best ({_spread(low, high)})."
        )
    if best["confidence"] == "none":
        return (
            f"No reliable timing effect: for the best hour, around {describe_time(at)}, expect {lift:+.0f} % "
            f"({_spread(low, high)}), which may mean no effect{_chance(best)}. Post when it suits you."
        )
    return (
        f"Timing seems to matter ({best['confidence']} confidence): the best hour, around {describe_time(at)}, "
        f"has an expected effect of {lift:+.0f} % against your usual times ({_spread(low, high)})."
    )


def describe_pace(habits: Sequence[Mapping[str, Any]]) -> str:
    """Return the answer to "how often should this account post?"."""
    found = next((row for row in habits if row["subject"] == "posts_per_day"), None)
    if found is None:
        return (
            "How often to post is not known: it takes 30 posts of the last year, and days with different numbers of "
            "posts."
        )
    effect, low, high = to_percent(found["effect"], found["low"], found["high"])
    size = f"twice as many posts on a day go with {effect:+.0f} % engagement per post ({_spread(low, high)})"
    if not found["known"]:
        return f"How often to post is not known: {size}, which may mean no effect."
    total = (2 * (1 + found["effect"]) - 1) * 100
    return f"On this account, {size}: {total:+.0f} % for the day as a whole, as an association."


def describe_kinds(habits: Sequence[Mapping[str, Any]]) -> str:
    """Return the answer to "which kinds and lengths of posts do better?": what is known, or why nothing is."""
    found = [row for row in habits if row["subject"] != "posts_per_day"]
    known = [describe_habit(row) for row in found if row["known"]]
    if known:
        return " ".join(known)
    why = (
        f"none of the {len(found)} that could be compared differs beyond chance."
        if found
        else "it takes 30 posts of the last year, and two kinds or lengths in turn, with 8 posts of each."
    )
    return f"Which kinds and lengths do better is not known: {why}"


def describe_habit(row: Mapping[str, Any]) -> str:
    """Return the sentence about one kind or length."""
    effect, low, high = to_percent(row["effect"], row["low"], row["high"])
    what = (
        f"{row['label'].capitalize()} posts"
        if row["subject"] == "length"
        else f"Posts of kind {row['label']}"
    )
    evidence = f"({_spread(low, high)}), from {row['n_posts']} posts"
    size = f"earned {effect:+.0f} % against this account's other posts {evidence}"
    return (
        f"{what} {size}."
        if row["known"]
        else f"Not known: {what[0].lower() + what[1:]} {size}, may be no effect."
    )


def list_account_caveats(best: Mapping[str, Any] | None, now: datetime) -> list[str]:
    """Return the caveats about one account's advice."""
    if best is None:
        return ["Times are computed each night: a new account has none before the first night."]
    caveats = []
    posts = best["account_posts"]
    if 0 < posts < FEW_POSTS:
        caveats.append(f"Only {posts} measured posts: expect this advice to change as more come in.")
    if best.get("moved_at") is not None:
        caveats.append(
            f"The good hours seem to have changed around {best['moved_at']:%Y-%m-%d}: older posts count less since "
            "then, and the ranges are wider."
        )
    if suspicious := best.get("suspicious_hours"):
        hours = ", ".join(f"{hour:02}:00" for hour in sorted(suspicious))
        caveats.append(
            f"Posts at {hours} earned far more than those at the hours around, as paid promotion does. If it was, mark "
            "these posts as paid (on their page, or `socialflow posts mark-paid`): such posts are left out."
        )
    age = (now - best["computed_at"]).days
    if age >= STALE_DAYS:
        caveats.append(f"Computed {age} days ago, but it should run every night: see `socialflow doctor`.")
    return caveats


def describe_candidate(candidate: Candidate, weeks: Sequence[Week]) -> str:
    """Return the expected effect of an instant on these accounts together."""
    unknown = len(weeks) - len(candidate.by_account)
    lift, low, high = to_percent(candidate.lift, candidate.lift_low, candidate.lift_high)
    whose = "their" if len(weeks) > 1 else "its"
    text = f"expected {lift:+.0f} % against {whose} usual times ({_spread(low, high)})"
    if candidate.lift_high < 0:
        text += f", {WORSE}"
    elif all(slot.confidence == "none" for slot in candidate.by_account.values()):
        text += f", {NO_EFFECT}"
    if unknown:
        text += f"; nothing has been computed yet for {unknown} of {len(weeks)} accounts"
    return text


def describe_losses(candidate: Candidate, weeks: Sequence[Week]) -> str:
    """Return each account's loss against its own best hour, or "" for a single account. Of many, the largest."""
    if len(weeks) < 2:
        return ""
    losses = [(compute_loss(week, candidate), week.platform) for week in weeks if week.slots]
    losses = [one for one in losses if one[0] >= 0.005]
    if not losses:
        return ""
    shown = losses if len(losses) <= MOST_LOSSES else sorted(losses, reverse=True)[:MOST_LOSSES]
    parts = [f"{CAPABILITIES[Platform(platform)].label} {loss * 100:.0f} %" for loss, platform in shown]
    others = f" and less on {len(losses) - len(shown)} others" if len(losses) > len(shown) else ""
    return f" Loss against their own best hours: {', '.join(parts)}{others}."


def compute_loss(week: Week, candidate: Candidate) -> float:
    """Return the share of the engagement at its own best hour that an account loses at this time (0-1)."""
    here = candidate.by_account.get(week.account_id, UNKNOWN_SLOT)
    return max(0.0, 1 - (1 + here.expected_lift) / (1 + week.best.expected_lift))


def describe_choice(
    candidate: Candidate,
    weeks: Sequence[Week],
    *,
    kind: str,
    zone: ZoneInfo,
    free: int,
    gap: timedelta,
    random_share: float | None = None,
    acceptable: int | None = None,
) -> str:
    """Return why a post got this time, in one or two sentences."""
    slot = f"{describe_time(candidate.at.astimezone(zone), with_date=True)} ({zone.key})"
    accounts = "this account" if len(weeks) == 1 else f"these {len(weeks)} accounts"
    minutes = int(gap.total_seconds() // 60)
    room = f"free: nothing else within {minutes} minutes"
    worth = describe_candidate(candidate, weeks)
    if kind == "random":
        share = 0.0 if random_share is None else random_share * 100
        return (
            f"{slot}: drawn at random among {acceptable} acceptable free times of {accounts} ({room}), as the "
            f"workspace's experiment does with {share:.0f} % of the posts; {worth}."
        )
    if kind == "exploration":
        return (
            f"{slot}: this week's exploration, the free time of {accounts} ({room}) that may be best among those "
            f"with little data; {worth}."
        )
    losses = describe_losses(candidate, weeks)
    return f"{slot}: the best of {free} free times of {accounts} ({room}); {worth}.{losses}"


def _chance(best: Mapping[str, Any]) -> str:
    """How often posts would vary this much over the week by chance alone; "" where it is not known."""
    chance = best.get("p_chance")
    if chance is None:
        return ""
    return f": without one, {max(chance * 100, 1):.0f} % of such accounts would look like this"


def _spread(low: float, high: float) -> str:
    return f"80 % range {low:+.0f} to {high:+.0f} %"
