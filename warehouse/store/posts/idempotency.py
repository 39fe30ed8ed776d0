"""Stored responses to `Idempotency-Key`s, so that a repeated request gets the same response and is not executed again.

Work that only touches the store runs in the same transaction that stores its response, so a crash leaves both or
neither (`answer_once`). Work that also calls a platform must not keep a transaction open: it reserves the key under
a lease, works, and then stores its response (`reserve`, `keep_answer`, `release`).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from warehouse.errors import ConflictError, InvalidInputError
from warehouse.store.accounts.target_accounts import keep_locked_accounts
from warehouse.store.database import new_id
from warehouse.store.models import IdempotencyKey
from warehouse.store.posts.duplicates import has_duplicates
from warehouse.store.posts.staging import begin_staging, set_savepoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from warehouse.store.crypto import Cipher
    from warehouse.store.database import Store
    from warehouse.store.posts.staging import Staged

_log = logging.getLogger(__name__)

StoreSession = Session
"""Session type for callers that must not import the database layer."""

KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_FOR = timedelta(hours=24)
_PURPOSE = "idempotent-answers"
"""Responses may hold secrets, such as the state of a pending authorization, so they are stored encrypted."""
LEASE = timedelta(minutes=3)
"""Longer than any request to a platform takes: after it, a request without a response counts as dead."""


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """The fields that identify a request."""

    workspace_id: str
    api_key_id: str
    route: str
    key: str
    body_hash: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """What two requests with the same key have in common."""
        return self.api_key_id, self.route, self.key


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first HTTP response to a request."""

    status: int
    headers: dict[str, str]
    body: bytes


# Built once: building a statement and its cache key takes longer than running it. The insert is text, because
# SQLAlchemy does not cache the compiled form of an ON CONFLICT.
_TABLE = IdempotencyKey.__table__
_FIRST = (
    *("id", "workspace_id", "api_key_id", "route", "key", "body_hash"),
    *("headers", "lease_until", "created_at", "expires_at"),
)
_INSERT = (
    f"INSERT INTO idempotency_keys ({', '.join(_FIRST)}) VALUES ({', '.join(f':{name}' for name in _FIRST)}) "  # noqa: S608 (our own names)
    "ON CONFLICT DO NOTHING"
)
_TYPES = [bindparam(name, type_=_TABLE.c[name].type) for name in _FIRST]
_RESERVE = text(f"{_INSERT} RETURNING id").bindparams(*_TYPES)
_RESERVE_MANY = text(_INSERT).bindparams(*_TYPES)
_MADE = select(_TABLE.c.id).where(_TABLE.c.id.in_(bindparam("ids", expanding=True)))
_FORGET = delete(_TABLE).where(_TABLE.c.expires_at <= bindparam("now"))  # type: ignore[arg-type]  # a mapped class's table is one
_COMPLETE = (
    update(_TABLE)  # type: ignore[arg-type]  # same
    .where(*(_TABLE.c[name] == bindparam(f"of_{name}") for name in ("api_key_id", "route", "key")))
    .values({name: bindparam(name) for name in ("status", "headers", "body", "lease_until")})
)
_RELEASE = delete(_TABLE).where(  # type: ignore[arg-type]  # same
    *(_TABLE.c[name] == bindparam(f"of_{name}") for name in ("api_key_id", "route", "key")),
    _TABLE.c.status.is_(None),
)
_FORGOTTEN = "idempotency_keys_forgotten"


def answer_once(
    store: Store,
    request: RepeatableRequest | None,
    work: Callable[[Session], StoredAnswer],
    now: datetime,
) -> tuple[StoredAnswer, bool]:
    """Run `work` in one write transaction, or return its stored response; True = it was stored before.

    A request without a key is executed directly. Concurrent identical requests wait for the first one.
    Raises ConflictError (codes idempotency_key_reused, idempotency_in_flight) and the errors of `work`;
    then nothing is stored.
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
    """Like `answer_once`, in an open write transaction. Raises the same errors.

    Without a cipher the response is stored in plain text: only for responses without secrets.
    """
    if request is None:
        return work(session), False
    known = _begin(session, cipher, request, now)
    if known is not None:
        return known, True
    answer = work(session)
    _complete(session, cipher, request, answer)
    return answer, False


@dataclass(frozen=True, slots=True)
class GroupedWork:
    """One of several changes that are committed together."""

    request: RepeatableRequest | None
    work: Callable[[Session], StoredAnswer]
    now: datetime


Outcome = tuple[StoredAnswer, bool] | Exception


def answer_together(store: Store, group: Sequence[GroupedWork]) -> list[Outcome]:
    """Do what `answer_once` does for each of several requests, with one commit for all; return their outcomes in order.

    An error of one is its own outcome and leaves the others as they are. All of them have the same workspace, or the
    store is SQLite: so the transaction holds no more locks than that of one request. When this returns, what it
    reports as done is durable.
    """
    if len(group) > 1:
        try:
            outcomes = _answer_in_one_transaction(store, group, defers_checks=True)
        except _DuplicatesError:
            # Which, and of what, is found one after another. Nothing of the first attempt is stored.
            outcomes = _answer_in_one_transaction(store, group, defers_checks=False)
        if outcomes is not None:
            return outcomes
    return [_answer_alone(store, one) for one in group]


def _answer_alone(store: Store, one: GroupedWork) -> Outcome:
    try:
        return answer_once(store, one.request, one.work, one.now)
    except Exception as error:  # noqa: BLE001 (handed to who asked)
        return error


class _DuplicatesError(Exception):
    """A post that was not compared with stored ones may be a duplicate of one."""


def _answer_in_one_transaction(
    store: Store, group: Sequence[GroupedWork], *, defers_checks: bool
) -> list[Outcome] | None:
    """Return the outcomes; None = the transaction was lost before its commit, and nothing of it is stored.

    `defers_checks`: one query for all looks for duplicates, and _DuplicatesError is raised if it finds some.
    """
    outcomes: list[Outcome] = []
    done = False
    try:
        with store.write() as session:
            outcomes = _answer_each(session, group, store.cipher, defers_checks=defers_checks)
            done = True
    except _DuplicatesError:
        raise
    except Exception as error:  # noqa: BLE001 (handed to who asked)
        if not done:
            _log.warning("%d changes are made one by one: %s", len(group), type(error).__name__)
            return None
        # The commit failed, perhaps only its acknowledgement: nobody is told that the change is stored.
        return [outcome if isinstance(outcome, Exception) else error for outcome in outcomes]
    return outcomes


def _answer_each(
    session: Session, group: Sequence[GroupedWork], cipher: Cipher, *, defers_checks: bool
) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    # All keys before anything else, in one order: two processes that wait for each other's keys would otherwise hold
    # locks that the other needs to get on.
    keyed = [(place, one.request) for place, one in enumerate(group) if one.request is not None]
    keyed.sort(key=lambda pair: pair[1].identity)
    reserved = _reserve_all(session, [(request, group[place].now) for place, request in keyed])
    for (place, request), is_reserved in zip(keyed, reserved, strict=True):
        if is_reserved:
            continue
        try:
            known = _begin(session, cipher, request, group[place].now)
        except ConflictError as error:
            found[place] = error
        else:
            if known is not None:
                found[place] = known, True
    staged = begin_staging(session, defers_checks=defers_checks)
    keep_locked_accounts(session)
    for place, one in enumerate(group):
        if place not in found:
            found[place] = _answer_within(session, one, staged)
    if has_duplicates(session, staged):
        raise _DuplicatesError
    staged.insert(session)
    made = [
        (one.request, outcome[0])
        for one, outcome in ((group[place], found[place]) for place, _ in keyed)
        if one.request is not None and not isinstance(outcome, Exception) and not outcome[1]
    ]
    if made:
        session.connection().execute(_COMPLETE, [_completion(cipher, *one) for one in made])
    return [found[place] for place in range(len(group))]


def _reserve_all(session: Session, wanted: Sequence[tuple[RepeatableRequest, datetime]]) -> list[bool]:
    """Reserve keys, and return for each whether it is new."""
    if not wanted:
        return []
    connection = session.connection()
    _forget_expired(session, wanted[0][1])
    rows = [_reservation(request, now) for request, now in wanted]
    connection.execute(_RESERVE_MANY, rows)
    made = set(connection.scalars(_MADE, {"ids": [row["id"] for row in rows]}))
    return [row["id"] in made for row in rows]


def _answer_within(session: Session, one: GroupedWork, staged: Staged) -> Outcome:
    """Do the work of one whose key is reserved. An error leaves the session as it was before the reservation."""
    before = staged.count()
    staged.has_savepoint = False
    outcome: Outcome
    try:
        outcome = one.work(session), False
        session.flush()
    except DBAPIError:
        raise  # the database may have ended the transaction: a deadlock, a full disk
    except Exception as error:  # noqa: BLE001 (handed to who asked)
        outcome = error
        session.expunge_all()
        staged.discard(before)
        if staged.has_savepoint:
            set_savepoint(session, "ROLLBACK TO SAVEPOINT one")
            keep_locked_accounts(session)  # the locks may have been given up
        if one.request is not None:
            session.connection().execute(_RELEASE, _named(one.request))
    if staged.has_savepoint:
        set_savepoint(session, "RELEASE SAVEPOINT one")
    session.expunge_all()
    return outcome


def require_key(key: str) -> None:
    """Raise InvalidInputError (code invalid_idempotency_key) unless the key has 1 to 255 visible ASCII characters."""
    if not KEY.fullmatch(key):
        detail = "use 1 to 255 visible ASCII characters"
        raise InvalidInputError.from_entries(
            [{"pointer": "Idempotency-Key", "code": "invalid_idempotency_key", "detail": detail}]
        )


def reserve(store: Store, request: RepeatableRequest, now: datetime) -> StoredAnswer | None:
    """Reserve the key for a request, or return its stored response.

    Raises ConflictError (codes idempotency_key_reused, idempotency_in_flight).
    """
    with store.write() as session:
        return _begin(session, store.cipher, request, now)


def keep_answer(store: Store, request: RepeatableRequest, answer: StoredAnswer) -> None:
    """Store the response of a reserved request."""
    with store.write() as session:
        _complete(session, store.cipher, request, answer)


def release(store: Store, request: RepeatableRequest) -> None:
    """Release a reserved key after a failure that changed nothing, so that a repeat is executed."""
    with store.write() as session:
        session.execute(delete(IdempotencyKey).where(*_identity(request), IdempotencyKey.status.is_(None)))


def _begin(
    session: Session, cipher: Cipher | None, request: RepeatableRequest, now: datetime
) -> StoredAnswer | None:
    connection = session.connection()
    _forget_expired(session, now)
    # On PostgreSQL a second identical request waits here until the first one's transaction has ended.
    made = connection.scalar(_RESERVE, _reservation(request, now))
    if made is not None:
        return None
    row = session.scalars(select(IdempotencyKey).where(*_identity(request)).with_for_update()).one()
    if row.body_hash != request.body_hash:
        raise ConflictError(
            "this Idempotency-Key was used for another request: use a new key for each request",
            code="idempotency_key_reused",
        )
    if row.status is not None and row.body is not None:
        return StoredAnswer(row.status, dict(row.headers), _unseal(cipher, row.body))
    if row.lease_until is not None and row.lease_until > now:
        raise ConflictError(
            "the first request with this Idempotency-Key is still in progress: retry shortly",
            code="idempotency_in_flight",
        )
    row.lease_until = now + LEASE
    session.flush()
    return None


def _forget_expired(session: Session, now: datetime) -> None:
    if session.info.get(_FORGOTTEN) is None:  # once a transaction
        session.connection().execute(_FORGET, {"now": now})
        session.info[_FORGOTTEN] = now


def _reservation(request: RepeatableRequest, now: datetime) -> dict[str, Any]:
    return {
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
    }


def _complete(
    session: Session, cipher: Cipher | None, request: RepeatableRequest, answer: StoredAnswer
) -> None:
    """Store the response, unless the reservation has expired and was deleted."""
    session.connection().execute(_COMPLETE, _completion(cipher, request, answer))


def _completion(cipher: Cipher | None, request: RepeatableRequest, answer: StoredAnswer) -> dict[str, Any]:
    return {
        **_named(request),
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": cipher.encrypt_text(_PURPOSE, answer.body.decode()) if cipher else answer.body,
        "lease_until": None,
    }


def _unseal(cipher: Cipher | None, body: bytes) -> bytes:
    """Return a stored body as it was sent; a body stored without encryption is plain JSON."""
    if cipher is None or body[:1] in {b"{", b"["}:
        return body
    return cipher.decrypt_text(_PURPOSE, body).encode()


def _named(request: RepeatableRequest) -> dict[str, str]:
    return {"of_api_key_id": request.api_key_id, "of_route": request.route, "of_key": request.key}


def _identity(request: RepeatableRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.api_key_id == request.api_key_id,
        IdempotencyKey.route == request.route,
        IdempotencyKey.key == request.key,
    )
