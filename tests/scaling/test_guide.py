"""The commands of docs/scaling.md, run as they are written: a cluster on PostgreSQL and S3 from nothing.

Takes minutes and ten processes, so it runs with `make test-long`. PostgreSQL is the system's (Prefect needs its
extension pg_trgm), as a user of its own, since it does not run as root.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from moto.server import ThreadedMotoServer

from flows.deployments import SCHEDULED_FLOWS
from flows.serving.launcher import sandbox_environment
from flows.settings import FlowSettings
from tests.chaos.storm import Plan, api_posts, connect_all
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.store.leases.flow_leases import list_flow_states

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def list_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def list_settings() -> list[str]:
    (block,) = list_blocks("ini")
    return re.findall(r"^([A-Z0-9_]+)=", block, re.MULTILINE)


def roles() -> dict[str, str]:
    found = (re.match(r"# runs: (\w+)\n", block) for block in list_blocks("sh"))
    return {match[1]: match.string for match in found if match}


def once() -> list[str]:
    return [block for block in list_blocks("sh") if not block.startswith("# runs:")]


def test_the_guide_has_the_blocks_that_the_long_test_runs() -> None:
    assert set(roles()) == {"prefect", "worker", "publisher", "api"}
    assert [block.split()[0] for block in once()] == [
        "psql",
        "socialflow",
        "prefect",
        "socialflow",
        "socialflow",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_postgres() -> Iterator[int]:
    """Yield the port of a server whose administrator is `postgres`, without passwords, on loopback."""
    if not SERVERS or not shutil.which("psql"):
        pytest.skip("needs the system's PostgreSQL with pg_trgm and psql")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with TemporaryDirectory(prefix="socialflow-scaling-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if as_user:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        initdb = [
            *as_user,
            str(SERVERS[-1] / "initdb"),
            "-D",
            f"{folder}/data",
            "-A",
            "trust",
            "-U",
            "postgres",
        ]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": name,
            "fsync": "off",
            "max_connections": "200",
        }
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        server = subprocess.Popen(
            [*as_user, str(SERVERS[-1] / "postgres"), "-D", f"{folder}/data", "-p", str(port), *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ready = [SERVERS[-1] / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
            wait(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, 60)
            yield port
        finally:
            stop = [*as_user, str(SERVERS[-1] / "pg_ctl"), "stop", "-D", f"{folder}/data", "-m", "immediate"]
            subprocess.run(stop, check=False, capture_output=True, cwd=folder)
            server.wait(30)


def wait(done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {seconds} s")
        time.sleep(0.5)  # polling other processes, bounded by the deadline


class Cluster:
    """The processes of the guide, each with its own home folder and log."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.processes: list[subprocess.Popen[bytes]] = []

    def call(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", block],
            cwd=ROOT,
            env=self._environment("admin"),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, role: str, name: str, **more: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    ["bash", "-ec", roles()[role]],
                    cwd=ROOT,
                    env={**self._environment(name), **more},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def _environment(self, name: str) -> dict[str, str]:
        home = self.folder / name
        return {
            **os.environ,
            **self.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SOCIALFLOW_HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
        }


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_guide_makes_a_cluster_that_publishes_and_measures(  # noqa: PLR0915 (one cluster, step by step)
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        s3.start()
        stack.callback(s3.stop)
        s3_host = ":".join(str(part) for part in s3.get_host_and_port())
        httpx.put(f"http://{s3_host}/example-bucket").raise_for_status()
        port = stack.enter_context(run_postgres())
        prefect_port, api_ports = free_port(), [free_port(), free_port()]
        flows = FlowSettings(sandbox_port=free_port())
        secret = secrets.token_urlsafe(48)
        values = {
            "SOCIALFLOW_DATABASE_URL": f"postgresql://socialflow:word@127.0.0.1:{port}/socialflow",
            "SOCIALFLOW_LAKE_CATALOG": f"postgres:host=127.0.0.1 port={port} dbname=socialflow_lake "
            "user=socialflow password=word",
            "SOCIALFLOW_LAKE_DATA_PATH": "s3://example-bucket/lake/",
            "SOCIALFLOW_MEDIA_PATH": "s3://example-bucket/media",
            "SOCIALFLOW_LAKE_S3_ENDPOINT": s3_host,
            "SOCIALFLOW_LAKE_S3_USE_SSL": "false",
            "SOCIALFLOW_LAKE_S3_ACCESS_KEY_ID": "key",
            "SOCIALFLOW_LAKE_S3_SECRET_ACCESS_KEY": "secret",
            "SOCIALFLOW_SECRET_KEY": secret,
            "SOCIALFLOW_API_PUBLISHER_EXPECTED": "true",
            "SOCIALFLOW_API_PUBLIC_URL": f"http://127.0.0.1:{api_ports[0]}",
            "SOCIALFLOW_API_TRUSTED_PROXIES": "127.0.0.1",
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
            "PREFECT_API_AUTH_STRING": "socialflow:a-long-random-password",
        }
        assert list(values) == list_settings()
        cluster = Cluster(
            tmp_path,
            values
            | sandbox_environment(flows)
            | {
                "DB_ADMIN": f"postgresql://postgres@127.0.0.1:{port}/postgres",
                "DB_PASSWORD": "word",
                "PREFECT_DATABASE_URL": f"postgresql+asyncpg://socialflow:word@127.0.0.1:{port}/prefect",
                "PREFECT_UI_ORIGIN": "https://prefect.example.com",
                "PREFECT_PORT": str(prefect_port),
            },
        )
        stack.callback(cluster.stop)
        databases, tables, deployments, key, look = once()
        cluster.call(databases)
        cluster.call(tables)
        cluster.start("prefect", "prefect")
        wait(lambda: answers(f"{values['PREFECT_API_URL']}/health"), 120)
        # Without the auth string nobody may change what runs.
        assert httpx.post(f"{values['PREFECT_API_URL']}/deployments/filter", json={}).status_code == 401
        cluster.call(deployments)
        made = json.loads(cluster.call(key.rstrip() + " --json"))

        sandbox = [
            sys.executable,
            "-m",
            "connectors.sandbox",
            "--host",
            "127.0.0.1",
            "--port",
            str(flows.sandbox_port),
        ]
        world = subprocess.Popen(sandbox, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(world.wait)
        stack.callback(world.kill)
        wait(lambda: answers(f"{flows.sandbox_url}/_sandbox/health"), 60)

        ours = {name.removeprefix("SOCIALFLOW_").lower(): value for name, value in values.items()}
        fields = {name: value for name, value in ours.items() if name in WarehouseSettings.model_fields}
        settings = WarehouseSettings.model_validate({"home": tmp_path / "admin", **fields})
        with Store.open(settings) as store:
            accounts = asyncio.run(connect_all(store, flows.sandbox_url, datetime.now(UTC)))
            plan = Plan(
                store, flows.sandbox_url, [one for one in accounts if one.platform == "mastodon"], seed=1
            )
            for _ in range(5):
                plan.schedule(datetime.now(UTC) + timedelta(seconds=20))

        for number in range(2):
            cluster.start("worker", f"worker-{number}")
        cluster.start("publisher", "publisher")
        for number, api_port in enumerate(api_ports):
            cluster.start("api", f"api-{number}", API_PORT=str(api_port))
        for api_port in api_ports:
            wait(partial(answers, f"http://127.0.0.1:{api_port}/readyz"), 180)

        wanted = {"api_key": made["api_key"], "api_secret": made["api_secret"]}
        token = (
            httpx.post(f"http://127.0.0.1:{api_ports[0]}/api/v1/auth/token", json=wanted)
            .raise_for_status()
            .json()
        )
        headers = {"Authorization": f"Bearer {token['access_token']}"}

        def published(api_port: int) -> list[dict[str, Any]]:
            url = f"http://127.0.0.1:{api_port}/api/v1/posts?status=published"
            rows: list[dict[str, Any]] = (
                httpx.get(url, headers=headers, timeout=30).raise_for_status().json()["data"]
            )
            return rows

        wait(lambda: len(published(api_ports[1])) == 5, 120)
        assert published(api_ports[0]) == published(api_ports[1])
        sent = Counter(post["text"] for post in api_posts(flows.sandbox_url))
        assert {text: sent[text] for text in plan.texts.values()} == dict.fromkeys(plan.texts.values(), 1)

        # The last command of the guide, and the flow that has something to read right after accounts are connected.
        run = look.splitlines()[1]
        cluster.call(run + " --watch")
        cluster.call(run.replace("ingest-metrics", "backfill-history") + " --watch")
        with Lake.open(settings, read_only=True) as lake:
            (row,) = lake.query("SELECT count(*) AS n FROM raw.post_snapshots")
        assert row["n"] > 0
        with Store.open(settings) as store, store.read() as session:
            periods = {row.name: row.period_seconds for row in list_flow_states(session)}
        assert {one.name: one.period.total_seconds() for one in SCHEDULED_FLOWS}.items() <= periods.items()
        assert "<Key>lake/" in httpx.get(f"http://{s3_host}/example-bucket?list-type=2").text


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
