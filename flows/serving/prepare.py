"""Create or migrate both stores: `python -m flows.serving.prepare`. The launcher runs it first.

Prints a notice if this installation is a copy or a restored backup.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from connectors.printable import printable
from flows.deployments import SCHEDULED_FLOWS
from flows.resources import Resources
from warehouse.errors import WarehouseError
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.clock import StoreClock
from warehouse.store.installation import arrive
from warehouse.store.leases.flow_leases import expect_flows


def main() -> int:
    """Open both stores; print an error message and return 1 if the installation is invalid."""
    try:
        with Resources.open() as resources:
            with resources.store.write() as session:
                ensure_default_workspace(session, datetime.now(UTC))
                expect_flows(session, {one.name: one.embedded_period for one in SCHEDULED_FLOWS})
            resources.lake.snapshot_id()
            clock = StoreClock(resources.store)
            clock.sync()
            if (arrival := arrive(resources.store, clock())) is not None:
                sys.stdout.write(f"{printable(arrival.message)}\n")
    except WarehouseError as error:
        sys.stderr.write(f"{printable(error.message)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
