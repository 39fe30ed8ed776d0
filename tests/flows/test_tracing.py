"""Traces reach a collector by OTLP over HTTP, with ids and without secrets or texts; off, nothing is imported."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from api.http.middleware import RequestEnvelope
from api.http.request_metrics import RequestMetrics
from connectors.settings import TraceSettings
from connectors.tracing import span, stop_tracing
from connectors.types import PostContent
from flows.exclusive_runs import run_exclusively
from flows.ingestion.followers import read_due_followers
from flows.publishing.publisher import run_publisher
from flows.timing.refresh import compute_all_optimal_times
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow
from warehouse.store.posts.posts import PostDraft, Target, create_post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from tests.flows.conftest import Floor


class Collector:
    """An OTLP receiver on loopback."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        bodies, paths = self.bodies, self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                paths.add(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for body in self.bodies:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for one in scope.spans:
                        values = {
                            item.key: getattr(item.value, item.value.WhichOneof("value"))
                            for item in one.attributes
                        }
                        found.append((one.name, values | {"error": one.status.message}))
        return found


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    stop_tracing()
    monkeypatch.setenv("SOCIALFLOW_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    yield made
    monkeypatch.delenv("SOCIALFLOW_OTLP_ENDPOINT")
    stop_tracing()
    made.server.shutdown()
    made.server.server_close()


async def test_every_kind_of_work_is_traced_by_ids_alone(floor: Floor, collector: Collector) -> None:
    text = "words that only the platform may see"
    store = floor.resources.store
    with store.write() as session:
        row = session.get_one(AccountRow, floor.accounts["twitter"].id)
        draft = PostDraft(
            content=text,
            targets=[Target(account=row, content=PostContent(text=text))],
            scheduled_at=floor.clock(),
        )
        create_post(session, row.workspace_id, draft, floor.clock())
    with run_exclusively(store, "ingest-followers", run_id="run_1"):
        await read_due_followers(floor.resources, floor.pool, run_id="run_1", clock=floor.clock)
    await run_publisher(
        store,
        floor.pool,
        horizon=timedelta(0),
        max_lateness=timedelta(hours=1),
        home=floor.resources.warehouse.home,
        clock=floor.clock,
    )
    await asyncio.to_thread(compute_all_optimal_times, floor.resources, clock=floor.clock)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    envelope = RequestEnvelope(app, max_body_bytes=1000, max_upload_bytes=1000, metrics=RequestMetrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(envelope), base_url="http://api") as client:
        await client.get("/calendar.ics?token=feed-secret", headers={"Authorization": "Bearer sf_secret"})
    with pytest.raises(ValueError, match="quoted"), span("failing"):
        raise ValueError("quoted from a platform: sf_secret")
    stop_tracing()

    spans = collector.spans()
    assert collector.paths == {"/v1/traces"}
    counts = Counter(name for name, _ in spans)
    wanted = {"http.request", "flow.run", "publish.attempt", "connector.call", "lake.load", "timing.platform"}
    assert wanted <= counts.keys()
    by_name = dict(reversed(spans))
    attempt = by_name["publish.attempt"]
    assert attempt["socialflow.publication_id"].startswith("pub_")
    assert (attempt["socialflow.outcome"], attempt["socialflow.attempt"]) == ("published", 1)
    assert by_name["http.request"]["socialflow.status"] == 204
    assert by_name["http.request"]["socialflow.request_id"]
    assert by_name["flow.run"]["socialflow.run_id"] == "run_1"
    assert {values["socialflow.host"] for name, values in spans if name == "connector.call"} == {
        "sandbox.test"
    }
    assert by_name["lake.load"]["socialflow.rows"] >= 1
    assert by_name["failing"]["error"] == "ValueError"
    everything = b"".join(collector.bodies).decode("latin-1")
    secrets = [
        open_account(row, store.cipher).credentials.access_token.get_secret_value()
        for row in floor.accounts.values()
    ]
    for word in (text, "sf_secret", "feed-secret", "quoted", *secrets):
        assert word not in everything


def test_off_nothing_is_imported_and_nothing_is_made() -> None:
    script = (
        "import sys; from connectors.tracing import span\n"
        "with span('work', a=1) as one, span('work') as other: one.note(b=2); assert one is other\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_collector_that_is_away_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_tracing()
    monkeypatch.setenv("SOCIALFLOW_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    for _ in range(3000):  # more than the queue holds
        with span("work"):
            pass
    monkeypatch.delenv("SOCIALFLOW_OTLP_ENDPOINT")
    began = time.monotonic()
    stop_tracing()
    assert time.monotonic() - began < 10, "the end of a process waited for the collector"


@pytest.mark.parametrize("value", ["collector:4318", "grpc://collector", "http://collector?key=1"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOCIALFLOW_OTLP_ENDPOINT", value)
    with pytest.raises(ValidationError, match="is not an address of a collector"):
        TraceSettings()
