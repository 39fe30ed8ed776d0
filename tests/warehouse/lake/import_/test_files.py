"""Reading files of past posts: good rows typed, each bad one named with its line, field and reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.errors import InvalidInputError
from warehouse.lake.import_.files import HistoryFile, parse_zone, read_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., HistoryFile]

HEADER = "published_at,likes,comments,shares"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(text: str | bytes, **options: Any) -> HistoryFile:
        path = tmp_path / "history.csv"
        defaults: dict[str, Any] = {"account_name": "me", "now": NOW}
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_history(path, **(defaults | options))

    return read_text


def problems(history: HistoryFile) -> list[tuple[int, str, str]]:
    return [(row.line, row.field, row.reason) for row in history.rejected]


def times(history: HistoryFile) -> list[str]:
    return [f"{value:%Y-%m-%d %H:%M:%S}" for value in history.rows["published_at"].to_pylist()]


def test_good_rows_are_typed(read: Read) -> None:
    history = read(
        "\ufeffPublished_At; likes ;comments;shares;kind;impressions;post_id;colour\r\n"
        "2024-05-31 18:30;12.0;;NaN;Status;900;p1;red\r\n"
        '2024-05-31T18:30:01.5+02:00;0;3;4;REEL;;"p;2";blue\r\n'
    )
    assert history.rejected == []
    assert history.total == 2
    names = (
        "line",
        "account",
        "post_id",
        "kind",
        "likes",
        "comments",
        "shares",
        "impressions",
        "derived",
        "raw",
    )
    rows = history.rows.select(names).to_pylist()
    same = {"account": "me", "derived": True}
    assert rows == [
        same
        | {"line": 2, "post_id": "p1", "kind": "text", "impressions": 900}
        | {"likes": 12, "comments": None, "shares": None, "raw": '{"colour":"red"}'},
        same
        | {"line": 3, "post_id": "p;2", "kind": "video", "impressions": None}
        | {"likes": 0, "comments": 3, "shares": 4, "raw": '{"colour":"blue"}'},
    ]
    assert times(history) == ["2024-05-31 18:30:00", "2024-05-31 16:30:01"]
    assert "columns kept as they are: colour" in history.notes


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        (",1,1,1", "published_at", "missing"),
        ("yesterday,1,1,1", "published_at", "is not a time"),
        ("epoch,1,1,1", "published_at", "is not a time"),
        ("infinity,1,1,1", "published_at", "is not a time"),
        ("2024-02-30 10:00,1,1,1", "published_at", "is not a time"),
        ("2024-05-31T10:00+25:00,1,1,1", "published_at", "the offset +25:00, which is not valid"),
        ("2024-05-31,1,1,1", "published_at", "without a time of day"),
        ("2026-03-02 00:01,1,1,1", "published_at", "future"),
        ("1970-01-01 10:00,1,1,1", "published_at", "before 1990"),
        ("2024-05-31 10:00,-1,1,1", "likes", "negative"),
        ("2024-05-31 10:00,1,1.5,1", "comments", "whole number"),
        ("2024-05-31 10:00,1,1,many", "shares", "is not a number"),
        ('2024-05-31 10:00,1,1,"1,20,0"', "shares", "is not a number"),
        ("2024-05-31 10:00,1,1,1234567890123456789", "shares", "more than 10^13"),
        ("2024-05-31 10:00,1,1", "row", "3 fields, the header has 4"),
        ("2024-05-31 10:00,1,1,1,1", "row", "5 fields, the header has 4"),
    ],
)
def test_a_malformed_row_is_named_and_the_others_stay(read: Read, row: str, field: str, reason: str) -> None:
    history = read(f"{HEADER}\n2024-05-30 10:00,1,1,1\n\n{row}\n2024-05-30 11:00,2,2,2\n")
    ((line, named, why),) = problems(history)
    assert (line, named) == (4, field)
    assert reason in why
    assert times(history) == ["2024-05-30 10:00:00", "2024-05-30 11:00:00"]
    assert history.total == 3


def test_every_field_of_a_bad_row_is_named_and_lines_follow_quoted_breaks(read: Read) -> None:
    history = read(f'{HEADER},kind\n2024-05-30 10:00,1,1,1,"a\nb"\nnever,-1,x,1,\n')
    assert [(line, field) for line, field, _ in problems(history)] == [
        (4, "comments"),
        (4, "likes"),
        (4, "published_at"),
    ]
    assert r"kinds read as text: a\nb" in history.notes


def test_a_byte_that_is_not_utf8_spoils_its_own_row_only(read: Read) -> None:
    history = read(
        f"{HEADER},post_id\n2024-05-30 10:00,1,1,1,caf\u00e9\n".encode() + b"2024-05-30 11:00,1,1,1,caf\xe9\n"
    )
    assert problems(history) == [(3, "row", "is not UTF-8 text: save the file as UTF-8")]
    assert history.rows["post_id"].to_pylist() == ["caf\u00e9"]


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("UTC", ["2024-03-10 01:30:00", "2024-07-01 12:00:00"]),
        ("America/New_York", ["2024-03-10 06:30:00", "2024-07-01 16:00:00"]),
        ("-05:00", ["2024-03-10 06:30:00", "2024-07-01 17:00:00"]),
        ("+05:30", ["2024-03-09 20:00:00", "2024-07-01 06:30:00"]),
    ],
)
def test_a_naive_time_is_taken_in_the_given_zone(read: Read, timezone: str, expected: list[str]) -> None:
    history = read(
        f"{HEADER}\n2024-03-10 01:30,1,1,1\n2024-07-01T12:00,1,1,1\n2024-07-01T12:00Z,3,1,1\n",
        timezone=timezone,
    )
    assert times(history) == [*expected, "2024-07-01 12:00:00"]


@pytest.mark.parametrize("offset", ["Z", " UTC", "+00:00", "+0000", "+00", " +00:00"])
def test_an_own_offset_goes_before_the_given_zone(read: Read, offset: str) -> None:
    history = read(
        f"{HEADER}\n2024-07-01 12:00{offset},1,1,1\n2024-07-01 12:00:30{offset},1,1,1\n", timezone="+09:00"
    )
    assert problems(history) == []
    assert times(history) == ["2024-07-01 12:00:00", "2024-07-01 12:00:30"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+25:00", "+05:75", "", "Europe", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInputError, match="Europe/Berlin") as raised:
        parse_zone(zone)
    assert raised.value.field == "timezone"


def test_repeated_ids_are_passed_over_when_alike_and_named_when_not(read: Read) -> None:
    history = read(
        f"{HEADER},post_id\n"
        "2024-05-30 10:00,1,1,1,a\n2024-05-30 10:00:00,1,1,1,a\n2024-05-30 10:00,2,1,1,a\n2024-05-30 10:00,2,1,1,b\n"
    )
    assert history.rows["line"].to_pylist() == [2, 5]
    ((line, field, reason),) = problems(history)
    assert (line, field) == (4, "post_id")
    assert reason.startswith("line 2 has the same post_id")


def test_rows_without_an_id_get_one_that_does_not_depend_on_the_file(read: Read) -> None:
    text = f"{HEADER}\n2024-05-30 10:00,1,1,1\n2024-05-30 10:00,2,1,1\n2024-05-30 10:00,1,1,1\n2024-05-31 10:00,1,1,1\n"
    history = read(text)
    ids = history.rows["post_id"].to_pylist()
    assert history.rows["line"].to_pylist() == [2, 3, 5], (
        "alike = the same post; unlike in one minute = two posts"
    )
    assert len(set(ids)) == 3
    longer = read(text.replace("\n", "\n2023-01-01 10:00,9,9,9\n", 1))
    assert longer.rows["post_id"].to_pylist()[1:] == ids


def test_one_post_may_be_there_at_several_moments(read: Read) -> None:
    history = read(
        f"{HEADER},post_id,captured_at\n"
        "2024-05-30 10:00,1,1,1,a,2024-05-30 11:00\n"
        "2024-05-30 10:00,5,1,1,a,2024-05-31 11:00\n"
        "2024-05-30 10:00,5,1,1,a,2024-05-30 09:00\n"
    )
    assert history.rows["likes"].to_pylist() == [1, 5]
    assert history.rows["derived"].to_pylist() == [False, False]
    assert problems(history) == [(4, "captured_at", "2024-05-30 09:00 is before published_at")]


def test_without_a_moment_of_measuring_the_newest_good_post_gives_it(read: Read) -> None:
    history = read(f"{HEADER}\n2024-05-30 10:00,1,1,1\n2024-05-31 10:00,1,1,1\n2024-06-09 10:00,x,1,1\n")
    assert set(history.rows["captured_at"].to_pylist()) == {datetime(2024, 5, 31, 10, tzinfo=UTC)}
    assert any("no captured_at" in note and "2024-05-31 10:00 UTC" in note for note in history.notes)


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "path", "is empty"),
        ("published_at,likes,shares\n", "comments", "no column comments"),
        (f"{HEADER},Likes\n", "likes", "is repeated"),
        ("\x00\x01\x02", "published_at", "no column published_at"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_remedy(
    read: Read, text: str, field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as raised:
        read(text)
    assert raised.value.field == field


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file") as raised:
        read_history(tmp_path / "none.csv", account_name="me")
    assert raised.value.field == "path"


def test_without_an_account_name_the_file_must_have_the_column(read: Read) -> None:
    with pytest.raises(InvalidInputError, match="no column account") as raised:
        read(f"{HEADER}\n", account_name=None)
    assert raised.value.field == "account"
    history = read(
        f"{HEADER},account\n2024-05-30 10:00,1,1,1,a\n2024-05-30 10:00,1,1,1,\n", account_name=None
    )
    assert history.rows["account"].to_pylist() == ["a"]
    assert [(line, field) for line, field, _ in problems(history)] == [(3, "account")]


def test_a_header_alone_is_a_file_without_posts(read: Read) -> None:
    history = read(f"{HEADER}\n")
    assert (len(history.rows), history.rejected, history.total) == (0, [], 0)


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    path = tmp_path / "history [1].parquet"  # brackets are a pattern to DuckDB
    table = pa.table(
        {
            "published_at": pa.array([datetime(2024, 5, 30, 10), None], pa.timestamp("us")),  # noqa: DTZ001 (naive)
            "likes": pa.array([3.0, float("nan")]),
            "comments": pa.array([None, 4], pa.int64()),
            "shares": pa.array(["5", "x"]),
            'odd"name': pa.array([1, 2]),
        }
    )
    pq.write_table(table, path)
    history = read_history(path, timezone="-05:00", account_name="me", now=NOW)
    assert times(history) == ["2024-05-30 15:00:00"]
    assert history.rows.select(["line", "likes", "comments", "shares"]).to_pylist() == [
        {"line": 1, "likes": 3, "comments": None, "shares": 5}
    ]
    assert [(line, field) for line, field, _ in problems(history)] == [(2, "published_at"), (2, "shares")]


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(InvalidInputError, match="not a readable Parquet file") as raised:
        read_history(path, account_name="me")
    assert raised.value.field == "path"


def test_one_name_for_a_file_of_several_accounts_is_said(read: Read) -> None:
    text = f"{HEADER},account\n2024-05-31 10:00,1,1,1,anna\n2024-05-31 11:00,1,1,1,ben\n2024-05-31 12:00,1,1,1,me\n"
    (note,) = [note for note in read(text).notes if "--account" in note]
    assert "names 2 others" in note
    apart = read(text, account_name=None)
    assert set(apart.rows["account"].to_pylist()) == {"anna", "ben", "me"}
    assert not any("--account" in note for note in apart.notes)
