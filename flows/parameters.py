"""Parameters of flows: one model per flow, from which Prefect's server refuses wrong ones before a run starts.

Does not import Prefect: the embedded runner publishes these schemas without importing the flows.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select

from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^acct_[0-9a-z]{1,40}$")]],
    Field(min_length=1, description="Only these accounts, by their ids. Default: all."),
]
Platforms = Annotated[
    list[Platform], Field(min_length=1, description="Only the accounts on these platforms. Default: all.")
]
Since = Annotated[
    AwareDatetime, Field(description="Only posts published at or after this time; ISO 8601 with an offset.")
]
Until = Annotated[
    AwareDatetime, Field(description="Only posts published before this time; ISO 8601 with an offset.")
]
Anew = Annotated[bool, Field(description="Read again what is not due. Nothing is stored twice.")]
DryRun = Annotated[bool, Field(description="Only count what would be read; nothing is read or stored.")]


class AccountChoice(BaseModel):
    """Which accounts a run works on."""

    model_config = ConfigDict(extra="forbid")

    account_ids: AccountIds | None = None
    platforms: Platforms | None = None
    anew: Anew = False
    dry_run: DryRun = False

    def chosen(self) -> dict[str, Any]:
        """Return the parameters that were given, as plain JSON values."""
        return self.model_dump(mode="json", exclude_defaults=True)


class PostChoice(AccountChoice):
    """Which accounts and posts a run works on: published in [since, until)."""

    since: Since | None = None
    until: Until | None = None

    def check_window(self, now: datetime) -> None:
        """Raise InvalidInputError for a window without posts."""
        if self.since is not None and self.since >= (self.until or now):
            end = "until" if self.until is not None else "now"
            raise InvalidInputError(
                f"since ({self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC) must be before {end}", field="since"
            )


def resolve_accounts(session: Session, choice: AccountChoice) -> list[str] | None:
    """Return the ids of the chosen accounts; None = all.

    Raises InvalidInputError: an unknown or disconnected account, or one on another platform than the chosen ones.
    """
    if choice.account_ids is None and choice.platforms is None:
        return None
    query = select(AccountRow.id, AccountRow.platform, AccountRow.status).order_by(AccountRow.id)
    rows = {row.id: row for row in session.execute(query)}
    platforms = None if choice.platforms is None else {str(platform) for platform in choice.platforms}
    if choice.account_ids is None:
        return [row.id for row in rows.values() if platforms is None or row.platform in platforms]
    for account_id in choice.account_ids:
        row = rows.get(account_id)
        if row is None:
            raise InvalidInputError(
                f"account_ids: there is no account {account_id}: `socialflow accounts list` shows the ids",
                field="account_ids",
                code="unknown_account",
            )
        if row.status != "active":
            raise InvalidInputError(
                f"account_ids: {account_id} is {row.status}, so it cannot be read: connect it again",
                field="account_ids",
                code="account_not_connected",
            )
        if platforms is not None and row.platform not in platforms:
            raise InvalidInputError(
                f"account_ids: {account_id} is on {row.platform}, which is not in platforms",
                field="account_ids",
                code="other_platform",
            )
    return list(choice.account_ids)
