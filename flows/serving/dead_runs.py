"""Mark flow runs of dead processes as crashed.

After a power failure Prefect would show them as Running forever.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

if TYPE_CHECKING:
    from datetime import datetime

    from prefect.client.schemas.objects import FlowRun, State

logger = logging.getLogger(__name__)

PAGE = 100


async def mark_dead_runs(before: datetime) -> int:
    """Mark runs that started before `before` as crashed; return the number. Best effort: errors are logged.

    `before` is the time at which `socialflow up` locked the home: no process of an earlier one is left.
    """
    marked = 0
    try:
        async with get_client() as client:
            offset = 0
            while True:
                runs: list[FlowRun] = await client.read_flow_runs(
                    flow_run_filter=_UNDER_WAY, limit=PAGE, offset=offset
                )
                dead = [run for run in runs if run.state is not None and run.state.timestamp < before]
                for run in dead:
                    state: State[None] = Crashed(
                        message="its process died: the machine or SocialFlow was stopped"
                    )
                    await client.set_flow_run_state(run.id, state, force=True)
                marked += len(dead)
                offset += len(runs) - len(dead)
                if len(runs) < PAGE:
                    break
    except Exception:  # stale run records must not prevent new runs
        logger.exception("runs of dead processes could not be marked as crashed")
    if marked:
        logger.warning("%d runs of dead processes were marked as crashed", marked)
    return marked


_UNDER_WAY = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    )
)
