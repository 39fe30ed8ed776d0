"""Convert account rows of the store to API schemas. Handles no credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.accounts.schemas import AccountOut, DisconnectOut
from warehouse.store.accounts.accounts import describe_account

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from warehouse.store.models import AccountRow


def render_account(row: AccountRow, now: datetime) -> AccountOut:
    """Return the response model of an account."""
    return AccountOut.model_validate(describe_account(row, now))


def render_disconnected(row: AccountRow, canceled: Sequence[str], now: datetime) -> DisconnectOut:
    """Return the response model of a disconnected account."""
    return DisconnectOut.model_validate(
        {**describe_account(row, now), "canceled_publication_ids": list(canceled)}
    )
