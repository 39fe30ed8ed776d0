"""What a flow knows of its own run."""

from __future__ import annotations

from prefect.runtime import flow_run


def current_run_id() -> str:
    """Return Prefect's id of this flow run: the provenance of every row that it loads."""
    return str(flow_run.id or "local")
