"""Settings of an existing lake, for commands that only read it."""

from __future__ import annotations

from warehouse.errors import SetupError
from warehouse.lake.attach import describe_lake, local_catalog
from warehouse.settings import WarehouseSettings


def read_lake_settings() -> WarehouseSettings:
    """Return the settings.

    Raises SetupError if there is no lake yet: DuckDB itself would only report that it cannot open a file.
    """
    settings = WarehouseSettings()
    catalog = local_catalog(settings)
    if catalog is not None and not catalog.exists():
        raise SetupError(
            f"there is no lake at {describe_lake(settings)} yet: `socialflow up` creates and fills it, and "
            "`socialflow import-history` fills one from a file"
        )
    return settings
