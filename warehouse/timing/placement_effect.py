"""Measured effect of the advice: posts placed by it compared with posts placed at random. Pure: no I/O, no clock.

The draw decides how each post is placed, so the difference between the two groups is the effect of the placement and
not of other properties of the posts. The comparison uses ln(1 + engagement), each account with itself, because
accounts differ by far more than hours do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

FEWEST_POSTS = 10
"""Minimum per group: with fewer posts, an interval would rest almost only on its assumptions."""


class Outcome(NamedTuple):
    """One publication of a post in the experiment."""

    post_id: str
    """The unit of the draw: all publications of a post were placed together."""
    stratum: Hashable
    """Posts are compared within a stratum: the account, and the random share at that time."""
    recommended: bool
    """Placed by the advice; False = at random."""
    value: float
    """ln(1 + engagement) at an age that is the same for all."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The difference recommended - random in log units, and the number of posts behind it."""

    recommended: int
    """Posts that could be compared."""
    random: int
    difference: float | None = None
    """None = too few posts."""
    standard_error: float | None = None
    degrees: float | None = None
    """Degrees of freedom of the t distribution."""

    def interval(self, level: float) -> tuple[float, float] | None:
        """Return the two-sided interval of a level such as 0.95, in log units; None = too few posts."""
        if self.difference is None or self.standard_error is None or self.degrees is None:
            return None
        reach = compute_t_quantile((1 + level) / 2, self.degrees) * self.standard_error
        return self.difference - reach, self.difference + reach


class _Sums(NamedTuple):
    """Number and sum of values of the recommended and the random publications in one stratum."""

    recommended: int = 0
    recommended_sum: float = 0.0
    random: int = 0
    random_sum: float = 0.0

    def plus(self, outcome: Outcome, sign: int = 1) -> _Sums:
        value = sign * outcome.value
        if outcome.recommended:
            return self._replace(
                recommended=self.recommended + sign, recommended_sum=self.recommended_sum + value
            )
        return self._replace(random=self.random + sign, random_sum=self.random_sum + value)

    @property
    def weight(self) -> float:
        """Weight of the stratum: 0 if one of the groups is empty."""
        return self.recommended * self.random / max(1, self.recommended + self.random)

    @property
    def pull(self) -> float:
        """Weight times the difference of the means."""
        if not self.recommended or not self.random:
            return 0.0
        difference = self.recommended_sum / self.recommended - self.random_sum / self.random
        return self.weight * difference


def compute_effect(outcomes: Sequence[Outcome]) -> Effect:
    """Return the difference within strata, weighted by the information of each stratum.

    Its error is a jackknife over posts: leave out one post with all its publications and measure how far the result
    moves. This does not assume equal noise of accounts or groups, and counts a post on five accounts once. The degrees
    of freedom are Welch's, so that ten random posts among a thousand count as ten.
    """
    strata: dict[Hashable, _Sums] = defaultdict(_Sums)
    for outcome in outcomes:
        strata[outcome.stratum] = strata[outcome.stratum].plus(outcome)
    posts: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if strata[outcome.stratum].weight:
            posts[outcome.post_id].append(outcome)
    groups = {True: 0, False: 0}
    for parts in posts.values():
        groups[parts[0].recommended] += 1
    if min(groups.values()) < FEWEST_POSTS:
        return Effect(groups[True], groups[False])
    weight = sum(sums.weight for sums in strata.values())
    pull = sum(sums.pull for sums in strata.values())
    difference = pull / weight
    variances = {True: 0.0, False: 0.0}
    for parts in posts.values():
        rest_weight, rest_pull = _without(strata, parts, weight, pull)
        if rest_weight > 0:
            variances[parts[0].recommended] += (rest_pull / rest_weight - difference) ** 2
    variance = sum(variances.values())
    degrees = sum(part**2 / (groups[group] - 1) for group, part in variances.items())
    return Effect(
        recommended=groups[True],
        random=groups[False],
        difference=difference,
        standard_error=variance**0.5,
        # No variance: all posts had the same result, and any number of degrees gives the same interval.
        degrees=variance**2 / degrees if degrees else float(len(posts) - 2),
    )


def compute_t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution; accurate to three digits from 5 degrees of freedom.

    Cornish and Fisher's expansion around the normal distribution (Abramowitz and Stegun, 26.7.5).
    """
    z = NormalDist().inv_cdf(probability)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * degrees**4)
    )


def _without(
    strata: dict[Hashable, _Sums], parts: Sequence[Outcome], weight: float, pull: float
) -> tuple[float, float]:
    """Return weight and pull of all strata without one post's publications."""
    touched = {outcome.stratum: strata[outcome.stratum] for outcome in parts}
    left = dict(touched)
    for outcome in parts:
        left[outcome.stratum] = left[outcome.stratum].plus(outcome, -1)
    for stratum, sums in touched.items():
        weight += left[stratum].weight - sums.weight
        pull += left[stratum].pull - sums.pull
    return weight, pull
