"""Many ids, few requests: batches of the size that a platform takes."""

from collections.abc import Iterable, Iterator
from itertools import islice


def split_batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the ids in order, `size` at a time; one that is given twice comes once, so that nothing counts double."""
    left = iter(dict.fromkeys(ids))
    while batch := list(islice(left, size)):
        yield batch
