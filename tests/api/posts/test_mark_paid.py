"""A person's word on promotion: every interface sets it, it can be taken back, and optimal times obey it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.harness import in_hours
from warehouse.lake.dimensions import sync_marks
from warehouse.lake.load import load_publications
from warehouse.lake.rows import PublicationDim
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from tests.api.harness import Tenant


def publish(tenant: Tenant) -> dict[str, Any]:
    """Return a post on two accounts, published on the first only, and known to the lake."""
    post = tenant.create_post(platforms=["twitter", "mastodon"], scheduled_at=in_hours(1))
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, post["publications"][0]["id"])
        row.status, row.external_id, row.published_at = "published", "1", tenant.server.clock()
        row.attempts = 1
        known = PublicationDim(
            row.id,
            row.post_id,
            row.workspace_id,
            row.account_id,
            row.platform,
            "socialflow",
            "text",
            row.published_at,
            paid=True,
        )
    load_publications(tenant.server.services.lake, [known])
    return post


def mark(tenant: Tenant, post: dict[str, Any], **body: Any) -> Any:
    return tenant.client.post(f"/api/v1/posts/{post['id']}/mark-paid", json=body)


def lake_marks(tenant: Tenant) -> list[tuple[Any, Any]]:
    services = tenant.server.services
    sync_marks(services.store, services.lake)
    query = "SELECT paid, marked_paid FROM dims.publications WHERE workspace_id = $own"
    rows = services.lake.query(query, {"own": tenant.workspace_id})
    return [(row["paid"], row["marked_paid"]) for row in rows]


def test_a_mark_counts_before_the_platforms_word_and_is_taken_back(tenant: Tenant) -> None:
    post = publish(tenant)
    assert lake_marks(tenant) == [(True, None)]
    for said in (False, True, None):
        answer = mark(tenant, post, paid=said)
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["publications"]
        assert (first["marked_paid"], second["marked_paid"]) == (said, None)
        assert lake_marks(tenant) == [(True, said)]
    version = answer.json()["version"]
    assert mark(tenant, post, paid=None).json()["version"] == version, "nothing changed"
    with tenant.client_with("admin") as admin:
        entries = admin.get("/api/v1/audit-log", params={"action": "post_marked_paid"}).json()["data"]
    assert [entry["detail"]["paid"] for entry in entries] == [None, True, False]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "paid"),
        ({"paid": "yes"}, 422, "paid"),
        ({"paid": 1}, 422, "paid"),
        ({"paid": True, "publication_ids": ["pub_none"]}, 404, "has no publication"),
        ({"paid": True, "publication_ids": ["second"]}, 409, "only what is published"),
    ],
)
def test_what_is_not_published_or_not_said_is_refused(
    tenant: Tenant, body: dict[str, Any], status: int, words: str
) -> None:
    post = publish(tenant)
    if body.get("publication_ids") == ["second"]:
        body = {**body, "publication_ids": [post["publications"][1]["id"]]}
    answer = mark(tenant, post, **body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert lake_marks(tenant) == [(True, None)]
    draft = tenant.create_post(content="another", platforms=["twitter"], scheduled_at=in_hours(2))
    assert mark(tenant, draft, paid=True).status_code == 409
