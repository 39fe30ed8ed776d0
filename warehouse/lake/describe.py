"""Print the documentation of all tables and columns: `python -m warehouse.lake.describe` (`make docs`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from warehouse.lake.attach import attach_lake
from warehouse.lake.connect import Lake
from warehouse.lake.export.tables import describe_tables
from warehouse.settings import WarehouseSettings


def main() -> None:
    """Create an empty lake in a temporary folder and print its documentation."""
    with tempfile.TemporaryDirectory() as folder:
        settings = WarehouseSettings(home=Path(folder) / "home")
        with Lake.open(settings):
            pass
        connection = attach_lake(settings, read_only=True)
        connection.execute("USE lake")
        sys.stdout.write(describe_tables(connection))
        connection.close()


if __name__ == "__main__":
    main()
