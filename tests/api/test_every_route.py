"""Generated over the OpenAPI document: a new route without its place here fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.api.harness import make_tenant, open_anonymous
from tests.api.operations import DOCUMENT, OPERATIONS, Operation, hidden_paths
from warehouse.lake.import_.mappings import remember
from warehouse.store.access.api_keys import SCOPES, revoke_api_key
from warehouse.store.access.sessions import list_sessions, open_session
from warehouse.store.imports.imports import create_import
from warehouse.store.models import ApiKey
from warehouse.store.webhooks.endpoints import create_endpoint
from warehouse.store.webhooks.outbox import write_test_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.harness import Server, Tenant

PUBLIC = {
    "create_token",
    "get_health",
    "get_readiness",
    "get_metrics",
    "finish_account_connection",  # a browser comes back from a platform: its single-use state is the proof
}
"""Operations that need no token: each must show nothing that belongs to anyone."""
ACCEPTED_SCOPES = {
    "create_post": {"write"},
    "create_posts": {"write"},
    "list_posts": {"read"},
    "create_recurrence": {"write"},
    "list_recurrences": {"read"},
    "preview_recurrence": {"read"},
    "get_recurrence": {"read"},
    "update_recurrence": {"write"},
    "delete_recurrence": {"write"},
    "get_post": {"read"},
    "update_post": {"write"},
    "cancel_post": {"write"},
    "reschedule_post": {"write"},
    "retry_post": {"write"},
    "resolve_publication": {"write"},
    "unpublish_post": {"write"},
    "mark_post_paid": {"write"},
    "validate_post": {"write"},
    "approve_post": {"approve"},
    "upload_media": {"write"},
    "upload_import": {"write"},
    "list_import_maps": {"read"},
    "delete_import_map": {"write"},
    "list_imports": {"read"},
    "get_import": {"read"},
    "start_import": {"write"},
    "undo_import": {"write"},
    "delete_import": {"write"},
    "export_posts": {"analytics"},
    "export_calendar": {"read"},
    "list_media": {"read"},
    "get_media": {"read"},
    "get_media_content": {"read"},
    "delete_media": {"write"},
    "list_queue_slots": {"read", "accounts"},
    "create_queue_slot": {"write"},
    "update_queue_slot": {"write"},
    "delete_queue_slot": {"write"},
    "reject_post": {"approve"},
    "get_calendar": {"read"},
    "get_calendar_feed": {"read"},
    "create_calendar_feed": {"write"},
    "list_calendar_feeds": {"read"},
    "rotate_calendar_feed": {"write"},
    "revoke_calendar_feed": {"write"},
    "get_optimal_times": {"read"},
    "suggest_times": {"read"},
    "score_time": {"read"},
    "get_overview": {"analytics"},
    "get_post_metrics": {"analytics"},
    "get_timing_lift": {"analytics"},
    "rank_posts": {"analytics"},
    "list_account_metrics": {"analytics"},
    "get_account_metrics": {"analytics"},
    "export_table": {"analytics"},
    "get_decay": {"analytics"},
    "get_frequency": {"analytics"},
    "list_accounts": {"read", "accounts"},
    "connect_account": {"accounts"},
    "start_account_connection": {"accounts"},
    "get_account": {"read", "accounts"},
    "list_boards": {"read", "accounts"},
    "list_platforms": {"read"},
    "disconnect_account": {"accounts"},
    "update_account": {"accounts"},
    "pause_account": {"accounts"},
    "resume_account": {"accounts"},
    "get_workspace": {"read"},
    "update_workspace": {"write"},
    "pause_workspace": {"write"},
    "resume_workspace": {"write"},
    "create_api_key": {"admin"},
    "list_api_keys": {"admin"},
    "get_api_key": {"admin"},
    "revoke_api_key": {"admin"},
    "list_sessions": {"admin"},
    "end_session": {"admin"},
    "list_audit_log": {"admin"},
    "create_webhook": {"admin"},
    "list_webhooks": {"admin"},
    "get_webhook": {"admin"},
    "update_webhook": {"admin"},
    "delete_webhook": {"admin"},
    "rotate_webhook_secret": {"admin"},
    "send_test_event": {"admin"},
    "list_webhook_deliveries": {"admin"},
    "get_webhook_delivery": {"admin"},
    "replay_webhook_delivery": {"admin"},
    "replay_webhook_deliveries": {"admin"},
}
FREE_FIELDS = {"external_id"}
"""Fields of bodies that end like ids but name nothing of ours."""
HIDDEN = {"/media/{media_id}/{signature}", "/", "/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json"}
"""Pages for people, which show nothing that belongs to anyone (those of the dashboard: see test_dashboard), and the
address at which platforms fetch an upload, which only the publisher can make (see test_media)."""


def add_webhook(owner: Tenant) -> tuple[str, str]:
    """Make a webhook with one delivery; return their ids."""
    services = owner.server.services
    with services.store.write() as session:
        made = create_endpoint(
            session,
            services.store.cipher,
            owner.workspace_id,
            url="http://127.0.0.1:9/hook",
            events=["post.failed"],
            now=services.clock(),
        )
        return made.row.id, write_test_event(session, made.row, services.clock())


def add_session(owner: Tenant) -> str:
    """Sign a browser in to the dashboard; return its session's id."""
    services = owner.server.services
    with services.store.write() as session:
        now = services.clock()
        key = session.get_one(ApiKey, owner.key.row.id)
        open_session(session, services.store.cipher, key, now, address="192.0.2.1", browser="a browser")
        return list_sessions(session, owner.workspace_id, now)[0].id


def add_import(owner: Tenant) -> str:
    """An upload of a file that was not started."""
    services = owner.server.services
    with services.store.write() as session:
        row = create_import(
            *(session, owner.workspace_id, services.clock()),
            filename="history.csv",
            size=1,
            sha256="0" * 64,
            options={},
        )
        return row.id


def add_mapping(owner: Tenant) -> str:
    """A remembered mapping of columns."""
    columns = {"Datum": "published_at"}
    home, name = owner.server.services.lake.settings.home, f"weekly of {owner.workspace_id}"
    return remember(home, name, columns, ["Datum"], owner.workspace_id).name


def make_ids(owner: Tenant) -> dict[str, str]:
    """Return, for every path parameter of any operation, the id of a thing that `owner` has."""
    account_id = owner.add_account("twitter")
    post = owner.create_post()
    webhook_id, delivery_id = add_webhook(owner)
    return {
        "post_id": post["id"],
        "account_id": account_id,
        "publication_id": post["publications"][0]["id"],
        "key_id": owner.key.row.id,
        "slot_id": owner.create_slot(account_id)["id"],
        "feed_id": owner.client.post("/api/v1/calendar-feeds", json={"name": "phone"}).json()["id"],
        "media_id": owner.upload()["id"],
        "recurrence_id": owner.create_recurrence()["id"],
        "webhook_id": webhook_id,
        "delivery_id": delivery_id,
        "session_id": add_session(owner),
        "import_id": add_import(owner),
        "name": add_mapping(owner),
        **NAMES,
    }


PROTECTED = [operation for operation in OPERATIONS if operation.id not in PUBLIC]
NAMES = {"platform": "mastodon"}
"""Path parameters that name nothing of anyone's."""
WITH_IDS = [operation for operation in PROTECTED if set(operation.path_parameters) - set(NAMES)]
NO_SUCH = {
    name: NAMES.get(name, f"{name.removesuffix('_id')}_none")
    for one in PROTECTED
    for name in one.path_parameters
}

every = pytest.mark.parametrize("operation", PROTECTED, ids=repr)


@dataclass
class House:
    """A workspace that the tests of this module share, and clients of it by their scopes."""

    tenant: Tenant
    ids: dict[str, str]
    _clients: dict[tuple[str, ...], httpx.Client] = field(default_factory=dict)

    def client(self, *scopes: str) -> httpx.Client:
        if scopes not in self._clients:
            self._clients[scopes] = self.tenant.client_with(*scopes)
        return self._clients[scopes]

    def close(self) -> None:
        for client in [*self._clients.values(), self.tenant.client]:
            client.close()


def build_house(server: Server) -> House:
    tenant = make_tenant(server)
    return House(tenant, make_ids(tenant))


@pytest.fixture(scope="module")
def house(running_server: Server) -> Iterator[House]:
    """The workspace that asks."""
    made = build_house(running_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def neighbour(running_server: Server) -> Iterator[House]:
    """Another workspace; whatever was asked with its ids, it is as it was."""
    made = build_house(running_server)
    before = read_everything(made)
    yield made
    assert read_everything(made) == before
    made.close()


def read_everything(house: House) -> dict[str, str]:
    """All that the API shows of a workspace."""
    client = house.client("admin")
    # The audit log grows by the export among these questions; boards are asked of a platform, not of the store.
    left_out = {"list_audit_log", "list_boards"}
    asked = [one for one in PROTECTED if one.method == "GET" and one.id not in left_out]
    answers = {one.id: one.call(client, house.ids) for one in asked}
    assert all(answer.is_success for answer in answers.values()), answers
    return {name: answer.text for name, answer in answers.items()}


@pytest.fixture(scope="module")
def revoked(running_server: Server) -> Iterator[httpx.Client]:
    """A client whose key was revoked right after its token had been used."""
    tenant, store = make_tenant(running_server), running_server.services.store
    assert tenant.client.get("/api/v1/posts").status_code == 200
    with store.write() as session:
        revoke_api_key(session, tenant.workspace_id, tenant.key.row.id, running_server.clock())
    yield tenant.client
    tenant.client.close()


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_every_operation_has_its_place_here(house: House) -> None:
    assert {operation.id for operation in OPERATIONS} == PUBLIC | set(ACCEPTED_SCOPES)
    assert set(house.ids) == set(NO_SUCH)


def test_hidden_routes_are_known() -> None:
    assert {path for path in hidden_paths() if not path.startswith("/dashboard")} == HIDDEN


@every
def test_anonymous_callers_are_refused(server: Server, operation: Operation) -> None:
    with open_anonymous(server) as client:
        check_problem(operation.call(client, NO_SUCH), 401, "missing_token")
        forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJrZXkifQ."}
        check_problem(operation.call(client, NO_SUCH, headers=forged), 401, "invalid_token")


@every
def test_a_token_without_the_scope_is_refused(house: House, operation: Operation) -> None:
    others = [scope for scope in SCOPES if scope not in ACCEPTED_SCOPES[operation.id] and scope != "admin"]
    check_problem(operation.call(house.client(*others), NO_SUCH), 403, "missing_scope")


@every
def test_each_accepted_scope_is_enough(house: House, operation: Operation) -> None:
    for scope in ACCEPTED_SCOPES[operation.id] | {"admin"}:
        assert operation.call(house.client(scope), NO_SUCH).status_code not in (401, 403), scope


@every
def test_a_revoked_keys_token_stops_at_once(revoked: httpx.Client, operation: Operation) -> None:
    check_problem(operation.call(revoked, NO_SUCH), 401, "revoked_key")


@every
def test_an_unknown_query_parameter_is_refused(house: House, operation: Operation) -> None:
    answer = operation.call(house.client("admin"), NO_SUCH, params={"surprise": "1"})
    check_problem(answer, 422, "unknown_parameter")


@pytest.mark.parametrize(
    ("operation", "name"),
    [(one, name) for one in WITH_IDS for name in one.path_parameters if name not in NAMES],
    ids=str,
)
def test_what_belongs_to_another_workspace_does_not_exist(
    house: House, neighbour: House, operation: Operation, name: str
) -> None:
    said = []
    for ids in (neighbour.ids, NO_SUCH):
        # One foreign id among own ones, and in the same place one that never was.
        answer = operation.call(house.client("admin"), {**house.ids, name: ids[name]})
        check_problem(answer, 404, "not_found")
        said.append(answer.json()["detail"].replace(ids[name], ""))
    assert said[0] == said[1], "something tells a foreign id from one that never was"


@pytest.mark.parametrize(
    "operation", [one for one in PROTECTED if "account_id" in one.query_parameters], ids=repr
)
def test_a_foreign_account_in_a_filter_shows_nothing(
    house: House, neighbour: House, operation: Operation
) -> None:
    params = {"account_id": neighbour.ids["account_id"]}
    answer = operation.call(house.client("admin"), house.ids, params=params)
    assert answer.status_code == 404 or answer.json()["data"] == []


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (one, name)
        for one in PROTECTED
        for name in (one.body_schema or {}).get("properties", {})
        if name.endswith(("_id", "_ids")) and name not in FREE_FIELDS
    ],
    ids=str,
)
def test_a_foreign_id_in_a_body_does_not_exist(
    house: House, neighbour: House, operation: Operation, name: str
) -> None:
    said = []
    for ids in (neighbour.ids, NO_SUCH):
        value = ids[name.removesuffix("s")]
        body = {**operation.body, name: [value] if name.endswith("s") else value}
        answer = operation.call(house.client("admin"), house.ids, json=body)
        told = answer.json()
        if operation.id == "validate_post":  # its answer lists what is wrong
            assert not told["valid"]
            told = told["problems"][0]
        else:
            assert answer.status_code in (404, 422), answer.text
        said.append(told["detail"].replace(value, ""))
    assert said[0] == said[1], "something tells a foreign id from one that never was"


def test_lists_show_only_the_own_workspace(house: House, neighbour: House) -> None:
    for operation in PROTECTED:
        if operation.method == "GET" and not operation.path_parameters:
            text = operation.call(house.client("admin"), {}).text
            foreign = {value for name, value in neighbour.ids.items() if name not in NAMES}
            assert not [value for value in foreign if value in text], operation


def test_operation_ids_are_unique_and_every_body_has_an_example() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert DOCUMENT["openapi"].startswith("3.1")
    for operation in OPERATIONS:
        if operation.body is not None and operation.id not in {"retry_post", "unpublish_post"}:
            assert operation.body, operation
