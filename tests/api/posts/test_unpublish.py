"""Deletion of published posts over HTTP: per account, in the ledger, safe to repeat, metrics kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.sandbox.faults import FaultRule
from connectors.types import Platform
from tests.api.harness import in_hours
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from connectors.sandbox.world import SandboxPost
    from tests.api.harness import Tenant


@pytest.fixture
def out(tenant: Tenant) -> tuple[dict[str, Any], SandboxPost]:
    """A post on the simulated Mastodon, and its record in the store as published."""
    world, server = tenant.server.world, tenant.server
    (account,) = [one for one in world.accounts if one.platform == "mastodon"]
    asked = {
        "platform": "mastodon",
        "access_token": account.access_token,
        "instance_url": server.services.connectors._settings.twitter_base_url,
    }
    answer = tenant.client.post("/api/v1/accounts/connect", json=asked)
    assert answer.status_code == 201, answer.text
    sent = world.add_post(account, text="Five teas", kind="text", at=world.time())
    post = tenant.create_post(
        content="Five teas", platforms=[], account_ids=[answer.json()["id"]], scheduled_at=in_hours(1)
    )
    with server.services.store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status, row.external_id, row.published_at = "published", sent.external_id, server.clock()
        row.attempts = 1
    return post, sent


def unpublish(tenant: Tenant, post: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    answer = tenant.client.post(f"/api/v1/posts/{post['id']}/unpublish", json=body or None)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def history(tenant: Tenant, post: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    (publication,) = tenant.client.get(f"/api/v1/posts/{post['id']}").json()["publications"]
    assert publication["ledger_problems"] == []
    return [one["event"] for one in publication["attempts"]], publication


def test_a_post_is_deleted_once_and_its_history_says_so(
    tenant: Tenant, out: tuple[dict[str, Any], SandboxPost]
) -> None:
    post, sent = out
    (result,) = unpublish(tenant, post)
    assert result["outcome"] == "deleted"
    assert sent.deleted is not None
    events, shown = history(tenant, post)
    assert events[-2:] == ["unpublish_requested", "unpublished"]
    assert shown["deleted_at"] is not None
    assert shown["status"] == "published", "its metrics are kept"
    assert "deleted on the platform, as asked" in " ".join(shown["story"])
    before = tenant.server.world.requests["mastodon:delete"]
    (again,) = unpublish(tenant, post)
    assert again["outcome"] == "already_deleted"
    assert tenant.server.world.requests["mastodon:delete"] == before, "the platform is not asked again"


def test_an_unclear_answer_is_told_and_repeating_settles_it(
    tenant: Tenant, out: tuple[dict[str, Any], SandboxPost]
) -> None:
    post, sent = out
    tenant.server.world.faults.add(
        FaultRule(kind="reset_after", platform=Platform.MASTODON, operation="delete")
    )
    (result,) = unpublish(tenant, post)
    assert result["outcome"] == "unknown"
    assert sent.deleted is not None
    events, shown = history(tenant, post)
    assert events[-1] == "unpublish_unknown"
    assert shown["deleted_at"] is None
    (again,) = unpublish(tenant, post, publication_ids=[post["publications"][0]["id"]])
    assert again["outcome"] == "deleted", "the platform has it no more"
    assert history(tenant, post)[0][-1] == "unpublished"


def test_a_refusal_is_told_with_the_platforms_reason(
    tenant: Tenant, out: tuple[dict[str, Any], SandboxPost]
) -> None:
    post, sent = out
    tenant.server.world.faults.add(
        FaultRule(kind="forbidden", platform=Platform.MASTODON, operation="delete")
    )
    (result,) = unpublish(tenant, post)
    assert (result["outcome"], result["code"]) == ("failed", "permission_missing")
    assert sent.deleted is None
    assert history(tenant, post)[0][-1] == "unpublish_failed"


def test_what_is_not_published_is_not_deleted(tenant: Tenant) -> None:
    post = tenant.create_post()
    path = f"/api/v1/posts/{post['id']}/unpublish"
    answer = tenant.client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_published")
    assert tenant.client.post(path, json={"publication_ids": ["pub_none"]}).status_code == 404
    assert tenant.client.post("/api/v1/posts/post_none/unpublish").status_code == 404


def test_a_platform_without_deletion_is_named(tenant: Tenant) -> None:
    account_id = tenant.add_account("instagram")
    media = [{"url": "https://example.com/a.png"}]
    post = tenant.create_post(platforms=[], account_ids=[account_id], media=media)
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status, row.external_id = "published", "17"
    (result,) = unpublish(tenant, post)
    assert result["outcome"] == "unsupported"
    assert "Instagram" in result["detail"]
