"""Wall-clock times and the instants they mean: pure, no clock, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LocalResolution = Literal["exact", "shifted_forward", "first_of_two"]


class LocalInstant(NamedTuple):
    """What a wall-clock time means in its zone."""

    at: datetime
    """UTC."""
    resolution: LocalResolution


def resolve_local(written: datetime, zone: ZoneInfo) -> LocalInstant:
    """Return the instant of a naive wall-clock time.

    One that the clocks skip is moved forward by the gap; of one that they show twice, the first is taken.
    Raises OverflowError at the ends of the calendar.
    """
    first = written.replace(tzinfo=zone, fold=0)
    second = written.replace(tzinfo=zone, fold=1)
    # fold=0 reads a skipped time with the offset before the change: that moves it forward by the gap.
    at = first.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != written:
        return LocalInstant(at, "shifted_forward")
    if first.utcoffset() != second.utcoffset():
        return LocalInstant(at, "first_of_two")
    return LocalInstant(at, "exact")


def describe_resolution(shown: str, local: LocalInstant, zone: ZoneInfo) -> str | None:
    """Return in words what became of a wall-clock time, or None where it exists once. `shown`: as it was written."""
    if local.resolution == "shifted_forward":
        taken = local.at.astimezone(zone).replace(tzinfo=None).isoformat()
        return f"{shown} does not exist in {zone.key} (the clocks go forward): taken as {taken}"
    if local.resolution == "first_of_two":
        return f"{shown} happens twice in {zone.key} (the clocks go back): taken as the first"
    return None
