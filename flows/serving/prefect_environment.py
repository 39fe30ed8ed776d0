"""The environment in which Prefect's server, the runner and its flow runs live: theirs alone, under our home.

Nothing of the user's own Prefect (profile, API key, database, telemetry) reaches them, and nothing of ours reaches
it. Without Prefect at import.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from flows.settings import FlowSettings

LOGGED_PACKAGES = ("flows", "warehouse", "connectors")
"""Their log lines show in the Prefect UI beside the run that wrote them."""


_QUIET_SERVICES = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "15",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "15",
    # No flow of ours pauses, and no worker polls this server.
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
}
"""The server's services look at its database every few seconds, for much larger installations than one machine."""


def child_environment(home: Path, settings: FlowSettings) -> dict[str, str]:
    """Return the environment of every child: the caller's own, without its Prefect, with our addresses.

    Secrets stay what they were: variables of the caller or files of the home folder, never Prefect parameters.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return environment | {
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_HOST": settings.api_host,
        "SOCIALFLOW_API_PORT": str(settings.api_port),
        "SOCIALFLOW_API_PUBLIC_URL": os.environ.get("SOCIALFLOW_API_PUBLIC_URL") or settings.api_url,
        "SOCIALFLOW_API_ORCHESTRATOR_URL": f"{settings.prefect_url}/api/health",
        "SOCIALFLOW_API_PUBLISHER_EXPECTED": "true",
        "SOCIALFLOW_PREFECT_PORT": str(settings.prefect_port),
        "SOCIALFLOW_SANDBOX_PORT": str(settings.sandbox_port),
        "PYTHONUNBUFFERED": "1",
        # Threads that each keep a heap of their own cost the server and the API tens of megabytes.
        "MALLOC_ARENA_MAX": "2",
        # The timing run works on several batches at once; OpenBLAS's own threads would only wait for each other.
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
        **prefect_environment(home, settings.prefect_url),
    }


def prefect_environment(home: Path, server_url: str) -> dict[str, str]:
    """Return the variables that tie Prefect to this home and this server."""
    folder = home / "prefect"
    temporary = home / "tmp"
    for path in (folder, temporary):
        path.mkdir(parents=True, exist_ok=True)
    return {
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": f"{server_url}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Blocks are Prefect's place for credentials and storage; we use none, and registering them is slow.
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(LOGGED_PACKAGES),
        # No run of ours is in a hurry: posts are sent by processes that Prefect knows nothing of.
        "PREFECT_RUNNER_POLL_FREQUENCY": "15",
        **_QUIET_SERVICES,
        # The runner unpacks into the temporary folder; every file is to stay under the home.
        "TMPDIR": str(temporary),
    }
