"""Detect a jump in an account's level: a page that is sold, boosted or changes its content. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from warehouse.timing.history import PostArrays

    FloatArray = npt.NDArray[np.float64]

WINDOW_POSTS = 60  # number of posts compared before and after a moment
_LEAST_POSTS = 10  # on each side
_SURPRISE = 3.5  # standard errors between the sides for a jump; a false one costs little, see `after_break`


def after_break(posts: PostArrays, values: FloatArray, sd: FloatArray) -> FloatArray:
    """1 for posts after their account's largest jump, 0 for posts before it and for accounts without a clear jump.

    A smooth level turns a jump into a ramp: posts before it look bad and posts after it look good, and if the posting
    hours change at the same time, so do the hours. The height of the jump is estimated later, together with the smooth
    level, which leaves nothing of a jump that was only a steep slope.

    Args:
        posts: sorted by account and time.
        values: log engagement, viral posts clipped, (posts,).
        sd: standard deviation of one post, (accounts,).
    """
    account, published = posts.account, posts.published
    once = posts.weight > 0  # without repeated rows, which would widen the windows
    if not once.all():
        account, published, values = account[once], published[once], values[once]
    bounds = np.searchsorted(account, np.arange(len(sd) + 1))
    numbers = np.diff(bounds)
    place = np.arange(len(account))
    before = np.minimum(place - np.repeat(bounds[:-1], numbers), WINDOW_POSTS)
    after = np.minimum(np.repeat(bounds[1:], numbers) - place, WINDOW_POSTS)
    total = np.concatenate(([0.0], np.cumsum(values)))
    jump = (total[place + after] - total[:-1]) / after
    jump -= (total[:-1] - total[place - before]) / np.maximum(before, 1)
    surprise = jump**2 * (before * after / (before + after))
    surprise[np.minimum(before, after) < _LEAST_POSTS] = 0.0
    largest = np.zeros(len(sd))
    present = np.flatnonzero(numbers)
    largest[present] = np.maximum.reduceat(surprise, bounds[present])
    largest[largest <= (_SURPRISE * sd) ** 2] = np.inf
    found = np.flatnonzero(surprise == np.repeat(largest, numbers))
    moment = np.full(len(sd), np.iinfo(np.int64).max)
    np.minimum.at(moment, account[found], published[found])
    return (posts.published >= moment[posts.account]).astype(np.float64)
