"""Resources of a flow or command, opened with the environment's settings and closed at its end.

The lake (DuckDB) is imported on first use: the publisher never needs it, and starts faster and smaller
without it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Self

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from flows.settings import FlowSettings
from flows.uploads import Uploads
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from warehouse.lake.connect import Lake


class Resources:
    """Stores and settings of one run."""

    def __init__(self, warehouse: WarehouseSettings, flows: FlowSettings, *, all_cores: bool = False) -> None:
        self.warehouse = warehouse
        self.flows = flows
        self._all_cores = all_cores
        self.store = Store.open(warehouse)

    @classmethod
    def open(cls, *, all_cores: bool = False) -> Self:
        """Open with the settings of the environment. Raises SetupError.

        `all_cores` is for readers of the whole lake. Loads use one thread: with two, 50,000 rows took the
        same time, and 1.9 s of CPU instead of 1.1.
        """
        return cls(WarehouseSettings(), FlowSettings(), all_cores=all_cores)

    @cached_property
    def lake(self) -> Lake:
        """The lake, opened on first use. Raises SetupError."""
        from warehouse.lake.attach import MAX_THREADS  # noqa: PLC0415 (same)
        from warehouse.lake.connect import Lake  # noqa: PLC0415 (DuckDB costs 40 MB; see the module docstring)

        return Lake.open(self.warehouse, threads=MAX_THREADS if self._all_cores else 1)

    def close(self) -> None:
        """Close what was opened."""
        if "lake" in self.__dict__:
            self.lake.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@asynccontextmanager
async def open_resources() -> AsyncIterator[tuple[Resources, ConnectorPool]]:
    """Yield the stores and a pool of connectors, with the settings of the environment."""
    with Resources.open() as resources:
        uploads = Uploads(resources.warehouse, resources.store.cipher)
        async with ConnectorPool(ConnectorSettings(), uploads=uploads) as pool:
            yield resources, pool
