"""Compute the geometry of the SVG charts, in SVG units, so that the templates only print it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 720, 160
_TOP = 12
"""Space above the highest bar."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEPS = (0.03, 0.08, 0.15)
"""Lift thresholds at which a cell gets the next color."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a series. An unmeasured day has no height, which differs from 0."""

    x: float
    y: float
    width: float
    height: float
    measured: bool
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of the week."""

    level: int
    """-3 to 3: how far below or above the account's usual; 0 = no reliable effect."""
    label: str


def draw_bars(series: Sequence[Mapping[str, Any]], name: str) -> list[Bar]:
    """Return one bar per day for the figure `name`; negative values have height 0."""
    values = [day[name] for day in series]
    highest = max((value for value in values if value is not None), default=0) or 1
    step = WIDTH / max(len(series), 1)
    bars = []
    for number, (day, value) in enumerate(zip(series, values, strict=True)):
        height = max(value or 0, 0) / highest * (HEIGHT - _TOP)
        said = "not measured" if value is None else f"{value:,}"
        bars.append(
            Bar(
                x=round(number * step + step * 0.1, 2),
                y=round(HEIGHT - height, 2),
                width=round(step * 0.8, 2),
                height=round(height, 2),
                measured=value is not None,
                label=f"{day['date']}: {said}",
            )
        )
    return bars


def draw_week(rows: Sequence[Mapping[str, Any]]) -> list[list[Cell]]:
    """Return seven days of 24 cells from rows of marts.optimal_times; slots without a row are blank."""
    found = {(row["weekday"], row["hour"]): row for row in rows}
    return [[_cell(found.get((day, hour)), day, hour) for hour in range(24)] for day in range(7)]


def _cell(row: Mapping[str, Any] | None, day: int, hour: int) -> Cell:
    slot = f"{DAYS[day]} {hour:02}:00"
    if row is None:
        return Cell(0, f"{slot}: not computed")
    lift, low, high = row["expected_lift"], row["lift_low"], row["lift_high"]
    level = sum(abs(lift) >= step for step in _STEPS)
    # If the interval contains zero, the direction is not proven: use the palest color at most.
    level = min(level, 1) if low <= 0 <= high else level
    said = f"{lift:+.0%} (80 % range {low:+.0%} to {high:+.0%}), {row['n_posts']} posts there"
    return Cell(level if lift > 0 else -level, f"{slot}: {said}")
