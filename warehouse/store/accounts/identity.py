"""Which account a name means: a handle with or without @, a profile's address, an id, in any case.

An imported history and the connection of the same account are one account, whichever came first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from connectors.content.handles import read_handle
from connectors.types import Platform
from warehouse.store.models import AccountRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.orm import Session

    from connectors.types import VerifiedAccount

IMPORTED_ID = "import:"
"""Prefix of `external_id` of an account that only a file has named: the platform's id is not known."""

_TITLED = frozenset({Platform.FACEBOOK, Platform.LINKEDIN, Platform.TELEGRAM, Platform.YOUTUBE})
"""Platforms whose exports name an account by its title, which is not its handle."""


class AccountIndex:
    """The accounts of a workspace on one platform, by their names."""

    def __init__(self, platform: Platform, rows: Iterable[AccountRow]) -> None:
        self._platform = platform
        self._by_name: dict[str, AccountRow] = {}
        self._by_local_name: dict[str, list[AccountRow]] = {}
        self._by_title: dict[str, list[AccountRow]] = {}
        # Connected accounts first: an imported history belongs to the connected account of its name.
        for row in sorted(rows, key=lambda row: (row.status == "imported", row.id)):
            self.add(row)

    @classmethod
    def load(cls, session: Session, workspace_id: str, platform: Platform) -> AccountIndex:
        """Read the accounts from the store, without those that were merged into another."""
        query = select(AccountRow).where(
            AccountRow.workspace_id == workspace_id,
            AccountRow.platform == platform.value,
            AccountRow.merged_into.is_(None),
        )
        return cls(platform, session.scalars(query))

    def add(self, row: AccountRow) -> None:
        """Add an account, unless another one already has its name."""
        for name in _names_of_account(self._platform, row):
            self._by_name.setdefault(name, row)
            local, _, server = name.partition("@")
            if self._platform == Platform.MASTODON and server:
                self._by_local_name.setdefault(local, []).append(row)
        if self._platform in _TITLED and row.display_name.strip():
            self._by_title.setdefault(row.display_name.strip().casefold(), []).append(row)

    def find(self, given: str) -> AccountRow | None:
        """Return the account that the name means; a title, or a Mastodon name without its server, must be unique."""
        name = normalized_name(self._platform, given)
        if name in self._by_name:
            return self._by_name[name]
        for others in (self._by_local_name, self._by_title):
            found = {row.id: row for row in others.get(name, ())}
            if len(found) == 1:
                return next(iter(found.values()))
        return None


def plain_name(platform: Platform, given: str) -> str:
    """Return a handle or id without @ and without the address around it; a title with spaces stays as it is."""
    text = given.strip()
    return text if any(character.isspace() for character in text) else read_handle(platform, text) or ""


def normalized_name(platform: Platform, given: str) -> str:
    """Return a handle, address or id in the form in which names are compared."""
    return plain_name(platform, given).casefold()


def any_marked(session: Session) -> bool:
    """Return whether an account waits to be merged into another."""
    return (
        session.scalar(select(AccountRow.id).where(AccountRow.merged_into.is_not(None)).limit(1)) is not None
    )


def find_imported_doubles(
    session: Session, workspace_id: str, platform: Platform, verified: VerifiedAccount
) -> list[AccountRow]:
    """Return imported histories of the account that its platform has just confirmed, oldest first."""
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace_id,
        AccountRow.platform == platform.value,
        AccountRow.status == "imported",
        AccountRow.merged_into.is_(None),
    )
    names = set(_names(platform, verified.handle, verified.external_id))
    if platform in _TITLED and verified.display_name.strip():
        names.add(verified.display_name.strip().casefold())
    return [
        row
        for row in session.scalars(query.order_by(AccountRow.id))
        if names & set(_names_of_account(platform, row))
    ]


def _names_of_account(platform: Platform, row: AccountRow) -> Iterator[str]:
    yield from _names(platform, row.handle, row.external_id.removeprefix(IMPORTED_ID))


def _names(platform: Platform, handle: str, external_id: str) -> Iterator[str]:
    yield normalized_name(platform, handle)
    if external_id:
        yield external_id.casefold()
    if external_id.startswith("urn:"):
        yield external_id.rpartition(":")[2].casefold()
