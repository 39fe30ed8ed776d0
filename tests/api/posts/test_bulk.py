"""Many posts in one body: what each row becomes, and what stays when one is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import in_hours

if TYPE_CHECKING:
    import httpx

    from tests.api.harness import Tenant

BULK = "/api/v1/posts/bulk"
GOOD = {"content": "first", "platforms": ["twitter"], "scheduled_at": in_hours(1)}
OTHER = {"content": "second", "platforms": ["mastodon"], "scheduled_at": in_hours(2)}
WRONG = {"content": "third", "platforms": ["myspace"]}


def send_lines(
    tenant: Tenant, *rows: object, headers: dict[str, str] | None = None, **query: str
) -> httpx.Response:
    body = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    types = {"content-type": "application/x-ndjson", **(headers or {})}
    return tenant.client.post(BULK, content=body.encode(), headers=types, params=query)


def saved(tenant: Tenant) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = tenant.client.get("/api/v1/posts", params={"limit": 100}).json()["data"]
    return page[::-1]


def test_lines_become_posts(tenant: Tenant) -> None:
    answer = send_lines(tenant, GOOD, "", OTHER)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["total"], report["created"], report["failed"]) == (2, 2, 0)
    assert [(row["line"], row["status"]) for row in report["rows"]] == [(1, "created"), (3, "created")]
    assert [one["id"] for one in saved(tenant)] == [row["post_id"] for row in report["rows"]]


def test_an_array_becomes_posts_whatever_the_declared_type(tenant: Tenant) -> None:
    declared = {"content-type": "application/x-www-form-urlencoded"}
    answer = tenant.client.post(BULK, content=json.dumps([GOOD, OTHER]), headers=declared)
    assert [row["line"] for row in answer.json()["rows"]] == [1, 2]
    assert len(saved(tenant)) == 2


def test_one_wrong_row_saves_none_of_them(tenant: Tenant) -> None:
    answer = send_lines(tenant, GOOD, WRONG, {**OTHER, "contnet": 1}, "{", 7)
    assert (answer.status_code, answer.json()["code"]) == (422, "rows_refused")
    assert answer.headers["content-type"] == "application/problem+json"
    rows = answer.json()["report"]["rows"]
    assert [row["status"] for row in rows] == ["valid", "failed", "failed", "failed", "failed"]
    assert [row["post_id"] for row in rows] == [None] * 5
    assert [(error["pointer"], error["line"]) for error in answer.json()["errors"]] == [
        ("/1/platforms/0", 2),
        ("/2/contnet", 3),
        ("/3", 4),
        ("/4", 5),
    ]
    assert saved(tenant) == []


def test_each_by_itself_saves_the_right_ones(tenant: Tenant) -> None:
    answer = send_lines(tenant, GOOD, WRONG, OTHER, mode="each")
    assert answer.status_code == 200
    rows = answer.json()["rows"]
    assert [row["status"] for row in rows] == ["created", "failed", "created"]
    assert rows[1]["errors"][0]["pointer"] == "/platforms/0"
    assert [one["content"] for one in saved(tenant)] == ["first", "second"]


def test_a_dry_run_reports_and_saves_nothing(tenant: Tenant) -> None:
    for mode in ("all", "each"):
        answer = send_lines(tenant, GOOD, WRONG, dry_run="true", mode=mode)
        assert answer.status_code == 200
        assert [row["status"] for row in answer.json()["rows"]] == ["valid", "failed"]
        assert answer.json()["created"] == 0
    assert saved(tenant) == []


def test_a_row_that_says_what_another_says_is_found(tenant: Tenant) -> None:
    answer = send_lines(tenant, GOOD, GOOD, mode="each")
    first, second = answer.json()["rows"]
    assert (second["code"], second["existing_id"]) == ("duplicate", first["post_id"])
    assert send_lines(tenant, {**GOOD, "allow_duplicate": True}).status_code == 200


def test_the_same_body_with_its_key_is_done_once(tenant: Tenant) -> None:
    key = {"Idempotency-Key": "import-1"}
    first = send_lines(tenant, GOOD, WRONG, mode="each", headers=key)
    again = send_lines(tenant, GOOD, WRONG, mode="each", headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert len(saved(tenant)) == 1
    assert send_lines(tenant, OTHER, headers=key, mode="each").json()["code"] == "idempotency_key_reused"


CSV = (
    "\ufeffcontent,platforms,scheduled_at,timezone,media,alt_text,thread,content.mastodon,client_ref\r\n"
    '"Two lines,\nand a comma",twitter; mastodon,2026-07-01T09:00,Europe/Berlin,'
    'https://example.com/a.jpg https://example.com/b.jpg,one | two,"part two\n---\npart three",'
    "hello fediverse,ref-1\r\n"
    "\r\n"
    "plain,mastodon,,,,,,,\r\n"
)


def test_csv(tenant: Tenant) -> None:
    answer = tenant.client.post(
        BULK, content=CSV.encode(), headers={"content-type": "text/csv; charset=utf-8"}
    )
    assert answer.status_code == 200, answer.text
    assert [row["line"] for row in answer.json()["rows"]] == [2, 7]
    first, second = saved(tenant)
    assert first["content"] == "Two lines,\nand a comma"
    assert first["platforms"] == ["twitter", "mastodon"]
    assert first["scheduled_at"] == "2026-07-01T07:00:00Z"
    assert [(item["url"], item["alt_text"]) for item in first["media"]] == [
        ("https://example.com/a.jpg", "one"),
        ("https://example.com/b.jpg", "two"),
    ]
    assert first["thread"] == ["part two", "part three"]
    assert first["variants"] == {"mastodon": {"content": "hello fediverse"}}
    assert (first["client_ref"], second["client_ref"]) == ("ref-1", None)
    assert (second["status"], second["scheduling"]) == ("draft", None), "an empty date is never now"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/x-ndjson", 422, "no_rows"),
        (b"[]", "application/json", 422, "no_rows"),
        (b"[1,", "application/json", 422, "json_invalid"),
        (b"\x81", "text/csv", 422, "not_utf8"),
        (b"content,surprise\na,b\n", "text/csv", 422, "unknown_column"),
        (b"platforms\ntwitter\n", "text/csv", 422, "missing_column"),
        (b"content,content\na,b\n", "text/csv", 422, "repeated_column"),
        (b'content\n"open', "text/csv", 422, "csv_invalid"),
        (b"content,platforms\nonly one\n", "text/csv", 422, "rows_refused"),
        (b"<post/>", "application/xml", 415, "unsupported_media_type"),
        (b'{"content":"x"}\n' * 201, "application/jsonl", 422, "too_many_rows"),
        (b" " * 1_000_001, "application/jsonl", 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    tenant: Tenant, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = tenant.client.post(BULK, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert saved(tenant) == []
