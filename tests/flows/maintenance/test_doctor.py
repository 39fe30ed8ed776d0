"""The doctor on broken homes, each broken for real: it says what is wrong, changes nothing, and never raises."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from pydantic import SecretStr
from sqlalchemy import update

from connectors.types import Credentials, ListedPost, Platform, VerifiedAccount
from flows.maintenance import doctor, lake_doctor
from flows.maintenance.doctor import Finding, as_json, examine
from flows.maintenance.process_doctor import examine_processes, is_running
from flows.maintenance.settings_doctor import find_unknown_settings, list_known_settings
from flows.serving.launcher import PROCESSES_FILE, hold_home
from flows.serving.ports import Ports
from flows.settings import FlowSettings
from warehouse.lake.connect import Lake
from warehouse.lake.load import load_accounts, load_post_snapshots, load_publications
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
from warehouse.store.models import AccountRow, Publication, Workspace
from warehouse.store.posts.external_posts import record_external_posts
from warehouse.store.publishing.heartbeats import beat, begin_beating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime.now(UTC)


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
    first, second, *_ = sorted((home / "lake" / "data" / "raw").rglob("*.parquet"))
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
    answers: dict[str, tuple[int, Any]], asked: list[tuple[str, str | None, Any]] | None = None
) -> Iterator[str]:
    """A server that answers these paths, in JSON or in raw bytes; `asked` gets path, authorisation and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            if asked is not None:
                asked.append((self.path, self.headers["Authorization"], sent))
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
            {"/readyz": (200, {"status": "ready"}), "/api/health": (200, True), RUNS: (200, [_run(1)])},
            [
                ("api", "ok", "API/readyz"),
                ("prefect", "ok", "API/api/health"),
                ("prefect runs", "ok", "1 under way"),
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
    asked: list[tuple[str, str | None, Any]] = []
    answers = {"/readyz": (200, {}), "/api/health": (200, True), RUNS: (200, [])}
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:pass")
    with answering(answers, asked) as address, running(tmp_path, api=address, prefect=address):
        list(examine_processes(WarehouseSettings(home=tmp_path), FlowSettings()))
        assert asked == [
            ("/readyz", "Basic YWRtaW46cGFzcw==", None),
            ("/api/health", "Basic YWRtaW46cGFzcw==", None),
            (
                RUNS,
                "Basic YWRtaW46cGFzcw==",
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
