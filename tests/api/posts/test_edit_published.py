"""PATCH of a published post: per account, in the ledger, safe to repeat, metrics kept, clear refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.capabilities import CAPABILITIES
from connectors.sandbox.faults import FaultRule
from connectors.types import Platform
from tests.api.harness import in_hours
from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.world import SandboxPost
    from tests.api.harness import Tenant

Out = tuple[dict[str, Any], dict[str, "SandboxPost"]]


@pytest.fixture
def publish(tenant: Tenant) -> Callable[..., Out]:
    """Returns a post, and the simulated posts by platform, of accounts on these platforms."""

    def work(*platforms: str, **fields: Any) -> Out:
        world, server = tenant.server.world, tenant.server
        ids, sent = [], {}
        for name in platforms:
            owner = next(one for one in world.accounts if one.platform == name)
            asked = {"platform": name, "access_token": owner.access_token, "handle": owner.handle}
            if name in {"mastodon", "bluesky"}:
                asked["instance_url"] = server.services.connectors._settings.twitter_base_url
            if name == "bluesky":
                asked["access_token"] = owner.app_password or owner.access_token
            answer = tenant.client.post("/api/v1/accounts/connect", json=asked)
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
            content = fields.get("content", "Five teas")
            sent[name] = world.add_post(owner, text=content, kind="text", at=world.time())
        post = tenant.create_post(
            **{"content": "Five teas", **fields}, platforms=[], account_ids=ids, scheduled_at=in_hours(1)
        )
        with server.services.store.write() as session:
            for one in post["publications"]:
                row = session.get_one(Publication, one["id"])
                row.status, row.published_at = "published", server.clock()
                row.external_id = sent[one["platform"]].external_id
                row.attempts, row.next_snapshot_at = 1, server.clock()
        return post, sent

    return work


def patch(tenant: Tenant, post: dict[str, Any], expected: int = 200, /, **body: Any) -> dict[str, Any]:
    answer = tenant.client.patch(f"/api/v1/posts/{post['id']}", json=body)
    assert answer.status_code == expected, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def read(tenant: Tenant, post: dict[str, Any]) -> dict[str, Any]:
    shown = tenant.client.get(f"/api/v1/posts/{post['id']}").json()
    for publication in shown["publications"]:
        assert publication["ledger_problems"] == []
    found: dict[str, dict[str, Any]] = {one["platform"]: one for one in shown["publications"]}
    return {**shown, "by": found}


def test_a_post_is_edited_in_place_and_its_history_says_so(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    hook = {"url": "https://example.com/hook", "events": ["post.edited"]}
    admin = tenant.client_with("admin")
    hook_id = admin.post("/api/v1/webhooks", json=hook).json()["id"]
    shown = patch(tenant, post, content="Six teas")
    assert sent["mastodon"].text == "Six teas"
    assert (shown["content"], shown["status"], shown["warnings"]) == ("Six teas", "published", [])
    (publication,) = shown["publications"]
    assert publication["edit"]["state"] == "done"
    assert publication["external_id"] == sent["mastodon"].external_id
    told = read(tenant, post)["by"]["mastodon"]
    assert [one["event"] for one in told["attempts"]][-2:] == ["edit_requested", "edit_done"]
    assert told["content"]["text"] == "Six teas"
    assert "edited on the platform, as asked" in " ".join(told["story"])
    assert "It was edited at" in told["story"][-1]
    assert told["edited_at"] == told["edit"]["finished_at"].replace("+00:00", "Z")
    with tenant.server.services.store.read() as session:
        row = session.get_one(Publication, told["id"])
        assert row.next_snapshot_at is not None, "it is measured as before"
    (event,) = admin.get(f"/api/v1/webhooks/{hook_id}/deliveries").json()["data"]
    assert event["type"] == "post.edited"


def test_repeating_an_edit_asks_the_platform_no_more(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    patch(tenant, post, content="Six teas")
    before = tenant.server.world.requests["mastodon:edit"]
    patch(tenant, post, content="Six teas")
    assert tenant.server.world.requests["mastodon:edit"] == before
    assert [one["event"] for one in read(tenant, post)["by"]["mastodon"]["attempts"]].count("edit_done") == 1


def test_a_lost_answer_is_told_and_repeating_reads_before_it_writes(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    world = tenant.server.world
    world.faults.add(FaultRule(kind="reset_after", platform=Platform.MASTODON, operation="edit"))
    shown = patch(tenant, post, content="Six teas")
    assert sent["mastodon"].text == "Six teas"
    assert shown["publications"][0]["edit"]["state"] == "unknown"
    assert "repeat the edit" in shown["warnings"][0]
    told = read(tenant, post)["by"]["mastodon"]
    assert told["content"]["text"] == "Five teas", "what is not confirmed is not claimed"
    assert "is not known: repeat it" in told["story"][-1]
    asked = world.requests["mastodon:edit"]
    shown = patch(tenant, post, content="Six teas")
    assert shown["publications"][0]["edit"]["state"] == "done"
    assert world.requests["mastodon:edit"] == asked, "the post said so already"


def test_after_a_lost_answer_the_old_words_can_be_restored(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    tenant.server.world.faults.add(
        FaultRule(kind="reset_after", platform=Platform.MASTODON, operation="edit")
    )
    patch(tenant, post, content="Six teas")
    shown = patch(tenant, post, content="Five teas")
    assert sent["mastodon"].text == "Five teas"
    assert shown["publications"][0]["edit"]["state"] == "done"


def test_a_refusal_is_told_with_the_platforms_reason(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    tenant.server.world.faults.add(FaultRule(kind="forbidden", platform=Platform.MASTODON, operation="edit"))
    shown = patch(tenant, post, content="Six teas")
    edit = shown["publications"][0]["edit"]
    assert (edit["state"], edit["code"]) == ("failed", "permission_missing")
    assert sent["mastodon"].text == "Five teas"
    assert "the post is unchanged" in read(tenant, post)["by"]["mastodon"]["story"][-1]
    assert patch(tenant, post, content="Six teas")["publications"][0]["edit"]["state"] == "done"


@pytest.mark.parametrize("platform", ["twitter", "threads", "instagram", "tiktok"])
def test_a_platform_without_edits_is_named_and_nothing_is_stored(tenant: Tenant, platform: str) -> None:
    media = {
        "instagram": [{"url": "https://example.com/a.png"}],
        "tiktok": [{"url": "https://example.com/a.mp4", "kind": "video"}],
    }.get(platform, [])
    account_id = tenant.add_account(platform)
    post = tenant.create_post(content="Five teas", platforms=[], account_ids=[account_id], media=media)
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status, row.external_id = "published", "17"
    refused = patch(tenant, post, 409, content="Six teas")
    assert refused["code"] == "not_editable"
    assert CAPABILITIES[Platform(platform)].why_no_edit in refused["detail"]
    assert read(tenant, post)["content"] == "Five teas"


def test_of_several_accounts_each_has_its_own_outcome(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon", "twitter")
    shown = patch(tenant, post, content="Six teas")
    states = {one["platform"]: one["edit"]["state"] for one in shown["publications"]}
    assert states == {"mastodon": "done", "twitter": "refused"}
    assert "X" in shown["warnings"][0]
    by = read(tenant, post)["by"]
    assert (by["mastodon"]["content"]["text"], by["twitter"]["content"]["text"]) == ("Six teas", "Five teas")
    assert (sent["mastodon"].text, sent["twitter"].text) == ("Six teas", "Five teas")
    assert by["twitter"]["attempts"][-1]["event"] == "edit_refused"


def test_a_variant_edits_its_platform_only(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon", "twitter")
    shown = patch(tenant, post, variants={"mastodon": {"content": "Six teas"}})
    assert {one["platform"]: one["edit"] and one["edit"]["state"] for one in shown["publications"]} == {
        "mastodon": "done",
        "twitter": None,
    }
    assert (sent["mastodon"].text, sent["twitter"].text) == ("Six teas", "Five teas")


def test_an_edit_is_checked_like_a_new_post(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    refused = patch(tenant, post, 422, content="x" * 501)
    assert refused["errors"][0]["code"] == "text_too_long"
    assert sent["mastodon"].text == "Five teas"


def test_time_and_accounts_of_a_published_post_are_final(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    for body in ({"scheduled_at": in_hours(3)}, {"platforms": ["twitter"]}, {"status": "draft"}):
        assert patch(tenant, post, 409, **body)["code"] == "final_status"
    refused = patch(tenant, post, 422, media=[{"url": "https://example.com/a.png"}])
    assert (refused["errors"][0]["pointer"], refused["errors"][0]["code"]) == ("/media", "not_editable")


def test_what_was_deleted_is_not_edited(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    assert tenant.client.post(f"/api/v1/posts/{post['id']}/unpublish").status_code == 200
    refused = patch(tenant, post, 409, content="Six teas")
    assert refused["code"] == "deleted"


def test_a_disconnected_account_is_named(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    with tenant.server.services.store.write() as session:
        session.get_one(AccountRow, post["publications"][0]["account_id"]).status = "revoked"
    refused = patch(tenant, post, 409, content="Six teas")
    assert refused["code"] == "account_not_connected"
    assert "connect it again" in refused["detail"]


def test_a_second_edit_waits_for_the_first(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    until = tenant.server.clock().replace(year=tenant.server.clock().year + 1)
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.edit = {
            "state": "unknown",
            "token": "t",
            "requested_at": until.isoformat(),
            "lease_until": until.isoformat(),
            "maybe": [],
        }
    assert patch(tenant, post, 409, content="Six teas")["code"] == "edit_in_progress"


def test_a_workspace_with_approval_takes_edits_from_approvers_only(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon")
    admin = tenant.client_with("admin")
    assert admin.patch("/api/v1/workspace", json={"approval_required": True}).status_code == 200
    writer = tenant.client_with("read", "write")
    refused = writer.patch(f"/api/v1/posts/{post['id']}", json={"content": "Six teas"})
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_required")
    assert sent["mastodon"].text == "Five teas"
    approver = tenant.client_with("read", "write", "approve")
    assert approver.patch(f"/api/v1/posts/{post['id']}", json={"content": "Six teas"}).status_code == 200
    assert sent["mastodon"].text == "Six teas"


def test_what_was_not_sent_yet_is_changed_in_the_store(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon", "bluesky")
    with tenant.server.services.store.write() as session:
        for one in post["publications"]:
            if one["platform"] == "bluesky":
                row = session.get_one(Publication, one["id"])
                row.status, row.external_id, row.published_at = "failed", None, None
    patch(tenant, post, content="Six teas")
    by = read(tenant, post)["by"]
    assert by["bluesky"]["content"]["text"] == "Six teas"
    assert by["bluesky"]["attempts"][-1]["event"] == "edited"
    assert (sent["mastodon"].text, sent["bluesky"].text) == ("Six teas", "Five teas")


def test_an_edit_is_in_the_audit_log_without_its_words(tenant: Tenant, publish: Any) -> None:
    post, _ = publish("mastodon")
    patch(tenant, post, content="Six teas")
    (entry, *_) = tenant.client_with("admin").get("/api/v1/audit-log?action=post_edited").json()["data"]
    assert entry["subject_id"] == post["id"]
    assert "teas" not in str(entry)


def test_a_part_that_follows_later_goes_out_with_its_new_words(tenant: Tenant, publish: Any) -> None:
    post, sent = publish("mastodon", thread=[{"text": "two", "after": "10m"}])
    (publication,) = post["publications"]
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, publication["id"])
        row.rest, row.rest_at = "waiting", tenant.server.clock()
        first = {
            "id": row.external_id,
            "permalink": None,
            "published_at": "2026-03-02T12:00:00+00:00",
            "cid": None,
        }
        row.send_state = {"sent_parts": [first], "step": 1}
    shown = patch(tenant, post, thread=[{"text": "zwei", "after": "10m"}])
    assert shown["publications"][0]["edit"]["state"] == "done"
    assert shown["publications"][0]["later_parts"]["status"] == "waiting"
    assert sent["mastodon"].text == "Five teas"
    told = read(tenant, post)["by"]["mastodon"]
    assert told["content"]["thread"] == [{"text": "zwei", "after": 600}]
    refused = tenant.client.patch(
        f"/api/v1/posts/{post['id']}", json={"thread": [{"text": "zwei", "after": "1h"}]}
    )
    assert refused.status_code in {409, 422}
    assert "delay of a part" in refused.text
