"""Duplicate check: the same content twice on one account is almost always a repeated request."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, literal_column, select

from warehouse.errors import ConflictError
from warehouse.store.models import Publication
from warehouse.store.posts.staging import Unchecked, staged_in
from warehouse.store.publishing.publications import hash_payload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from connectors.types import PostContent
    from warehouse.store.accounts.target_accounts import TargetAccount
    from warehouse.store.models import AccountRow
    from warehouse.store.posts.staging import Staged

DUPLICATE_WINDOW = timedelta(hours=24)
"""The same content on the same account, scheduled or published within this interval, is a duplicate."""

_COLUMNS = Publication.__table__.c
_AT = func.coalesce(_COLUMNS.published_at, _COLUMNS.scheduled_at)
_COUNTS = [_COLUMNS.status != literal_column(f"'{one}'") for one in ("draft", "canceled", "failed")]


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
            *_COUNTS,
            bindparam("after") < _AT,
            bindparam("before") > _AT,
            _COLUMNS.post_id != bindparam("except_post_id"),
        )
        # The oldest comes last, so it is the one in the error.
        .order_by(_COLUMNS.post_id.desc())
    )


_SAME_SAID_AT = select(_COLUMNS.account_id, _COLUMNS.payload_hash, _COLUMNS.post_id, _AT.label("at")).where(
    _COLUMNS.payload_hash.in_(bindparam("hashes", expanding=True)), *_COUNTS, _AT.is_not(None)
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
    waiting = staged.find_publications(hashes, after, before) if staged else ()
    said = {(row["account_id"], row["payload_hash"]): row["post_id"] for row in waiting}
    if staged is not None and staged.defers_checks:
        contents = frozenset((target.account.id, target.payload_hash) for target in targets)
        staged.unchecked.append(Unchecked(contents, after, before))
    else:
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


def has_duplicates(session: Session, staged: Staged) -> bool:
    """Return whether one of the staged posts whose check was deferred may be a duplicate of a stored one.

    One query for all. Those of this transaction were compared with each other when they were made.
    """
    hashes = {said for check in staged.unchecked for _, said in check.contents}
    if not hashes:
        return False
    ours, stored = staged.post_ids, defaultdict[tuple[str, str], list["datetime"]](list)
    for row in session.connection().execute(_SAME_SAID_AT, {"hashes": list(hashes)}).all():
        if row.post_id not in ours:
            stored[row.account_id, row.payload_hash].append(row.at)
    return any(
        check.after < at < check.before
        for check in staged.unchecked
        for content in check.contents
        for at in stored.get(content, ())
    )
