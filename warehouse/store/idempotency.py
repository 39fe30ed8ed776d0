"""Answers given to `Idempotency-Key`s, so that a repeated request is answered again and not done again.

Work that only touches the store runs in the same transaction as the note about its answer: both are there or
neither, whatever dies when (`answer_once`). Work that also asks a platform cannot hold a transaction open
meanwhile: it reserves the key under a lease, works, and then keeps its answer (`reserve`, `keep_answer`,
`release`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from warehouse.errors import ConflictError
from warehouse.store.database import new_id
from warehouse.store.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from warehouse.store.database import Store

StoreSession = Session
"""The type of a session for callers that may not import the database layer themselves."""

KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(minutes=3)
"""Longer than any request to a platform takes: after it, a request without an answer died."""


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """What makes two requests the same request."""

    workspace_id: str
    api_key_id: str
    route: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An HTTP answer as it was given first."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer_once(
    store: Store,
    request: RepeatableRequest | None,
    work: Callable[[Session], StoredAnswer],
    now: datetime,
) -> tuple[StoredAnswer, bool]:
    """Do `work` in one write transaction, or return the answer it gave before; True = it was given before.

    A request without a key is simply done. Identical requests at the same time wait for the first one.
    Raises ConflictError (codes idempotency_key_reused, idempotency_in_flight) and whatever `work` raises,
    after which nothing is stored.
    """
    with store.write() as session:
        if request is None:
            return work(session), False
        known = _begin(session, request, now)
        if known is not None:
            return known, True
        answer = work(session)
        _complete(session, request, answer)
        return answer, False


def reserve(store: Store, request: RepeatableRequest, now: datetime) -> StoredAnswer | None:
    """Take the key for a request that is about to be worked on, or return the answer it was given before.

    Raises ConflictError (codes idempotency_key_reused, idempotency_in_flight).
    """
    with store.write() as session:
        return _begin(session, request, now)


def keep_answer(store: Store, request: RepeatableRequest, answer: StoredAnswer) -> None:
    """Keep the answer of a reserved request."""
    with store.write() as session:
        _complete(session, request, answer)


def release(store: Store, request: RepeatableRequest) -> None:
    """Give a reserved key back after a failure that changed nothing, so that a repetition is tried anew."""
    with store.write() as session:
        session.execute(delete(IdempotencyKey).where(*_identity(request), IdempotencyKey.status.is_(None)))


def _begin(session: Session, request: RepeatableRequest, now: datetime) -> StoredAnswer | None:
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.expires_at <= now))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    # On PostgreSQL a second identical request waits here until the first one's transaction has ended.
    made = session.scalar(
        insert(IdempotencyKey)
        .values(
            id=new_id("idem"),
            workspace_id=request.workspace_id,
            api_key_id=request.api_key_id,
            route=request.route,
            key=request.key,
            body_hash=request.body_hash,
            headers={},
            lease_until=now + LEASE,
            created_at=now,
            expires_at=now + KEPT_FOR,
        )
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.id)
    )
    if made is not None:
        return None
    row = session.scalars(select(IdempotencyKey).where(*_identity(request)).with_for_update()).one()
    if row.body_hash != request.body_hash:
        raise ConflictError(
            "this Idempotency-Key was used for another request: make a new key for each request",
            code="idempotency_key_reused",
        )
    if row.status is not None and row.body is not None:
        return StoredAnswer(row.status, dict(row.headers), row.body)
    if row.lease_until is not None and row.lease_until > now:
        raise ConflictError(
            "the first request with this Idempotency-Key is still being worked on: repeat this one shortly",
            code="idempotency_in_flight",
        )
    row.lease_until = now + LEASE
    return None


def _complete(session: Session, request: RepeatableRequest, answer: StoredAnswer) -> None:
    row = session.scalars(select(IdempotencyKey).where(*_identity(request))).one_or_none()
    if row is None:
        return  # reserved so long ago that it has expired: there is nothing left to protect
    row.status = answer.status
    row.headers = dict(answer.headers)
    row.body = answer.body
    row.lease_until = None


def _identity(request: RepeatableRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.api_key_id == request.api_key_id,
        IdempotencyKey.route == request.route,
        IdempotencyKey.key == request.key,
    )
