"""Schemathesis over the whole document against the running API, all its checks on, its links followed.

`make test-schema` runs it in full; the test run has a short version with the same seed.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from api.http.services import utc_now
from api.settings import ApiSettings
from tests.api.harness import RunningServer, SettableClock, Tenant, make_tenant
from warehouse.store.models import AccountRow, ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from schemathesis import AuthContext, Case, CheckContext, Response, SerializationContext

    from tests.api.harness import Server

FULL = os.environ.get("SCHEMA_TEST") == "full"
EXAMPLES = 60 if FULL else 1
SEED = 20261125
STILL_THERE_AFTER_DELETE = (
    "get_post",
    "cancel_post",
    "get_account",
    "disconnect_account",
    "get_api_key",
    "revoke_api_key",
)
"""DELETE ends these and erases nothing: the canceled post and the revoked key can be read, with that status."""
REPORTS_ON_WRONG_ROWS = ("create_posts",)
"""A wrong row is not a wrong request: the answer is a report that names it."""

KNOWN_IN_TWO_WAYS = ("get_calendar_feed",)
"""With a token in the address no header is asked for, right or wrong: test_calendar_feeds.py has its refusals."""


class PresentClock(SettableClock):
    """Tokens and times as they are now: the fuzzer's own times are around today."""

    def __call__(self) -> Any:
        return utc_now()


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API that limits nobody."""
    limits = ApiSettings(rate_limit=10**7, auth_failures=10**7)
    with RunningServer(tmp_path_factory.mktemp("schema"), PresentClock(), limits) as server:
        yield server


class Mender:
    """The credentials of each request. The fuzzer revokes keys and disconnects accounts: that is mended first."""

    def __init__(self, server: Server) -> None:
        self._tenant: Tenant = make_tenant(server)
        self._client: httpx.Client | None = None

    def get(self, _case: Case, _context: AuthContext) -> str:
        store = self._tenant.server.services.store
        with store.read() as session:
            alive = session.query(ApiKey).filter_by(
                workspace_id=self._tenant.workspace_id, name="narrow", revoked_at=None
            )
            if self._client is None or alive.count() == 0:
                self._client = self._tenant.client_with("admin")
            disconnected = (
                session.query(AccountRow)
                .filter(AccountRow.workspace_id == self._tenant.workspace_id, AccountRow.status != "active")
                .count()
            )
        if disconnected or not self._tenant.accounts:
            for platform in ("twitter", "mastodon"):
                self._tenant.add_account(platform)
        return str(self._client.headers["Authorization"])

    def set(self, case: Case, data: str, _context: AuthContext) -> None:
        case.headers = {**(case.headers or {}), "Authorization": data}


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context: SerializationContext, value: Any) -> dict[str, bytes]:
    """Lines of JSON are a text to the document."""
    text = value if isinstance(value, str) else json.dumps(value)
    return {"data": text.encode("utf-8", "surrogatepass")}


@schemathesis.check
def what_the_document_allows_is_refused_only_for_its_meaning(
    _context: CheckContext, response: Response, case: Case
) -> None:
    """A schema error for a body that the document's schema allows: the document does not say what is checked."""
    positive = case.meta is not None and case.meta.generation.mode.value == "positive"
    if positive and response.status_code == 422:
        problem = response.json()
        assert problem["code"] != "invalid_request", problem["detail"]


def test_every_answer_is_as_documented(patient_server: Server) -> None:
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "generation": {
                "max-examples": EXAMPLES,
                "no-shrink": True,
                "deterministic": True,
                "database": "none",
            },
            "phases": {"coverage": {"enabled": FULL}, "stateful": {"max-steps": 12 if FULL else 4}},
            # JSON Schema cannot say which times are past, zones exist, or texts a platform takes: a 422 with a
            # code for that meaning is as good as an acceptance (the check above tells the two apart).
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "304", "401", "403", "404", "409", "412", "422"]
                },
                "negative_data_rejection": {
                    "expected-statuses": [
                        "400",
                        "401",
                        "403",
                        "404",
                        "405",
                        "409",
                        "412",
                        "413",
                        "415",
                        "422",
                    ]
                },
            },
            "operations": [
                {"include-operation-id": name, "checks": {"use_after_free": {"enabled": False}}}
                for name in STILL_THERE_AFTER_DELETE
            ]
            + [
                {"include-operation-id": name, "checks": {"negative_data_rejection": {"enabled": False}}}
                for name in REPORTS_ON_WRONG_ROWS
            ]
            + [
                {"include-operation-id": name, "checks": {"ignored_auth": {"enabled": False}}}
                for name in KNOWN_IN_TWO_WAYS
            ],
        }
    )
    schema = schemathesis.openapi.from_url(f"{patient_server.url}/openapi.json", config=config)

    @schema.auth(refresh_interval=None)
    class _MenderOfThisServer(Mender):
        def __init__(self) -> None:
            super().__init__(patient_server)

    failures: list[str] = []
    tested: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            failures += _describe(event)
            tested |= {str(case.value.operation.label) for case in event.recorder.cases.values()}
        elif isinstance(event, events.NonFatalError):
            failures.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    assert not failures, "\n".join(failures)
    documented = {f"{op.ok().method.upper()} {op.ok().path}" for op in schema.get_all_operations()}
    assert tested >= documented


def _describe(event: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.status is not Status.SUCCESS and check.failure_info is not None:
                sample = check.failure_info.code_sample
                yield f"{check.name}: {check.failure_info.failure}\n    {sample}\n    (case {case_id})"
