"""How often to post, and which kinds and lengths do better: associations within one account, at equal age. Pure.

Posts are compared with others of the same account and the same four weeks, so growth and seasons do not count. Kinds,
lengths, the number of posts of a day, the weekday and the time of day are estimated together: long posts may be links,
busy days may be days of videos, and videos may come in the evening. Posts of one day share luck, so the errors are
those of days, not of posts. What the data cannot tell is answered by "not known".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.timing import counts
from warehouse.timing.batches import map_batches
from warehouse.timing.clocks import find_local_hours
from warehouse.timing.history import HOURS

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

PERIOD_DAYS = 28
LEAST_POSTS = 30  # of an account; with fewer, nothing is known
LEAST_OF_LABEL = 8  # posts of a kind or length
LEAST_CHANGES = (
    8  # between a label and the others, in order of time: one switch may be anything that happened then
)
LEAST_DAYS = 10  # that tell of a label, see `_count_days`: a few campaigns are a few days' luck
LENGTHS = ("short", "medium", "long")  # below 80, 80 to 279, 280 characters and more
LENGTH_EDGES = (80, 280)
PACE = "posts_per_day"
Z_80 = 1.2816
_SURE = {"kind": 2.5, "length": 2.4, PACE: 2.2}  # standard errors; several labels are compared at once
_EFFECT_VARIANCE = 0.25  # of effects between accounts, in log units: shrinks what few posts say
_CLIP_SD = 2.5
_BATCH_ACCOUNTS = 50
_MOST_COUNTED = 50.0  # accounts whose median engagement is below this are fitted as counts, see `_fit_counts`
_STEPS = 4
_LONGEST_STEP = 3.0  # score of one post: a viral one counts as very good
_MOST_SHARE = 0.8
_WEEKDAYS = 7
_WAVES = (1, 2)  # per day, of the time of day


@dataclass(frozen=True, slots=True)
class HabitPosts:
    """Posts of several accounts, sorted by account and time; (posts,) each."""

    account: IntArray
    published: IntArray  # microseconds since 1970 UTC
    engagement: (
        FloatArray  # at full age; NaN = unknown or not to be compared: the post counts only for its day
    )
    kind: IntArray  # index into the platform's kinds, -1 = not known
    length: IntArray  # index into LENGTHS, -1 = not known


def compute_habits(posts: HabitPosts, kinds: list[str], zones: list[str]) -> list[dict[str, Any]]:
    """Findings for each account with enough posts; `zones` has each account's IANA zone.

    Returns rows with account (index), subject (posts_per_day | kind | length), label, n_posts, effect, low, high,
    known.
    `effect` is a fraction: engagement per post of this label against the account's other posts, or, for posts_per_day,
    what doubling the number of posts of a day goes with. `low` and `high` are its 80 % interval; `known` says whether
    the direction is beyond chance, with several labels compared at once.
    """
    if not len(posts.account):
        return []
    accounts = int(posts.account.max()) + 1
    labels = [("kind", name) for name in kinds] + [("length", name) for name in LENGTHS]
    hours = find_local_hours(posts.account, posts.published, zones)
    together = _find_runs(posts.account, hours // HOURS)
    busy = np.log2(together.length)[together.of_post]
    compared = np.flatnonzero(~np.isnan(posts.engagement))
    account, hours, busy = posts.account[compared], hours[compared], busy[compared]
    if not len(account):
        return []
    days, periods = _find_runs(account, hours // HOURS), _find_runs(account, hours // (HOURS * PERIOD_DAYS))
    bounds = np.searchsorted(account, np.arange(accounts + 1))
    number = np.diff(bounds)
    present = np.flatnonzero(number)
    codes = np.stack((posts.kind[compared], posts.length[compared] + np.int64(len(kinds))))
    codes[1, posts.length[compared] < 0] = -1
    columns = np.zeros((len(labels) + 1, len(account)))
    for code in codes:
        known = np.flatnonzero(code >= 0)
        columns[code[known], known] = 1.0
    of_label = np.zeros((len(labels) + 1, accounts))  # the last: all posts
    of_label[:-1, present] = np.add.reduceat(columns[:-1], bounds[present], axis=1)
    of_label[-1] = number
    columns[-1] = busy
    changes = _count_changes(periods.centre(columns), account, accounts)
    columns = np.concatenate((columns, _describe_times(hours)))
    fit = _fit(account, bounds, periods, columns, posts.engagement[compared].astype(np.float64))

    parts = fit.columns * fit.residual
    of_day = np.add.reduceat(parts, days.start, axis=1)
    # A day that decides an effect by itself, as one of a few campaigns, is fitted too well for its errors to show it.
    told = np.add.reduceat(fit.columns**2, days.start, axis=1)
    of_day /= 1 - np.minimum(told * np.einsum("aii->ia", fit.inverse)[:, account[days.start]], _MOST_SHARE)
    day_bounds = np.searchsorted(days.start, bounds)
    meat = np.zeros_like(fit.inverse)
    for one in present:
        own = of_day[:, day_bounds[one] : day_bounds[one + 1]]
        meat[one] = own @ own.T
    covariance = fit.inverse @ (meat + fit.prior) @ fit.inverse
    wanted = len(labels) + 1
    able = (number >= LEAST_POSTS) & (changes >= LEAST_CHANGES)
    able &= _count_days(told[:wanted], account[days.start], accounts) >= LEAST_DAYS
    return _describe(labels, of_label, able, fit.effects[:, :wanted], covariance[:, :wanted, :wanted])


def compute_all_habits(posts: HabitPosts, kinds: list[str], zones: list[str]) -> list[dict[str, Any]]:
    """As `compute_habits`, in batches of accounts, which bounds memory."""
    accounts = int(posts.account.max()) + 1 if len(posts.account) else 0
    found: dict[int, list[dict[str, Any]]] = {}

    def find(first: int) -> None:
        start, end = np.searchsorted(posts.account, (first, first + _BATCH_ACCOUNTS))
        part = HabitPosts(
            posts.account[start:end].astype(np.int64) - first,
            posts.published[start:end],
            posts.engagement[start:end],
            posts.kind[start:end],
            posts.length[start:end],
        )
        rows = compute_habits(part, kinds, zones[first : first + _BATCH_ACCOUNTS])
        found[first] = [row | {"account": row["account"] + first} for row in rows]

    map_batches(find, range(0, accounts, _BATCH_ACCOUNTS))
    return [row for first in sorted(found) for row in found[first]]


def _describe_times(hours: IntArray) -> FloatArray:
    """Columns for the weekday and the time of day, (columns, posts): what they explain is no effect of a kind."""
    weekday = hours // HOURS % _WEEKDAYS
    angle = 2 * np.pi * (hours % HOURS) / HOURS
    waves = [wave(times * angle) for times in _WAVES for wave in (np.sin, np.cos)]
    return np.concatenate(((weekday == np.arange(1, _WEEKDAYS)[:, None]).astype(np.float64), waves))


def _count_days(told: FloatArray, account: IntArray, accounts: int) -> FloatArray:
    """How many days tell of a label, if all told as much: (columns, accounts)."""
    total, squares = (
        np.stack([np.bincount(account, row, accounts) for row in power]) for power in (told, told**2)
    )
    return np.asarray(total**2 / np.maximum(squares, 1e-12), np.float64)


def _count_changes(columns: FloatArray, account: IntArray, accounts: int) -> IntArray:
    """How often each account goes from more to less of a label, or back, in order of time: (columns, accounts)."""
    above = columns > 0
    change = (np.diff(above, axis=1) != 0) & (np.diff(account) == 0)
    return np.stack([np.bincount(account[1:][row], minlength=accounts) for row in change])


@dataclass(frozen=True, slots=True)
class _Fit:
    """A weighted least squares fit of every account, with a prior on the effects."""

    columns: FloatArray  # (columns, posts), weighted differences from the mean of the period
    residual: FloatArray  # (posts,), weighted
    fitted: FloatArray  # (posts,), log units
    effects: FloatArray  # (accounts, columns)
    inverse: FloatArray  # (accounts, columns, columns), of information and prior
    prior: FloatArray  # (accounts, columns, columns), noise included


def _fit(
    account: IntArray, bounds: IntArray, periods: _Runs, columns: FloatArray, engagement: FloatArray
) -> _Fit:
    """Fit logarithms, or, where engagement is small, the likelihood of counts (see `warehouse.timing.counts`)."""
    logs = periods.centre(np.log1p(engagement))
    spread = (_CLIP_SD * 1.4826 * np.maximum(_medians(np.abs(logs), bounds), 0.1))[account]
    y, weight = np.clip(logs, -spread, spread), np.ones(len(account))
    small = np.flatnonzero((_medians(engagement, bounds) < _MOST_COUNTED)[account])
    if not len(small):
        return _solve(bounds, periods, columns, y, weight)
    count, own, number = engagement[small], account[small], np.diff(bounds)
    mean = np.bincount(account, engagement, len(number)) / np.maximum(number, 1)
    shrunk = (periods.mean(engagement) * periods.length + 5 * mean[account[periods.start]]) / (
        periods.length + 5
    )
    rate = np.log(np.maximum(shrunk[periods.of_post[small]], 1e-3))
    size = counts.choose_luck_size(own, rate - 0.6, count, len(number))[own]
    luck = counts.LUCK_SIZES[size]
    rate -= luck**2 / 2  # the logarithm of the typical post's rate, not of the mean
    for _ in range(_STEPS):
        information = np.maximum(counts.expect_information(size, rate), 1e-4)
        step = counts.expect_luck(size, rate, count) / luck / information
        y[small] = rate + np.clip(step, -_LONGEST_STEP / information, _LONGEST_STEP / information)
        weight[small] = information * luck**2
        fit = _solve(bounds, periods, columns, y, weight)
        rate = np.clip(fit.fitted[small], -9.0, 7.0)
    return fit


def _solve(bounds: IntArray, periods: _Runs, columns: FloatArray, y: FloatArray, weight: FloatArray) -> _Fit:
    number, size = np.diff(bounds), len(columns)
    level = periods.mean(y, weight)[periods.of_post]
    centred = columns - periods.mean(columns, weight)[:, periods.of_post]
    root = np.sqrt(weight)
    weighted, residual = centred * root, (y - level) * root
    normal, score = np.zeros((len(number), size, size)), np.zeros((len(number), size))
    variance = np.zeros(len(number))
    present = np.flatnonzero(number)
    for one in present:
        part = slice(bounds[one], bounds[one + 1])
        normal[one] = weighted[:, part] @ weighted[:, part].T
        score[one] = weighted[:, part] @ residual[part]
        variance[one] = residual[part] @ residual[part] / max(number[one] - size, 1)
    variance = np.maximum(variance, 0.01)
    ridge = (variance / _EFFECT_VARIANCE)[:, None, None] * np.eye(size)
    inverse = np.asarray(np.linalg.inv(normal + ridge), np.float64)
    effects = np.einsum("aij,aj->ai", inverse, score)
    explained = np.zeros(len(y))
    for one in present:
        part = slice(bounds[one], bounds[one + 1])
        explained[part] = effects[one] @ centred[:, part]
    left = np.asarray(residual - explained * root, np.float64)
    return _Fit(weighted, left, level + explained, effects, inverse, variance[:, None, None] * ridge)


def _describe(
    labels: list[tuple[str, str]],
    of_label: FloatArray,
    able: npt.NDArray[np.bool_],
    effects: FloatArray,
    covariance: FloatArray,
) -> list[dict[str, Any]]:
    accounts = len(effects)
    rows: list[dict[str, Any]] = []
    for place, (subject, name) in enumerate([*labels, (PACE, PACE)]):
        contrast = np.zeros((accounts, len(labels) + 1))
        contrast[:, place] = 1.0
        posts, can = of_label[place].astype(np.int64), able[place].copy()
        if subject != PACE:
            others = of_label[:-1].T * np.array([other == subject for other, _ in labels])
            others[:, place] = 0.0
            against = others.sum(axis=1)
            can &= (posts >= LEAST_OF_LABEL) & (against >= LEAST_OF_LABEL)
            contrast[:, :-1] -= others / np.maximum(against, 1.0)[:, None]
        effect = (contrast * effects).sum(axis=1)
        variance = np.einsum("ai,aij,aj->a", contrast, covariance, contrast)
        error = np.sqrt(np.maximum(variance, 1e-12))
        if (
            subject == PACE
        ):  # on accounts with the same number of posts every day, next to nothing was seen of it
            can &= error < 0.9 * np.sqrt(_EFFECT_VARIANCE)
        rows += [
            {
                "account": int(account),
                "subject": subject,
                "label": name,
                "n_posts": int(posts[account]),
                "effect": float(np.expm1(effect[account])),
                "low": float(np.expm1(effect[account] - Z_80 * error[account])),
                "high": float(np.expm1(effect[account] + Z_80 * error[account])),
                "known": bool(abs(effect[account]) > _SURE[subject] * error[account]),
            }
            for account in np.flatnonzero(can)
        ]
    return rows


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of posts of one account with the same value, in order."""

    start: IntArray  # (runs,) index of the first post
    length: IntArray  # (runs,)
    of_post: IntArray  # (posts,) the run of each post

    def mean(self, values: FloatArray, weight: FloatArray | None = None) -> FloatArray:
        """Mean of each run; (..., posts) to (..., runs)."""
        if weight is None:
            return np.asarray(np.add.reduceat(values, self.start, axis=-1) / self.length, np.float64)
        total = np.add.reduceat(values * weight, self.start, axis=-1)
        return np.asarray(total / np.add.reduceat(weight, self.start), np.float64)

    def centre(self, values: FloatArray) -> FloatArray:
        """Differences from the mean of the run; (..., posts)."""
        return values - self.mean(values)[..., self.of_post]


def _find_runs(account: IntArray, value: IntArray) -> _Runs:
    change = (np.diff(account, prepend=-1) != 0) | (np.diff(value, prepend=value[:1]) != 0)
    start = np.flatnonzero(change)
    return _Runs(start, np.diff(start, append=len(account)), change.cumsum() - 1)


def _medians(values: FloatArray, bounds: IntArray) -> FloatArray:
    """Median of each account; 0 without posts."""
    found = np.zeros(len(bounds) - 1)
    for account in np.flatnonzero(np.diff(bounds)):
        own = values[bounds[account] : bounds[account + 1]]
        found[account] = np.partition(own, len(own) // 2)[len(own) // 2]
    return found
