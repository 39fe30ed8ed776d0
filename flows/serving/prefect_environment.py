"""Environment variables of Prefect's server, the runner and its flow runs, isolated under our home.

Variables that tie the operator's own Prefect to another server or account (profile, URL, API key, home) are
removed; all other PREFECT_ variables are the operator's to set. Does not import Prefect.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from warehouse.settings import WarehouseSettings
from warehouse.store.crypto import Cipher, load_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flows.settings import FlowSettings

LOGGED_PACKAGES = ("flows", "warehouse", "connectors")
"""Loggers whose lines Prefect shows in the UI of the run that wrote them."""

AUTH_USER = "socialflow"
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_AUTH = "PREFECT_API_AUTH_STRING"
ALLOWED_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"
"""Prefect's own variable: where a run's process loads its flow from, whatever the deployment says."""
_OTHER_SERVERS = (
    "PREFECT__",
    "PREFECT_ACTIVE_PROFILE",
    "PREFECT_API_DATABASE",
    "PREFECT_API_KEY",
    "PREFECT_API_URL",
    "PREFECT_CLOUD_",
    "PREFECT_HOME",
    "PREFECT_PROFILE",
    "PREFECT_SERVER_DATABASE",
    "PREFECT_UI_API_URL",
)
"""Prefixes of the variables that would point our processes to another server, account or database."""


_QUIET_SERVICES = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "15",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "15",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT60S",
    # None of our flows pauses, and no worker polls this server.
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
}
"""Polling intervals of the server's services. The defaults suit much larger installations than one machine.
"""


def child_environment(home: Path, settings: FlowSettings) -> dict[str, str]:
    """Return the environment of every child: the caller's, with our addresses and our server's credentials.

    Secrets stay where they are, in variables of the caller or files of the home; they are never Prefect
    parameters.
    """
    given = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OTHER_SERVERS) and (value or not name.startswith("PREFECT_"))
    }
    auth = read_auth_string(home, given)
    return (
        prefect_defaults(settings)
        | given
        | {
            "SOCIALFLOW_HOME": str(home),
            "SOCIALFLOW_API_HOST": settings.api_host,
            "SOCIALFLOW_API_PORT": str(settings.api_port),
            "SOCIALFLOW_API_PUBLIC_URL": os.environ.get("SOCIALFLOW_API_PUBLIC_URL") or settings.api_url,
            "SOCIALFLOW_API_ORCHESTRATOR_URL": f"{settings.prefect_url}/api/health",
            "SOCIALFLOW_API_PUBLISHER_EXPECTED": "true",
            "SOCIALFLOW_PREFECT_PORT": str(settings.prefect_port),
            "SOCIALFLOW_SANDBOX_PORT": str(settings.sandbox_port),
            "PYTHONUNBUFFERED": "1",
            # One malloc arena per thread costs the server and the API tens of megabytes.
            "MALLOC_ARENA_MAX": "2",
            **prefect_environment(home, settings.prefect_url),
            SERVER_AUTH: auth,
            CLIENT_AUTH: auth,
        }
    )


def read_auth_string(home: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return 'user:password' of Prefect's server: the operator's, else derived from this home's secret.

    Raises SetupError if the secret is too short or unreadable.
    """
    given = environment.get(SERVER_AUTH, "")
    if given:
        return given
    return (
        f"{AUTH_USER}:{Cipher(load_secret(WarehouseSettings(home=home))).derive_key('prefect-server').hex()}"
    )


def own_hosts(settings: FlowSettings) -> list[str]:
    """Return the Host header values that Prefect's server accepts."""
    loopback = [f"{name}:{settings.prefect_port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    return [*loopback, *settings.prefect_hosts]


def own_origins(settings: FlowSettings) -> list[str]:
    """Return the origins that may call Prefect's server from a page: only its own."""
    return [
        *(f"http://{host}" for host in own_hosts(settings)),
        *(f"https://{host}" for host in settings.prefect_hosts),
    ]


def prefect_defaults(settings: FlowSettings) -> dict[str, str]:
    """Return the defaults, which the operator may override."""
    return {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Blocks are Prefect's storage for credentials and files. We use none, and registering them is slow.
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(LOGGED_PACKAGES),
        # None of our runs is urgent: posts are sent by processes outside Prefect.
        "PREFECT_RUNNER_POLL_FREQUENCY": "15",
        **_QUIET_SERVICES,
        ALLOWED_ORIGINS: ",".join(own_origins(settings)),
    }


def prefect_environment(home: Path, server_url: str) -> dict[str, str]:
    """Return the variables that tie Prefect to this home and server. The operator cannot override them."""
    folder = home / "prefect"
    temporary = home / "tmp"
    for path in (folder, temporary):
        path.mkdir(parents=True, exist_ok=True)
    return {
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": f"{server_url}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        ENTRYPOINT: "flows.serving.scheduled_flow.scheduled_flow",
        # The runner unpacks into the temporary folder; keep every file under the home.
        "TMPDIR": str(temporary),
    }
