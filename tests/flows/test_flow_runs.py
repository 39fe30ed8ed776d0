"""Flows as Prefect runs them: completed with a result, or visibly failed after all else was done."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH
from prefect.states import Crashed, Pending, Running
from sqlalchemy import select

from connectors.registry import ConnectorPool
from connectors.sandbox.app import create_sandbox_app
from connectors.sandbox.faults import FaultRule
from connectors.sandbox.world import SandboxWorld
from connectors.settings import ConnectorSettings
from connectors.types import Platform
from flows.deployments import REACTING_FLOWS, SCHEDULED_FLOWS
from flows.errors import PartlyFailedError
from flows.exclusive_runs import run_exclusively
from flows.ingestion.backfill_history import backfill_history
from flows.ingestion.ingest_followers import ingest_followers
from flows.ingestion.ingest_metrics import ingest_metrics
from flows.maintenance.report_run_trouble import report_run_trouble
from flows.resources import Resources
from flows.serving.dead_runs import mark_dead_runs
from flows.serving.ports import Ports
from flows.serving.runner import build_deployment, build_reacting
from flows.timing.refresh_optimal_times import refresh_optimal_times
from flows.tokens.refresh_tokens import refresh_tokens
from flows.work_sharing import run_shared
from tests.connectors.harness import account_of
from warehouse.planning.news import collect_news
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import find_trouble, note_outcome
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from flows.run_results import RunResult
    from warehouse.settings import WarehouseSettings


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    # Imports Prefect's whole server: each worker collects this file, and one runs it.
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 (see above)

    with prefect_test_harness(server_startup_timeout=60):
        yield


class Nosy:
    """A platform that quotes the caller's token back in whatever it refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        words = f"You sent {token}, and that will not do."
        body = json.dumps({"detail": words, "error": {"message": words, "code": 10, "type": "No"}}).encode()
        refused = False

        async def quote(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused = True
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
                message = {**message, "headers": headers}
            elif refused:
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, quote)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SandboxWorld]:
    """Simulated platforms over real HTTP, one account connected on each of two, all by environment variables."""
    world = SandboxWorld(history_days=3)
    with Ports() as ports:
        port = ports.take_any()
        config = uvicorn.Config(Nosy(create_sandbox_app(world)), port=port, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        address = f"http://127.0.0.1:{port}"
        for platform in ("TWITTER", "INSTAGRAM"):
            monkeypatch.setenv(f"SOCIALFLOW_{platform}_BASE_URL", address)
        monkeypatch.setenv("SOCIALFLOW_ALLOW_PRIVATE_INSTANCES", "true")
        monkeypatch.setenv("SOCIALFLOW_READ_ATTEMPTS", "1")
        while not server.started:
            await asyncio.sleep(0.01)
        with Resources.open() as resources:
            async with ConnectorPool(ConnectorSettings()) as pool:
                for item in world.accounts:
                    if item.platform not in {"twitter", "instagram"}:
                        continue
                    verified = await pool.open(account_of(item)).verify()
                    now = datetime.now(UTC)
                    with resources.store.write() as session:
                        workspace = ensure_default_workspace(session, now)
                        connect_account(
                            session, resources.store.cipher, workspace.id, verified, item.platform, now
                        )
        yield world
        server.should_exit = True
        await serving


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_completes_with_what_it_did(world: SandboxWorld) -> None:
    state = await backfill_history(return_state=True)
    assert state.is_completed()
    result = await state.result()
    assert (result.flow, result.outcome, result.accounts) == ("backfill-history", "completed", 2)
    assert result.counts["new_posts"] == sum(
        len(world.published(Platform(name))) for name in ("twitter", "instagram")
    )
    times = await refresh_optimal_times(return_state=True)
    assert (await times.result())["accounts"] == 2
    with Resources.open() as resources:
        (runs,) = resources.lake.query("SELECT list(DISTINCT run_id) AS ids FROM raw.post_snapshots")
    # Every row tells which run brought it.
    assert runs["ids"] == [str(state.state_details.flow_run_id)]


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_with_a_refused_account_does_the_others_and_shows_it(world: SandboxWorld) -> None:
    world.faults.add(FaultRule(kind="forbidden", platform=Platform.TWITTER, operation="any", count=None))
    state = await ingest_followers(return_state=True)
    assert (state.type, state.name) == (StateType.COMPLETED, "PartlyFailed")
    assert state.message is not None
    assert "1 of 2 accounts" in state.message
    result = await state.result()
    assert (result.outcome, result.accounts, len(result.failures)) == ("partly_failed", 2, 1)
    assert "twitter" in next(iter(result.failures))
    with Resources.open() as resources:
        (counted,) = resources.lake.query("SELECT count(*) AS n FROM raw.account_snapshots")
    assert counted["n"] == 1
    world.faults.add(FaultRule(kind="forbidden", platform=Platform.INSTAGRAM, operation="any", count=None))
    state = await ingest_followers(return_state=True, anew=True)
    assert state.is_failed(), "no account could be read"
    with pytest.raises(PartlyFailedError) as raised:
        await state.result()
    assert len(raised.value.failures) == 2


@pytest.mark.usefixtures("prefect_server")
async def test_parameters_choose_accounts_and_posts(world: SandboxWorld) -> None:
    """Each parameter of `run_deployment`, against a real server."""
    first = await (await backfill_history(return_state=True)).result()
    with Resources.open() as resources, resources.store.read() as session:
        accounts = {row.platform: row.id for row in session.scalars(select(AccountRow))}

    async def run(flow: Flow[..., Any], **parameters: Any) -> RunResult:
        state = await flow(return_state=True, **parameters)
        assert state.is_completed(), state.message
        found: RunResult = await state.result()
        async with get_client() as client:
            shown = await client.read_flow_run(state.state_details.flow_run_id)
        assert shown.name == f"{flow.name}: {found.summary}", "the name of the run says what it did"
        return found

    looked = await run(ingest_metrics, dry_run=True, anew=True)
    assert looked.counts["due"] == first.counts["new_posts"]
    assert (looked.dry_run, looked.snapshot_id, looked.counts["snapshots"]) == (True, None, 0)
    assert looked.parameters == {"dry_run": True, "anew": True}
    one = await run(ingest_metrics, anew=True, account_ids=[accounts["twitter"]])
    assert (one.accounts, one.counts["measured"]) == (1, len(world.published(Platform.TWITTER)))
    assert one.snapshot_id is not None
    other = await run(ingest_metrics, anew=True, platforms=[Platform.INSTAGRAM])
    assert other.counts["measured"] == len(world.published(Platform.INSTAGRAM))
    since, until = datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1)
    with Resources.open() as resources:
        (row,) = resources.lake.query(
            "SELECT count(*) AS n FROM dims.publications WHERE published_at >= $since AND published_at < $until",
            {"since": since, "until": until},
        )
        before = resources.lake.query("FROM dims.publications ORDER BY ALL")
    window = await run(ingest_metrics, anew=True, since=since, until=until)
    assert window.counts["measured"] == row["n"]
    again = await run(backfill_history, since=since, until=until)
    assert (again.counts["new_posts"], again.accounts) == (0, 2)
    with Resources.open() as resources:
        assert resources.lake.query("FROM dims.publications ORDER BY ALL") == before, (
            "nothing right has changed"
        )
        with resources.store.read() as session:
            places = [row.backfill_finished_at for row in session.scalars(select(AccountRow))]
    assert None not in places, "a window leaves alone where the usual reading continues"
    followers = await run(ingest_followers, platforms=["twitter"])
    assert (followers.accounts, followers.counts["snapshots"]) == (1, 1)
    assert (await run(ingest_followers, dry_run=True)).accounts == 1, "the other one is still due"


@pytest.mark.usefixtures("prefect_server", "world")
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"account_ids": ["acct_none"]}, "there is no account acct_none"),
        ({"since": "2099-01-01T00:00:00Z"}, "must be before now"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "must be before until"),
    ],
)
async def test_parameters_that_choose_nothing_possible_fail_with_the_reason(
    parameters: dict[str, Any], words: str
) -> None:
    state = await ingest_metrics(return_state=True, **parameters)
    assert state.is_failed()
    assert words in (state.message or "")


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("ingest-metrics", {"acount_ids": ["acct_1"]}, "acount_ids"),
        ("ingest-metrics", {"platforms": ["myspace"]}, "platforms"),
        ("ingest-metrics", {"account_ids": "acct_1"}, "account_ids"),
        ("backfill-history", {"dry_run": "maybe"}, "dry_run"),
        ("backfill-history", {"since": 7}, "since"),
        ("ingest-followers", {"since": "2026-01-01T00:00:00Z"}, "since"),
    ],
)
async def test_wrong_parameters_are_refused_before_the_run_starts(
    name: str, parameters: dict[str, Any], words: str
) -> None:
    (scheduled,) = (item for item in SCHEDULED_FLOWS if item.name == name)
    await build_deployment(scheduled).apply()
    with pytest.raises(PrefectHTTPStatusError) as refused:
        await run_deployment(f"{name}/{name}", parameters=parameters, timeout=0)
    assert refused.value.response.status_code == 409
    assert words in refused.value.response.text
    accepted = await run_deployment(f"{name}/{name}", parameters={"dry_run": True}, timeout=0)
    assert accepted.state is not None
    assert accepted.state.is_scheduled()


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("name", ["ingest-metrics", "backfill-history", "ingest-followers"])
async def test_each_right_parameter_starts_a_run(name: str) -> None:
    (scheduled,) = (item for item in SCHEDULED_FLOWS if item.name == name)
    await build_deployment(scheduled).apply()
    parameters: dict[str, Any] = {
        "account_ids": ["acct_1", "acct_2"],
        "platforms": ["twitter"],
        "anew": True,
        "dry_run": True,
    }
    if name != "ingest-followers":
        parameters |= {"since": "2026-01-01T00:00:00+01:00", "until": "2026-02-01T00:00:00Z"}
    for given in [{key: value} for key, value in parameters.items()] + [parameters, {}]:
        run = await run_deployment(f"{name}/{name}", parameters=given, timeout=0)
        assert run.state is not None
        assert run.state.is_scheduled()
        assert run.parameters == given


@pytest.mark.usefixtures("prefect_server", "world")
async def test_a_run_shows_its_counts_as_an_artifact() -> None:
    state = await ingest_followers(return_state=True)
    assert state.is_completed()
    run_id = state.state_details.flow_run_id
    async with get_client() as client:
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        )
    shown = {item.key: item.data for item in artifacts}
    assert {"what": "snapshots", "count": 2} in json.loads(shown["ingest-followers-result"])


@pytest.mark.usefixtures("prefect_server", "world")
@pytest.mark.parametrize(
    ("name", "flow"),
    [("ingest-metrics", ingest_metrics), ("refresh-optimal-times", refresh_optimal_times)],
)
async def test_a_second_run_ends_at_once_completed_and_says_who_works(name: str, flow: Flow[[], Any]) -> None:
    shared = name == "ingest-metrics"  # its runs share the accounts, up to as many as allowed
    with (
        Resources.open() as resources,
        run_shared(resources.store, name, most=1) if shared else run_exclusively(resources.store, name),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SOCIALFLOW_INGEST_RUNS", "1")
        state = await flow(return_state=True)
        assert state.is_completed()
        assert f"{name} is already running: {socket.gethostname()}" in (state.message or "")
        assert f":{os.getpid()}:" in (state.message or "")
    assert (await flow(return_state=True)).is_completed()


@pytest.mark.usefixtures("prefect_server")
async def test_a_crashed_run_is_reported_once_and_people_are_told(
    warehouse_settings: WarehouseSettings,
) -> None:
    """Prefect's own automation starts the report; registering the deployments again adds no second one."""
    (scheduled,) = (item for item in SCHEDULED_FLOWS if item.name == "ingest-metrics")
    await build_deployment(scheduled).apply()
    for _ in range(2):
        report_id = await build_reacting(REACTING_FLOWS[0]).apply()
    async with get_client() as client:
        ours = [one for one in await client.read_automations() if one.name.startswith("socialflow")]
        assert sorted(one.name for one in ours) == ["socialflow: a run failed", "socialflow: a run is late"]
        run = await run_deployment("ingest-metrics/ingest-metrics", timeout=0)
        await client.set_flow_run_state(run.id, Crashed(message="the process died"), force=True)
        wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[report_id]))
        async with asyncio.timeout(60):
            while not (reports := await client.read_flow_runs(flow_run_filter=wanted)):
                await asyncio.sleep(0.1)
    assert len(reports) == 1
    parameters = reports[0].parameters
    assert report_run_trouble(**parameters)
    assert not report_run_trouble(**parameters | {"flow": "somebody's"})
    with Store.open(warehouse_settings) as store, store.write() as session:
        ensure_default_workspace(session, datetime.now(UTC))
        news = collect_news(session, datetime.now(UTC), about=("behind",), after=0, until=0, with_flows=True)
        assert [one.kind for one in news] == ["behind"]
        assert (
            f"Reading numbers (ingest-metrics): the run {run.name}: Crashed: the process died"
            in news[0].words
        )
        note_outcome(session, "ingest-metrics", "succeeded")
        assert find_trouble(session) == []


@pytest.mark.usefixtures("prefect_server", "world")
async def test_a_timing_run_is_split_over_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts are runs of the same deployment; here a worker in this process takes them."""
    monkeypatch.setattr("flows.timing.refresh_optimal_times.POLL_SECONDS", 0.1)
    await backfill_history()
    (scheduled,) = (item for item in SCHEDULED_FLOWS if item.name == "refresh-optimal-times")
    deployment_id = await build_deployment(scheduled).apply()
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]))
    whole = await run_deployment(f"{scheduled.name}/{scheduled.name}", parameters={"parts": 2}, timeout=0)
    started: dict[Any, asyncio.Task[Any]] = {}
    async with get_client() as client, asyncio.timeout(120):
        while True:
            for run in await client.read_flow_runs(flow_run_filter=wanted):
                if run.id not in started and (run.id == whole.id or "part" in run.parameters):
                    work = run_flow_async(refresh_optimal_times, flow_run=run, parameters=run.parameters)
                    started[run.id] = asyncio.create_task(work)
            if started and started[whole.id].done():
                break
            await asyncio.sleep(0.1)
    summary = await started.pop(whole.id)
    assert (summary["accounts"], summary["failures"]) == (2, {})
    parts = await asyncio.gather(*started.values())
    assert sorted(part["platform"] for part in parts) == ["instagram", "twitter"]
    assert sum(part["rows"] for part in parts) == summary["rows"] == 2 * 168
    with Resources.open() as resources:
        rows = resources.lake.query("SELECT DISTINCT account_id, computed_at FROM marts.optimal_times")
    assert [row["computed_at"] for row in rows] == [summary["computed_at"]] * 2


@pytest.mark.usefixtures("prefect_server")
async def test_runs_of_dead_processes_are_marked_as_crashed() -> None:
    async with get_client() as client:
        old = await client.create_flow_run(refresh_optimal_times, state=Pending())
        await client.set_flow_run_state(old.id, Running(), force=True)
        waiting = await client.create_flow_run(refresh_optimal_times, state=Pending())
        up_since = datetime.now(UTC)
        young = await client.create_flow_run(refresh_optimal_times, state=Pending())
        assert await mark_dead_runs(up_since) == 2
        names = [(await client.read_flow_run(run.id)).state_name for run in (old, waiting, young)]
    assert names == ["Crashed", "Crashed", "Pending"]
    assert await mark_dead_runs(up_since) == 0


@pytest.mark.usefixtures("prefect_server", "world")
async def test_a_flow_of_somebody_else_starts_with_the_snapshot_of_a_run() -> None:
    """examples/prefect: the event of a finished run starts another deployment, with what the event says."""
    file = Path(__file__).parents[2] / "examples" / "prefect" / "after_ingest.py"
    spec = importlib.util.spec_from_file_location("after_ingest", file)
    assert spec is not None
    assert spec.loader is not None
    example = sys.modules["after_ingest"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    deployment = await example.after_ingest.to_deployment("after-ingest", triggers=[example.AFTER_INGEST])
    deployment_id = await deployment.apply()
    loaded = await (await backfill_history(return_state=True)).result()
    result = await (await ingest_metrics(return_state=True, anew=True)).result()
    assert result.snapshot_id > loaded.snapshot_id
    started: list[FlowRun] = []
    async with get_client() as client:
        for _ in range(300):
            started = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]))
            )
            if started:
                break
            await asyncio.sleep(0.1)
    (run,) = started
    assert run.parameters == {"snapshot_id": result.snapshot_id, "counts": result.counts}
    words = example.after_ingest.fn(**run.parameters)
    assert words == f"snapshot {result.snapshot_id} has {result.counts['snapshots']} new measurements"


@pytest.mark.usefixtures("prefect_server")
async def test_prefect_keeps_no_secret(world: SandboxWorld) -> None:
    """Neither a run's parameters nor its states, results and logs, though the platforms quote what they refuse."""
    states = [await backfill_history(return_state=True)]
    for platform in (Platform.TWITTER, Platform.INSTAGRAM):
        world.faults.add(FaultRule(kind="forbidden", platform=platform, operation="any", count=None))
    states += [
        await flow(return_state=True)
        for flow in (ingest_followers, ingest_metrics, backfill_history, refresh_tokens)
    ]
    written = "".join(f"{state!r} {state.message} {state.data!r}" for state in states)
    async with get_client() as client:
        for run in await client.read_flow_runs():
            written += run.model_dump_json()
        written += "".join(log.model_dump_json() for log in await client.read_logs())
    written += await asyncio.to_thread(_read_files)
    assert "2 of 2 accounts" in written, "the search looks where Prefect writes"
    assert "You sent [redacted]" in written, "nothing was at stake"
    owners = [item for item in world.accounts if item.platform in {Platform.TWITTER, Platform.INSTAGRAM}]
    tokens = {token for item in owners for token in (item.access_token, item.refresh_token) if token}
    assert len(tokens) >= 2
    assert [token for token in tokens if token in written] == []


def _read_files() -> str:
    """Every byte that Prefect keeps: its database, the results that runs left."""
    database = Path(PREFECT_API_DATABASE_CONNECTION_URL.value().partition("///")[2])
    folders = {database.parent, PREFECT_HOME.value(), PREFECT_LOCAL_STORAGE_PATH.value()}
    files = {file for folder in folders for file in folder.rglob("*") if file.is_file()}
    assert database in files
    return "".join(file.read_bytes().decode("latin-1") for file in files)
