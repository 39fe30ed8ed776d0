"""The attempts ledger: an append-only, hash-chained log of every event of a publication.

A row's hash covers its content and the previous row's hash; the publication keeps the count and the last
hash. `verify_ledger` therefore detects changed, removed and truncated rows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select

from warehouse.store.bulk import insert_rows, update_rows
from warehouse.store.models import Publication, PublicationAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session


class LedgerHead(Protocol):
    """The end of a publication's ledger: a `Publication`, or a row with the columns of `HEAD`."""

    @property
    def id(self) -> str: ...  # noqa: D102 (columns of Publication)

    @property
    def workspace_id(self) -> str: ...  # noqa: D102 (a column)

    @property
    def attempts(self) -> int: ...  # noqa: D102 (a column)

    @property
    def payload_hash(self) -> str: ...  # noqa: D102 (a column)

    @property
    def ledger_rows(self) -> int: ...  # noqa: D102 (a column)

    @property
    def ledger_hash(self) -> str: ...  # noqa: D102 (a column)


HEAD = (
    Publication.id,
    Publication.workspace_id,
    Publication.attempts,
    Publication.payload_hash,
    Publication.ledger_rows,
    Publication.ledger_hash,
)


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of one publication. `detail` holds codes and messages, never a secret."""

    publication_id: str
    event: str
    detail: dict[str, Any] = field(default_factory=dict)


def append_event(
    session: Session,
    publication_id: str,
    event: str,
    *,
    now: datetime,
    owner: str | None = None,
    **detail: Any,  # noqa: ANN401 (becomes JSON)
) -> None:
    """Append one event in the caller's transaction."""
    append_events(session, [LedgerEvent(publication_id, event, detail)], now=now, owner=owner)


def append_events(
    session: Session, events: Sequence[LedgerEvent], *, now: datetime, owner: str | None = None
) -> None:
    """Append at most one event for each of several publications in the caller's transaction."""
    if not events:
        return
    session.flush()
    ids = [event.publication_id for event in events]
    heads = {row.id: row for row in session.execute(select(*HEAD).where(Publication.id.in_(ids)))}
    rows = [chain_event(heads[event.publication_id], event, now=now, owner=owner) for event in events]
    insert_opened(session, rows)
    update_rows(session, Publication, [head_of(row) for row in rows])


def chain_event(
    head: LedgerHead,
    event: LedgerEvent,
    *,
    now: datetime,
    owner: str | None = None,
    attempt: int | None = None,
) -> dict[str, Any]:
    """Return the ledger row that follows `head`; the caller inserts it and saves `head_of` it with the publication.

    For callers that change the publication anyway: one statement instead of two. `attempt`: default the head's.
    """
    row = {
        "publication_id": head.id,
        "workspace_id": head.workspace_id,
        "seq": head.ledger_rows + 1,
        "attempt": head.attempts if attempt is None else attempt,
        "event": event.event,
        "at": now,
        "payload_hash": head.payload_hash,
        "owner": owner,
        "detail": event.detail,
        "prev_hash": head.ledger_hash,
    }
    row["hash"] = _row_hash(row)
    return row


def head_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns by which a publication knows `row` as the end of its ledger, and its id."""
    return {"id": row["publication_id"], "ledger_rows": row["seq"], "ledger_hash": row["hash"]}


def insert_opened(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert what `open_ledger` or `chain_event` returned."""
    insert_rows(session, PublicationAttempt, rows)


def open_ledger(
    publication: dict[str, Any],
    event: str,
    now: datetime,
    **detail: Any,  # noqa: ANN401 (becomes JSON)
) -> dict[str, Any]:
    """Return the first ledger row of a publication that is about to be inserted, and record its hash there.

    `insert_opened` must follow in the same transaction, after the publication.
    """
    row = {
        "publication_id": publication["id"],
        "workspace_id": publication["workspace_id"],
        "seq": 1,
        "attempt": 0,
        "event": event,
        "at": now,
        "payload_hash": publication["payload_hash"],
        "owner": None,
        "detail": detail,
        "prev_hash": "",
    }
    row["hash"] = _row_hash(row)
    publication |= {"attempts": 0, "ledger_rows": 1, "ledger_hash": row["hash"]}
    return row


def list_events(session: Session, publication_id: str) -> list[PublicationAttempt]:
    """Return the publication's events, oldest first."""
    query = select(PublicationAttempt).where(PublicationAttempt.publication_id == publication_id)
    return list(session.scalars(query.order_by(PublicationAttempt.seq)))


def verify_ledger(session: Session, publication_id: str) -> list[str]:
    """Return the errors found in the publication's ledger; empty = intact."""
    return check_ledger(session.get_one(Publication, publication_id), list_events(session, publication_id))


def check_ledger(publication: Publication, rows: Sequence[PublicationAttempt]) -> list[str]:
    """Return the errors found in the publication's events, oldest first; empty = intact."""
    problems = []
    previous = ""
    for position, row in enumerate(rows, start=1):
        if row.seq != position:
            problems.append(f"row {position} is missing: the next one says {row.seq}")
            break
        if row.prev_hash != previous:
            problems.append(f"row {position} does not follow the row before it")
        if row.hash != _row_hash({name: getattr(row, name) for name in _HASHED}):
            problems.append(f"row {position} was changed after it was written")
        previous = row.hash
    if not problems and (len(rows) != publication.ledger_rows or previous != publication.ledger_hash):
        problems.append(f"{len(rows)} rows are there, the publication counted {publication.ledger_rows}")
    return problems


_HASHED = (
    "publication_id",
    "workspace_id",
    "seq",
    "attempt",
    "event",
    "at",
    "payload_hash",
    "owner",
    "detail",
    "prev_hash",
)


def _row_hash(row: dict[str, Any]) -> str:
    content = {name: row[name] for name in _HASHED} | {"at": row["at"].timestamp()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
