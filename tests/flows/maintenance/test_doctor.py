"""The doctor on broken homes, each broken for real: it says what is wrong, changes nothing, and never raises."""

from __future__ import annotations

import errno
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zoneinfo
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from pydantic import SecretStr
from sqlalchemy import update
from typer.testing import CliRunner

from connectors.types import Credentials, ListedPost, Platform, VerifiedAccount
from flows.cli.installation import doctor as command
from flows.maintenance import doctor, lake_doctor
from flows.maintenance.doctor import Finding, as_json, examine
from flows.maintenance.process_doctor import examine_processes, is_running
from flows.maintenance.settings_doctor import find_unknown_settings, list_known_settings
from flows.serving.launcher import PROCESSES_FILE, hold_home
from flows.serving.ports import Ports
from flows.settings import FlowSettings
from warehouse.errors import SetupError
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
from warehouse.lake.maintenance import get_pipeline_state, measure_files
from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim
from warehouse.settings import WarehouseSettings
from warehouse.store import clock
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.accounts.credentials import mark_revoked
from warehouse.store.clock import read_time
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import FlowState, end_run, expect_flows
from warehouse.store.measuring.measurements import record_measured
from warehouse.store.measuring.read_budgets import note_reads
from warehouse.store.models import AccountRow, Instance, Publication, Workspace
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.publishing.heartbeats import beat, begin_beating
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC)


def list_files_in_use(home: Path) -> list[Path]:
    """Return the Parquet files of raw.post_snapshots in the newest snapshot, sorted."""
    statement = (
        "SELECT data_file FROM ducklake_list_files('lake', 'post_snapshots', schema => 'raw') ORDER BY 1"
    )
    with Lake.open(WarehouseSettings(home=home)) as lake:
        return [Path(row["data_file"]) for row in lake.query(statement)]


@pytest.fixture(scope="module")
def well_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one account whose three posts are measured."""
    settings = WarehouseSettings(home=tmp_path_factory.mktemp("well") / "home")
    with Store.open(settings) as store, Lake.open(settings) as lake:
        with store.write() as session:
            workspace = ensure_default_workspace(session, NOW)
            verified = VerifiedAccount(
                "1", "ada", "Ada", Credentials(SecretStr("token")), "https://m.example"
            )
            row = connect_account(session, store.cipher, workspace.id, verified, Platform.MASTODON, NOW)
            posts = [ListedPost(str(n), NOW - timedelta(hours=n), f"post {n}", "text") for n in range(1, 4)]
            ids = record_external_posts(session, row, posts, NOW).publication_ids
            record_measured(session, NOW, measured=list(ids.values()))
        load_accounts(lake, [AccountDim(row.id, row.workspace_id, row.platform, row.handle)])
        for post in posts:
            common: dict[str, Any] = {"account_id": row.id, "published_at": post.published_at}
            own = ids[post.external_id]
            dim = PublicationDim(
                own,
                f"post{own}",
                row.workspace_id,
                platform="mastodon",
                origin="external",
                kind="text",
                **common,
            )
            load_publications(lake, [dim])
            snapshot = PostSnapshot(row.workspace_id, own, captured_at=NOW, likes=1, **common)
            load_post_snapshots(lake, [snapshot], "run")
    return settings.home


@pytest.fixture
def home(well_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(well_home, tmp_path / "home", dirs_exist_ok=True)
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(WarehouseSettings(home=home)) as opened:
        yield opened


def look(home: Path, now: datetime | None = None) -> dict[str, Finding]:
    """Return the findings by check, and hold the doctor to changing nothing of the home."""
    before = contents(home)
    findings = examine(WarehouseSettings(home=home), FlowSettings(), now)
    assert contents(home) == before
    return {finding.check: finding for finding in findings}


def contents(home: Path) -> dict[str, int]:
    """Return every file of ours with its size; SQLite's own -wal and -shm come and go with a reader."""
    return {
        str(path.relative_to(home)): path.stat().st_size
        for path in home.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def failed(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.status == "failed"}


def test_a_well_home_is_well(home: Path) -> None:
    found = look(home)
    assert failed(found) == set()
    assert found["store"].status == found["lake"].status == found["clock"].status == "ok"


def test_a_home_that_is_not_made_yet_stays_unmade(tmp_path: Path) -> None:
    found = look(tmp_path / "nothing")
    assert failed(found) == set()
    assert found["home"].status == "warning"
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "empty").mkdir()
    found = look(tmp_path / "empty")
    assert failed(found) == set()
    assert found["store"].status == found["lake"].status == "warning"


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever its name says " * 100, b"\0" * 8192, b""]
)
def test_a_store_of_garbage(home: Path, content: bytes) -> None:
    (home / "socialflow.sqlite").write_bytes(content)
    found = look(home)
    assert failed(found) == {"store"}
    assert "backup" in found["store"].detail


def test_a_damaged_store(home: Path) -> None:
    path = home / "socialflow.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert "store" in failed(look(home))


def test_a_store_that_is_gone(home: Path) -> None:
    (home / "socialflow.sqlite").unlink()
    found = look(home)
    assert failed(found) == {"store"}
    assert "backup" in found["store"].detail


def test_a_key_that_is_gone(home: Path) -> None:
    (home / "secret.key").unlink()
    found = look(home)
    assert failed(found) == {"store"}
    assert "secret.key" in found["store"].detail


def test_a_parquet_file_that_is_gone_or_cut(home: Path) -> None:
    first, second, *_ = list_files_in_use(home)
    first.unlink()
    found = look(home)
    assert failed(found) == {"lake files"}
    assert first.name in found["lake files"].detail
    second.write_bytes(second.read_bytes()[:-10])
    assert "2 Parquet files" in look(home)["lake files"].detail


def test_a_catalog_that_is_gone_is_not_made_anew(home: Path) -> None:
    catalog = home / "lake" / "catalog.sqlite"
    for path in catalog.parent.glob("catalog.sqlite*"):
        path.unlink()
    found = look(home)
    assert failed(found) == {"lake"}
    assert "missing" in found["lake"].detail
    assert not catalog.exists()
    # Nor does anything else make an empty one in its place.
    run = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", "ingest"],
        env={**os.environ, "SOCIALFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    due_nothing = run.returncode == 0
    assert due_nothing or "is missing" in run.stderr
    with pytest.raises(Exception, match="is missing"):
        Lake.open(WarehouseSettings(home=home))
    assert not catalog.exists()


def test_a_catalog_of_garbage(home: Path) -> None:
    (home / "lake" / "catalog.sqlite").write_bytes(b"no database at all " * 200)
    assert "lake" in failed(look(home))


def test_a_lake_that_was_begun_anew_while_the_store_knows_better(home: Path) -> None:
    shutil.rmtree(home / "lake")
    assert failed(look(home)) == {"lake"}
    Lake.open(WarehouseSettings(home=home)).close()
    found = look(home)
    assert failed(found) == {"lake contents"}
    assert "0 publications, but 3 were measured" in found["lake contents"].detail


def test_publishing_that_is_paused(home: Path, store: Store) -> None:
    with store.write() as session:
        session.query(Workspace).one().publishing_paused_at = NOW
        session.query(AccountRow).one().paused_at = NOW
    found = look(home)
    assert found["publishing"].status == "warning"
    assert "socialflow resume" in found["publishing"].detail
    assert "paused" in found["account mastodon @ada"].detail


def test_an_account_that_is_revoked(home: Path, store: Store) -> None:
    with store.write() as session:
        mark_revoked(session, session.query(AccountRow).one().id, "the token was revoked", NOW)
    found = look(home)
    assert failed(found) == {"account mastodon @ada"}
    assert "the token was revoked" in found["account mastodon @ada"].detail


def test_a_flow_that_is_behind(home: Path, store: Store) -> None:
    with store.write() as session:
        expect_flows(session, {"ingest-metrics": timedelta(minutes=5)})
        end_run(session, "ingest-metrics", owner="x", outcome="failed", reason="the disk is full")
    later = datetime.now(UTC) + timedelta(minutes=16)
    # While nothing runs, that is no wonder; while SocialFlow is up, it is a fault.
    assert look(home, later)["flow ingest-metrics"].status == "warning"
    with running(home):
        found = look(home, later)
    assert "flow ingest-metrics" in failed(found)
    assert "the disk is full" in found["flow ingest-metrics"].detail


def test_stopped_in_order_and_killed_are_two_things(home: Path) -> None:
    with hold_home(home):
        (home / PROCESSES_FILE).write_text("{}")
    found = look(home)
    assert failed(found) == set()
    assert found["processes"].detail.startswith("stopped:")
    (home / PROCESSES_FILE).write_text(json.dumps({"addresses": {}, "pids": {"api": 1}}))
    found = look(home)
    assert failed(found) == {"processes"}
    assert "terminated abnormally" in found["processes"].detail


@contextmanager
def running(home: Path, **addresses: str) -> Iterator[None]:
    """Hold the home as a launcher does, whose API and Prefect listen at these addresses."""
    with Ports() as ports:
        nobody = f"http://127.0.0.1:{ports.take_any()}"
    notes = {
        "since": NOW.isoformat(),
        "addresses": {"api": nobody, "prefect": nobody, **addresses},
        "pids": {},
    }
    with FileLock(home / "up.lock", timeout=0):
        (home / PROCESSES_FILE).write_text(json.dumps(notes))
        yield
    (home / PROCESSES_FILE).unlink()


@contextmanager
def answering(
    answers: dict[str, tuple[int, Any]], asked: list[tuple[str, str | None, str | None, Any]] | None = None
) -> Iterator[str]:
    """A server that answers these paths, in JSON or in raw bytes; `asked` gets method, path, headers and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            if asked is not None:
                headers = self.headers["Authorization"], self.headers["Content-Type"]
                asked.append((f"{self.command} {self.path}", *headers, sent))
            status, body = answers.get(self.path, (404, {}))
            if isinstance(body, bytes):
                self.wfile.write(body)
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_POST = do_GET  # noqa: N815 (the library's name)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_processes_that_do_not_answer(home: Path) -> None:
    with running(home):
        assert failed(look(home)) == {"api", "prefect", "publishers"}


@pytest.mark.parametrize("notes", ["", "[]", '{"addresses": 7}', '{"addresses": {}}'])
def test_an_api_is_asked_for_whatever_the_notes_say(
    home: Path, notes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ports() as ports:
        monkeypatch.setenv("SOCIALFLOW_API_PORT", str(ports.take_any()))
        monkeypatch.setenv("SOCIALFLOW_PREFECT_PORT", str(ports.take_any()))
    with running(home):
        (home / PROCESSES_FILE).write_text(notes)
        assert failed(look(home)) == {"api", "prefect", "publishers"}


def test_an_api_that_answers_badly(home: Path) -> None:
    answers = {"/readyz": (503, {"store": "ok", "lake": "failed"}), "/api/health": (200, True)}
    with answering(answers) as address, running(home, api=address, prefect=address):
        found = look(home)
        assert "lake failed" in found["api"].detail
        answers["/readyz"] = (200, b"nothing of HTTP\r\n\r\n")
        assert "api" in failed(look(home))
        answers["/readyz"] = (200, {"status": "degraded", "behind": ["ingest-metrics"]})
        found = look(home)
        assert found["api"].status == "warning"
        assert "ingest-metrics" in found["api"].detail
        answers["/readyz"] = (200, {"status": "ready", "behind": []})
        assert look(home)["api"].status == "ok"


def test_runs_of_dead_processes_that_prefect_takes_for_alive(home: Path) -> None:
    def run(at: datetime) -> dict[str, Any]:
        return {"state": {"type": "RUNNING", "timestamp": at.isoformat()}}

    answers = {
        "/readyz": (200, {"status": "ready"}),
        "/api/health": (200, True),
        "/api/flow_runs/filter": (200, [run(NOW - timedelta(hours=1)), run(NOW + timedelta(seconds=1))]),
    }
    with answering(answers) as address, running(home, api=address, prefect=address):
        found = look(home)
    assert found["prefect runs"].detail.startswith("1 runs of dead processes")


def _run(hours: int) -> dict[str, Any]:
    return {"state": {"timestamp": (NOW + timedelta(hours=hours)).isoformat()}}


BEHIND = {"status": "degraded", "behind": ["ingest-metrics", "learn"]}
RUNS = "/api/flow_runs/filter"


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        (
            {
                "/readyz": (200, {"status": "ready"}),
                "/api/health": (200, True),
                RUNS: (200, [_run(0), _run(1)]),
            },
            [
                ("api", "ok", "API/readyz"),
                ("prefect", "ok", "API/api/health"),
                ("prefect runs", "ok", "2 under way"),
            ],
        ),
        (
            {
                "/readyz": (200, BEHIND),
                "/api/health": (200, True),
                RUNS: (200, [_run(-1), _run(1), _run(-2)]),
            },
            [
                ("api", "warning", "API/readyz is degraded: ingest-metrics, learn behind"),
                ("prefect", "ok", "API/api/health"),
                (
                    "prefect runs",
                    "warning",
                    "2 runs of dead processes count as running: the next `socialflow up` marks them as crashed",
                ),
            ],
        ),
        (
            {
                "/readyz": (503, {"a": "failed", "b": "ok", "c": "failed"}),
                "/api/health": (200, 1),
                RUNS: (500, "no"),
            },
            [
                ("api", "failed", "API/readyz is not healthy: a, c failed"),
                ("prefect", "ok", "API/api/health"),
                ("prefect runs", "warning", "could not be checked: no"),
            ],
        ),
        (
            {"/readyz": (503, {}), "/api/health": (503, None)},
            [
                ("api", "failed", "API/readyz is not healthy: HTTP status 503"),
                ("prefect", "failed", "API/api/health is not healthy: HTTP status 503"),
            ],
        ),
        (
            {"/readyz": (200, []), "/api/health": (200, True), RUNS: (200, {})},
            [
                ("api", "ok", "API/readyz"),
                ("prefect", "ok", "API/api/health"),
                ("prefect runs", "warning", "could not be checked: {}"),
            ],
        ),
    ],
)
def test_what_processes_answer_is_told(
    tmp_path: Path, answers: dict[str, tuple[int, Any]], lines: list[tuple[str, str, str]]
) -> None:
    with answering(answers) as address, running(tmp_path, api=address, prefect=address):
        assert is_running(WarehouseSettings(home=tmp_path))
        found = list(examine_processes(WarehouseSettings(home=tmp_path), FlowSettings()))
    assert [(check, status, detail.replace(address, "API")) for check, status, detail in found] == lines


def test_prefect_is_asked_for_what_runs_with_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None, str | None, Any]] = []
    answers = {"/readyz": (200, {}), "/api/health": (200, True), RUNS: (200, [])}
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:pass")
    with answering(answers, asked) as address, running(tmp_path, api=address, prefect=address):
        list(examine_processes(WarehouseSettings(home=tmp_path), FlowSettings()))
        assert asked == [
            ("GET /readyz", "Basic YWRtaW46cGFzcw==", "application/json", None),
            ("GET /api/health", "Basic YWRtaW46cGFzcw==", "application/json", None),
            (
                f"POST {RUNS}",
                "Basic YWRtaW46cGFzcw==",
                "application/json",
                {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}, "limit": 200},
            ),
        ]
        (tmp_path / PROCESSES_FILE).write_text(
            json.dumps({"addresses": {"api": address, "prefect": address}})
        )
        found = list(examine_processes(WarehouseSettings(home=tmp_path), FlowSettings()))
    assert [check for check, _, _ in found] == ["api", "prefect"]  # an older launcher: its start is not known


def test_what_does_not_run_is_told(tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path)
    stopped = ("processes", "warning", "stopped: nothing runs on this home; `socialflow up` starts it")
    assert list(examine_processes(settings, FlowSettings())) == [stopped]
    assert not is_running(settings)
    for notes in ("{}", "[]", "no JSON"):
        (tmp_path / PROCESSES_FILE).write_text(notes)
        assert list(examine_processes(settings, FlowSettings())) == [
            (
                "processes",
                "failed",
                "terminated abnormally (power failure, kill -9): `socialflow up` starts it again",
            )
        ]


def test_a_setting_that_nothing_reads(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOCIALFLOW_API_PROT", "8001")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "# SOCIALFLOW_NO=1\nexport SOCIALFLOW_SECRET_KEI=x\nSOCIALFLOW_HOME=y\nOTHER=1\n"
    )
    unknown = [
        finding.detail
        for finding in examine(WarehouseSettings(home=home), FlowSettings())
        if finding.check == "settings"
    ]
    assert len(unknown) == 2
    assert "SOCIALFLOW_API_PROT" in unknown[0]
    assert "did you mean SOCIALFLOW_API_PORT?" in unknown[0]
    assert "SOCIALFLOW_SECRET_KEY?" in unknown[1]


def test_where_a_setting_that_nothing_reads_was_found_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCIALFLOW_XYZZY", "1")
    (tmp_path / ".env").write_bytes(
        b"  export SOCIALFLOW_API_PROT = 1\nSOCIALFLOW_XYZZY=\xff=2\n#SOCIALFLOW_A=1\nPLAIN\n"
    )
    assert list(find_unknown_settings(tmp_path)) == [
        ("SOCIALFLOW_XYZZY", "the environment", None),
        ("SOCIALFLOW_API_PROT", ".env", "SOCIALFLOW_API_PORT"),
        ("SOCIALFLOW_XYZZY", ".env", None),
    ]
    assert list(find_unknown_settings(tmp_path / "nothing")) == [
        ("SOCIALFLOW_XYZZY", "the environment", None)
    ]
    assert {"SOCIALFLOW_ACCESS_TOKEN", "SOCIALFLOW_HOME", "SOCIALFLOW_API_PORT"} <= list_known_settings()


def test_a_home_that_cannot_be_used_and_a_key_that_others_can_read(tmp_path: Path) -> None:
    def told(home: Path) -> tuple[str, str]:
        finding = doctor._check_home(WarehouseSettings(home=home))
        assert finding.check == "home"
        return finding.status, finding.detail

    (tmp_path / "file").touch()
    assert told(tmp_path / "file") == (
        "failed",
        f"{tmp_path / 'file'} is not a writable folder: set SOCIALFLOW_HOME",
    )
    assert told(tmp_path / "no") == (
        "warning",
        f"{tmp_path / 'no'} does not exist yet: `socialflow up` creates it",
    )
    key = tmp_path / "secret.key"
    key.touch(0o600)
    assert told(tmp_path) == ("ok", str(tmp_path))
    for mode in (0o640, 0o604):
        key.chmod(mode)
        assert told(tmp_path) == ("warning", f"{key} can be read by other users: chmod 600 {key}")


def test_the_queue_is_told_in_full(store: Store) -> None:
    def told() -> list[tuple[str, str, str]]:
        with store.read() as session:
            return [(one.check, one.status, one.detail) for one in doctor._check_queue(session, NOW)]

    def put(**values: Any) -> None:
        with store.write() as session:
            session.execute(update(Publication).values(**values))

    assert told() == [("due posts", "ok", "none are late")]
    late = NOW - timedelta(minutes=30)
    put(status="scheduled", scheduled_at=late, due_at=late)
    detail = "3 due posts are not sent, the oldest for 30 min: is `socialflow up` running?"
    assert told() == [("due posts", "failed", detail)]
    put(status="unknown", unknown_since=late)
    detail = "3 posts have had an unknown outcome for over 10 min (`socialflow posts list`)"
    assert told()[1:] == [("unknown outcomes", "failed", detail)]
    put(status="published", rest="failed", due_at=None)
    detail = "3 published posts lack a later part that was refused: `socialflow posts retry ID`"
    assert told()[1:] == [("later parts", "warning", detail)]
    put(status="needs_review", rest=None)
    detail = "3 posts need a decision: `socialflow posts show ID` says why"
    assert told()[1:] == [("posts to review", "failed", detail)]


def test_publishers_are_told_by_their_heartbeats(store: Store) -> None:
    def told(*, running: bool) -> tuple[str, str, str]:
        with store.read() as session:
            found = doctor._check_publishers(session, running=running)
        return found.check, found.status, found.detail

    none = "none is running: "
    assert told(running=False) == ("publishers", "warning", none + "`socialflow up` starts two")
    assert told(running=True) == (
        "publishers",
        "failed",
        none + "see logs/publisher-1.log in the home folder",
    )
    with store.write() as session:
        begin_beating(session, "a", read_time(session))
    for running_now in (True, False):
        assert told(running=running_now) == ("publishers", "ok", "1 running")
    with store.write() as session:
        beat(session, "a", read_time(session), clock_skew=timedelta(seconds=-9.5), report={})
    detail = (
        "the clock of a publisher's machine is off by -9.5 s from the store's: correct it (NTP); until then that "
        "publisher sends nothing"
    )
    assert told(running=True) == ("publishers", "failed", detail)


def test_flows_are_told_by_their_last_runs(store: Store) -> None:
    def told(now: datetime) -> list[tuple[str, str, str]]:
        with store.read() as session:
            return [
                (one.check, one.status, one.detail) for one in doctor._check_flows(session, now, running=True)
            ]

    def put(**values: Any) -> None:
        with store.write() as session:
            session.execute(update(FlowState).values(**values))

    at, before = datetime(2026, 3, 2, 12, 30, tzinfo=UTC), datetime(2026, 3, 2, 11, 5, tzinfo=UTC)
    with store.write() as session:
        expect_flows(session, {"learn": timedelta(minutes=5)})
    put(expected_since=at)
    assert told(at) == [("flow learn", "ok", "no success yet")]
    put(last_succeeded_at=at)
    assert told(at) == [("flow learn", "ok", "last success 2026-03-02 12:30 UTC")]
    put(last_failed_at=before, last_failure="the disk is full")
    assert told(at) == [("flow learn", "ok", "last success 2026-03-02 12:30 UTC")]
    put(last_succeeded_at=before, last_failed_at=at)
    why = "; it failed at 12:30 UTC: the disk is full"
    assert told(before) == [("flow learn", "warning", f"last success 2026-03-02 11:05 UTC{why}")]
    put(expected_since=before)
    detail = f"has not succeeded since 2026-03-02 11:05 UTC, it is due every 0:05:00{why}"
    assert told(at) == [("flow learn", "failed", detail)]


@pytest.mark.parametrize(
    ("values", "status", "detail"),
    [
        ({"last_error": None}, "ok", "ok"),
        (
            {"paused_at": datetime(2026, 3, 2, 12, 30, tzinfo=UTC)},
            "warning",
            "paused since 2026-03-02 12:30 UTC",
        ),
        ({"last_error": "HTTP 503"}, "warning", "HTTP 503"),
        ({"status_reason": "no right to publish"}, "warning", "no right to publish"),
        (
            {"token_expires_at": NOW},
            "failed",
            "expired: the access token has expired and was not refreshed; connect it again",
        ),
        (
            {
                "token_expires_at": NOW + timedelta(minutes=1),
                "connected_at": NOW - timedelta(days=60),
                "last_verified_at": None,
            },
            "warning",
            "the access token expires soon and has not been refreshed yet",
        ),
    ],
)
def test_an_account_is_told_by_its_health(
    store: Store, values: dict[str, Any], status: str, detail: str
) -> None:
    with store.write() as session:
        session.execute(update(AccountRow).values(**values))
    with store.read() as session:
        found = list(doctor._check_accounts(session, NOW))
    assert found == [Finding("account mastodon @ada", status, detail)]  # type: ignore[arg-type]  # from the table


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(-5, "0 min ago"), (0, "0 min ago"), (119, "119 min ago"), (120, "2 h ago"), (239, "3 h ago")],
)
def test_an_age_is_told_in_minutes_or_hours(minutes: int, words: str) -> None:
    assert lake_doctor._ago(NOW, NOW - timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(("free", "status"), [(50_000_000, "failed"), (500_000_000, "warning"), (2e9, "ok")])
def test_a_disk_that_is_nearly_full(
    home: Path, monkeypatch: pytest.MonkeyPatch, free: float, status: str
) -> None:
    usage = type(shutil.disk_usage(home))(10**10, 10**10 - int(free), int(free))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: usage)
    assert look(home)["disk"].status == status


def test_a_clock_that_is_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "read_file_time", lambda _folder: datetime.now(UTC) - timedelta(seconds=5))
    found = look(home)
    assert failed(found) == {"clock"}
    assert "+5.0 s" in found["clock"].detail


def test_whatever_else_is_broken_is_a_finding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_arguments: object) -> None:
        raise RuntimeError("something new")

    monkeypatch.setattr(doctor, "get_queue_state", explode)
    found = look(home)
    assert failed(found) == {"store"}
    assert (
        "something new" in found["store"].detail
        or "something new" in found.get("queue", found["store"]).detail
    )


def test_warnings_are_told_beside_the_failures(home: Path) -> None:
    result = as_json(examine(WarehouseSettings(home=home), FlowSettings()))
    assert result["ok"] is True
    assert "processes" in result["warnings"]


def test_every_check_of_a_well_home_is_told_in_order(home: Path) -> None:
    findings = examine(WarehouseSettings(home=home), FlowSettings())
    told = [(one.check, one.status) for one in findings if one.check not in {"disk", "settings"}]
    assert told == [
        ("home", "ok"),
        ("time zones", "ok"),
        *((f"package {name}", "ok") for name in doctor._PACKAGES),
        ("store", "ok"),
        ("clock", "ok"),
        ("account mastodon @ada", "ok"),
        ("due posts", "ok"),
        ("publishers", "warning"),
        ("lake", "ok"),
        ("lake files", "ok"),
        ("lake commits", "ok"),
        ("newest measurement", "ok"),
        ("processes", "warning"),
    ]
    assert next(one.detail for one in findings if one.check == "store") == "sqlite, the secret key matches"


def test_a_look_that_breaks_off_is_a_finding_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Exception] = []

    def explode(*_arguments: object) -> None:
        raise raised[0]

    for name in ("home", "disk", "zones", "packages", "settings", "store", "lake"):
        monkeypatch.setattr(doctor, f"_check_{name}", explode)
    monkeypatch.setattr(doctor, "examine_processes", explode)
    for error, detail in (
        (SetupError("no way"), "no way"),
        (RuntimeError(" new \nand more"), "could not be checked: RuntimeError: new "),
        (RuntimeError(), "could not be checked: RuntimeError: "),
    ):
        raised[:] = [error]
        names = ["home", "disk", "time zones", "packages", "settings", "store", "lake", "processes"]
        found = examine(WarehouseSettings(home=tmp_path), FlowSettings())
        assert found == [Finding(name, "failed", detail) for name in names]
        assert len(examine(WarehouseSettings(home=tmp_path / "no"), FlowSettings())) == 5


def test_findings_are_told_to_a_script_and_by_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [Finding("a", "ok", "x"), Finding("b", "warning", "y"), Finding("c", "failed", "z")]
    assert as_json(findings) == {
        "ok": False,
        "failed": ["c"],
        "warnings": ["b"],
        "findings": [
            {"check": "a", "status": "ok", "detail": "x"},
            {"check": "b", "status": "warning", "detail": "y"},
            {"check": "c", "status": "failed", "detail": "z"},
        ],
    }
    assert as_json(findings[:2])["ok"] is True
    monkeypatch.setattr(doctor, "_check_disk", lambda _settings: Finding("disk", "ok", "large"))
    for path, status in ((tmp_path / "no", 0), (tmp_path / "file", 1)):
        (tmp_path / "file").touch()
        monkeypatch.setenv("SOCIALFLOW_HOME", str(path))
        done = CliRunner().invoke(command.app, ["--json"])
        assert (done.exit_code, json.loads(done.stdout)["ok"]) == (status, not status)
        done = CliRunner().invoke(command.app, [])
        assert done.exit_code == status
        assert ("wrong: home" in done.output) == bool(status)


def test_zones_packages_and_settings_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._check_zones() == Finding("time zones", "ok", "the zone database is installed")
    with monkeypatch.context() as patch:
        for name in ["tzdata", *(name for name in sys.modules if name.startswith("tzdata."))]:
            patch.setitem(sys.modules, name, None)
        zoneinfo.reset_tzpath(to=[])
        zoneinfo.ZoneInfo.clear_cache()
        try:
            found = doctor._check_zones()
        finally:
            zoneinfo.reset_tzpath()
    assert found == Finding("time zones", "failed", "no zone database: install the tzdata package")

    monkeypatch.setattr(doctor, "_PACKAGES", ("duckdb", "socialflow-lacks-it", "pytz"))
    assert list(doctor._check_packages()) == [
        Finding("package duckdb", "ok", version("duckdb")),
        Finding(
            "package socialflow-lacks-it",
            "failed",
            "socialflow-lacks-it is missing: install the pinned requirements again",
        ),
        Finding("package pytz", "ok", version("pytz")),
    ]
    monkeypatch.setenv("SOCIALFLOW_API_PROT", "1")
    monkeypatch.setenv("SOCIALFLOW_XYZZY", "1")
    lacks = "in the environment is not a setting and has no effect:"
    assert list(doctor._check_settings())[:2] == [
        Finding("settings", "warning", f"SOCIALFLOW_API_PROT {lacks} did you mean SOCIALFLOW_API_PORT?"),
        Finding(
            "settings",
            "warning",
            f"SOCIALFLOW_XYZZY {lacks} remove it, or look up its name in docs/deployment.md",
        ),
    ]


def test_free_space_is_told_of_the_nearest_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, status, words in (
        (99_999_999, "failed", "0.1"),
        (100_000_000, "warning", "0.1"),
        (999_999_999, "warning", "1.0"),
        (1_000_000_000, "ok", "1.0"),
    ):
        usage = type(shutil.disk_usage(tmp_path))(10**10, 0, free)
        monkeypatch.setattr(
            doctor.shutil, "disk_usage", lambda path, usage=usage: usage if path == tmp_path else None
        )
        detail = f"{words} GB free on the disk of {tmp_path}"
        for home in (tmp_path, tmp_path / "a" / "b"):
            found = doctor._check_disk(WarehouseSettings(home=home))
            assert (found.check, found.status, found.detail) == ("disk", status, detail)


def test_an_empty_home_is_told_from_one_that_lost_its_store(tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path)
    assert list(doctor._check_store(settings, FlowSettings(), NOW)) == [
        Finding("store", "warning", "there is no store yet: `socialflow up` creates it")
    ]
    for name in ("secret.key", "socialflow.sqlite", "lake"):
        (tmp_path / name).touch()
        assert not doctor._is_unmade(settings)
        (tmp_path / name).unlink()
    elsewhere = settings.model_copy(update={"database_url": SecretStr("postgresql://x")})
    assert not doctor._is_unmade(elsewhere)
    assert doctor._count_measured(settings) == 0


def test_pauses_copies_webhooks_and_notifications_are_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)

    def told(check: Any, *arguments: Any) -> list[Finding]:
        with store.read() as session:
            return list(check(session, *arguments))

    assert told(doctor._check_pauses) == told(doctor._check_installation, at) == []
    assert told(doctor._check_webhooks, at) == told(doctor._check_notifications, at) == []
    with store.write() as session:
        workspace = session.query(Workspace).one()
        workspace.publishing_paused_at = at
        instance = session.get_one(Instance, 1)
        instance.copied_at, instance.copied_reason = at, "it is a copy"
        common: dict[str, Any] = {"workspace_id": workspace.id, "created_at": at}
        session.add(WebhookEndpoint(id="e", url="u", events=[], secret=b"", updated_at=at, **common))
        session.add(WebhookEvent(id="v", type="post.published", body="{}", **common))
        session.flush()
        session.add(
            WebhookDelivery(
                id="d", endpoint_id="e", event_id="v", status="pending", next_attempt_at=at, **common
            )
        )
        name = workspace.name
    detail = f"paused in workspace {name} since 2026-03-02 12:30 UTC: `socialflow resume` resumes"
    assert told(doctor._check_pauses) == [Finding("publishing", "warning", detail)]
    noticed = Finding("installation", "warning", "noticed 2026-03-02 12:30 UTC: it is a copy")
    assert told(doctor._check_installation, at + timedelta(days=7, seconds=-1)) == [noticed]
    assert told(doctor._check_installation, at + timedelta(days=7)) == []
    assert told(doctor._check_webhooks, at + timedelta(seconds=600)) == []
    waits = Finding("webhooks", "warning", "1 events wait to be sent, the oldest for 11 min")
    assert told(doctor._check_webhooks, at + timedelta(minutes=11)) == [waits]
    remedy = "`socialflow webhooks list` says why, `socialflow webhooks replay` sends again"
    for disabled, status, counts in (
        (None, "exhausted", "0 disabled, 1 deliveries exhausted: "),
        (at, "delivered", "1 disabled, 0 deliveries exhausted: "),
    ):
        with store.write() as session:
            session.query(WebhookDelivery).one().status = status
            session.query(WebhookEndpoint).one().disabled_at = disabled
        assert told(doctor._check_webhooks, at) == [Finding("failing webhooks", "warning", counts + remedy)]
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_URLS", "json://127.0.0.1")
    assert told(doctor._check_notifications, at) == [
        Finding("notifications", "ok", "0 wait to be sent to 1 addresses")
    ]
    monkeypatch.setenv("SOCIALFLOW_NOTIFY_ABOUT", "nonsense")
    (found,) = told(doctor._check_notifications, at)
    assert (found.check, found.status) == ("notifications", "failed")
    assert found.detail.startswith("SOCIALFLOW_NOTIFY_ABOUT: ")


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (0, "ok", r"[+-]0\.\d s off the store's"),
        (
            -5,
            "failed",
            r"this machine's clock is \+5\.\d s off the store's: correct it \(NTP\); nothing is published here",
        ),
    ],
)
def test_the_clock_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds: int, status: str, words: str
) -> None:
    shift = timedelta(seconds=seconds)
    monkeypatch.setattr(clock, "read_file_time", lambda _folder: datetime.now(UTC) + shift)
    found = doctor._check_clock(store)
    assert (found.check, found.status) == ("clock", status)
    assert re.fullmatch(words, found.detail)


def test_a_lake_is_told_in_full(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WarehouseSettings(home=home)
    later = datetime.now(UTC) + timedelta(days=40)

    def told(now: datetime, measured: int = 3) -> dict[str, tuple[str, str]]:
        found = list(lake_doctor.examine_lake(settings, now, measured=measured))
        assert len({check for check, _, _ in found}) == len(found)
        return {check: (status, detail) for check, status, detail in found}

    with Lake.open(settings) as lake:
        age = {"account_id": "acc", "published_at": NOW - timedelta(days=1)}
        load_publications(
            lake,
            [PublicationDim("p", "post", "w", platform="mastodon", origin="external", kind="text", **age)],
        )
        insert = (
            "INSERT INTO quality.findings (workspace_id, account_id, check_name, severity, captured_at, metric, "
            "run_id, found_at) VALUES ('w', 'acc', 'negative', $severity, $at, 'likes', 'run', $at)"
        )
        for severity in ("warning", "warning", "failed"):
            values = {"severity": severity, "at": later}
            lake.run_write(lambda cursor, values=values: cursor.execute(insert, values))
        files, newest = measure_files(lake), lake.snapshot_id()
        commits = get_pipeline_state(lake, later)["commits"]
    size = f"{files['files']} files and {files['delete_files']} delete files, {files['bytes'] / 1e6:.0f} MB"
    total = files["files"] + files["delete_files"]
    monkeypatch.setattr(lake_doctor, "MANY_FILES", total)
    kept = f"{commits} commits kept, the newest 0 min ago"
    found = told(NOW, measured=4)
    assert found == {
        "lake": ("ok", f"extensions load, newest commit {newest}"),
        "lake files": ("ok", size),
        "lake commits": ("ok", kept),
        "newest measurement": ("ok", "0 min ago"),
        "data checks": ("failed", "1 values of the last day are impossible: look at quality.findings"),
    }
    monkeypatch.setattr(lake_doctor, "MANY_FILES", total - 1)
    found = told(later, measured=5)
    assert found["lake files"] == (
        "warning",
        f"{size}: does maintain-lake run every night? (`socialflow run maintain`)",
    )
    assert found["lake contents"] == (
        "failed",
        "it has 4 publications, but 5 were measured: it was lost or replaced; restore it from a backup",
    )
    status, detail = found["lake commits"]
    assert status == "warning"
    ages = rf"{commits} commits kept, the newest 9\d\d h ago, the oldest 9\d\d h ago"
    assert re.fullmatch(rf"{ages}: `socialflow run maintain` expires them", detail)
    assert found["measurement gaps"] == (
        "warning",
        "1 publications older than a day were never measured",
    )
    with Lake.open(settings) as lake:
        lake.run_write(
            lambda cursor: cursor.execute("DELETE FROM quality.findings WHERE severity = 'failed'")
        )
        oldest = get_pipeline_state(lake, later)["oldest_commit"]
    assert told(later)["data checks"] == (
        "warning",
        "2 findings in the last day: look at quality.findings",
    )
    limit = oldest + settings.keep_lake_snapshots + lake_doctor.MAINTENANCE_LATE
    assert told(limit)["lake commits"][0] == "ok"
    first, *_ = list_files_in_use(home)
    first.unlink()
    found = told(NOW)
    assert set(found) == {"lake", "lake files"}
    status, detail = found["lake files"]
    assert status == "failed"
    assert detail.startswith("1 Parquet files are missing or damaged (")
    assert detail.endswith(f"{first.name}): restore them from a backup")


def test_a_lake_that_is_not_there_is_told_by_what_was_in_it(tmp_path: Path) -> None:
    settings = WarehouseSettings(home=tmp_path)

    def told(measured: int) -> list[tuple[str, str, str]]:
        return list(lake_doctor.examine_lake(settings, NOW, measured=measured))

    assert told(0) == [("lake", "warning", "there is no lake yet: `socialflow up` creates it")]
    gone = f"the catalog {tmp_path / 'lake' / 'catalog.sqlite'} is missing, and "
    detail = f"{gone}2 measured publications were in it: restore it from a backup"
    assert told(2) == [("lake", "failed", detail)]
    data = Path(settings.resolved_lake_data_path)
    (data / "raw").mkdir(parents=True)
    (data / "raw" / "one.parquet").touch()
    detail = f"{gone}its Parquet files are in {settings.resolved_lake_data_path}: restore it from a backup"
    assert told(0) == told(2) == [("lake", "failed", detail)]
    bucket = settings.model_copy(update={"lake_data_path": "s3://bucket/lake"})
    (found,) = lake_doctor.examine_lake(bucket, NOW, measured=0)
    assert found[1] == "warning"


def test_the_pace_of_measuring_is_told(store: Store) -> None:
    def told(limit: int, now: datetime = NOW) -> list[tuple[str, str, str]]:
        flows = FlowSettings(reads_per_day={Platform.MASTODON: limit})
        with store.read() as session:
            return list(lake_doctor.examine_pace(session, flows, now))

    due = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    with store.write() as session:
        session.execute(update(Publication).values(next_snapshot_at=None))
        note_reads(session, "mastodon", session.query(Publication).all(), NOW)
    left = "used this UTC day; the rest stays due"
    for limit, status in ((2, "warning"), (3, "warning"), (4, "ok")):
        assert told(limit) == [("reads of mastodon", status, f"3 of {limit} {left}")]
    with store.write() as session:
        session.execute(update(Publication).values(next_snapshot_at=due))
    detail = "3 snapshots have been due for over an hour, the oldest since 2026-03-02 12:30 UTC"
    assert told(4)[0] == ("metrics", "warning", detail)


def test_addresses_come_from_the_notes_or_else_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ports() as ports:
        api, prefect = ports.take_any(), ports.take_any()
    monkeypatch.setenv("SOCIALFLOW_API_PORT", str(api))
    monkeypatch.setenv("SOCIALFLOW_PREFECT_PORT", str(prefect))
    refused = f"is not healthy: [Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    flows = FlowSettings()
    lines = [
        ("api", "failed", f"{flows.api_url}/readyz {refused}"),
        ("prefect", "failed", f"{flows.prefect_url}/api/health {refused}"),
    ]
    for notes in (None, "[]", "no JSON", '{"addresses": 7}', '{"addresses": {}}'):
        with running(tmp_path):
            if notes is not None:
                (tmp_path / PROCESSES_FILE).write_text(notes)
                assert list(examine_processes(WarehouseSettings(home=tmp_path), flows)) == lines
    answers = {"/readyz": (200, b"nothing of HTTP\r\n\r\n"), "/api/health": (200, b"")}
    with answering(answers) as address, running(tmp_path, api=address, prefect=address):
        found = list(examine_processes(WarehouseSettings(home=tmp_path), flows))
    assert found[0][2].startswith(f"{address}/readyz is not healthy: nothing of HTTP")
    assert found[1][2].startswith(f"{address}/api/health is not healthy: Remote end closed connection")


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a small disk of its own needs root on Linux"
)
def test_a_full_disk_keeps_nobody_from_reading(home: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(disk)], check=False)
    if made.returncode:
        pytest.skip("this container may not mount")
    try:
        shutil.copytree(home, disk / "home")
        fill(disk / "ballast")
        environment = {**os.environ, "SOCIALFLOW_HOME": str(disk / "home")}
        command = [sys.executable, "-m", "flows.cli", "doctor", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert "disk" in json.loads(done.stdout)["failed"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"\0" * 4096):
            pass


def test_the_key_is_read_where_nothing_can_be_written(home: Path) -> None:
    """A full disk in small: no file of this process may grow."""
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from warehouse.settings import WarehouseSettings; from warehouse.store.crypto import load_secret;"
        "assert len(load_secret(WarehouseSettings())) >= 32"
    )
    environment = {**os.environ, "SOCIALFLOW_HOME": str(home)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
