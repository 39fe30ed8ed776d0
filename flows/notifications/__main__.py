"""One round of notifications as a process: `python -m flows.notifications`. A publisher starts it."""

from __future__ import annotations

import argparse
import logging
import sys

from pydantic import ValidationError

from connectors.logs import configure_logs
from connectors.printable import printable
from connectors.settings import explain_settings
from flows.errors import FlowBusyError
from flows.notifications.notifier import run_round
from flows.notifications.sender import open_senders
from flows.notifications.settings import read_settings
from warehouse.errors import WarehouseError
from warehouse.settings import WarehouseSettings
from warehouse.store.clock import StoreClock
from warehouse.store.database import Store

logger = logging.getLogger(__name__)


def main() -> int:
    """Run one round; 0 = done, or another process does it."""
    parser = argparse.ArgumentParser(prog="python -m flows.notifications", description=__doc__)
    parser.add_argument("--with-flows", action="store_true", help="also tell about flows that are behind")
    arguments = parser.parse_args()
    configure_logs()
    try:
        settings = read_settings()
        senders = open_senders(settings.addresses)
        with Store.open(WarehouseSettings(), create=False) as store:
            clock = StoreClock(store)
            clock.sync()
            counts = run_round(store, settings, senders, clock=clock, with_flows=arguments.with_flows)
    except FlowBusyError:
        return 0
    except (WarehouseError, ValidationError) as error:
        reason = error.message if isinstance(error, WarehouseError) else explain_settings(error)
        sys.stderr.write(f"{printable(reason)}\n")
        return 1
    logger.info("notifications: %s", counts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
