"""Parse metrics as platforms return them: numbers, strings of digits (64-bit integers), whole floats."""


def read_count(value: object) -> int | None:
    """Return a metric as an int. A metric that was not reported (None) stays None, never 0.

    Raises ValueError or TypeError if the value is not a whole number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("a counter is no number")
    count = int(value)
    if isinstance(value, float) and count != value:
        raise ValueError("a counter is a fraction")
    return count


def sum_counts(*values: int | None) -> int | None:
    """Return the sum of the reported values; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
