"""The flow of a run, chosen in our own table by the name that the runner registered its deployment under.

Prefect's way asks the server for the deployment and does what that says: import any module, run any step. The
runner's environment names this module as the entry point of every run instead, so that what a deployment holds on
the server decides nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from connectors.printable import log_printably
from flows.deployments import SCHEDULED_FLOWS

ENTRYPOINT = f"{__name__}.scheduled_flow"
_DEPLOYMENT_NAME = "PREFECT__DEPLOYMENT_NAME"
"""Prefect's own variable, set by the runner from its memory and not from the server."""


def find_flow(deployment: str) -> Any:  # noqa: ANN401 (Prefect's Flow, which is not imported here)
    """Return the flow of a deployment. Raises ValueError for a name that is not in the table."""
    log_printably()  # Prefect has made this process; its first own line of code is this one
    for scheduled in SCHEDULED_FLOWS:
        if scheduled.name == deployment:
            return getattr(import_module(scheduled.module), scheduled.function)
    raise ValueError(f"{deployment!r} is no deployment of SocialFlow: the runner starts only its own")


def __getattr__(name: str) -> Any:  # noqa: ANN401 (see above)
    """Return the flow when Prefect asks for it by its entry point; importing this module alone loads no flow."""
    if name == "scheduled_flow":
        return find_flow(os.environ.get(_DEPLOYMENT_NAME, ""))
    raise AttributeError(name)
