"""Start the processes of `socialflow up`: publishers, API, sandbox, Prefect's server and the flow runner.

This process opens no database and imports neither Prefect nor DuckDB nor the API, which it references by import
string. It imports what publishers and API share, and forks them where the system allows it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from connectors.settings import ConnectorSettings
from flows.errors import AlreadyRunningError
from flows.serving.forked_child import preload
from flows.serving.prefect_environment import child_environment
from flows.serving.supervisor import ChildSpec, Supervisor
from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flows.settings import FlowSettings

PROCESSES_FILE = "processes.json"
"""State file in the home folder while `up` runs: addresses, and each child's pid and restart count."""
PUBLISHERS = ("publisher-1", "publisher-2")
"""Both send, and the store's leases decide which sends what. When one dies, the other continues."""

SHARED_MODULES = ("flows.publishing.service", "flows.resources", "warehouse.store.accounts.accounts")
"""What publishers and the API both import. Importing them starts no thread and opens nothing."""


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Lock the home: one launcher per home. Raises AlreadyRunningError, SetupError.

    The operating system releases the lock when the process ends, however it ends.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(home / "up.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise AlreadyRunningError(
            f"socialflow already runs on {home}: stop that one, or set SOCIALFLOW_HOME to another folder"
        ) from None
    except OSError as error:
        raise SetupError(f"cannot use SOCIALFLOW_HOME={home}: {error.strerror or error}") from error
    try:
        yield
    finally:
        # Left behind only by a launcher that was killed: `socialflow doctor` can tell the difference.
        (home / PROCESSES_FILE).unlink(missing_ok=True)
        lock.release()


def is_held(home: Path) -> bool:
    """Return whether a launcher is running on this home."""
    path = home / "up.lock"
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def prepare(environment: Mapping[str, str]) -> str:
    """Create or migrate both stores, in a separate process so that this one stays small.

    Returns what a person must know: a sentence where this installation is a copy or a restored backup, else nothing.
    Raises SetupError with the error message of that process.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "flows.serving.prepare"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        preload(_load_shared)  # meanwhile
        output, errors = process.communicate()
    if process.returncode:
        raise SetupError(errors.strip() or f"the stores could not be opened (code {process.returncode})")
    return output.strip()


def _load_shared() -> None:
    from connectors.registry import warm_up  # noqa: PLC0415 (only a launcher needs the connectors)

    for name in SHARED_MODULES:
        import_module(name)
    warm_up()


def build_specs(home: Path, settings: FlowSettings, *, with_sandbox: bool = False) -> list[ChildSpec]:
    """Return the children in start order: first those that a post due soon needs."""
    environment = child_environment(home, settings)
    if with_sandbox:
        environment |= sandbox_environment(settings)
    python = [sys.executable, "-m"]
    sandbox = ChildSpec(
        name="sandbox",
        command=[*python, "connectors.sandbox", "--host", "127.0.0.1", "--port", str(settings.sandbox_port)],
        env=environment,
        ready_url=f"{settings.sandbox_url}/_sandbox/health",
        stop_seconds=1.5,
    )
    server = ChildSpec(
        name="prefect-server",
        command=[*python, "flows.serving.prefect_server"],
        env=environment,
        ready_url=f"{settings.prefect_url}/api/health",
        stop_seconds=3.5,
    )
    api = ChildSpec(
        name="api",
        command=[*python, "flows.serving.api_process"],
        env=environment,
        ready_url=f"{settings.api_url}/healthz",
        forked=True,
    )
    publishers = [
        ChildSpec(
            name=name,
            command=[*python, "flows.publishing", "--ready-file", str(home / "tmp" / f"{name}.pid")],
            env=environment,
            ready_file=home / "tmp" / f"{name}.pid",
            stop_seconds=5.0,
            stop_first=True,
            forked=True,
        )
        for name in PUBLISHERS
    ]
    runner = ChildSpec(
        name="runner",
        command=[*python, "flows.serving.runner", "--up-since", datetime.now(UTC).isoformat()],
        env=environment,
        after=("prefect-server",),
        stop_seconds=4.0,
    )
    return [*([sandbox] if with_sandbox else []), *publishers, api, server, runner]


def sandbox_environment(settings: FlowSettings) -> dict[str, str]:
    """Return the environment variables that point every connector to the simulated platforms."""
    addresses = [name for name in ConnectorSettings.model_fields if name.endswith("_base_url")]
    return {
        **{f"SOCIALFLOW_{name.upper()}": settings.sandbox_url for name in addresses},
        **{
            f"SOCIALFLOW_{name.upper()}": "sandbox"
            for name in ConnectorSettings.model_fields
            if _names_app(name)
        },
        "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES": "true",
        "SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE": "true",
    }


def _names_app(setting: str) -> bool:
    """Return whether the setting is an app id or secret. X works without a secret, as a public app."""
    is_app = setting.endswith(("_client_id", "_client_key", "_client_secret"))
    return is_app and setting != "twitter_client_secret"


def build_supervisor(home: Path, settings: FlowSettings, specs: Sequence[ChildSpec]) -> Supervisor:
    """Return a supervisor that keeps its children's logs and pids in the home."""
    processes = home / PROCESSES_FILE
    since = datetime.now(UTC).isoformat()

    def note(supervisor: Supervisor) -> None:
        noted = {
            "since": since,
            "addresses": {"api": settings.api_url, "prefect": settings.prefect_url},
            "pids": supervisor.pids,
            "restarts": supervisor.restarts,
        }
        fresh = processes.with_suffix(".new")
        fresh.write_text(json.dumps(noted, indent=1))
        fresh.replace(processes)

    return Supervisor(specs, folder=home, logs=home / "logs", on_change=note)
