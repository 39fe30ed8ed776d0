"""A planner over the small world of either database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from warehouse.planning.context import PlanningContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.lake.connect import Lake


def no_lake() -> Lake:
    raise AssertionError("nothing here asks the lake")


@pytest.fixture
def planner(world: World) -> Callable[..., AbstractContextManager[PlanningContext]]:
    """Return a function that opens a planner in a write transaction of its own."""

    @contextmanager
    def open_planner(
        *, media_public_url: str | None = None, allow_private_media: bool = False
    ) -> Iterator[PlanningContext]:
        with world.store.write() as session:
            yield PlanningContext(
                session=session,
                workspace_id=world.workspace_id,
                now=world.at,
                open_lake=no_lake,
                media_public_url=media_public_url,
                allow_private_media=allow_private_media,
                recurrence_horizon=timedelta(days=14),
            )

    return open_planner
