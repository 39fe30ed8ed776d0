"""Bulk files of other tools, as people have them: recognised, read whole, and never published by a missing date."""

from __future__ import annotations

from typing import Any

import pytest

from warehouse.errors import InvalidInputError
from warehouse.planning.files import read_post_rows
from warehouse.planning.templates import FileOptions

IMAGE, VIDEO = "https://img.example/a.png", "https://img.example/b.mp4"


def rows_of(text: str | bytes, **options: Any) -> list[dict[str, Any]]:
    body = text if isinstance(text, bytes) else text.encode()
    rows = read_post_rows(body, "csv", FileOptions(**options))
    assert all(row.problem is None for row in rows), rows
    return [row.fields for row in rows if isinstance(row.fields, dict)]


MEDIA = [{"url": IMAGE, "kind": "image"}]
AT = "2026-12-15T09:15:00"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (  # Buffer, UTF-8 with BOM
            f"﻿Text,Image URL,Tags,Posting Time\nTea,{IMAGE},,2026-12-15 09:15\n",
            {"content": "Tea", "media": MEDIA, "scheduled_at": AT},
        ),
        (  # Publer: several media by comma
            ("Date,Text,Link(s),Media URL(s),Title,Label(s),Alt text(s),Comment(s)\n"
            f'12/15/2026 09:15,Tea,https://tea.example,"{IMAGE},{VIDEO}",,,Pot|Film,First\n'),
            {
                "content": "Tea",
                "link": "https://tea.example",
                "first_comment": "First",
                "media": [
                    {"url": IMAGE, "kind": "image", "alt_text": "Pot"},
                    {"url": VIDEO, "kind": "video", "alt_text": "Film"},
                ],
                "scheduled_at": AT,
            },
        ),
        (  # Hootsuite: no header
            "15/12/2026 09:15,Tea,https://tea.example\n",
            {"content": "Tea", "link": "https://tea.example", "scheduled_at": AT},
        ),
        (
            ("postAtSpecificTime (YYYY-MM-DD HH:mm:ss),content,OGmetaUrl (url),imageUrls (comma-separated),"
            f"videoUrls (comma-separated)\n2026-12-15 09:15:00,Tea,,{IMAGE},\n"),
            {"content": "Tea", "media": MEDIA, "scheduled_at": AT},
        ),
        (
            f'post,platforms,mediaUrls,scheduleDate\nTea,"twitter, mastodon",{IMAGE},2026-12-15T09:15:00Z\n',
            {
                "content": "Tea",
                "platforms": ["twitter", "mastodon"],
                "media": MEDIA,
                "scheduled_at": f"{AT}+00:00",
            },
        ),
        (  # SocialPilot, media by pipe, semicolons between columns
            f"Post Content;Image URL;Date & Time\nTea;{IMAGE}|{VIDEO};12/15/26 09:15\n",
            {"content": "Tea", "media": [*MEDIA, {"url": VIDEO, "kind": "video"}], "scheduled_at": AT},
        ),
        (
            ("Text,Date,Time,Draft,Facebook,Twitter/X,LinkedIn,Picture Url 1,Picture Url 2\n"
            f"Tea,2026-12-15,09:15:00,FALSE,TRUE,FALSE,TRUE,{IMAGE},\n"),
            {
                "content": "Tea",
                "platforms": ["facebook", "linkedin"],
                "media": MEDIA,
                "scheduled_at": AT,
            },
        ),
        (f"content,date,media\nTea,2026-12-15 09:15,{IMAGE}\n", {"content": "Tea", "media": MEDIA, "scheduled_at": AT}),
        ("sep=;\r\nCONTENT;Scheduled_At\r\nTea;2026-12-15T09:15\r\n", {"content": "Tea", "scheduled_at": AT[:16]}),
        ("content\tscheduled_at\nTea\tqueue\n", {"content": "Tea", "scheduled_at": "queue"}),
        ("Text\tPosting Time\nThé\tdraft\n".encode("cp1252"), {"content": "Thé", "status": "draft"}),
        ("Text,Posting Time\nThé,2026-12-15 09:15\n".encode("utf-16"), {"content": "Thé", "scheduled_at": AT}),
    ],
)  # fmt: skip
def test_a_template_is_recognised(file: str | bytes, expected: dict[str, Any]) -> None:
    assert rows_of(file) == [expected]


@pytest.mark.parametrize(
    ("blank_date", "expected"),
    [("draft", {"status": "draft"}), ("queue", {"scheduled_at": "queue"}), ("now", {})],
)
def test_a_blank_date_is_a_draft_and_never_now_unless_asked_for(
    blank_date: str, expected: dict[str, Any]
) -> None:
    for file in ("Text,Posting Time\nTea,\n", "content,scheduled_at\nTea,\n"):
        assert rows_of(file, blank_date=blank_date) == [{"content": "Tea", **expected}]


def test_rows_take_the_accounts_and_zone_that_are_named_for_all() -> None:
    (row,) = rows_of(
        "Text,Posting Time\nTea,2026-12-15 09:15\n",
        platforms=["x"],
        timezone="Europe/Berlin",
        account_ids=["acct_1"],
    )
    assert (row["platforms"], row["timezone"], row["account_ids"]) == (
        ["twitter"],
        "Europe/Berlin",
        ["acct_1"],
    )


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(InvalidInputError) as raised:
        rows_of("Text,Posting Time\nTea,03/04/2026 09:15\n")
    assert raised.value.code == "ambiguous_date"
    assert rows_of("Text,Posting Time\nTea,03/04/2026 09:15\n", date_order="dmy")[0]["scheduled_at"] == (
        "2026-04-03T09:15:00"
    )
    (row,) = read_post_rows(b"Text,Image URL,Tags,Posting Time\nTea,,green,2026-12-15 09:15\n", "csv")
    assert row.warnings == ("not used: Tags (Buffer)",)
    with pytest.raises(InvalidInputError, match="unknown column"):
        rows_of("Text,Posting Time,Mood\nTea,,good\n")
