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
_BATCH_ACCOUNTS = 100


@dataclass(frozen=True, slots=True)
class HabitPosts:
    """Posts of several accounts, sorted by account and day; (posts,) each."""

    account: IntArray
    day: IntArray  # local calendar day, any origin
    engagement: FloatArray  # at full age
    kind: IntArray  # index into the platform's kinds, -1 = not known
    length: IntArray  # index into LENGTHS, -1 = not known


def compute_habits(posts: HabitPosts, kinds: list[str]) -> list[dict[str, Any]]:
    """Findings for each account with enough posts.

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
    day_of = _number_runs(posts.account, posts.day)
    day_start = np.flatnonzero(np.diff(day_of, prepend=-1))
    number = np.bincount(posts.account, minlength=accounts)
    columns = np.empty((len(labels) + 1, len(posts.account)))
    for place, (subject, name) in enumerate(labels):
        codes = posts.kind if subject == "kind" else posts.length
        columns[place] = codes == (kinds if subject == "kind" else list(LENGTHS)).index(name)
    columns[-1] = np.log2(np.bincount(day_of)[day_of])
    of_label = np.array([np.bincount(posts.account, column, accounts) for column in columns[:-1]])
    period = _number_runs(posts.account, posts.day // PERIOD_DAYS)
    y = _within(np.log1p(posts.engagement), period)
    spread = 1.4826 * _median_size(y, posts.account, accounts)
    y = _within(np.clip(y, -_CLIP_SD * spread[posts.account], _CLIP_SD * spread[posts.account]), period)
    columns = np.array([_within(column, period) for column in columns])

    size = len(columns)
    normal, meat = np.empty((2, accounts, size, size))
    score = np.empty((accounts, size))
    variance = np.bincount(posts.account, y**2, accounts) / np.maximum(number - size, 1)
    for row in range(size):
        score[:, row] = np.bincount(posts.account, columns[row] * y, accounts)
        for column in range(row + 1):
            normal[:, row, column] = np.bincount(posts.account, columns[row] * columns[column], accounts)
            normal[:, column, row] = normal[:, row, column]
    ridge = (np.maximum(variance, 0.01) / _EFFECT_VARIANCE)[:, None, None] * np.eye(size)
    inverse = np.linalg.inv(normal + ridge)
    effects = np.einsum("aij,aj->ai", inverse, score)
    left = y - np.einsum("ip,pi->p", columns, effects[posts.account])
    account_of_day = posts.account[day_start]
    of_day = np.array([np.bincount(day_of, column * left) for column in columns])
    for row in range(size):
        for column in range(row + 1):
            meat[:, row, column] = np.bincount(account_of_day, of_day[row] * of_day[column], accounts)
            meat[:, column, row] = meat[:, row, column]
    days = np.bincount(account_of_day, minlength=accounts)
    small = (days / np.maximum(days - size, 1))[:, None, None]  # few days: their errors come out too small
    noise = np.maximum(variance, 0.01)[:, None, None]
    covariance = inverse @ (small * meat + noise * ridge) @ inverse
    return _describe(labels, number, of_label, effects, covariance)


def compute_all_habits(posts: HabitPosts, kinds: list[str]) -> list[dict[str, Any]]:
    """As `compute_habits`, in batches of accounts, which bounds memory."""
    accounts = int(posts.account.max()) + 1 if len(posts.account) else 0
    found: dict[int, list[dict[str, Any]]] = {}

    def find(first: int) -> None:
        start, end = np.searchsorted(posts.account, (first, first + _BATCH_ACCOUNTS))
        part = HabitPosts(
            posts.account[start:end].astype(np.int64) - first,
            posts.day[start:end].astype(np.int64),
            posts.engagement[start:end].astype(np.float64),
            posts.kind[start:end],
            posts.length[start:end],
        )
        found[first] = [row | {"account": row["account"] + first} for row in compute_habits(part, kinds)]

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


def _number_runs(account: IntArray, value: IntArray) -> IntArray:
    """Number of each post's run of the same account and value, from 0; the posts are sorted by both."""
    change = (np.diff(account, prepend=-1) != 0) | (np.diff(value, prepend=value[:1]) != 0)
    return np.asarray(change.cumsum() - 1, np.int64)


def _within(values: FloatArray, group: IntArray) -> FloatArray:
    """Differences from the mean of the group."""
    mean = np.bincount(group, values) / np.bincount(group)
    return np.asarray(values - mean[group], np.float64)


def _median_size(values: FloatArray, account: IntArray, accounts: int) -> FloatArray:
    """Median absolute value per account, at least 0.1."""
    order = np.lexsort((np.abs(values), account))
    bounds = np.searchsorted(account, np.arange(accounts + 1))
    middle = (bounds[:-1] + bounds[1:]) // 2
    sizes = np.abs(values)[order]
    found = np.where(np.diff(bounds) > 0, sizes[np.minimum(middle, len(sizes) - 1)], 1.0)
    return np.maximum(found, 0.1)
