"""Every operation called with the example that the document prints, and its answer held to the document."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.api.harness import NOON, PNG
from tests.api.operations import DOCUMENT, OPERATIONS, Operation
from tests.api.optimal_times.test_advice import advise
from tests.api.test_every_route import make_ids
from warehouse.store.imports.models import Import
from warehouse.store.models import Publication

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.api.harness import Tenant


def fail_publication(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    _set_status(tenant, ids, "failed")
    return body


def leave_unclear(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    _set_status(tenant, ids, "needs_review")
    return body


def publish_by_hand(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    _set_status(tenant, ids, "published")
    return body


def connect_pinterest(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    (account,) = [one for one in tenant.server.world.accounts if one.platform == "pinterest"]
    asked = {"platform": "pinterest", "access_token": account.access_token}
    with tenant.client_with("admin") as admin:
        ids["account_id"] = admin.post("/api/v1/accounts/connect", json=asked).json()["id"]
    return body


def use_real_token(tenant: Tenant, _ids: dict[str, str], body: Any) -> Any:
    (account,) = [one for one in tenant.server.world.accounts if one.platform == body["platform"]]
    return {**body, "access_token": account.access_token}


def use_real_key(tenant: Tenant, _ids: dict[str, str], body: Any) -> Any:
    return {**body, "api_key": tenant.key.api_key, "api_secret": tenant.key.api_secret}


def advise_times(tenant: Tenant, _ids: dict[str, str], body: Any) -> Any:
    for account in tenant.accounts:
        advise(tenant, account, {(1, 18): 0.14, (2, 9): 0.1, (4, 12): 0.08})
    return body


def fail_import(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    with tenant.server.services.store.write() as session:
        session.get_one(Import, ids["import_id"]).status = "failed"
    return body


def hold_for_approval(tenant: Tenant, ids: dict[str, str], body: Any) -> Any:
    with tenant.client_with("admin") as admin:
        assert admin.patch("/api/v1/workspace", json={"approval_required": True}).status_code == 200
    ids["post_id"] = tenant.create_post(content="waits")["id"]
    return body


PREPARED: dict[str, Callable[[Tenant, dict[str, str], Any], Any]] = {
    "create_token": use_real_key,
    "connect_account": use_real_token,
    "approve_post": hold_for_approval,
    "reject_post": hold_for_approval,
    "suggest_times": advise_times,
    "retry_post": fail_publication,
    "undo_import": fail_import,
    "unpublish_post": publish_by_hand,
    "mark_post_paid": publish_by_hand,
    "list_boards": connect_pinterest,
    "resolve_publication": leave_unclear,
}
"""What must be so before an example can succeed: gets the example and returns it, placeholders filled in."""


def _set_status(tenant: Tenant, ids: dict[str, str], status: str) -> None:
    with tenant.server.services.store.write() as session:
        row = session.get_one(Publication, ids["publication_id"])
        row.status, row.attempts, row.first_attempt_at = status, 1, NOON


def check_as_documented(operation: Operation, answer: httpx.Response) -> None:
    documented = operation.operation["responses"].get(str(answer.status_code))
    assert documented is not None, f"{operation}: {answer.status_code} is not documented: {answer.text}"
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    content = documented.get("content", {})
    assert not content or [one for one in content if fnmatch(media_type, one)], (operation, media_type)
    schema = content.get(media_type, {}).get("schema")
    if schema and media_type.endswith("json"):
        Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.json())
    for name in documented.get("headers", {}):
        assert name in answer.headers, (operation, name)


FILES = {
    "upload_import": ("history.csv", b"published_at,likes,comments,shares\n2025-05-01 10:07,1,2,3\n"),
}
"""What an operation takes, if it is no picture."""
WITHOUT_EXAMPLE = {"finish_account_connection"}
"""A person's way back from a platform, which no example can show: test_account_connect.py walks it."""


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.id not in WITHOUT_EXAMPLE], ids=repr)
def test_an_example_works_and_is_answered_as_documented(tenant: Tenant, operation: Operation) -> None:
    ids = make_ids(tenant)
    prepare = PREPARED.get(operation.id)
    body = prepare(tenant, ids, operation.body) if prepare else operation.body
    request: dict[str, Any] = {"json": body}
    if operation.takes_a_file:
        request = {"files": {"file": FILES.get(operation.id, ("picture.png", PNG))}, "json": None}
    with tenant.client_with("admin") as client:
        answer = operation.call(client, ids, **request)
    assert answer.is_success, answer.text
    check_as_documented(operation, answer)
