"""Answers given to `Idempotency-Key`s, so that a repeated request is answered again and not done again.

Work that only touches the store runs in the same transaction as the note about its answer: both are there or
neither, whatever dies when (`answer_once`). Work that also asks a platform cannot hold a transaction open
meanwhile: it reserves the key under a lease, works, and then keeps its answer (`reserve`, `keep_answer`,
`release`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.database import new_id
from warehouse.store.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from warehouse.store.crypto import Cipher
    from warehouse.store.database import Store

StoreSession = Session
"""The type of a session for callers that may not import the database layer themselves."""

KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_FOR = timedelta(hours=24)
_PURPOSE = "idempotent-answers"
"""Answers may hold what opens something, such as the state of an authorization under way: they are kept encrypted."""
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


# Kept: building a statement and the key of its compiled form takes longer than running it. The insert is text, since
# SQLAlchemy keeps no compiled form of an ON CONFLICT at all.
_TABLE = IdempotencyKey.__table__
_FIRST = (
    *("id", "workspace_id", "api_key_id", "route", "key", "body_hash"),
    *("headers", "lease_until", "created_at", "expires_at"),
)
_RESERVE = text(
    f"INSERT INTO idempotency_keys ({', '.join(_FIRST)}) VALUES ({', '.join(f':{name}' for name in _FIRST)}) "  # noqa: S608 (our own names)
    "ON CONFLICT DO NOTHING RETURNING id"
).bindparams(*(bindparam(name, type_=_TABLE.c[name].type) for name in _FIRST))
_FORGET = delete(_TABLE).where(_TABLE.c.expires_at <= bindparam("now"))  # type: ignore[arg-type]  # a mapped class's table is one
_COMPLETE = (
    update(_TABLE)  # type: ignore[arg-type]  # same
    .where(*(_TABLE.c[name] == bindparam(f"of_{name}") for name in ("api_key_id", "route", "key")))
    .values({name: bindparam(name) for name in ("status", "headers", "body", "lease_until")})
)


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
        return answer_once_in(session, request, work, now, cipher=store.cipher)


def answer_once_in(
    session: Session,
    request: RepeatableRequest | None,
    work: Callable[[Session], StoredAnswer],
    now: datetime,
    *,
    cipher: Cipher | None = None,
) -> tuple[StoredAnswer, bool]:
    """Do the same in a write transaction that is open already. Raises as `answer_once`.

    Without a cipher the answer is kept as it is: for callers whose answers hold nothing that opens anything.
    """
    if request is None:
        return work(session), False
    known = _begin(session, cipher, request, now)
    if known is not None:
        return known, True
    answer = work(session)
    _complete(session, cipher, request, answer)
    return answer, False


def require_key(key: str) -> None:
    """Raise InvalidInputError (code invalid_idempotency_key) for a key of other than 1 to 255 visible characters."""
    if not KEY.fullmatch(key):
        detail = "use 1 to 255 visible ASCII characters"
        raise InvalidInputError.from_entries(
            [{"pointer": "Idempotency-Key", "code": "invalid_idempotency_key", "detail": detail}]
        )


def reserve(store: Store, request: RepeatableRequest, now: datetime) -> StoredAnswer | None:
    """Take the key for a request that is about to be worked on, or return the answer it was given before.

    Raises ConflictError (codes idempotency_key_reused, idempotency_in_flight).
    """
    with store.write() as session:
        return _begin(session, store.cipher, request, now)


def keep_answer(store: Store, request: RepeatableRequest, answer: StoredAnswer) -> None:
    """Keep the answer of a reserved request."""
    with store.write() as session:
        _complete(session, store.cipher, request, answer)


def release(store: Store, request: RepeatableRequest) -> None:
    """Give a reserved key back after a failure that changed nothing, so that a repetition is tried anew."""
    with store.write() as session:
        session.execute(delete(IdempotencyKey).where(*_identity(request), IdempotencyKey.status.is_(None)))


def _begin(
    session: Session, cipher: Cipher | None, request: RepeatableRequest, now: datetime
) -> StoredAnswer | None:
    connection = session.connection()
    connection.execute(_FORGET, {"now": now})
    # On PostgreSQL a second identical request waits here until the first one's transaction has ended.
    made = connection.scalar(
        _RESERVE,
        {
            "id": new_id("idem"),
            "workspace_id": request.workspace_id,
            "api_key_id": request.api_key_id,
            "route": request.route,
            "key": request.key,
            "body_hash": request.body_hash,
            "headers": {},
            "lease_until": now + LEASE,
            "created_at": now,
            "expires_at": now + KEPT_FOR,
        },
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
        return StoredAnswer(row.status, dict(row.headers), _unseal(cipher, row.body))
    if row.lease_until is not None and row.lease_until > now:
        raise ConflictError(
            "the first request with this Idempotency-Key is still being worked on: repeat this one shortly",
            code="idempotency_in_flight",
        )
    row.lease_until = now + LEASE
    session.flush()
    return None


def _complete(
    session: Session, cipher: Cipher | None, request: RepeatableRequest, answer: StoredAnswer
) -> None:
    """Note the answer; a key reserved so long ago that it has expired is left forgotten."""
    session.connection().execute(
        _COMPLETE,
        {
            "of_api_key_id": request.api_key_id,
            "of_route": request.route,
            "of_key": request.key,
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": cipher.encrypt_text(_PURPOSE, answer.body.decode()) if cipher else answer.body,
            "lease_until": None,
        },
    )


def _unseal(cipher: Cipher | None, body: bytes) -> bytes:
    """Return a kept body as it was sent; one that was kept without encryption is JSON as it stands."""
    if cipher is None or body[:1] in {b"{", b"["}:
        return body
    return cipher.decrypt_text(_PURPOSE, body).encode()


def _identity(request: RepeatableRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.api_key_id == request.api_key_id,
        IdempotencyKey.route == request.route,
        IdempotencyKey.key == request.key,
    )
