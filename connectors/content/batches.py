"""Split a list of ids into batches of the size that a platform accepts."""

from collections.abc import Iterable, Iterator
from itertools import islice


def split_batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the ids in order, `size` at a time, without duplicates, so that no metric is counted twice."""
    left = iter(dict.fromkeys(ids))
    while batch := list(islice(left, size)):
        yield batch
