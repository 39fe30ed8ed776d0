"""Delete a published post on its platforms, for every interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from connectors.errors import ConnectorError, ContentRejectedError, GiveUpError, ReauthenticateError
from warehouse.store.accounts.credentials import open_account
from warehouse.store.models import AccountRow
from warehouse.store.publishing.unpublishing import Deletion, begin_unpublishing, record_unpublished

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from connectors.types import Account
    from warehouse.store.database import Store


class Deleter(Protocol):
    """Deletes a post on its platform; returns also if it is gone already. `connectors.registry` has one."""

    async def __call__(self, account: Account, external_id: str, state: Mapping[str, Any]) -> None:
        """Raise a ConnectorError if it was not deleted, or may not have been."""
        ...


async def unpublish_post(
    store: Store,
    delete: Deleter,
    workspace_id: str,
    post_id: str,
    *,
    publication_ids: Collection[str] = (),
    clock: Callable[[], datetime],
) -> list[dict[str, Any]]:
    """Delete the published publications of a post; return one result per account.

    Safe to repeat: what is deleted stays deleted, and an interrupted or failed deletion is tried again. Raises
    NotFoundError, and ConflictError (code not_published).
    """

    def begin() -> list[tuple[Deletion, Account | None]]:
        with store.write() as session:
            deletions = begin_unpublishing(session, workspace_id, post_id, publication_ids, clock())
            return [
                (one, None)
                if one.refusal
                else (one, open_account(session.get_one(AccountRow, one.account_id), store.cipher))
                for one in deletions
            ]

    results = []
    for deletion, account in await asyncio.to_thread(begin):
        outcome, code, detail = await _delete(delete, deletion, account)
        if account is not None:
            await asyncio.to_thread(_record, store, deletion, clock(), outcome, code, detail)
        results.append(
            {
                "publication_id": deletion.publication_id,
                "account_id": deletion.account_id,
                "platform": deletion.platform,
                "outcome": outcome,
                "code": code,
                "detail": detail,
            }
        )
    return results


async def _delete(
    delete: Deleter, deletion: Deletion, account: Account | None
) -> tuple[str, str | None, str | None]:
    """Return outcome, code and detail."""
    if deletion.refusal is not None:
        return deletion.refusal[0], None, deletion.refusal[1]
    if account is None or deletion.external_id is None:
        raise RuntimeError("a deletion without a refusal has an account and an id")
    try:
        await delete(account, deletion.external_id, deletion.state)
    except ReauthenticateError as error:
        return "failed", error.code, f"{error.message}: connect the account again, then repeat it"
    except (ContentRejectedError, GiveUpError) as error:
        return "failed", error.code, error.message
    except ConnectorError as error:
        # It may be deleted or not; repeating the request finds out and changes nothing twice.
        return "unknown", error.code, f"{error.message}: repeat it"
    return "deleted", None, None


def _record(  # noqa: PLR0917 (one row of the ledger)
    store: Store, deletion: Deletion, now: datetime, outcome: str, code: str | None, detail: str | None
) -> None:
    with store.write() as session:
        record_unpublished(session, deletion.publication_id, now, outcome=outcome, code=code, message=detail)
