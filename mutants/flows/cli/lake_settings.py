"""The settings of a lake that is there, for commands that only read it."""

from __future__ import annotations

from warehouse.errors import SetupError
from warehouse.lake.attach import describe_lake, local_catalog
from warehouse.settings import WarehouseSettings


def read_lake_settings() -> WarehouseSettings:
    """Return the settings.

    Raises SetupError where nothing has made a lake yet: DuckDB itself would only say that it cannot open a file.
    """
    settings = WarehouseSettings()
    catalog = local_catalog(settings)
    if catalog is not None and not catalog.exists():
        raise SetupError(
            f"there is no lake at {describe_lake(settings)} yet: `socialflow up` makes one and fills it, and "
            "`socialflow import-history` fills one from a file"
        )
    return settings
