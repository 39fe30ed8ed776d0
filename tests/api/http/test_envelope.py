"""The response envelope that every endpoint returns."""

from __future__ import annotations

import base64
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text as sql

from api.app import create_app
from api.http import middleware
from api.http.logs import RequestIdFilter
from api.settings import ApiSettings
from tests.api.harness import RunningServer, SettableClock, make_tenant, open_anonymous
from warehouse.store.clock import read_time
from warehouse.store.leases.flow_leases import end_run, expect_flows
from warehouse.store.publishing.heartbeats import beat, begin_beating

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.api.harness import Server, Tenant

POSTS = "/api/v1/posts"


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= {
        *("type", "title", "status", "detail", "instance", "code", "errors", "request_id", "retryable"),
    }
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"].endswith(code)


def test_errors_of_routing_are_problems_too(tenant: Tenant) -> None:
    check_problem(tenant.client.get("/nowhere"), 404, "not_found")
    wrong_method = tenant.client.put(POSTS)
    check_problem(wrong_method, 405, "method_not_allowed")
    assert wrong_method.headers["allow"]


@pytest.mark.parametrize("body", ["{", "nonsense", "\x00", "[" * 1000, '{"content": "\ud800"}'])
def test_a_body_that_is_no_json(tenant: Tenant, body: str) -> None:
    answer = tenant.client.post(
        POSTS, content=body.encode("utf-8", "surrogatepass"), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_nul_characters_are_refused_everywhere(tenant: Tenant) -> None:
    for answer in (
        tenant.client.post(POSTS, content=rb'{"content": "a\u0000b", "platforms": ["twitter"]}'),
        tenant.client.get(f"{POSTS}/%00"),
        tenant.client.get(f"{POSTS}?cursor=a%00b"),
    ):
        check_problem(answer, 422, "nul_character")
    # An escaped backslash before u0000 is harmless text.
    harmless = rb'{"content": "a\\u0000b", "platforms": ["twitter"]}'
    assert tenant.client.post(POSTS, content=harmless).status_code == 201


def test_half_a_character_pair_is_refused(tenant: Tenant) -> None:
    answer = tenant.client.post(POSTS, content=rb'{"content": "\ud800", "platforms": ["twitter"]}')
    check_problem(answer, 422, "invalid_request")


def test_too_long_a_body(server: Server) -> None:
    long = json.dumps({"content": "x" * 1_100_000})
    with open_anonymous(server) as client:
        check_problem(client.post(POSTS, content=long), 413, "body_too_large")
        check_problem(client.post(POSTS, content=(part for part in [long.encode()])), 413, "body_too_large")


def test_request_ids(server: Server) -> None:
    with open_anonymous(server) as client:
        given = client.get("/healthz", headers={"X-Request-Id": "trace-12345678"})
        assert given.headers["x-request-id"] == "trace-12345678"
        for bad in ("short", "has blank in it", "x" * 200, "<script>alert"):
            minted = client.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]
            assert minted.startswith("req_")
        assert client.get("/nowhere").json()["request_id"].startswith("req_")


def test_the_request_id_is_in_every_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RunningServer(tmp_path / "home", SettableClock()) as server, open_anonymous(server) as client:
        server.services.lake.close()
        caplog.handler.addFilter(RequestIdFilter())
        with caplog.at_level(logging.INFO):
            # One line from a worker thread about the lake, and one about the request.
            client.get("/readyz", headers={"X-Request-Id": "trace-in-the-log"})
            client.get("/healthz")  # the first one's line is written when its answer has gone out
    lines = [(record.name, vars(record)["request_id"]) for record in caplog.records if "api" in record.name]
    assert ("api.pages.routes_health", "trace-in-the-log") in lines
    assert ("api.access", "trace-in-the-log") in lines
    assert all(request_id != "-" for _, request_id in lines)


def test_pages_of_an_allowed_origin_alone_may_call(tmp_path: Path) -> None:
    settings = ApiSettings(cors_origins="https://app.test, http://localhost:3000", max_body_bytes=2000)
    with (
        RunningServer(tmp_path / "home", SettableClock(), settings) as server,
        open_anonymous(server) as client,
    ):
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
        preflight = client.options(POSTS, headers={"Origin": "https://app.test", **asked})
        assert preflight.headers["access-control-allow-origin"] == "https://app.test"
        assert client.options(POSTS, headers={"Origin": "https://evil.test", **asked}).status_code == 400
        # Also a refusal by the envelope can be read, with its id.
        refused = client.post(POSTS, content="x" * 3000, headers={"Origin": "http://localhost:3000"})
        check_problem(refused, 413, "body_too_large")
        assert refused.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "X-Request-Id" in refused.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in refused.headers


@pytest.mark.parametrize(
    "value", ["*", "app.test", "https://app.test/", "https://*.test", "https://a.test b"]
)
def test_what_is_no_origin_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        ApiSettings(cors_origins=value)


def test_security_headers(tenant: Tenant) -> None:
    for path in ("/", "/docs", POSTS, "/nowhere"):
        headers = tenant.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_an_error_that_nobody_foresaw_is_a_problem_with_an_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RunningServer(tmp_path / "home", SettableClock()) as server:
        tenant = make_tenant(server)
        server.services.lake.close()
        answer = tenant.client.get("/api/v1/analytics/overview")
        check_problem(answer, 500, "internal_error")
        (failed,) = [record for record in caplog.records if record.message.startswith("failed:")]
        assert failed.exc_info
        ready = tenant.client.get("/readyz")
        assert (ready.status_code, ready.json()["lake"], ready.json()["store"]) == (503, "failed", "ok")


def test_lines_and_spans_of_a_request_name_its_post(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What joins a request to the work of publishers: the post's id, of the created or of the named one."""
    noted: list[dict[str, object]] = []
    monkeypatch.setattr(middleware, "bind_log_ids", lambda **ids: noted.append(ids))
    body = {"content": "joined", "platforms": ["twitter"], "scheduled_at": "2099-01-01T00:00:00Z"}
    made = tenant.client.post("/api/v1/posts", json=body).json()["id"]
    tenant.client.get(f"/api/v1/posts/{made}")
    tenant.client.get("/api/v1/posts/post_x%0Ainjected")
    tenant.client.get("/api/v1/posts")
    assert [one["post_id"] for one in noted if "post_id" in one] == [made, made]


def test_health_needs_no_token(server: Server) -> None:
    with open_anonymous(server) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {
            "status": "ready",
            "store": "ok",
            "lake": "ok",
            "orchestrator": "not_checked",
            "publisher": "not_checked",
            "behind": [],
        }


def test_a_flow_that_is_behind_degrades_readiness_and_its_last_runs_are_measured(tmp_path: Path) -> None:
    with (
        RunningServer(tmp_path / "home", SettableClock()) as server,
        open_anonymous(server) as client,
    ):
        store = server.services.store
        with store.write() as session:
            expect_flows(session, {"ingest-metrics": timedelta(minutes=5)})
            set_up = read_time(session)
        clock = server.clock
        clock.at = set_up + timedelta(minutes=14)
        assert client.get("/readyz").json()["status"] == "ready"
        clock.at = set_up + timedelta(minutes=16)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["behind"] == ["ingest-metrics"]
        assert 'socialflow_flow_last_success_timestamp_seconds{flow="' not in client.get("/metrics").text
        with store.write() as session:
            end_run(session, "ingest-metrics", owner="test", outcome="succeeded")
        clock.at = set_up + timedelta(minutes=14)
        assert client.get("/readyz").json()["status"] == "ready"
        text = client.get("/metrics").text
    sample = 'socialflow_flow_last_success_timestamp_seconds{flow="ingest-metrics"} '
    (value,) = [line.removeprefix(sample) for line in text.splitlines() if line.startswith(sample)]
    assert abs(float(value) - set_up.timestamp()) < 60


def test_a_missing_orchestrator_shows(tmp_path: Path) -> None:
    settings = ApiSettings(orchestrator_url="http://127.0.0.1:9/health")
    with (
        RunningServer(tmp_path / "home", SettableClock(), settings) as server,
        open_anonymous(server) as client,
    ):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["orchestrator"]) == (503, "failed")


def test_a_missing_publisher_shows_where_one_is_expected(tmp_path: Path) -> None:
    settings = ApiSettings(publisher_expected=True)
    with (
        RunningServer(tmp_path / "home", SettableClock(), settings) as server,
        open_anonymous(server) as client,
    ):
        missing = client.get("/readyz")
        now = datetime.now(UTC)
        with server.services.store.write() as session:
            begin_beating(session, "host:1:a", now)
        awake = client.get("/readyz")
        assert "socialflow_publishers_awake 1.0" in client.get("/metrics").text
        with server.services.store.write() as session:
            beat(session, "host:1:a", now, clock_skew=timedelta(minutes=-5), report={})
        wrong = client.get("/readyz")
        text = client.get("/metrics").text
        with (
            server.services.store.write() as session
        ):  # an upgrade while this process, of an older version, runs
            session.execute(sql("UPDATE alembic_version SET version_num = '9999'"))
        outdated = client.get("/readyz")
    assert (outdated.status_code, outdated.json()["store"]) == (503, "failed")
    assert (missing.status_code, missing.json()["publisher"]) == (503, "failed")
    assert (awake.status_code, awake.json()["publisher"]) == (200, "ok")
    assert (wrong.status_code, wrong.json()["publisher"]) == (503, "failed")
    assert "socialflow_publishers_awake 0.0" in text
    assert "socialflow_publisher_clock_skew_seconds -300.0" in text


def test_metrics_count_the_queue(tmp_path: Path) -> None:
    clock = SettableClock()
    with RunningServer(tmp_path / "home", clock) as server, open_anonymous(server) as client:
        tenant = make_tenant(server)
        tenant.add_account("twitter")
        tenant.create_post()
        assert "socialflow_publications_late 0.0" in client.get("/metrics").text
        clock.advance(hours=2)
        text = client.get("/metrics").text
        with server.services.store.upkeep() as run:
            run("ALTER TABLE publications RENAME TO away")
        without = client.get("/metrics")
        with server.services.store.upkeep() as run:
            run("ALTER TABLE away RENAME TO publications")
        again = client.get("/metrics").text
    assert without.status_code == 200
    assert "socialflow_store_up 0.0" in without.text
    assert "socialflow_publications_late" not in without.text
    assert "socialflow_http_requests_total" in without.text
    assert "socialflow_store_up 1.0" in again
    assert "socialflow_publications_late 1.0" in again
    assert 'socialflow_publications{status="scheduled"} 1.0' in text
    assert "socialflow_publications_late 1.0" in text
    assert "socialflow_publications_oldest_late_seconds 3600.0" in text
    assert "socialflow_publications_unknown 0.0" in text
    assert 'socialflow_http_requests_total{operation="create_post",status="201"} 1.0' in text


def test_the_pages_load_nothing_from_anywhere(server: Server) -> None:
    with open_anonymous(server) as client:
        for path in ("/", "/docs"):
            page = client.get(path)
            assert page.headers["content-type"].startswith("text/html")
            assert "<script" not in page.text
            # Examples may name addresses; nothing may lead or load from one.
            assert not re.search(r"(src|href|action)=[\"']?(https?:)?//|url\(|@import", page.text)
        documented = client.get("/docs").text
        assert "<code>POST /api/v1/auth/token</code>" in documented
        assert "`" not in documented.split("<pre>")[0]
        for operation in create_app(ApiSettings()).openapi()["paths"]:
            assert operation in documented
        assert client.get("/openapi.json").json()["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    "name", ["Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id", "Content-Type"]
)
def test_a_header_with_one_value_is_refused_when_it_comes_twice(tenant: Tenant, name: str) -> None:
    given = [(name, "one"), (name, "two")]
    with open_anonymous(tenant.server) as client:
        check_problem(client.get(POSTS, headers=given), 400, "repeated_header")
        check_problem(client.post("/dashboard/login", headers=given), 400, "repeated_header")


def test_headers_that_are_lists_may_come_twice(tenant: Tenant) -> None:
    token = tenant.client.headers["Authorization"]
    given = [("Authorization", token), ("Accept", "text/html"), ("Accept", "application/json")]
    with open_anonymous(tenant.server) as client:
        assert client.get(POSTS, headers=given).status_code == 200


@pytest.mark.parametrize("last_id", ["a\x00b", "\x00", "", "x" * 300, "\u202e", "\n"])
def test_a_cursor_holds_only_what_ours_hold(tenant: Tenant, last_id: str) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([last_id, "0"]).encode()).decode()
    check_problem(tenant.client.get(POSTS, params={"cursor": cursor}), 422, "invalid_cursor")
