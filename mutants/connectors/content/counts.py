"""Counters as platforms write them: numbers, strings of digits (Google's 64-bit ones), fractions that are none."""


def read_count(value: object) -> int | None:
    """Return a counter as an int; what was not reported (None) stays None, never 0.

    Raises ValueError or TypeError for what is no whole number: an answer in a form we do not know.
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
    """Return the sum of what was reported; None where nothing was."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
