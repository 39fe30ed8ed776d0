"""Generated over the OpenAPI document: a new route without its place here fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from api.app import create_app
from api.settings import ApiSettings
from tests.api.surroundings import make_tenant, open_anonymous, open_client
from warehouse.store.api_keys import SCOPES, revoke_api_key

if TYPE_CHECKING:
    import httpx

    from tests.api.surroundings import Server, Tenant

PUBLIC = {"create_token", "get_health", "get_readiness", "get_metrics"}
"""Operations that need no token: each must show nothing that belongs to anyone."""
ACCEPTED_SCOPES = {
    "create_post": {"write"},
    "list_posts": {"read"},
    "get_post": {"read"},
    "update_post": {"write"},
    "cancel_post": {"write"},
    "reschedule_post": {"write"},
    "retry_post": {"write"},
    "resolve_publication": {"write"},
    "get_calendar": {"read"},
    "get_optimal_times": {"read"},
    "get_overview": {"analytics"},
    "get_post_metrics": {"analytics"},
    "list_accounts": {"read", "accounts"},
    "connect_account": {"accounts"},
    "get_account": {"read", "accounts"},
    "disconnect_account": {"accounts"},
    "pause_account": {"accounts"},
    "resume_account": {"accounts"},
    "get_workspace": {"read"},
    "pause_workspace": {"write"},
    "resume_workspace": {"write"},
}
DOCUMENT = create_app(ApiSettings()).openapi()


class Operation:
    """One operation of the document, and how to call it."""

    def __init__(self, path: str, method: str, operation: dict[str, Any]) -> None:
        self.path, self.method, self.id = path, method.upper(), str(operation["operationId"])
        self._operation = operation

    def __repr__(self) -> str:
        return self.id

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def query_parameters(self) -> list[str]:
        return [one["name"] for one in self._operation.get("parameters", ()) if one["in"] == "query"]

    @property
    def body(self) -> Any:
        content = self._operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            return None
        while "$ref" in schema or "anyOf" in schema:
            schema = schema["anyOf"][0] if "anyOf" in schema else schema
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema.get("example", {})

    def call(self, client: httpx.Client, ids: dict[str, str], **more: Any) -> httpx.Response:
        path = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], self.path)
        return client.request(self.method, path, json=self.body, **more)


OPERATIONS = [
    Operation(path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
PROTECTED = [operation for operation in OPERATIONS if operation.id not in PUBLIC]
NO_SUCH = {"post_id": "post_none", "account_id": "acct_none", "publication_id": "pub_none"}

every = pytest.mark.parametrize("operation", PROTECTED, ids=repr)


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_every_operation_has_its_place_here() -> None:
    assert {operation.id for operation in OPERATIONS} == PUBLIC | set(ACCEPTED_SCOPES)
    for operation in PROTECTED:
        assert set(operation.path_parameters) <= set(NO_SUCH), operation


def test_hidden_routes_show_nothing_of_anyone() -> None:
    shown = set(DOCUMENT["paths"])
    hidden = {
        getattr(route, "path", "")
        for route in create_app(ApiSettings()).routes
        if not getattr(route, "include_in_schema", True)
    }
    # FastAPI keeps included routers as one entry without a path of their own.
    assert hidden - shown - {""} <= {"/", "/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json"}


@every
def test_anonymous_callers_are_refused(server: Server, operation: Operation) -> None:
    with open_anonymous(server) as client:
        check_problem(operation.call(client, NO_SUCH), 401, "missing_token")
        forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJrZXkifQ."}
        check_problem(operation.call(client, NO_SUCH, headers=forged), 401, "invalid_token")


@every
def test_a_token_without_the_scope_is_refused(tenant: Tenant, operation: Operation) -> None:
    others = [scope for scope in SCOPES if scope not in ACCEPTED_SCOPES[operation.id] and scope != "admin"]
    with tenant.client_with(*others) as client:
        check_problem(operation.call(client, NO_SUCH), 403, "missing_scope")


@every
def test_each_accepted_scope_is_enough(tenant: Tenant, operation: Operation) -> None:
    for scope in [*ACCEPTED_SCOPES[operation.id], "admin"]:
        with tenant.client_with(scope) as client:
            assert operation.call(client, NO_SUCH).status_code not in (401, 403), scope


@every
def test_a_revoked_keys_token_stops_at_once(tenant: Tenant, operation: Operation) -> None:
    store = tenant.server.services.store
    with open_client(tenant.server, tenant.key) as client:
        with store.write() as session:
            revoke_api_key(session, tenant.workspace_id, tenant.key.row.id, tenant.server.clock())
        check_problem(operation.call(client, NO_SUCH), 401, "revoked_key")


@every
def test_an_unknown_query_parameter_is_refused(tenant: Tenant, operation: Operation) -> None:
    answer = operation.call(tenant.client, NO_SUCH, params={"surprise": "1"})
    check_problem(answer, 422, "unknown_parameter")


@pytest.mark.parametrize("operation", [one for one in PROTECTED if one.path_parameters], ids=repr)
def test_what_belongs_to_another_workspace_does_not_exist(tenant: Tenant, operation: Operation) -> None:
    owner = make_tenant(tenant.server)
    account_id = owner.add_account("twitter")
    post = owner.create_post()
    ids = {
        "post_id": post["id"],
        "account_id": account_id,
        "publication_id": post["publications"][0]["id"],
    }
    foreign = operation.call(tenant.client, ids)
    check_problem(foreign, 404, "not_found")
    none = operation.call(tenant.client, NO_SUCH)
    # Nothing tells a foreign id from one that never was.
    assert foreign.json()["detail"].replace(ids["post_id"], "").replace(account_id, "") == none.json()[
        "detail"
    ].replace("post_none", "").replace("acct_none", "")
    # The owner's things are as they were.
    assert owner.client.get(f"/api/v1/posts/{post['id']}").json()["status"] == "scheduled"
    account = owner.client.get(f"/api/v1/accounts/{account_id}").json()
    assert (account["status"], account["paused_at"]) == ("active", None)


@pytest.mark.parametrize(
    "operation", [one for one in PROTECTED if "account_id" in one.query_parameters], ids=repr
)
def test_a_foreign_account_in_a_filter_shows_nothing(tenant: Tenant, operation: Operation) -> None:
    owner = make_tenant(tenant.server)
    account_id = owner.add_account("twitter")
    owner.create_post()
    answer = operation.call(tenant.client, NO_SUCH, params={"account_id": account_id})
    assert answer.status_code == 404 or answer.json()["data"] == []


def test_lists_show_only_the_own_workspace(tenant: Tenant) -> None:
    owner = make_tenant(tenant.server)
    account_id = owner.add_account("twitter")
    post_id = owner.create_post()["id"]
    for operation in PROTECTED:
        if operation.method == "GET" and not operation.path_parameters:
            text = operation.call(tenant.client, {}).text
            assert account_id not in text, operation
            assert post_id not in text, operation


def test_operation_ids_are_unique_and_every_body_has_an_example() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert DOCUMENT["openapi"].startswith("3.1")
    for operation in OPERATIONS:
        if operation.body is not None and operation.id != "retry_post":
            assert operation.body, operation
