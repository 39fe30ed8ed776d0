"""How often to post, and which kinds and lengths do better: associations within one account, at equal age. Pure.

Posts are compared with others of the same account and the same four weeks, so growth and seasons do not count. Kinds,
lengths and the number of posts of a day are estimated together, because long posts may be links, and busy days may be
days of videos. Posts of one day share luck, so the errors are those of days, not of posts. What the data cannot tell is
answered by "not known".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
LENGTHS = ("short", "medium", "long")  # below 80, 80 to 279, 280 characters and more
LENGTH_EDGES = (80, 280)
PACE = "posts_per_day"
Z_80 = 1.2816
_SURE = {"kind": 2.5, "length": 2.4, PACE: 2.0}  # standard errors; several labels are compared at once
_EFFECT_VARIANCE = 0.25  # of effects between accounts, in log units: shrinks what few posts say
_CLIP_SD = 2.5
_BATCH_ACCOUNTS = 50


@dataclass(frozen=True, slots=True)
class HabitPosts:
    """Posts of several accounts, sorted by account and time; (posts,) each."""

    account: IntArray
    published: IntArray  # microseconds since 1970 UTC
    engagement: FloatArray  # at full age
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
    day = find_local_hours(posts.account, posts.published, zones) // HOURS
    days, periods = _find_runs(posts.account, day), _find_runs(posts.account, day // PERIOD_DAYS)
    bounds = np.searchsorted(posts.account, np.arange(accounts + 1))
    number = np.diff(bounds)
    codes = np.concatenate((posts.kind[None], posts.length[None] + np.int64(len(kinds))))
    codes[1, posts.length < 0] = -1
    columns = np.zeros((len(labels) + 1, len(posts.account)))
    for code in codes:
        known = np.flatnonzero(code >= 0)
        columns[code[known], known] = 1.0
    present = np.flatnonzero(number)
    of_label = np.zeros((len(labels), accounts))
    of_label[:, present] = np.add.reduceat(columns[:-1], bounds[present], axis=1)
    columns[-1] = np.log2(days.length)[days.of_post]
    y = periods.centre(np.log1p(posts.engagement.astype(np.float64)))
    spread = (_CLIP_SD * 1.4826 * _median_sizes(y, bounds))[posts.account]
    y = periods.centre(np.clip(y, -spread, spread))
    columns = periods.centre(columns)

    size = len(columns)
    normal, meat = np.zeros((2, accounts, size, size))
    score = np.zeros((accounts, size))
    variance = np.bincount(posts.account, y**2, accounts) / np.maximum(number - size, 1)
    for account in present:
        own = columns[:, bounds[account] : bounds[account + 1]]
        normal[account] = own @ own.T
        score[account] = own @ y[bounds[account] : bounds[account + 1]]
    ridge = (np.maximum(variance, 0.01) / _EFFECT_VARIANCE)[:, None, None] * np.eye(size)
    inverse = np.linalg.inv(normal + ridge)
    effects = np.einsum("aij,aj->ai", inverse, score)
    for account in present:
        part = slice(bounds[account], bounds[account + 1])
        columns[:, part] *= y[part] - effects[account] @ columns[:, part]
    of_day = np.add.reduceat(columns, days.start, axis=1)
    day_bounds = np.searchsorted(days.start, bounds)
    for account in present:
        own = of_day[:, day_bounds[account] : day_bounds[account + 1]]
        meat[account] = own @ own.T
    number_of_days = np.diff(day_bounds)
    small = (number_of_days / np.maximum(number_of_days - size, 1))[
        :, None, None
    ]  # few days: errors too small
    noise = np.maximum(variance, 0.01)[:, None, None]
    covariance = inverse @ (small * meat + noise * ridge) @ inverse
    return _describe(labels, number, of_label, effects, covariance)


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


def _describe(
    labels: list[tuple[str, str]],
    number: IntArray,
    of_label: FloatArray,
    effects: FloatArray,
    covariance: FloatArray,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, (subject, name) in enumerate([*labels, (PACE, PACE)]):
        contrast = np.zeros((len(number), len(labels) + 1))
        contrast[:, place] = 1.0
        posts, able = number, number >= LEAST_POSTS
        if subject != PACE:
            others = of_label.T * np.array([other == subject for other, _ in labels])
            others[:, place] = 0.0
            posts, against = of_label[place].astype(np.int64), others.sum(axis=1)
            able = able & (posts >= LEAST_OF_LABEL) & (against >= LEAST_OF_LABEL)
            contrast[:, :-1] -= others / np.maximum(against, 1.0)[:, None]
        effect = (contrast * effects).sum(axis=1)
        variance = np.einsum("ai,aij,aj->a", contrast, covariance, contrast)
        error = np.sqrt(np.maximum(variance, 1e-12))
        if (
            subject == PACE
        ):  # on accounts with the same number of posts every day, next to nothing was seen of it
            able = able & (error < 0.9 * np.sqrt(_EFFECT_VARIANCE))
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
            for account in np.flatnonzero(able)
        ]
    return rows


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of posts of one account with the same value, in order."""

    start: IntArray  # (runs,) index of the first post
    length: IntArray  # (runs,)
    of_post: IntArray  # (posts,) the run of each post

    def centre(self, values: FloatArray) -> FloatArray:
        """Differences from the mean of the run; (..., posts)."""
        mean = np.add.reduceat(values, self.start, axis=-1) / self.length
        return np.asarray(values - mean[..., self.of_post], np.float64)


def _find_runs(account: IntArray, value: IntArray) -> _Runs:
    change = (np.diff(account, prepend=-1) != 0) | (np.diff(value, prepend=value[:1]) != 0)
    start = np.flatnonzero(change)
    return _Runs(start, np.diff(start, append=len(account)), change.cumsum() - 1)


def _median_sizes(values: FloatArray, bounds: IntArray) -> FloatArray:
    """Median absolute value of each account, at least 0.1; 1 without posts."""
    size = np.abs(values)
    found = np.ones(len(bounds) - 1)
    for account in np.flatnonzero(np.diff(bounds)):
        own = size[bounds[account] : bounds[account + 1]]
        found[account] = np.partition(own, len(own) // 2)[len(own) // 2]
    return np.maximum(found, 0.1)
