"""An account's queue by API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.harness import in_hours

if TYPE_CHECKING:
    from tests.api.harness import Tenant


def test_slots_are_kept_and_posts_take_them(tenant: Tenant) -> None:
    account_id = tenant.accounts["twitter-user"]
    address = f"/api/v1/accounts/{account_id}/queue-slots"
    slot = tenant.create_slot(account_id, weekday=1, at="09:00")
    assert (slot["timezone"], slot["next_at"]) == ("UTC", "2026-03-03T09:00:00Z")
    first = tenant.create_post(scheduled_at="queue", content="a")
    second = tenant.create_post(scheduled_at="queue", content="b")
    assert [first["scheduled_at"], second["scheduled_at"]] == ["2026-03-03T09:00:00Z", "2026-03-10T09:00:00Z"]
    assert first["scheduling"]["resolution"] == "queue"
    moved = tenant.client.patch(f"{address}/{slot['id']}", json={"time": "10:00"}).json()
    assert (moved["weekday"], moved["time"]) == (1, "10:00")
    # Moving a post frees its own slot for itself.
    to_queue = tenant.client.post(f"/api/v1/posts/{second['id']}/reschedule", json={"scheduled_at": "queue"})
    assert to_queue.json()["scheduled_at"] == "2026-03-03T10:00:00Z"
    again = tenant.client.post(f"/api/v1/posts/{second['id']}/reschedule", json={"scheduled_at": "queue"})
    assert again.json()["scheduled_at"] == "2026-03-03T10:00:00Z"
    rows = [{"content": f"bulk {n}", "platforms": ["twitter"], "scheduled_at": "queue"} for n in range(2)]
    report = tenant.client.post("/api/v1/posts/bulk", json=rows).json()
    assert [row["scheduled_at"] for row in report["rows"]] == ["2026-03-10T10:00:00Z", "2026-03-17T10:00:00Z"]
    assert [one["id"] for one in tenant.client.get(address).json()["data"]] == [slot["id"]]
    assert tenant.client.delete(f"{address}/{slot['id']}").json()["id"] == slot["id"]
    assert tenant.client.delete(f"{address}/{slot['id']}").status_code == 404
    refused = tenant.client.post(
        "/api/v1/posts", json={"content": "c", "platforms": ["twitter"], "scheduled_at": "queue"}
    )
    assert refused.json()["errors"][0]["code"] == "no_queue_slots"


def test_a_slot_of_another_account_is_not_found(tenant: Tenant) -> None:
    slot = tenant.create_slot(tenant.accounts["twitter-user"])
    other = tenant.accounts["mastodon-user"]
    assert tenant.client.delete(f"/api/v1/accounts/{other}/queue-slots/{slot['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"weekday": 7, "time": "09:00"}, "/weekday"),
        ({"weekday": 0, "time": "9 am"}, "/time"),
        ({"time": "09:00"}, "/weekday"),
        ({"weekday": 0, "time": "09:00", "zone": "UTC"}, "/zone"),
    ],
)
def test_a_wrong_slot_is_refused(tenant: Tenant, body: dict[str, object], pointer: str) -> None:
    address = f"/api/v1/accounts/{tenant.accounts['twitter-user']}/queue-slots"
    answer = tenant.client.post(address, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert tenant.client.get(address).json()["data"] == []


def test_a_queue_needs_accounts(tenant: Tenant) -> None:
    draft = {"content": "x", "status": "draft", "scheduled_at": "queue"}
    assert tenant.client.post("/api/v1/posts", json=draft).json()["errors"][0]["code"] == "no_target"
    assert tenant.client.post("/api/v1/posts", json={**draft, "scheduled_at": in_hours(1)}).status_code == 201
