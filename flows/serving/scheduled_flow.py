"""Select the flow of a run from our own table, by the name of its deployment.

Prefect's default loads what the deployment on the server says: any module, any step. The runner's environment
sets this module as the entry point of every run instead, so the deployment's content on the server is
ignored.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from connectors.logs import reformat_logs
from connectors.printable import log_printably
from flows.deployments import REACTING_FLOWS, SCHEDULED_FLOWS

ENTRYPOINT = f"{__name__}.scheduled_flow"
_DEPLOYMENT_NAME = "PREFECT__DEPLOYMENT_NAME"
"""Prefect's own variable, set by the runner from its memory, not from the server."""


def find_flow(deployment: str) -> Any:  # noqa: ANN401 (Prefect's Flow, which is not imported here)
    """Return the flow of a deployment. Raises ValueError for a name that is not in the table."""
    reformat_logs()
    log_printably()  # Prefect started this process; this is the first line of our code in it
    for scheduled in (*SCHEDULED_FLOWS, *REACTING_FLOWS):
        if scheduled.name == deployment:
            return getattr(import_module(scheduled.module), scheduled.function)
    raise ValueError(f"{deployment!r} is not a deployment of SocialFlow: the runner starts only its own")


def __getattr__(name: str) -> Any:  # noqa: ANN401 (see above)
    """Return the flow when Prefect loads the entry point; importing this module alone loads no flow."""
    if name == "scheduled_flow":
        return find_flow(os.environ.get(_DEPLOYMENT_NAME, ""))
    raise AttributeError(name)
