"""Recurring posts by API: what a rule says, makes, and takes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import make_tenant

if TYPE_CHECKING:
    import httpx

    from tests.api.harness import Tenant

RULES = "/api/v1/recurrences"
BODY = {
    "rrule": "FREQ=WEEKLY;BYDAY=MO",
    "starts_at": "2026-03-02T14:00:00",
    "timezone": "Europe/Berlin",
    "content": "A new week",
    "platforms": ["twitter", "mastodon"],
    "variants": {"mastodon": {"content": "A new week, fediverse"}},
}


def create(tenant: Tenant, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
    return tenant.client.post(RULES, json={**BODY, **fields}, headers=headers or {})


def posts_of(tenant: Tenant, recurrence_id: str) -> list[dict[str, Any]]:
    answer = tenant.client.get("/api/v1/posts", params={"recurrence_id": recurrence_id, "limit": 100})
    return sorted(answer.json()["data"], key=lambda post: str(post["scheduled_at"]))


def test_a_rule_makes_its_posts_two_weeks_ahead(tenant: Tenant) -> None:
    answer = create(tenant)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"{RULES}/{made['id']}"
    posts = posts_of(tenant, made["id"])
    # Today at 14:00 in Berlin, which is an hour from now, and next Monday.
    assert [post["scheduled_at"] for post in posts] == ["2026-03-02T13:00:00Z", "2026-03-09T13:00:00Z"]
    assert posts[0]["recurrence"] == {"id": made["id"], "occurrence": "2026-03-02T14:00:00"}
    assert posts[0]["scheduling"]["timezone"] == "Europe/Berlin"
    assert len(posts[0]["publications"]) == 2
    assert posts[0]["variants"] == BODY["variants"]
    upcoming = made["upcoming"]
    assert [one["scheduled_at"][:16] for one in upcoming] == [
        "2026-03-02T13:00",
        "2026-03-09T13:00",
        "2026-03-16T13:00",
        "2026-03-23T13:00",
        # The clocks went forward: the local time stays.
        "2026-03-30T12:00",
    ]
    assert [one["post_id"] for one in upcoming] == [posts[0]["id"], posts[1]["id"], None, None, None]
    read = tenant.client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, '"1"')
    assert [one["id"] for one in tenant.client.get(RULES).json()["data"]] == [made["id"]]


def test_a_preview_saves_nothing(tenant: Tenant) -> None:
    query = {"rrule": "FREQ=DAILY", "starts_at": "2026-03-28T02:30", "timezone": "Europe/Berlin", "limit": 2}
    answer = tenant.client.get(f"{RULES}/preview", params={**query, "exdate": ["2026-03-28"]})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["data"]
    assert (first["scheduled_at"], first["resolution"]) == ("2026-03-29T01:30:00Z", "shifted_forward")
    assert "03:30" in first["note"]
    assert (second["scheduled_at"], second["note"]) == ("2026-03-30T00:30:00Z", None)
    assert answer.json()["has_more"] is True
    assert tenant.client.get(RULES).json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"rrule": "FREQ=HOURLY"}, "/rrule", "invalid_rrule"),
        (
            {"rrule": "FREQ=DAILY;UNTIL=20260302T000000Z", "starts_at": "2026-03-01T09:00"},
            "/rrule",
            "rule_over",
        ),
        ({"starts_at": "soon"}, "/starts_at", "invalid_time"),
        ({"starts_at": "2019-01-01T00:00"}, "/starts_at", "start_out_of_range"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "unknown_timezone"),
        ({"exdates": ["2026-03-03"]}, "/exdates/0", "no_occurrence"),
        ({"exdates": ["2026-03-09", "x"]}, "/exdates/1", "invalid_occurrence"),
        ({"platforms": []}, "/platforms", "no_target"),
        ({"platforms": ["myspace"]}, "/platforms/0", "unknown_platform"),
        ({"content": "x" * 281}, "/content", "text_too_long"),
        ({"scheduled_at": "2026-03-03T09:00"}, "/scheduled_at", "extra_forbidden"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    tenant: Tenant, fields: dict[str, object], pointer: str, code: str
) -> None:
    answer = create(tenant, **fields)
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert tenant.client.get(RULES).json()["data"] == []
    assert tenant.client.get("/api/v1/posts").json()["data"] == []


def test_a_change_reaches_posts_and_needs_the_version_it_was_made_from(tenant: Tenant) -> None:
    made = create(tenant)
    address = made.headers["location"]
    etag = {"If-Match": made.headers["etag"]}
    changed = tenant.client.patch(
        address, json={"content": "Better", "exdates": ["2026-03-09"]}, headers=etag
    )
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert (body["exdates"], body["version"], body["rrule"]) == (["2026-03-09"], 2, BODY["rrule"])
    assert [post["content"] for post in posts_of(tenant, body["id"])] == ["Better"]
    stale = tenant.client.patch(address, json={"content": "Worse"}, headers=etag)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert tenant.client.delete(address, headers=etag).status_code == 412
    # Left out before, and not named again: it stays left out.
    again = tenant.client.patch(address, json={"client_ref": "series"}).json()
    assert (again["exdates"], again["client_ref"]) == (["2026-03-09"], "series")
    assert tenant.client.patch(address, json={"rrule": None}).json()["errors"][0]["pointer"] == "/rrule"


def test_one_occurrence_is_skipped_by_canceling_its_post(tenant: Tenant) -> None:
    made = create(tenant).json()
    first, _second = posts_of(tenant, made["id"])
    tenant.client.delete(f"/api/v1/posts/{first['id']}")
    tenant.client.patch(f"{RULES}/{made['id']}", json={"content": "Better"})
    assert [(post["content"], post["status"]) for post in posts_of(tenant, made["id"])] == [
        ("A new week", "canceled"),
        ("Better", "scheduled"),
    ]


@pytest.mark.parametrize(("query", "status"), [({}, "canceled"), ({"posts": "keep"}, "scheduled")])
def test_the_end_of_a_rule(tenant: Tenant, query: dict[str, str], status: str) -> None:
    made = create(tenant).json()
    ended = tenant.client.delete(f"{RULES}/{made['id']}", params=query)
    assert ended.json() == {"id": made["id"], "canceled_posts": 0 if query else 2}
    assert {post["status"] for post in posts_of(tenant, made["id"])} == {status}
    assert tenant.client.get(f"{RULES}/{made['id']}").status_code == 404
    assert tenant.client.delete(f"{RULES}/{made['id']}").status_code == 404


def test_the_same_rule_twice(tenant: Tenant) -> None:
    key = {"Idempotency-Key": "rule-1"}
    first, replayed = create(tenant, key), create(tenant, key)
    assert (replayed.json(), replayed.headers["idempotent-replayed"]) == (first.json(), "true")
    again = create(tenant)
    assert (again.status_code, again.json()["existing_id"]) == (409, first.json()["id"])
    assert create(tenant, allow_duplicate=True).status_code == 201


def test_pages_of_rules(tenant: Tenant) -> None:
    made = [create(tenant, content=f"rule {n}", variants={}).json()["id"] for n in range(3)]
    page = tenant.client.get(RULES, params={"limit": 2})
    assert [one["id"] for one in page.json()["data"]] == made[:0:-1]
    rest = tenant.client.get(RULES, params={"limit": 2, "cursor": page.json()["next_cursor"]}).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([made[0]], False)
    foreign = make_tenant(tenant.server)
    assert foreign.client.get("/api/v1/posts", params={"recurrence_id": made[0]}).json()["data"] == []


def test_an_empty_rule_is_refused_and_not_passed_over(tenant: Tenant) -> None:
    made = tenant.create_recurrence()
    for field, value in (("rrule", ""), ("starts_at", "")):
        answer = tenant.client.patch(f"{RULES}/{made['id']}", json={field: value})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_rule_keeps_an_account_and_takes_web_addresses_alone(tenant: Tenant) -> None:
    made = tenant.create_recurrence()
    for field in ("platforms", "account_ids"):
        answer = tenant.client.patch(f"{RULES}/{made['id']}", json={field: []})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")
    for link in ("javascript:alert(1)", "data:text/html,x", "https://"):
        answer = tenant.client.patch(f"{RULES}/{made['id']}", json={"link": link})
        assert answer.status_code == 422
        draft = {"content": "later", "status": "draft", "link": link}
        assert tenant.client.post("/api/v1/posts", json=draft).status_code == 422


def test_a_rule_that_leaves_months_out_is_saved_with_a_warning(tenant: Tenant) -> None:
    query = {"rrule": "RRULE:FREQ=MONTHLY;", "starts_at": "2026-03-31T09:00:00", "timezone": "Europe/Berlin"}
    shown = tenant.client.get(f"{RULES}/preview", params=query).json()
    assert shown["rrule"] == "FREQ=MONTHLY"
    (warning,) = shown["warnings"]
    assert "BYMONTHDAY=-1" in warning
    made = tenant.client.post(RULES, json={**BODY, **query})
    assert made.status_code == 201, made.text
    assert warning in made.json()["warnings"]
    whole = tenant.client.get(f"{RULES}/preview", params={**query, "rrule": "FREQ=MONTHLY;BYMONTHDAY=-1"})
    assert whole.json()["warnings"] == []
