"""Rows of new posts that are inserted together at the end of a transaction of many requests.

Inserted one by one, they take a round trip each, and each request a savepoint. Only the plain case is staged: a post
whose rows nothing reads before the end, except the duplicate check, which looks here too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse.store.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.models import Base

_STAGED = "staged_rows"


class Unchecked(NamedTuple):
    """What a staged post has still to be compared with: contents on accounts, in a span of time."""

    contents: frozenset[tuple[str, str]]
    """Account ids, and the fingerprints of what is said there."""
    after: datetime
    before: datetime


class Mark(NamedTuple):
    """How much was staged at a moment."""

    rows: dict[type[Base], int]
    said: int
    unchecked: int


class Staged:
    """Rows that wait to be inserted, in the order of their tables' references."""

    def __init__(self, *, defers_checks: bool = False) -> None:
        self._rows: dict[type[Base], list[Mapping[str, Any]]] = {}
        self.defers_checks = defers_checks
        """Whether the duplicate check looks only here, and `unchecked` is checked for all before the commit."""
        self.unchecked: list[Unchecked] = []
        self._said: list[Mapping[str, Any]] = []
        self.has_savepoint = False
        """Whether the present request writes directly, after `write_directly`."""

    def add(self, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
        """Stage rows with all their columns; tables in the order in which they are to be filled."""
        self._rows.setdefault(model, []).extend(rows)

    def note_publications(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note what new publications say, staged or written directly, for the duplicate checks of later posts."""
        self._said.extend(rows)

    def count(self) -> Mark:
        """Return what is staged, for `discard`."""
        rows = {model: len(rows) for model, rows in self._rows.items()}
        return Mark(rows, len(self._said), len(self.unchecked))

    def discard(self, counted: Mark) -> None:
        """Forget what was staged since `count`."""
        for model, rows in self._rows.items():
            del rows[counted.rows.get(model, 0) :]
        del self._said[counted.said :]
        del self.unchecked[counted.unchecked :]

    def insert(self, session: Session) -> None:
        """Insert everything that is staged."""
        for model, rows in self._rows.items():
            insert_rows(session, model, rows)
            rows.clear()

    def find_publications(
        self, hashes: Sequence[str], after: datetime, before: datetime
    ) -> Iterator[Mapping[str, Any]]:
        """Return noted publications that are to be sent with one of these contents, newest first."""
        for row in reversed(self._said):
            at = row["scheduled_at"]
            if row["payload_hash"] in hashes and row["status"] != "draft" and at and after < at < before:
                yield row

    @property
    def post_ids(self) -> set[str]:
        """Ids of the posts whose publications were noted."""
        return {row["post_id"] for row in self._said}


def begin_staging(session: Session, *, defers_checks: bool = False) -> Staged:
    """Let new posts of this session be staged. Call `Staged.insert` before the commit.

    `defers_checks`: before that, ask `duplicates.has_duplicates` whether the transaction may be committed.
    """
    staged = session.info[_STAGED] = Staged(defers_checks=defers_checks)
    return staged


@contextmanager
def stage_to(session: Session, staged: Staged) -> Iterator[None]:
    """Let new posts be staged in the block. An error discards what the block has staged."""
    before = staged.count()
    session.info[_STAGED] = staged
    try:
        yield
    except Exception:
        staged.discard(before)
        raise
    finally:
        del session.info[_STAGED]


def staged_in(session: Session) -> Staged | None:
    """Return what the session stages; None = it inserts at once."""
    staged: Staged | None = session.info.get(_STAGED)
    return staged


def write_directly(session: Session) -> None:
    """Prepare the session for writes that cannot be staged: insert what is, and set a savepoint for this request."""
    staged = staged_in(session)
    if staged is not None and not staged.has_savepoint:
        staged.insert(session)
        set_savepoint(session, "SAVEPOINT one")
        staged.has_savepoint = True


def set_savepoint(session: Session, statement: str) -> None:
    """Run a statement about the savepoint "one" by the driver: SQLAlchemy's way takes longer than the statement."""
    session.connection().connection.cursor().execute(statement)
