"""Numbers and times as programs write them: whatever was written in one style is read as what was meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.lake.import_ import numbers, times
from warehouse.lake.import_.archives import open_plain
from warehouse.lake.import_.delimited import find_encoding
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from pathlib import Path

MARKS = [
    (",", "."),
    (".", ","),
    (" ", ","),
    ("\u202f", ","),
    ("\u00a0", "."),
    ("'", "."),
    ("\u2019", ","),
    ("", "."),
]


def write_number(value: Decimal, thousands: str, decimal: str) -> str:
    whole, _, fraction = f"{value:,f}".partition(".")
    return whole.replace(",", thousands) + (decimal + fraction if fraction else "")


@given(
    st.sampled_from(MARKS),
    st.lists(st.integers(0, 10**12), min_size=1, max_size=20),
    st.lists(st.decimals(0, 10**9, places=1), min_size=1, max_size=5),
)
def test_a_column_is_read_in_the_style_that_it_was_written_in(
    marks: tuple[str, str], counts: list[int], proofs: list[Decimal]
) -> None:
    """The fractions beside the counts prove the style; then no count is off by a thousand."""
    written = [write_number(Decimal(count), *marks) for count in counts]
    beside = [write_number(proof, *marks) for proof in proofs]
    style = numbers.decide(written, column="c", whole=True, beside=beside)
    assert [numbers.parse(value, style) for value in written] == counts
    shares = numbers.decide(beside, column="c", whole=False)
    assert [numbers.parse(value, shares) for value in beside] == proofs


@given(st.sampled_from(MARKS[:2]), st.lists(st.integers(1001, 10**12), min_size=1, max_size=20))
def test_counts_alone_are_read_right_or_refused(marks: tuple[str, str], counts: list[int]) -> None:
    written = [write_number(Decimal(count), *marks) for count in counts]
    try:
        style = numbers.decide(written, column="c", whole=True)
    except FileRefusedError as refused:
        assert all(count % 1000 == 0 and count < 10**6 for count in counts if count >= 1000)
        assert "--decimal-mark" in refused.message  # noqa: PT017 (the other branch is right, too)
        return
    assert [numbers.parse(value, style) for value in written] == counts


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_none(text: str) -> None:
    try:
        style = numbers.decide([text], column="c", whole=True)
    except FileRefusedError:
        return
    numbers.parse(text, style)
    numbers.count_problem(text, style)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1,2K", 1200),
        ("1.2M", 1_200_000),
        ("1,2 Mio", 1_200_000),
        ("3 Tsd.", 3000),
        ("1,23,456", 123_456),
        ("5302.0", 5302),
        ("1e3", 1000),
        ("12.5 %", Decimal("0.125")),
        ("1 234\u00a0567", None),
        ("1,2,3", None),
        ("12,34.5", None),
        ("1X", None),
        ("\u0663", 3),
    ],
)
def test_forms_of_numbers(value: str, expected: Any) -> None:
    assert numbers.parse(value, numbers.decide([value], column="c", whole=False)) == expected


EARLIEST, LATEST = datetime(1990, 1, 2), datetime(2098, 12, 30)  # noqa: DTZ001 (clock times)
MOMENTS = st.datetimes(EARLIEST, LATEST).map(lambda clock: clock.replace(microsecond=0))
OFFSETS = st.integers(-14 * 60, 14 * 60)


@given(MOMENTS, OFFSETS)
def test_times_with_an_offset(clock: datetime, minutes: int) -> None:
    moment = clock.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    forms = [
        moment.isoformat(),
        moment.isoformat(" "),
        f"{moment:%a %b %d %H:%M:%S %z %Y}",
        f"{moment:%a, %d %b %Y %H:%M:%S %z}",
    ]
    for value in forms:
        read = times.parse(value, times.decide([value], column="c"))
        assert isinstance(read, times.Moment), value
        assert read == (moment.astimezone(UTC), True, False)


@given(
    MOMENTS,
    st.sampled_from(["dmy", "mdy"]),
    st.sampled_from("/-."),
    st.sampled_from(["%I:%M:%S %p", "%H:%M:%S"]),
)
def test_numeric_dates_are_read_right_or_refused(
    clock: datetime, order: Any, mark: str, clock_form: str
) -> None:
    day = f"%d{mark}%m{mark}%Y" if order == "dmy" else f"%m{mark}%d{mark}%Y"
    value = f"{clock:{day}} {clock:{clock_form}}"
    expected = times.Moment(clock, aware=False, day_only=False)
    try:
        style = times.decide([value], column="c")
    except FileRefusedError as refused:
        assert clock.day <= 12
        assert f"--date-order {order} for " in refused.message  # noqa: PT017 (same)
        style = times.decide([value], column="c", option=order)
    assert times.parse(value, style) == expected
    assert times.decide([value], column="c", declared=order).order in {order, style.order}


@given(MOMENTS)
def test_numbers_that_are_times(clock: datetime) -> None:
    moment = clock.replace(tzinfo=UTC)
    for scale in (1, 1000, 1_000_000):
        value = str(int(moment.timestamp()) * scale)
        if clock.year >= 1991:
            assert times.parse(value, times.decide([value], column="c")) == (moment, True, False)
    days = clock.toordinal() - date(1899, 12, 30).toordinal()
    seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
    value = f"{days + seconds / 86400:.10f}"
    read = times.parse(value, times.decide([value], column="c"))
    assert isinstance(read, times.Moment)
    assert read.clock == clock


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_none(text: str) -> None:
    try:
        style = times.decide([text], column="c")
    except FileRefusedError:
        return
    times.parse(text, style)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Dec 15, 2023", "2023-12-15 00:00"),
        ("15. M\u00e4r. 2024 um 14:05", "2024-03-15 14:05"),
        ("15 de mayo de 2024", "2024-05-15 00:00"),
        ("1 ao\u00fbt 2024 \u00e0 9:05", "2024-08-01 09:05"),
        ("September 8th, 2024 at 12:30 AM", "2024-09-08 00:30"),
        ("9/18/2024, 10:16:14 PM", "2024-09-18 22:16"),
        ("2024/5/31 8:05", "2024-05-31 08:05"),
        ("12/15/26 17:30", "2026-12-15 17:30"),
        ("2024-02-30 10:00", None),
        ("2024-05-31 25:00", None),
        ("2024-05-31T10:00:00+25:00", None),
        ("13:30 PM", None),
        ("31 Foo 2024", None),
    ],
)
def test_forms_of_times(value: str, expected: str | None) -> None:
    read = times.parse(value, times.decide([value], column="c"))
    shown = f"{read.clock:%Y-%m-%d %H:%M}" if isinstance(read, times.Moment) else None
    assert shown == expected


WORDS = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=["C"]), max_size=20),
    min_size=1,
    max_size=5,
)


@given(WORDS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_unicode_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], encoding: str
) -> None:
    text = "published_at,likes,comments,shares,text\n" + "\n".join(words)
    path = tmp_path_factory.getbasetemp() / "encoded.csv"
    path.write_bytes(text.encode(encoding))
    found, _ = find_encoding(open_plain(path), path.name)
    assert path.read_bytes().decode(found) == text


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Gr\u00fc\u00dfe aus M\u00fcnchen, sch\u00f6n f\u00fcr \u00d6sterreich", "cp1252"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442 \u0438\u0437 \u041c\u043e\u0441\u043a\u0432\u044b", "cp1251"),
    ],
)
def test_old_encodings_are_found_and_said(tmp_path: Path, words: str, encoding: str) -> None:
    text = f"published_at,text\n2024-05-31 10:00,{words}\n"
    path = tmp_path / "old.csv"
    path.write_bytes(text.encode(encoding))
    found, said = find_encoding(open_plain(path), path.name)
    assert path.read_bytes().decode(found) == text
    assert said is not None
    assert "text read as" in said
