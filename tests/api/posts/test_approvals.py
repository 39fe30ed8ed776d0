"""Approval by API: who may ask for it, who may give it, and how a post shows that it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import in_hours

if TYPE_CHECKING:
    from tests.api.harness import Tenant

POSTS = "/api/v1/posts"


@pytest.fixture
def governed(tenant: Tenant) -> Tenant:
    with tenant.client_with("admin") as admin:
        answer = admin.patch("/api/v1/workspace", json={"approval_required": True})
        assert (answer.status_code, answer.json()["approval_required"]) == (200, True)
    return tenant


def read(tenant: Tenant, post_id: str) -> dict[str, Any]:
    post: dict[str, Any] = tenant.client.get(f"{POSTS}/{post_id}").json()
    return post


def test_a_post_waits_shows_it_and_is_approved(governed: Tenant) -> None:
    made = governed.create_post()
    assert made["status"] == "scheduled"
    assert (made["approval"]["state"], made["approval"]["by"]) == ("pending", None)
    (publication,) = made["publications"]
    assert (publication["reason_code"], publication["next_attempt_at"]) == ("pending_approval", None)
    assert "waits for approval" in read(governed, made["id"])["publications"][0]["story"][-1]
    pending = governed.client.get(POSTS, params={"approval": "pending"}).json()["data"]
    assert [one["id"] for one in pending] == [made["id"]]
    etag = {"If-Match": governed.client.get(f"{POSTS}/{made['id']}").headers["etag"]}
    with governed.client_with("approve") as approver:
        approved = approver.post(f"{POSTS}/{made['id']}/approve", headers=etag)
        assert approved.status_code == 200, approved.text
        assert approved.json()["approval"]["state"] == "approved"
        assert approved.json()["publications"][0]["next_attempt_at"] == made["scheduled_at"]
        again = approver.post(f"{POSTS}/{made['id']}/approve")
        assert (again.status_code, again.json()["code"]) == (409, "not_pending_approval")
        assert approver.post(f"{POSTS}/{made['id']}/approve", headers=etag).status_code == 412


def test_a_rejected_post_is_mended_and_asks_again(governed: Tenant) -> None:
    made = governed.create_post()
    address = f"{POSTS}/{made['id']}"
    assert governed.client.post(f"{address}/reject", json={"reason": ""}).status_code == 422
    rejected = governed.client.post(f"{address}/reject", json={"reason": "too loud"}).json()
    assert (rejected["status"], rejected["approval"]["reason"]) == ("draft", "too loud")
    mended = governed.client.patch(address, json={"content": "quiet", "status": "scheduled"}).json()
    assert (mended["status"], mended["approval"]["state"]) == ("scheduled", "pending")
    assert mended["publications"][0]["next_attempt_at"] is None


def test_posts_of_every_origin_wait(governed: Tenant) -> None:
    row = {"content": "bulk", "platforms": ["twitter"], "scheduled_at": in_hours(2)}
    governed.client.post(f"{POSTS}/bulk", json=[row])
    governed.create_recurrence()
    posts = governed.client.get(POSTS, params={"limit": 100}).json()["data"]
    assert len(posts) > 10
    assert {post["approval"]["state"] for post in posts} == {"pending"}


@pytest.mark.parametrize("change", [{"approval_required": False}, {"timezone": "UTC"}, {"name": "Mine"}])
def test_a_writer_cannot_switch_it_off(governed: Tenant, change: dict[str, object]) -> None:
    refused = governed.client.patch("/api/v1/workspace", json=change)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    workspace = governed.client.get("/api/v1/workspace").json()
    assert (workspace["approval_required"], workspace["name"]) == (True, "Test")


PHOTO = "https://cdn.example/_sandbox/media/photo.png"
"""The simulated platforms answer for every host."""
GONE = "https://cdn.example/no/such/file.png"


def test_the_bytes_of_media_are_approved(governed: Tenant) -> None:
    made = governed.create_post(
        media=[{"url": PHOTO}], platforms=["twitter", "mastodon"], variants={"twitter": {"media": []}}
    )
    assert made["approval"]["media"] == []
    approved = governed.client.post(f"{POSTS}/{made['id']}/approve", headers={"Idempotency-Key": "once"})
    assert approved.status_code == 200, approved.text
    (file,) = approved.json()["approval"]["media"]
    assert (file["url"], len(file["sha256"])) == (PHOTO, 64)
    again = governed.client.post(f"{POSTS}/{made['id']}/approve", headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()) == (200, approved.json())
    moved = governed.client.patch(f"{POSTS}/{made['id']}", json={"scheduled_at": in_hours(3)}).json()
    assert (moved["approval"]["state"], moved["approval"]["media"]) == ("pending", [])


@pytest.mark.parametrize("origin", ["post", "variant", "bulk", "recurrence"])
def test_media_that_cannot_be_read_are_not_approved(governed: Tenant, origin: str) -> None:
    if origin == "post":
        post_id = governed.create_post(media=[{"url": GONE}])["id"]
    elif origin == "variant":
        post_id = governed.create_post(variants={"twitter": {"media": [{"url": GONE}]}})["id"]
    elif origin == "bulk":
        row = {
            "content": "b",
            "platforms": ["twitter"],
            "scheduled_at": in_hours(2),
            "media": [{"url": GONE}],
        }
        post_id = governed.client.post(f"{POSTS}/bulk", json=[row]).json()["rows"][0]["post_id"]
    else:
        governed.create_recurrence(media=[{"url": GONE}])
        post_id = governed.client.get(POSTS).json()["data"][0]["id"]
    refused = governed.client.post(f"{POSTS}/{post_id}/approve")
    assert (refused.status_code, refused.json()["code"]) == (422, "media_not_read")
    assert refused.json()["errors"][0]["pointer"] == "/media"
    assert "404" in refused.json()["errors"][0]["detail"]
    assert read(governed, post_id)["approval"]["state"] == "pending"


def test_nothing_is_read_for_who_may_not_approve(governed: Tenant) -> None:
    made = governed.create_post(media=[{"url": GONE}])
    with governed.client_with("read", "write") as writer:
        assert writer.post(f"{POSTS}/{made['id']}/approve").status_code == 403
