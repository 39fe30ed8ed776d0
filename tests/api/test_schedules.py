from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.surroundings import NOON, in_hours
from warehouse.lake.load import load_accounts
from warehouse.lake.rows import AccountDim

if TYPE_CHECKING:
    from tests.api.surroundings import Tenant

CALENDAR = "/api/v1/schedules"
OPTIMAL = "/api/v1/schedules/optimal-times"


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


def advise(tenant: Tenant, account: str, lifts: dict[tuple[int, int], float], **more: object) -> None:
    """Put advised slots into the lake, as the daily computation would."""
    lake = tenant.server.services.lake
    account_id = tenant.accounts[account]
    platform = account.partition("-")[0]
    load_accounts(lake, [AccountDim(account_id, tenant.workspace_id, platform, account)])
    for (weekday, hour), lift in lifts.items():
        row = {
            "workspace_id": tenant.workspace_id,
            "account_id": account_id,
            "platform": platform,
            "timezone": "UTC",
            "weekday": weekday,
            "hour": hour,
            "expected_lift": lift,
            "lift_low": lift - 0.1,
            "lift_high": lift + 0.1,
            "p_better": 0.9,
            "n_posts": 9,
            "n_nearby": 60,
            "basis": "own",
            "confidence": "low",
            "score": 100.0,
            "account_posts": 400,
            "model_version": "test",
            "computed_at": NOON,
            **more,
        }
        names = ", ".join(row)
        values = ", ".join(f"${name}" for name in row)
        with lake.write() as cursor:
            cursor.execute(f"INSERT INTO marts.optimal_times ({names}) VALUES ({values})", row)  # noqa: S608 (our own names)


def test_without_history_there_is_no_advice(tenant: Tenant) -> None:
    answer = tenant.client.get(OPTIMAL)
    assert answer.status_code == 200
    assert (answer.json()["data"], answer.json()["accounts"]) == ([], [])
    assert "not proof" in answer.json()["caveats"][0]


def test_advice(tenant: Tenant) -> None:
    advise(tenant, "twitter-user", {(1, 18): 0.14, (2, 9): 0.1})
    advise(tenant, "mastodon-user", {(4, 7): 0.05})
    answer = tenant.client.get(OPTIMAL, params={"limit": 2}).json()
    assert [(one["platform"], one["weekday"], one["hour"]) for one in answer["data"]] == [
        ("twitter", 1, 18),
        ("mastodon", 4, 7),
    ]
    best = answer["data"][0]
    assert best["next_at"] == "2026-03-03T18:00:00Z"
    assert (best["expected_lift_pct"], best["interval_80"], best["posts_observed"]) == (14.0, [4.0, 24.0], 9)
    assert {one["account_id"]: one["posts"] for one in answer["accounts"]} == {
        tenant.accounts["twitter-user"]: 400,
        tenant.accounts["mastodon-user"]: 400,
    }
    of_one = tenant.client.get(OPTIMAL, params={"platform": "x", "timezone": "Asia/Tokyo"}).json()["data"]
    assert [(one["weekday"], one["hour"]) for one in of_one] == [(2, 3), (2, 18)]
    by_account = tenant.client.get(OPTIMAL, params={"account_id": tenant.accounts["mastodon-user"]}).json()
    assert [one["platform"] for one in by_account["data"]] == ["mastodon"]


def test_an_optimal_post_takes_the_next_best_free_time(tenant: Tenant) -> None:
    no_advice = tenant.client.post(
        "/api/v1/posts", json={"content": "x", "platforms": ["twitter"], "scheduled_at": "optimal"}
    )
    assert (no_advice.status_code, no_advice.json()["code"]) == (422, "no_advised_time")
    advise(tenant, "twitter-user", {(1, 18): 0.3, (2, 9): 0.1})
    first = tenant.create_post(content="a", scheduled_at="optimal")
    second = tenant.create_post(content="b", scheduled_at="optimal")
    assert [first["scheduled_at"], second["scheduled_at"]] == ["2026-03-03T18:00:00Z", "2026-03-04T09:00:00Z"]
    assert first["scheduling"]["resolution"] == "optimal"
