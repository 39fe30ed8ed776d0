"""The cluster of docs/scaling.md, started by its own blocks, on two machines; every process is kept alive.

    machine a, b       a worker, a publisher and an API process each, with a home folder on a small disk of its own
    services           PostgreSQL on a small disk of its own, a bucket behind a proxy that can fail, Prefect's server,
                       the simulated platforms, Prometheus with deploy/prometheus/alerts.yaml

Requires Linux, root, iproute2 and the system's PostgreSQL (with pg_trgm).
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import yaml
from moto.server import ThreadedMotoServer

from flows.serving.launcher import sandbox_environment
from flows.settings import FlowSettings
from tests.chaos.faulty_proxy import FaultyProxy
from tests.chaos.networks import MACHINES, SUBNETS, Networks, make_networks
from tests.chaos.storm import free_port
from tests.scaling.test_guide import ROOT, SERVERS, list_settings, once, roles
from warehouse.settings import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESTART_AFTER = 1.0
"""Seconds after which a service manager starts a process again."""
API_PORT = 8000
DATABASE_DISK, HOME_DISK = 900, 1_200
"""Sizes in MB (tmpfs). A home of less than 1 GB free counts as low."""
HURRY = 30
"""By how much the alerts' waiting times are shortened."""
_BALLAST = "ballast"


@dataclass
class Service:
    """One process that is started again whenever it ends, unless it is held down."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    held: bool = False
    starts: int = 0
    _ended_at: float = 0.0

    def start(self) -> None:
        """Start it, with its output in its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1
        self._ended_at = 0.0

    def kill(self) -> int:
        """SIGKILL to it and to everything that it started; return how many there were."""
        return end_tree(self.process, signal.SIGKILL)

    def look_after(self) -> None:
        """Start it again if it has ended some time ago."""
        if self.process is None or self.held or self.process.poll() is None:
            return
        self._ended_at = self._ended_at or time.monotonic()
        if time.monotonic() - self._ended_at >= RESTART_AFTER:
            self.start()


def end_tree(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> int:
    """Send the signal to a process of ours and to its descendants."""
    if process is None:
        return 0
    tree: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(process.pid)
        tree = [*top.children(recursive=True), top]
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(number)
    return len(tree)


class Keeper:
    """Keeps services alive, as systemd does; a thread looks after all of them."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def add(self, service: Service) -> None:
        """Start a service and keep it."""
        service.start()
        self.services[service.name] = service

    def start(self) -> None:
        """Look after them from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End all of them."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)
        for service in reversed(self.services.values()):
            end_tree(service.process, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for service in self.services.values():
            if service.process is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.1, deadline - time.monotonic()))
            service.kill()
            service.process.wait(10)

    def _work(self) -> None:
        while not self._stopping.wait(0.2):
            for service in list(self.services.values()):
                service.look_after()


@dataclass
class Cluster:
    """What the storm needs of the running cluster."""

    folder: Path
    networks: Networks
    keeper: Keeper
    proxy: FaultyProxy
    settings: WarehouseSettings
    environment: dict[str, str]
    prometheus_url: str
    platforms_url: str
    api_urls: list[str]
    api_key: dict[str, str] = field(default_factory=dict)

    def prefect(self, path: str, body: dict[str, Any]) -> Any:
        """Ask Prefect's server."""
        user, password = self.environment["PREFECT_API_AUTH_STRING"].split(":", 1)
        url = f"{self.environment['PREFECT_API_URL']}{path}"
        return httpx.post(url, json=body, auth=(user, password), timeout=10).raise_for_status().json()

    def alerts(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        found = httpx.get(f"{self.prometheus_url}/api/v1/alerts", timeout=10).raise_for_status().json()
        return {one["labels"]["alertname"] for one in found["data"]["alerts"] if one["state"] == "firing"}

    def panels(self) -> dict[str, tuple[float, ...]]:
        """Return what each panel of the dashboard shows now."""
        board = json.loads((ROOT / "deploy/grafana/socialflow.json").read_text())
        shown = {}
        for panel in board["panels"]:
            values: list[float] = []
            for target in panel["targets"]:
                answer = httpx.get(
                    f"{self.prometheus_url}/api/v1/query", params={"query": target["expr"]}, timeout=10
                ).raise_for_status()
                values += [float(one["value"][1]) for one in answer.json()["data"]["result"]]
            shown[panel["title"]] = tuple(values)
        return shown

    def doctor(self, machine: str, seconds: float = 60) -> tuple[list[str], float]:
        """Run `socialflow doctor` on a machine; return the checks that failed or warn, and the seconds it took."""
        began = time.monotonic()
        command = [*self.networks.inside(machine), sys.executable, "-m", "flows.cli", "doctor", "--json"]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment_of(self, machine),
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return ["(no answer)"], time.monotonic() - began
        try:
            told = json.loads(done.stdout)
        except ValueError:
            return [f"(unreadable: {done.stderr[-200:]})"], time.monotonic() - began
        return sorted({*told["failed"], *told["warnings"]}), time.monotonic() - began

    def disk(self, name: str) -> Path:
        """Return the folder of a disk: 'database', 'a' or 'b'."""
        return self.folder / ("database" if name == "database" else f"machine-{name}")

    def fill(self, name: str) -> None:
        """Fill a disk to its last block."""
        with (self.disk(name) / _BALLAST).open("wb", buffering=0) as file:
            for piece in (1_000_000, 4_096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(piece))

    def empty(self, name: str) -> None:
        """Remove what filled it."""
        (self.disk(name) / _BALLAST).unlink(missing_ok=True)

    def restart_database(self) -> None:
        """Stop PostgreSQL at once, as a failing machine does: no shutdown, recovery at the next start."""
        service = self.keeper.services["postgres"]
        if service.process is not None:
            # SIGQUIT: immediate shutdown. The service manager starts it again.
            end_tree(service.process, signal.SIGQUIT)


def environment_of(cluster: Cluster, machine: str) -> dict[str, str]:
    """Return the environment of a machine's processes."""
    home = cluster.disk(machine) if machine in MACHINES else cluster.folder / machine
    return {
        **os.environ,
        **cluster.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SOCIALFLOW_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "TMPDIR": str(home),
    }


def wait(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll other processes until it is done. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.25)


def answers(url: str) -> bool:
    """Return whether the address answers with 200."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=3).status_code == 200
    return False


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of this size at the folder."""
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def prepare_postgres(folder: Path, networks: Networks, port: int) -> list[str]:
    """Create a server in the folder and return the command that runs it."""
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    made = [*as_user, str(SERVERS[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder)
    with (data / "pg_hba.conf").open("a") as rules:
        for subnet in SUBNETS.values():
            rules.write(f"host all all {subnet}.0/24 trust\n")
    options = {
        "listen_addresses": f"{networks.address('data')},127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "200",
        "max_wal_size": "128MB",
        "min_wal_size": "32MB",
    }
    words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    # Not through runuser: the signals of the storm go to the server itself.
    return [
        *("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"),
        *(str(SERVERS[-1] / "postgres"), "-D", str(data), "-p", str(port), *words),
    ]


def write_prometheus(folder: Path, targets: list[str]) -> Path:
    """Write its configuration: our rules as they are, but with shorter waits and windows."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = hurry(rule["for"])
        rule["expr"] = re.sub(r"\[(\w+)\]", lambda found: f"[{hurry(found[1])}]", rule["expr"])
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
    configuration = {
        "global": {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": "socialflow", "static_configs": [{"targets": targets}]}],
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def hurry(text: str) -> str:
    """Return a duration of Prometheus in the storm's time, but at least some scrapes for a window."""
    return f"{max(1, round(parse_seconds(text) / HURRY))}s"


def parse_seconds(text: str) -> float:
    """Return the seconds of a duration such as 2m or 1d."""
    number, unit = re.fullmatch(r"(\d+)([smhd])", text).groups()  # type: ignore[union-attr]  # our own file
    return float(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:  # noqa: PLR0915 (one cluster, step by step)
    """Build the cluster by the blocks of the guide, and yield it when both API processes are ready."""
    with ExitStack() as stack:
        networks = stack.enter_context(make_networks())
        host = networks.address("data")
        stack.enter_context(small_disk(folder / "database", DATABASE_DISK))
        for machine in MACHINES:
            stack.enter_context(small_disk(folder / f"machine-{machine}", HOME_DISK))
        bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        bucket.start()
        stack.callback(bucket.stop)
        at, port = bucket.get_host_and_port()
        httpx.put(f"http://{at}:{port}/example-bucket").raise_for_status()
        proxy = stack.enter_context(FaultyProxy(host, (at, int(port))))
        postgres, prefect, platforms, prometheus = (free_port() for _ in range(4))
        values = {
            "SOCIALFLOW_DATABASE_URL": f"postgresql://socialflow:word@{host}:{postgres}/socialflow",
            "SOCIALFLOW_LAKE_CATALOG": f"postgres:host={host} port={postgres} dbname=socialflow_lake "
            "user=socialflow password=word",
            "SOCIALFLOW_LAKE_DATA_PATH": "s3://example-bucket/lake/",
            "SOCIALFLOW_MEDIA_PATH": "s3://example-bucket/media",
            "SOCIALFLOW_LAKE_S3_ENDPOINT": f"{host}:{proxy.port}",
            "SOCIALFLOW_LAKE_S3_USE_SSL": "false",
            "SOCIALFLOW_LAKE_S3_ACCESS_KEY_ID": "key",
            "SOCIALFLOW_LAKE_S3_SECRET_ACCESS_KEY": "secret",
            "SOCIALFLOW_SECRET_KEY": secrets.token_urlsafe(48),
            "SOCIALFLOW_API_PUBLISHER_EXPECTED": "true",
            "SOCIALFLOW_API_PUBLIC_URL": "https://social.example.com",
            "SOCIALFLOW_API_TRUSTED_PROXIES": host,
            "PREFECT_API_URL": f"http://{host}:{prefect}/api",
            "PREFECT_API_AUTH_STRING": "socialflow:a-long-random-password",
        }
        if missing := set(list_settings()) - set(values):
            raise RuntimeError(f"the guide has settings that the storm does not know: {missing}")
        platforms_url = f"http://{networks.address('platforms')}:{platforms}"
        flows = FlowSettings(sandbox_port=platforms)
        environment = {
            **values,
            **{
                name: value.replace(flows.sandbox_url, platforms_url)
                for name, value in sandbox_environment(flows).items()
            },
            "SOCIALFLOW_API_ORCHESTRATOR_URL": f"{values['PREFECT_API_URL']}/health",
            "DB_ADMIN": f"postgresql://postgres@127.0.0.1:{postgres}/postgres",
            "DB_PASSWORD": "word",
            "PREFECT_DATABASE_URL": f"postgresql+asyncpg://socialflow:word@{host}:{postgres}/prefect",
            "PREFECT_UI_ORIGIN": "https://prefect.example.com",
            "PREFECT_PORT": str(prefect),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        ours = {name.removeprefix("SOCIALFLOW_").lower(): value for name, value in values.items()}
        fields = {name: value for name, value in ours.items() if name in WarehouseSettings.model_fields}
        (folder / "admin").mkdir()
        settings = WarehouseSettings.model_validate({"home": folder / "admin", **fields})
        keeper = Keeper()
        stack.callback(keeper.stop)
        cluster = Cluster(
            folder=folder,
            networks=networks,
            keeper=keeper,
            proxy=proxy,
            settings=settings,
            environment=environment,
            prometheus_url=f"http://{host}:{prometheus}",
            platforms_url=platforms_url,
            api_urls=[f"http://{networks.address('data', machine)}:{API_PORT}" for machine in MACHINES],
        )

        def add(name: str, command: list[str], machine: str = "admin") -> None:
            keeper.add(Service(name, command, environment_of(cluster, machine), folder / f"{name}.log"))

        def call(block: str) -> str:
            done = subprocess.run(
                ["bash", "-ec", block],
                cwd=ROOT,
                env=environment_of(cluster, "admin"),
                capture_output=True,
                text=True,
                check=False,
                timeout=180,
            )
            if done.returncode:
                raise RuntimeError(f"{block}\n{done.stdout}\n{done.stderr}")
            return done.stdout

        add("postgres", prepare_postgres(cluster.disk("database"), networks, postgres))
        add(
            "platforms",
            [
                *(sys.executable, "-m", "connectors.sandbox", "--history-days", "3"),
                *("--host", networks.address("platforms"), "--port", str(platforms)),
            ],
        )
        ready = [SERVERS[-1] / "pg_isready", "-h", host, "-p", str(postgres)]
        wait(
            lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, 60, "PostgreSQL"
        )
        databases, tables, deployments, key, _look = once()
        call(databases)
        block = roles()["prefect"].replace("--host 127.0.0.1", f"--host {host}")
        add("prefect", ["bash", "-ec", block])
        call(tables)
        cluster.api_key = json.loads(call(key.rstrip() + " --json"))
        wait(lambda: answers(f"{values['PREFECT_API_URL']}/health"), 120, "Prefect's server")
        call(deployments)
        for machine in MACHINES:
            inside = networks.inside(machine)
            address = networks.address("data", machine)
            add(f"publisher-{machine}", [*inside, "bash", "-ec", roles()["publisher"]], machine)
            api = roles()["api"].replace("--host 127.0.0.1", f"--host {address}")
            add(f"api-{machine}", [*inside, "bash", "-ec", api], machine)
            worker = roles()["worker"].rstrip() + f" --name worker-{machine}"
            add(f"worker-{machine}", [*inside, "bash", "-ec", worker], machine)
        if shutil.which("prometheus") is None:
            raise RuntimeError("needs prometheus (Debian: the package prometheus)")
        targets = [url.removeprefix("http://") for url in cluster.api_urls]
        configuration = write_prometheus(folder, targets)
        add(
            "prometheus",
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder}/series",
                f"--web.listen-address={host}:{prometheus}",
            ],
        )
        keeper.start()
        for url in cluster.api_urls:
            wait(lambda url=url: answers(f"{url}/readyz"), 180, url)  # type: ignore[misc]  # bound at once
        wait(lambda: answers(f"{cluster.prometheus_url}/-/ready"), 60, "Prometheus")
        yield cluster
