"""Duplicate check: the same content twice on one account is almost always a repeated request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, literal_column, select

from warehouse.errors import ConflictError
from warehouse.store.models import Publication
from warehouse.store.posts.staging import staged_in
from warehouse.store.publishing.publications import hash_payload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from connectors.types import PostContent
    from warehouse.store.accounts.target_accounts import TargetAccount
    from warehouse.store.models import AccountRow

DUPLICATE_WINDOW = timedelta(hours=24)
"""The same content on the same account, scheduled or published within this interval, is a duplicate."""

_COLUMNS = Publication.__table__.c
_AT = func.coalesce(_COLUMNS.published_at, _COLUMNS.scheduled_at)


@cache
def _same_said(hashes: int) -> Select[Any]:
    """Return the query for that many different contents.

    Built once: building a statement and its cache key takes longer than running it, and so does expanding an IN.
    """
    return (
        select(_COLUMNS.account_id, _COLUMNS.payload_hash, _COLUMNS.post_id)
        .where(
            # Accounts are compared below: with them in the query, SQLite would read everything ever sent on them.
            _COLUMNS.payload_hash.in_([bindparam(f"hash_{number}") for number in range(hashes)]),
            *(_COLUMNS.status != literal_column(f"'{unsent}'") for unsent in ("draft", "canceled", "failed")),
            bindparam("after") < _AT,
            bindparam("before") > _AT,
            _COLUMNS.post_id != bindparam("except_post_id"),
        )
        # The oldest comes last, so it is the one in the error.
        .order_by(_COLUMNS.post_id.desc())
    )


@dataclass(frozen=True)
class Target:
    """A target account of a post, with the exact content for it."""

    account: AccountRow | TargetAccount
    content: PostContent

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The content as JSON."""
        return self.content.model_dump(mode="json")

    @cached_property
    def payload_hash(self) -> str:
        """The fingerprint of `payload`."""
        return hash_payload(self.payload)


def refuse_duplicates(
    session: Session, targets: Sequence[Target], scheduled_at: datetime, *, except_post_id: str | None = None
) -> None:
    """Raise ConflictError (code duplicate, with the existing post's id) if a target would get a duplicate."""
    if not targets:
        return
    session.flush()
    hashes = list({target.payload_hash for target in targets})
    after, before = scheduled_at - DUPLICATE_WINDOW, scheduled_at + DUPLICATE_WINDOW
    staged = staged_in(session)
    waiting = staged.find_publications(Publication, hashes, after, before) if staged else ()
    said = {(row["account_id"], row["payload_hash"]): row["post_id"] for row in waiting}
    values = {"after": after, "before": before, "except_post_id": except_post_id or ""}
    values |= {f"hash_{number}": one for number, one in enumerate(hashes)}
    found = session.connection().execute(_same_said(len(hashes)), values)
    said |= {(row.account_id, row.payload_hash): row.post_id for row in found}
    for target in targets:
        existing = said.get((target.account.id, target.payload_hash))
        if existing is not None:
            raise ConflictError(
                f"post {existing} has the same content on {target.account.platform} (@{target.account.handle}) "
                "within 24 hours: set allow_duplicate to true if that is intended",
                code="duplicate",
                existing_id=existing,
            )
