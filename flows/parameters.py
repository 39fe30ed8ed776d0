"""Parameters of flows: one model per flow, from which Prefect's server refuses wrong ones before a run starts.

Does not import Prefect: the embedded runner publishes these schemas without importing the flows.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connectors.types import Platform
from warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from datetime import datetime

_EACH_ONCE = {"uniqueItems": True}
AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^acct_[0-9a-z]{1,40}$")]],
    Field(
        min_length=1,
        description="Only these accounts, by their ids. Default: all.",
        json_schema_extra=_EACH_ONCE,
    ),
]
Platforms = Annotated[
    list[Platform],
    Field(
        min_length=1,
        description="Only the accounts on these platforms. Default: all.",
        json_schema_extra=_EACH_ONCE,
    ),
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
