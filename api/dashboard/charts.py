"""SVG charts drawn on the server: axes at round values, gaps, weekends, bands, and one colour scale.

Every chart is drawn twice, for a wide and a narrow screen, because text in an SVG scales with it; the style sheet
shows one of them. Colours are classes, so that dark mode changes them, and an effect's strength is the opacity of
one of two hues (blue below, orange above), which people with any colour blindness can tell apart. The hatches are
patterns in base.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import floor, log10, sqrt
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_TICKS = 5
_SATURDAY = 5


def list_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return at most six round values that cover [low, high]; with `whole`, no fractions."""
    if high <= low:
        high = low + 1
    raw = (high - low) / (_MOST_TICKS - 1)
    size = 10.0 ** floor(log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw * 0.999)
    if whole:
        step = max(step, 1.0)
    first = floor(low / step)
    ticks = []
    number = first
    while True:
        ticks.append(round(number * step, 10))
        if number * step >= high - step * 1e-9:
            return ticks
        number += 1


def write_tick(value: float) -> str:
    """Return a tick's label: 1,200 as "1.2k"."""
    for limit, unit in ((1_000_000, "M"), (1000, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.1f}".removesuffix(".0") + unit
    return f"{value:g}"


@dataclass(frozen=True, slots=True)
class DayValue:
    """One day of a series."""

    day: date
    value: float | None
    """None = not measured, which is not 0."""
    note: str = ""
    """For the read-out, such as "3 posts"."""
    young: bool = False
    """Whether the value still grows."""


@dataclass(slots=True)
class _Sheet:
    """A drawing under construction, in SVG units."""

    width: float
    height: float
    label: str
    parts: list[Markup] = field(default_factory=list)

    def add(self, drawn: str, **values: Any) -> None:  # noqa: ANN401 (numbers and texts)
        # str.format of escaped values: a week has thousands of shapes, and Markup.format is ten times slower.
        written = {name: _write_value(one) for name, one in values.items()}
        self.parts.append(Markup(drawn.format(**written)))  # noqa: S704 (literals of this module, values escaped)

    def finish(self, kind: str, role: str = "img") -> Markup:
        return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
            kind, round(self.width), round(self.height), role, self.label, Markup("").join(self.parts)
        )


def _write_value(value: Any) -> str:  # noqa: ANN401 (a number or a text)
    if isinstance(value, float):
        return str(round(value, 2))
    return str(value) if isinstance(value, int) else escape(value)


def _both(draw: Callable[[float, str], Markup], label: str) -> Markup:
    """Return the wide and the narrow drawing with their read-out line."""
    return Markup(
        '<div class="plot" tabindex="0" role="group" aria-label="{}. Arrow keys read the values.">{}{}'
        '<p class="read-out small soft" aria-live="polite"></p></div>'
    ).format(label, draw(900, "wide"), draw(380, "slim"))


def draw_days(
    series: Sequence[DayValue],
    label: str,
    *,
    kind: str = "bars",
    previous: Sequence[float | None] = (),
    whole: bool = True,
) -> Markup:
    """Return a chart of one value per day. `kind`: bars (from zero) or line. `previous`: dashed, by position."""

    def draw(width: float, shape: str) -> Markup:
        return _draw_days(series, label, kind, previous, width, shape, whole=whole)

    return _both(draw, label)


def _draw_days(  # noqa: C901, PLR0917 (one drawing, layer by layer)
    series: Sequence[DayValue],
    label: str,
    kind: str,
    previous: Sequence[float | None],
    width: float,
    shape: str,
    *,
    whole: bool,
) -> Markup:
    left, right, top, bottom = 44.0, 6.0, 10.0, 24.0
    height = 240.0 if shape == "wide" else 220.0
    sheet = _Sheet(width, height, label)
    known = [one.value for one in series if one.value is not None] + [
        one for one in previous if one is not None
    ]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if kind == "bars":
        low = min(low, 0.0)
    elif high - low < 1:
        low, high = low - 1, high + 1
    ticks = list_ticks(low, max(high, low + 1 if whole else high), whole=whole)
    low, high = ticks[0], ticks[-1]
    step = (width - left - right) / max(len(series), 1)
    floor_y = height - bottom

    def y_of(value: float) -> float:
        return floor_y - (value - low) / (high - low) * (floor_y - top)

    for number, one in enumerate(series):
        if one.day.weekday() >= _SATURDAY:
            sheet.add(
                '<rect class="weekend" x="{x}" y="{y}" width="{w}" height="{h}"/>',
                x=left + number * step, y=top, w=step, h=floor_y - top,
            )  # fmt: skip
    for tick in ticks:
        sheet.add(
            '<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/><text x="{tx}" y="{ty}" text-anchor="end">'
            "{words}</text>",
            kind="zero" if tick == 0 else "grid", x1=left, x2=width - right, y=y_of(tick), tx=left - 6,
            ty=y_of(tick) + 4, words=write_tick(tick),
        )  # fmt: skip
    _add_gaps(sheet, series, left, step, top, floor_y)
    if kind == "bars":
        for number, one in enumerate(series):
            if one.value is not None:
                edge, zero = y_of(one.value), y_of(max(low, 0.0))
                sheet.add(
                    '<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="2"/>',
                    kind="bar1 young" if one.young else "bar1", x=left + number * step + step * 0.14,
                    y=min(edge, zero), w=step * 0.72, h=max(abs(zero - edge), 0.8 if one.value else 0.0),
                )  # fmt: skip
    else:
        _add_line(sheet, [one.value for one in series], left, step, y_of, "line", dots=len(series) < 40)
    if any(one is not None for one in previous):
        _add_line(sheet, list(previous[: len(series)]), left, step, y_of, "before")
    _add_dates(sheet, series, left, step, height, 5 if shape == "slim" else 10)
    for number, one in enumerate(series):
        said = "not measured" if one.value is None else f"{one.value:,.0f}"
        note = f" ({one.note})" if one.note else ""
        before = previous[number] if number < len(previous) else None
        compared = f"; the period before: {before:,.0f}" if before is not None else ""
        young = "; still earning" if one.young else ""
        sheet.add(
            '<rect class="hit" fill="transparent" x="{x}" y="{y}" width="{w}" height="{h}" data-read="{read}"/>',
            x=left + number * step, y=top, w=step, h=floor_y - top,
            read=f"{_write_date(one.day)}: {said}{note}{compared}{young}",
        )  # fmt: skip
    return sheet.finish(shape)


def _add_gaps(  # noqa: PLR0917 (where the drawing's area is)
    sheet: _Sheet, series: Sequence[DayValue], left: float, step: float, top: float, floor_y: float
) -> None:
    number = 0
    while number < len(series):
        if series[number].value is not None:
            number += 1
            continue
        first = number
        while number < len(series) and series[number].value is None:
            number += 1
        sheet.add(
            '<rect class="gap" x="{x}" y="{y}" width="{w}" height="{h}"/>',
            x=left + first * step, y=top, w=(number - first) * step, h=floor_y - top,
        )  # fmt: skip


def _add_line(  # noqa: PLR0917 (a line's geometry)
    sheet: _Sheet,
    values: Sequence[float | None],
    left: float,
    step: float,
    y_of: Callable[[float], float],
    kind: str,
    *,
    dots: bool = False,
) -> None:
    """Draw one path per unbroken stretch; a single day between two gaps is a dot."""
    stretch: list[tuple[float, float]] = []
    for number, value in enumerate([*values, None]):
        if value is not None:
            stretch.append((left + (number + 0.5) * step, y_of(value)))
            continue
        if len(stretch) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in stretch)
            sheet.add('<path class="{kind}" d="{path}"/>', kind=kind, path=path)
        if stretch and (dots or len(stretch) == 1) and kind == "line":
            for x, y in stretch:
                sheet.add('<circle class="dot" cx="{x}" cy="{y}" r="2.5"/>', x=x, y=y)
        stretch = []


def _add_dates(  # noqa: PLR0917 (same)
    sheet: _Sheet, series: Sequence[DayValue], left: float, step: float, height: float, most: int
) -> None:
    every = next((size for size in (1, 2, 7, 14, 28, 61, 92) if len(series) / size <= most), 183)
    # Weeks are counted from a Monday, so that the labels fall on week starts.
    start = (
        next((n for n, one in enumerate(series) if one.day.weekday() == 0), 0) % every if every >= 7 else 0
    )
    for number in range(start, len(series), every):
        day = series[number].day
        sheet.add(
            '<text x="{x}" y="{y}" text-anchor="middle">{words}</text>',
            x=left + (number + 0.5) * step, y=height - 7, words=f"{day.day} {day:%b}",
        )  # fmt: skip


def _write_date(day: date) -> str:
    return f"{DAYS[day.weekday()]} {day.day} {day:%b}"


def draw_spark(values: Sequence[float | None], label: str) -> Markup:
    """Return a small line without axes; gaps stay gaps."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = (high - low) or 1.0
    path, pen_down = "", False
    for number, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        x = number / max(len(values) - 1, 1) * 100
        path += f"{'L' if pen_down else 'M'}{x:.1f} {30 - (value - low) / span * 28:.1f}"
        pen_down = True
    return Markup(
        '<svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path d="{}"/></svg>'
    ).format(label, path)


# --- the week of best times


def scale_of(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the lift drawn at full strength: the account's own 95 % quantile of |lift|, at least 5 %."""
    sizes = sorted(abs(row["expected_lift"]) for row in rows)
    return max(sizes[int(0.95 * (len(sizes) - 1))] if sizes else 0.0, 0.05)


def draw_week(rows: Sequence[Mapping[str, Any]], label: str, link: Callable[[int, int], str]) -> Markup:
    """Return the 168 hours: hue and opacity = expected lift, dot = evidence, hatch = the range holds zero.

    `rows` of marts.optimal_times; `link`: the address of a weekday and hour.
    """
    found = {(row["weekday"], row["hour"]): row for row in rows}
    scale = scale_of(rows)
    most = max((row["n_posts"] for row in rows), default=0)

    def draw(width: float, shape: str) -> Markup:
        wide = shape == "wide"
        left, top = 40.0, 18.0
        columns, lines = (24, 7) if wide else (7, 24)
        cell_w = (width - left) / columns
        cell_h = 30.0 if wide else 22.0
        sheet = _Sheet(width, top + lines * cell_h + 2, label)
        for number in range(columns):
            words = (f"{number:02}" if number % 2 == 0 else "") if wide else DAYS[number]
            sheet.add(
                '<text x="{x}" y="12" text-anchor="middle">{words}</text>',
                x=left + (number + 0.5) * cell_w, words=words,
            )  # fmt: skip
        for number in range(lines):
            words = DAYS[number] if wide else (f"{number:02}:00" if number % 2 == 0 else "")
            sheet.add(
                '<text x="{x}" y="{y}" text-anchor="end">{words}</text>',
                x=left - 6, y=top + (number + 0.5) * cell_h + 4, words=words,
            )  # fmt: skip
        unsure: list[str] = []
        dots: list[str] = []
        for weekday, hour in product(range(7), range(24)):
            column, line = (hour, weekday) if wide else (weekday, hour)
            x, y = round(left + column * cell_w + 1, 1), round(top + line * cell_h + 1, 1)
            w, h = round(cell_w - 2, 1), cell_h - 2
            row = found.get((weekday, hour))
            if row is None:
                sheet.add(
                    '<rect class="cell" x="{x}" y="{y}" width="{w}" height="{h}" rx="3"/>', x=x, y=y, w=w, h=h
                )
                continue
            lift, low, high = row["expected_lift"], row["lift_low"], row["lift_high"]
            sheet.add(
                '<a href="{href}" tabindex="-1" aria-label="{read}"><rect class="{hue} hit" fill-opacity="{o}" '
                'x="{x}" y="{y}" width="{w}" height="{h}" rx="3"/></a>',
                href=link(weekday, hour), hue="up" if lift > 0 else "down",
                read=f"{DAYS[weekday]} {hour:02}:00: {describe_lift(lift, low, high)}, "
                f"{count_of(row['n_posts'], 'post')} there",
                o=round(min(abs(lift) / scale, 1.0) * 0.95, 2), x=x, y=y, w=w, h=h,
            )  # fmt: skip
            if low <= 0 <= high:
                unsure.append(f"M{x} {y}h{w}v{h}h-{w}z")
            if row["n_posts"] and most:
                radius = 1.2 + 4.3 * sqrt(row["n_posts"] / most)
                dots.append(f'<circle cx="{x + w / 2:.1f}" cy="{y + h / 2:.1f}" r="{radius:.1f}"/>')
        # One path and one group for all hours: a page with several accounts stays small.
        sheet.add('<path class="unsure" d="{d}"/>', d="".join(unsure))
        sheet.add('<g class="evidence">{dots}</g>', dots=Markup("".join(dots)))  # noqa: S704 (numbers)
        return sheet.finish(shape, "group")

    return _both(draw, label)


def describe_lift(lift: float, low: float, high: float) -> str:
    """Return "+14 % (4 to 24)"."""
    first, last = round(low * 100), round(high * 100)
    words = f"{round(lift * 100):+d} % ({first} to {last})"
    return words.replace("-", "\N{MINUS SIGN}")


def count_of(number: int, noun: str) -> str:
    """Return "1 post" or "3 posts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tint_of(lift: float, scale: float) -> str:
    """Return the class of a calendar hour's tint: u1 to u8 above the usual, d1 to d8 below, else nothing."""
    level = round(min(abs(lift) / scale, 1.0) * 8)
    return "" if level == 0 else f"{'u' if lift > 0 else 'd'}{level}"


# --- a post's curve on its account's band

_AGES = (1, 6, 24, 72, 168, 336, 720)


def draw_curve(
    points: Sequence[tuple[float, float]], band: Sequence[tuple[float, float, float, float]], label: str
) -> Markup:
    """Return a post's engagement by age on the band of its account's other posts.

    `points`: (hours, engagement). `band`: (hours, 20 % quantile, median, 80 % quantile). The axis of ages is drawn by
    its square root, because most is earned early.
    """

    def draw(width: float, shape: str) -> Markup:
        left, right, top, bottom = 44.0, 12.0, 10.0, 24.0
        height = 220.0
        sheet = _Sheet(width, height, label)
        oldest = max([hours for hours, _ in points] + [24.0])
        shown = [one for one in band if one[0] <= oldest * 1.6]
        reach = max([float(oldest), *(one[0] for one in shown)])
        ticks = list_ticks(
            0, max([value for _, value in points] + [one[3] for one in shown] + [1.0]), whole=True
        )

        def x_of(hours: float) -> float:
            return left + sqrt(max(hours, 0) / reach) * (width - left - right)

        def y_of(value: float) -> float:
            return height - bottom - value / ticks[-1] * (height - bottom - top)

        for tick in ticks:
            sheet.add(
                '<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>'
                '<text x="{tx}" y="{ty}" text-anchor="end">{words}</text>',
                kind="zero" if tick == 0 else "grid", x1=left, x2=width - right, y=y_of(tick), tx=left - 6,
                ty=y_of(tick) + 4, words=write_tick(tick),
            )  # fmt: skip
        for hours in _AGES:
            if hours <= reach and (shape == "wide" or hours in {24, 168, 720}):
                words = f"{hours} h" if hours < 48 else f"{hours // 24} d"
                sheet.add(
                    '<text x="{x}" y="{y}" text-anchor="middle">{words}</text>',
                    x=x_of(hours), y=height - 7, words=words,
                )  # fmt: skip
        if shown:
            upper = [(0.0, 0.0), *((one[0], one[3]) for one in shown)]
            lower = [(one[0], one[1]) for one in reversed(shown)]
            outline = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in [*upper, *lower])
            middle = "L".join(
                f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in [(0.0, 0.0), *((one[0], one[2]) for one in shown)]
            )
            sheet.add('<path class="band" d="M{d}z"/><path class="median" d="M{m}"/>', d=outline, m=middle)
        path = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in [(0.0, 0.0), *points])
        sheet.add('<path class="line" d="M{d}"/>', d=path)
        for age_hours, value in points:
            age = f"{age_hours:.1f} h" if age_hours < 48 else f"{age_hours / 24:.0f} days"
            sheet.add(
                '<circle class="dot hit" data-read="{read}" cx="{x}" cy="{y}" r="4"/>',
                x=x_of(age_hours), y=y_of(value), read=f"After {age}: {value:,.0f}",
            )  # fmt: skip
        return sheet.finish(shape)

    return _both(draw, label)
