"""Bring the lake's accounts up to date after a response: a changed time zone changes slots and posting times."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from warehouse.errors import ConflictError
from warehouse.lake.dimensions import sync_accounts

if TYPE_CHECKING:
    from api.http.services import Services

logger = logging.getLogger(__name__)


def follow_accounts(services: Services) -> None:
    """Run as a background task: the lake may be locked by a long load, which the caller should not wait for."""
    try:
        sync_accounts(services.store, services.lake)
    except ConflictError as error:
        # Not lost: every run that reads metrics or followers does the same first.
        logger.warning("the lake follows the changed time zone with the next reading: %s", error.message)
