from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import PublishedPost
from tests.api.harness import NOON, in_hours, make_tenant
from warehouse.lake.archive import archive_events
from warehouse.lake.connect import Lake
from warehouse.store.models import AccountRow, Publication
from warehouse.store.publishing.claims import claim_due
from warehouse.store.publishing.outcomes import Outcome, begin_sending, record_outcomes

if TYPE_CHECKING:
    import httpx

    from tests.api.harness import Tenant

POSTS = "/api/v1/posts"


def post(tenant: Tenant, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
    body = {"content": "hello", "platforms": ["twitter"], "scheduled_at": in_hours(0.5), **fields}
    return tenant.client.post(POSTS, json=body, headers=headers or {})


def first_error(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 422, answer.text
    error: dict[str, Any] = answer.json()["errors"][0]
    return error


def test_create_then_read(tenant: Tenant) -> None:
    created = post(
        tenant,
        platforms=["x", "mastodon"],
        client_ref="campaign 7",
        variants={"mastodon": {"content": "hello, fediverse"}},
    )
    assert created.status_code == 201
    body = created.json()
    assert created.headers["location"] == f"{POSTS}/{body['id']}"
    assert (body["status"], body["platforms"], body["client_ref"]) == (
        "scheduled",
        ["twitter", "mastodon"],
        "campaign 7",
    )
    read = tenant.client.get(created.headers["location"])
    assert read.headers["etag"] == created.headers["etag"]
    detail = read.json()
    said = {row["platform"]: row["content"]["text"] for row in detail["publications"]}
    assert said == {"twitter": "hello", "mastodon": "hello, fediverse"}
    assert [event["event"] for event in detail["publications"][0]["attempts"]] == ["scheduled"]


def test_an_old_post_reads_as_before_after_its_ledger_moved_to_the_lake(tenant: Tenant) -> None:
    address = post(tenant).headers["location"]
    assert tenant.client.delete(address).status_code in {200, 204}
    post(tenant, content="the publication with the newest event stays in the store")
    before = tenant.client.get(address).json()
    services = tenant.server.services
    later = tenant.server.clock() + timedelta(days=500)
    with Lake.open(services.lake.settings) as lake:
        # Other tests' ended posts on this server move too.
        assert archive_events(services.store, lake, before=later).events >= 2
        moved = lake.query(
            "SELECT count(*) AS events FROM raw.publication_events WHERE publication_id = ?",
            [before["publications"][0]["id"]],
        )
        assert moved == [{"events": 2}]
    assert tenant.client.get(address).json() == before
    assert [one["event"] for one in before["publications"][0]["attempts"]] == ["scheduled", "canceled"]
    assert before["publications"][0]["ledger_problems"] == []


def test_an_account_is_held_to_its_own_servers_limit(tenant: Tenant) -> None:
    long = {"content": "x" * 900, "platforms": ["mastodon"]}
    refused = first_error(post(tenant, **long))
    assert (refused["count"], refused["limit"]) == (900, 500)
    with tenant.server.services.store.write() as session:
        session.get_one(AccountRow, tenant.accounts["mastodon-user"]).text_limit = 1000
    assert post(tenant, **long).status_code == 201
    refused = first_error(post(tenant, content="x" * 1001, platforms=["mastodon"]))
    assert (refused["count"], refused["limit"]) == (1001, 1000)


def test_without_a_time_it_is_due_at_once(tenant: Tenant) -> None:
    answer = post(tenant, scheduled_at=None)
    assert answer.status_code == 201
    assert answer.json()["scheduled_at"] == "2026-03-02T12:00:00Z"
    assert answer.json()["scheduling"]["resolution"] == "now"


def test_a_draft_waits_for_its_author(tenant: Tenant) -> None:
    draft = post(tenant, status="draft", scheduled_at=None, platforms=[]).json()
    assert (draft["status"], draft["scheduled_at"], draft["publications"]) == ("draft", None, [])
    listed = tenant.client.get(POSTS, params={"status": "draft", "limit": 20}).json()
    assert [one["id"] for one in listed["data"]] == [draft["id"]]
    sent = tenant.client.patch(
        f"{POSTS}/{draft['id']}", json={"status": "scheduled", "platforms": ["twitter"]}
    ).json()
    assert (sent["status"], sent["scheduled_at"]) == ("scheduled", "2026-03-02T12:00:00Z")


def test_a_local_time_is_read_in_the_zone_and_told_back(tenant: Tenant) -> None:
    body = post(tenant, scheduled_at="2026-07-01T09:00:00", timezone="Europe/Berlin").json()
    assert body["scheduled_at"] == "2026-07-01T07:00:00Z"
    assert body["scheduling"] == {
        "requested": "2026-07-01T09:00:00",
        "timezone": "Europe/Berlin",
        "resolution": "exact",
        "note": None,
    }


def test_without_a_zone_the_workspaces_counts(tenant: Tenant) -> None:
    berlin = make_tenant(tenant.server, timezone="Europe/Berlin")
    berlin.add_account("twitter")
    assert post(berlin, scheduled_at="2026-07-01T09:00").json()["scheduled_at"] == "2026-07-01T07:00:00Z"


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"content": "x" * 2001, "platforms": ["mastodon"]}, "/content", "content_too_long"),
        ({"content": 7}, "/content", "string_type"),
        ({"scheduled_at": in_hours(-1)}, "/scheduled_at", "in_the_past"),
        ({"scheduled_at": "tomorrow"}, "/scheduled_at", "invalid_time"),
        ({"scheduled_at": "2026-02-30T10:00:00Z"}, "/scheduled_at", "invalid_time"),
        ({"scheduled_at": 1_800_000_000}, "/scheduled_at", "string_type"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "unknown_timezone"),
        ({"platforms": []}, "/platforms", "no_target"),
        ({"platforms": ["twitter", "myspace"]}, "/platforms/1", "unknown_platform"),
        ({"platforms": ["bluesky"]}, "/platforms", "platform_not_connected"),
        ({"account_ids": ["acct_none"]}, "/account_ids", "unknown_account"),
        ({"variants": {"myspace": {}}}, "/variants/myspace", "unknown_platform"),
        ({"media": [{"url": "not an address"}]}, "/media/0/url", "invalid_media_url"),
        ({"contnet": "typing error"}, "/contnet", "extra_forbidden"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    tenant: Tenant, fields: dict[str, object], pointer: str, code: str
) -> None:
    error = first_error(post(tenant, **fields))
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert tenant.client.get(POSTS).json()["data"] == []


def test_an_unknown_platform_is_answered_with_the_list(tenant: Tenant) -> None:
    detail = first_error(post(tenant, platforms=["myspace"]))["detail"]
    assert "twitter" in detail
    assert "mastodon" in detail


def test_a_platforms_own_limit_is_counted_as_it_counts(tenant: Tenant) -> None:
    # 260 letters and one address: X counts the address as 23, so 284; Mastodon counts 23 too, of 500.
    text = "x" * 260 + " https://example.com/a/very/long/address/that/counts/as/twenty-three"
    error = first_error(post(tenant, content=text, platforms=["twitter", "mastodon"]))
    assert (error["platform"], error["count"], error["limit"]) == ("twitter", 284, 280)
    assert error["pointer"] == "/content"
    assert "284" in error["detail"]
    assert post(tenant, content=text, platforms=["mastodon"]).status_code == 201
    error = first_error(
        post(tenant, platforms=["twitter", "mastodon"], variants={"x": {"content": "y" * 281}})
    )
    assert error["pointer"] == "/variants/twitter/content"


def test_all_problems_of_all_platforms_are_told_at_once(tenant: Tenant) -> None:
    answer = post(tenant, content="z" * 501, platforms=["twitter", "mastodon"])
    assert {error["platform"] for error in answer.json()["errors"]} == {"twitter", "mastodon"}


def test_a_missing_picture_is_a_warning_only_while_there_is_time(tenant: Tenant) -> None:
    tenant.add_account("instagram")
    later = post(tenant, platforms=["instagram"])
    assert later.status_code == 201
    assert "image" in later.json()["warnings"][0]
    error = first_error(post(tenant, platforms=["instagram"], scheduled_at=None, content="now"))
    assert (error["code"], error["platform"]) == ("media_required", "instagram")
    mended = tenant.client.patch(
        f"{POSTS}/{later.json()['id']}", json={"media": [{"url": "https://example.com/a.jpg"}]}
    ).json()
    assert mended["warnings"] == []


def test_dry_run_says_all_and_saves_nothing(tenant: Tenant) -> None:
    answer = tenant.client.post(
        POSTS,
        params={"dry_run": "true"},
        json={"content": "héllo", "platforms": ["twitter"], "scheduled_at": in_hours(2)},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["valid"] is True
    (target,) = body["publications"]
    assert (target["length"], target["limit"], target["content"]["text"]) == (5, 280, "héllo")
    assert tenant.client.get(POSTS).json()["data"] == []
    first = post(tenant).json()
    duplicate = tenant.client.post(
        POSTS,
        params={"dry_run": "true"},
        json={"content": "hello", "platforms": ["twitter"], "scheduled_at": in_hours(2)},
    )
    assert (duplicate.status_code, duplicate.json()["existing_id"]) == (409, first["id"])


def test_the_same_again_is_refused_unless_meant(tenant: Tenant) -> None:
    first = post(tenant).json()
    again = post(tenant)
    assert (again.status_code, again.json()["code"], again.json()["existing_id"]) == (
        409,
        "duplicate",
        first["id"],
    )
    assert post(tenant, allow_duplicate=True).status_code == 201


def test_one_key_makes_one_post_however_often_it_comes(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": "order-17"}
    body = {"content": "once", "platforms": ["twitter"], "scheduled_at": in_hours(1)}

    def send(_number: int) -> httpx.Response:
        return tenant.client.post(POSTS, json=body, headers=headers)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    replayed = next(answer for answer in answers if "idempotent-replayed" in answer.headers)
    assert replayed.headers["location"] == f"{POSTS}/{answers[0].json()['id']}"
    assert len(tenant.client.get(POSTS).json()["data"]) == 1


def test_a_key_with_another_body_or_form_is_refused(tenant: Tenant) -> None:
    assert post(tenant, headers={"Idempotency-Key": "k"}).status_code == 201
    other = post(tenant, headers={"Idempotency-Key": "k"}, content="something else")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert first_error(post(tenant, headers={"Idempotency-Key": "a b"}))["pointer"] == "Idempotency-Key"
    # A request that was refused did nothing, so its key is free for the mended one.
    assert post(tenant, headers={"Idempotency-Key": "k2"}, platforms=["nope"]).status_code == 422
    assert post(tenant, headers={"Idempotency-Key": "k2"}, content="mended").status_code == 201


def test_two_keys_of_the_same_name_in_two_workspaces_are_two(tenant: Tenant) -> None:
    other = make_tenant(tenant.server)
    other.add_account("twitter")
    first = post(tenant, headers={"Idempotency-Key": "same"}).json()
    second = post(other, headers={"Idempotency-Key": "same"}).json()
    assert first["id"] != second["id"]


def test_pages(tenant: Tenant) -> None:
    made = [post(tenant, content=f"number {number}").json()["id"] for number in range(7)]
    seen: list[str] = []
    address = f"{POSTS}?limit=3&platform=x"
    while address:
        answer = tenant.client.get(address)
        page = answer.json()
        seen += [one["id"] for one in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None) == ("link" in answer.headers)
        address = answer.headers["link"].partition(">")[0].lstrip("<") if page["has_more"] else ""
    assert seen == made[::-1]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", ""])
def test_a_limit_outside_1_to_100_is_refused(tenant: Tenant, limit: str) -> None:
    error = first_error(tenant.client.get(POSTS, params={"limit": limit}))
    assert (error["pointer"], error["in"]) == ("limit", "query")


def test_a_cursor_belongs_to_its_filter(tenant: Tenant) -> None:
    for number in range(3):
        post(tenant, content=f"number {number}")
    cursor = tenant.client.get(POSTS, params={"limit": 1}).json()["next_cursor"]
    assert tenant.client.get(POSTS, params={"limit": 2, "cursor": cursor}).status_code == 200
    other = tenant.client.get(POSTS, params={"limit": 1, "cursor": cursor, "status": "draft"})
    assert first_error(other)["code"] == "cursor_of_another_filter"
    for damaged in ("garbage", cursor[:-3], "e30"):
        answer = tenant.client.get(POSTS, params={"cursor": damaged})
        assert first_error(answer)["pointer"] == "cursor"


def test_list_filters(tenant: Tenant) -> None:
    soon = post(tenant, content="a", scheduled_at=in_hours(1)).json()["id"]
    late = post(tenant, content="b", scheduled_at=in_hours(9), platforms=["mastodon"]).json()["id"]
    draft = post(tenant, content="c", status="draft").json()["id"]

    def found(query: str) -> set[str]:
        answer = tenant.client.get(f"{POSTS}?{query}")
        assert answer.status_code == 200, answer.text
        return {one["id"] for one in answer.json()["data"]}

    assert found("status=scheduled&status=draft") == {soon, late, draft}
    assert found("status=draft") == {draft}
    assert found("platform=mastodon") == {late}
    assert found(f"account_id={tenant.accounts['mastodon-user']}") == {late}
    assert found("from=2026-03-02T20:00:00Z") == {late}
    assert found("to=2026-03-02T20:00:00") == {soon, draft}
    assert found("origin=external") == set()
    assert tenant.client.get(POSTS, params={"status": "lost"}).status_code == 422


def test_an_edit_needs_the_version_it_was_made_from(tenant: Tenant) -> None:
    made = post(tenant)
    address, etag = made.headers["location"], made.headers["etag"]
    changed = tenant.client.patch(address, json={"content": "second"}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    for stale in (
        tenant.client.patch(address, json={"content": "third"}, headers={"If-Match": etag}),
        tenant.client.delete(address, headers={"If-Match": etag}),
        tenant.client.post(
            f"{address}/reschedule", json={"scheduled_at": in_hours(3)}, headers={"If-Match": '"nonsense"'}
        ),
    ):
        assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    now = tenant.client.get(address).json()
    assert (now["content"], now["publications"][0]["content"]["text"]) == ("second", "second")


def test_an_edit_keeps_what_it_does_not_name(tenant: Tenant) -> None:
    made = post(tenant, link="https://example.com", client_ref="mine", thread=["and then"]).json()
    changed = tenant.client.patch(f"{POSTS}/{made['id']}", json={"content": "better"}).json()
    for name in ("link", "client_ref", "thread", "scheduled_at", "scheduling", "platforms", "account_ids"):
        assert changed[name] == made[name], name
    cleared = tenant.client.patch(f"{POSTS}/{made['id']}", json={"link": None, "client_ref": None}).json()
    assert (cleared["link"], cleared["client_ref"], cleared["content"]) == (None, None, "better")
    assert (
        first_error(tenant.client.patch(f"{POSTS}/{made['id']}", json={"scheduled_at": None}))["pointer"]
        == "/scheduled_at"
    )
    # It would change nothing, and its author thinks that it does.
    zone_alone = tenant.client.patch(f"{POSTS}/{made['id']}", json={"timezone": "Asia/Tokyo"})
    assert first_error(zone_alone)["pointer"] == "/timezone"


def test_an_edit_to_fewer_platforms_cancels_the_others(tenant: Tenant) -> None:
    made = post(tenant, platforms=["twitter", "mastodon"]).json()
    changed = tenant.client.patch(f"{POSTS}/{made['id']}", json={"platforms": ["mastodon"]}).json()
    assert changed["platforms"] == ["mastodon"]
    assert {row["platform"]: row["status"] for row in changed["publications"]} == {
        "twitter": "canceled",
        "mastodon": "scheduled",
    }


def test_reschedule(tenant: Tenant) -> None:
    made = post(tenant).json()
    address = f"{POSTS}/{made['id']}/reschedule"
    moved = tenant.client.post(address, json={"scheduled_at": in_hours(5)}).json()
    assert moved["scheduled_at"] == "2026-03-02T17:00:00Z"
    assert moved["publications"][0]["next_attempt_at"] == "2026-03-02T17:00:00Z"
    assert (
        first_error(tenant.client.post(address, json={"scheduled_at": in_hours(-5)}))["code"] == "in_the_past"
    )


def test_cancel_twice(tenant: Tenant) -> None:
    address = f"{POSTS}/{post(tenant).json()['id']}"
    first, second = tenant.client.delete(address), tenant.client.delete(address)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == second.json()["status"] == "canceled"
    assert tenant.client.patch(address, json={"content": "no"}).status_code == 409


def send(tenant: Tenant, publication_id: str, outcome: str | None) -> None:
    """Take a publication as far as a publisher would."""
    now = tenant.server.clock.advance(minutes=45)
    store = tenant.server.services.store
    lease = timedelta(minutes=2)
    with store.write() as session:
        claimed = claim_due(session, owner="test", now=now, horizon=now, limit=10_000, lease=lease)
        assert publication_id in {one.id for one in claimed}
    if outcome is None:
        return
    with store.write() as session:
        begin_sending(session, [publication_id], owner="test", now=now, lease_until=now + lease)
    receipt = PublishedPost("777", "https://x.com/i/777", now) if outcome == "published" else None
    with store.write() as session:
        result = Outcome(publication_id, outcome, receipt=receipt, message="the platform said no")  # type: ignore[arg-type]  # one of its kinds
        record_outcomes(session, [result], owner="test", now=now)


def test_an_empty_condition_is_not_no_condition(tenant: Tenant) -> None:
    address = f"{POSTS}/{post(tenant).json()['id']}"
    answer = tenant.client.patch(address, json={"content": "changed"}, headers={"If-Match": ""})
    assert (answer.status_code, answer.json()["code"]) == (412, "stale")
    assert tenant.client.get(address).json()["content"] == "hello"


def test_nothing_can_be_changed_once_claimed(tenant: Tenant) -> None:
    made = post(tenant).json()
    send(tenant, made["publications"][0]["id"], None)
    address = f"{POSTS}/{made['id']}"
    answers = [
        tenant.client.patch(address, json={"content": "too late"}),
        tenant.client.delete(address),
        tenant.client.post(f"{address}/reschedule", json={"scheduled_at": in_hours(50)}),
        tenant.client.post(f"{address}/retry"),
    ]
    assert {answer.status_code for answer in answers} == {409}
    assert "claimed" in answers[0].json()["detail"]
    assert tenant.client.get(address).json()["content"] == "hello"


def test_a_published_post_is_never_sent_again_by_an_edit(tenant: Tenant) -> None:
    made = post(tenant).json()
    send(tenant, made["publications"][0]["id"], "published")
    address = f"{POSTS}/{made['id']}"
    assert tenant.client.patch(address, json={"content": "again"}).status_code == 409
    assert tenant.client.delete(address).status_code == 409
    assert tenant.client.post(f"{address}/retry").status_code == 409
    detail = tenant.client.get(address).json()
    assert detail["status"] == "published"
    (row,) = detail["publications"]
    assert (row["external_id"], row["permalink"], row["attempt_count"]) == ("777", "https://x.com/i/777", 1)
    assert [event["event"] for event in row["attempts"]] == ["scheduled", "claimed", "sending", "published"]


def test_a_failed_one_is_sent_again_by_hand(tenant: Tenant) -> None:
    made = post(tenant).json()
    send(tenant, made["publications"][0]["id"], "failed")
    address = f"{POSTS}/{made['id']}"
    failed = tenant.client.get(address).json()
    assert (failed["status"], failed["publications"][0]["reason"]) == ("failed", "the platform said no")
    again = tenant.client.post(f"{address}/retry").json()
    assert again["status"] == "scheduled"
    assert datetime.fromisoformat(again["publications"][0]["next_attempt_at"]) == NOON + timedelta(minutes=45)


@pytest.mark.parametrize(
    ("decision", "status"), [("published", "published"), ("send", "scheduled"), ("discard", "canceled")]
)
def test_a_person_decides_what_nobody_can_find_out(tenant: Tenant, decision: str, status: str) -> None:
    made = post(tenant).json()
    publication_id = made["publications"][0]["id"]
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, publication_id)
        row.status, row.attempts, row.first_attempt_at = "needs_review", 1, NOON
    address = f"{POSTS}/{made['id']}/publications/{publication_id}/resolve"
    assert tenant.client.post(address, json={"decision": "maybe"}).status_code == 422
    decided = tenant.client.post(address, json={"decision": decision})
    assert (decided.status_code, decided.json()["publications"][0]["status"]) == (200, status)
    assert tenant.client.post(address, json={"decision": decision}).status_code == 409
