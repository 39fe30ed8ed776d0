"""The iCalendar feed: what it shows, to whom, and that its token is in no log."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

import icalendar

from tests.api.harness import in_hours, open_anonymous

if TYPE_CHECKING:
    import httpx
    import pytest

    from tests.api.harness import Tenant

FEEDS = "/api/v1/calendar-feeds"
ICS = "/api/v1/schedules.ics"


def make_feed(tenant: Tenant, **headers: str) -> dict[str, Any]:
    answer = tenant.client.post(FEEDS, json={"name": "Ada's phone"}, headers=headers)
    assert answer.status_code == 201, answer.text
    assert (answer.headers.get("cache-control") == "no-store") == (answer.json()["token"] is not None)
    made: dict[str, Any] = answer.json()
    return made


def fetch(tenant: Tenant, path: str, **headers: str) -> httpx.Response:
    with open_anonymous(tenant.server) as client:
        return client.get(path, headers=headers)


def events(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return list(icalendar.Calendar.from_ical(answer.content).walk("VEVENT"))


def test_a_calendar_program_reads_what_is_planned(tenant: Tenant) -> None:
    text = "Größe, Semikolon; und\nzwei Zeilen " + "x" * 100
    post = tenant.create_post(content=text, scheduled_at=in_hours(1))
    canceled = tenant.create_post(content="gone", scheduled_at=in_hours(2))
    tenant.client.delete(f"/api/v1/posts/{canceled['id']}")
    (event,) = events(fetch(tenant, make_feed(tenant)["path"]))
    assert event["UID"] == f"{post['publications'][0]['id']}@socialflow"
    assert event.decoded("DTSTART") == datetime.fromisoformat(post["scheduled_at"])
    assert str(event["SUMMARY"]).startswith("twitter: Größe, Semikolon; und zwei Zeilen xxx")
    assert text in str(event["DESCRIPTION"])
    assert (event["STATUS"], event["SEQUENCE"]) == ("CONFIRMED", 1)


def test_the_calendar_itself_answers_as_icalendar(tenant: Tenant) -> None:
    tenant.create_post()
    answer = tenant.client.get("/api/v1/schedules", headers={"Accept": "text/calendar"})
    assert len(events(answer)) == 1
    assert len(events(tenant.client.get(ICS))) == 1
    assert tenant.client.get("/api/v1/schedules").json()["timezone"] == "UTC"


def test_an_unchanged_calendar_is_not_sent_again(tenant: Tenant) -> None:
    post = tenant.create_post()
    path = make_feed(tenant)["path"]
    first = fetch(tenant, path)
    again = fetch(tenant, path, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    tenant.client.patch(f"/api/v1/posts/{post['id']}", json={"content": "changed"})
    changed = fetch(tenant, path, **{"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


def test_a_token_opens_the_calendar_and_nothing_else(tenant: Tenant) -> None:
    made = make_feed(tenant)
    token = {"token": made["token"]}
    with open_anonymous(tenant.server) as client:
        for path in ("/api/v1/schedules", "/api/v1/posts", FEEDS):
            assert client.get(path, params=token).status_code in {401, 422}
            bearer = {"Authorization": f"Bearer {made['token']}"}
            assert client.get(path, headers=bearer).status_code == 401
        assert client.post(ICS, params=token).status_code == 405
        assert client.get(ICS, params={**token, "surprise": "1"}).json()["code"] == "unknown_parameter"
        assert client.get(ICS, params={**token, "account_id": "acct_none"}).status_code == 404


def test_a_rotated_or_revoked_address_stops_at_once(tenant: Tenant) -> None:
    made = make_feed(tenant)
    rotated = tenant.client.post(f"{FEEDS}/{made['id']}/rotate").json()
    assert fetch(tenant, made["path"]).json()["code"] == "invalid_feed_token"
    assert fetch(tenant, rotated["path"]).status_code == 200
    for _ in range(2):
        assert tenant.client.delete(f"{FEEDS}/{made['id']}").json()["revoked_at"] == "2026-03-02T12:00:00Z"
    assert fetch(tenant, rotated["path"]).status_code == 401
    assert tenant.client.post(f"{FEEDS}/{made['id']}/rotate").status_code == 409
    (listed,) = tenant.client.get(FEEDS).json()["data"]
    assert (listed["id"], listed["name"]) == (made["id"], "Ada's phone")
    assert "token" not in listed


def test_the_token_is_shown_once_and_kept_nowhere(tenant: Tenant) -> None:
    made = make_feed(tenant, **{"Idempotency-Key": "feed-1"})
    again = make_feed(tenant, **{"Idempotency-Key": "feed-1"})
    assert (again["id"], again["token"], again["path"]) == (made["id"], None, None)
    assert made["token"] not in json.dumps(tenant.client.get(FEEDS).json())
    store = tenant.server.services.store
    with store._engine.connect() as connection:
        for table in ("calendar_feeds", "idempotency_keys"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()  # noqa: S608 (two names of ours)
            assert rows
            assert made["token"] not in repr(rows)


def test_no_log_shows_a_token(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    made = make_feed(tenant)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("uvicorn.access").propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.DEBUG)
    assert fetch(tenant, f"{made['path']}&account_id={tenant.accounts['twitter-user']}").status_code == 200
    refused = fetch(tenant, f"{ICS}?token=sfc_wrong-but-secret")
    assert refused.status_code == 401
    assert "wrong-but-secret" not in refused.text
    assert fetch(tenant, f"{made['path']}&token=second").status_code == 200
    ours = [
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    assert any(ICS in line for line in ours)
    for line in ours:
        assert made["token"] not in line
        assert "wrong-but-secret" not in line


def test_guessing_is_slowed_down(tenant: Tenant) -> None:
    answers = [fetch(tenant, f"{ICS}?token=sfc_{number}").status_code for number in range(12)]
    assert 429 in answers
    assert set(answers) == {401, 429}
    tenant.server.clock.advance(minutes=2)
    assert fetch(tenant, make_feed(tenant)["path"]).status_code == 200
