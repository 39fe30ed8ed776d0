"""Prefect's server as a child of the launcher: `python -m flows.serving.prefect_server`.

Runs Prefect's application factory under uvicorn directly: the server's command line adds two seconds and a
banner. The database is created or migrated in a separate process meanwhile, because a server that migrated it
stays 35 MB larger.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from typing import Any

from flows.serving.prefect_environment import ALLOWED_ORIGINS, SERVER_AUTH, own_hosts, own_origins
from flows.serving.server_guard import ServerGuard
from flows.settings import FlowSettings

WORKER_POLL = timedelta(seconds=1)
_MIGRATE = (
    "import flows, asyncio; from prefect.server.database import provide_database_interface as database; "
    "asyncio.run(database().create_db())"
)


def main() -> int:
    """Serve until stopped; a failed migration is the exit code."""
    if not os.environ.get(SERVER_AUTH):
        sys.stderr.write(f"{SERVER_AUTH} is not set: this server is started by `socialflow up`\n")
        return 2
    settings = FlowSettings()
    migration = subprocess.Popen([sys.executable, "-c", _MIGRATE])  # noqa: S603 (our own words)
    os.environ["PREFECT_API_DATABASE_MIGRATE_ON_START"] = "false"
    # Prefect reads its settings on import, so import it after the line above.
    import uvicorn  # noqa: PLC0415 (see above)
    from prefect.server.api.server import create_app  # noqa: PLC0415 (see above)

    poll_less()

    # `final`: no other application is created in this process, as in Prefect's own command line.
    application = create_app(final=True)
    if code := migration.wait():
        return code
    origins = os.environ.get(ALLOWED_ORIGINS)
    uvicorn.run(
        ServerGuard(
            application,
            hosts=own_hosts(settings),
            origins=[one.strip() for one in origins.split(",")] if origins else own_origins(settings),
        ),
        host="127.0.0.1",
        port=settings.prefect_port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    return 0


def poll_less() -> None:
    """Let the server's worker of background tasks poll its queue every second, not four times a second.

    That polling was half of the server's CPU time at rest. Its tasks (marking late runs, deleting logs) can wait.
    """
    from prefect.server.api import background_workers  # noqa: PLC0415 (see above)

    module: Any = background_workers  # there is no setting for it
    module.Worker = partial(
        module.Worker, minimum_check_interval=WORKER_POLL, scheduling_resolution=WORKER_POLL
    )


if __name__ == "__main__":
    sys.exit(main())
