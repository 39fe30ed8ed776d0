from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import in_hours

if TYPE_CHECKING:
    from tests.api.harness import Tenant

CALENDAR = "/api/v1/schedules"


def days(tenant: Tenant, **params: str) -> dict[str, list[dict[str, Any]]]:
    answer = tenant.client.get(CALENDAR, params=params)
    assert answer.status_code == 200, answer.text
    return {day["date"]: day["entries"] for day in answer.json()["data"]}


def test_days_are_those_of_the_asked_zone(tenant: Tenant) -> None:
    tenant.create_post(content="late", scheduled_at="2026-03-02T23:30:00Z")
    assert list(days(tenant)) == ["2026-03-02"]
    berlin = days(tenant, timezone="Europe/Berlin")
    assert list(berlin) == ["2026-03-03"]
    (entry,) = berlin["2026-03-03"]
    assert (entry["scheduled_at"], entry["local_time"]) == (
        "2026-03-02T23:30:00Z",
        "2026-03-03T00:30:00+01:00",
    )
    assert (entry["status"], entry["content"], entry["conflicts"]) == ("scheduled", "late", [])


def test_two_on_one_account_within_half_an_hour_conflict(tenant: Tenant) -> None:
    first = tenant.create_post(content="a", scheduled_at=in_hours(1), platforms=["twitter", "mastodon"])
    second = tenant.create_post(content="b", scheduled_at=in_hours(1.4))
    far = tenant.create_post(content="c", scheduled_at=in_hours(1.9))
    publications = {row["platform"]: row["id"] for row in first["publications"]}
    (entries,) = days(tenant).values()
    conflicts = {entry["publication_id"]: entry["conflicts"] for entry in entries}
    assert conflicts == {
        publications["twitter"]: [second["publications"][0]["id"]],
        publications["mastodon"]: [],
        second["publications"][0]["id"]: [publications["twitter"]],
        far["publications"][0]["id"]: [],
    }


def test_a_conflict_across_the_edge_shows_and_the_neighbour_does_not(tenant: Tenant) -> None:
    tenant.create_post(content="a", scheduled_at=in_hours(1))
    tenant.create_post(content="b", scheduled_at=in_hours(1.25))
    (entries,) = days(tenant, **{"from": in_hours(1.2), "to": in_hours(2)}).values()
    assert [entry["content"] for entry in entries] == ["b"]
    assert len(entries[0]["conflicts"]) == 1


def test_canceled_and_far_posts_are_not_shown(tenant: Tenant) -> None:
    canceled = tenant.create_post(content="a")
    tenant.client.delete(f"/api/v1/posts/{canceled['id']}")
    tenant.create_post(content="b", scheduled_at=in_hours(24 * 60))
    tenant.create_post(content="c", platforms=["mastodon"])
    assert [entry["content"] for entry in days(tenant)["2026-03-02"]] == ["c"]
    assert days(tenant, account_id=tenant.accounts["twitter-user"]) == {}


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"from": "yesterday"}, "/from"),
        ({"from": in_hours(5), "to": in_hours(4)}, "to"),
        ({"from": "2026-01-01T00:00", "to": "2028-01-01T00:00"}, "to"),
        ({"from": "9999-12-20T00:00"}, "/from"),
        ({"timezone": "Nowhere"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
    ],
)
def test_wrong_questions(tenant: Tenant, params: dict[str, str], pointer: str) -> None:
    answer = tenant.client.get(CALENDAR, params=params)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
