"""Move the ledgers of publications that ended long ago from the operational store into the lake, and read them there.

The publication itself stays in the store: lists, checks for duplicates and look-ups of known posts need it.
Its ledger is the larger part of what grows, and is read only when somebody opens that post.

    copy into the lake -> compare every row with its hash -> delete from the store, if nothing has changed meanwhile

A crash between two steps leaves rows in both places, with equal contents; the next run goes on from there.
"""

from __future__ import annotations

import json
import logging
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import delete, or_, select

from warehouse.errors import ConflictError, SetupError
from warehouse.sql import load_sql
from warehouse.store.models import Publication, PublicationAttempt
from warehouse.store.posts.reads import list_attempts
from warehouse.store.publishing.later_parts import CANCELED
from warehouse.store.publishing.ledger import check_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.lake.connect import Lake
    from warehouse.store.database import Store

logger = logging.getLogger(__name__)

BLOCK = 5_000
"""Events read at a time: one commit of the lake, and one short transaction of the store."""
MOST_BLOCKS = 200
"""In one run: a long history is moved over several nights."""
FINAL = ("published", "failed", "canceled")
_COLUMNS = (
    "workspace_id",
    "publication_id",
    "seq",
    "attempt",
    "event",
    "at",
    "payload_hash",
    "owner",
    "detail",
    "prev_hash",
    "hash",
)


@dataclass(slots=True)
class ArchiveReport:
    """What a run has moved."""

    publications: int = 0
    events: int = 0
    damaged: int = 0
    """Publications whose ledger is damaged: it stays in the store."""

    def as_dict(self) -> dict[str, int]:
        """Return the counts for the result of a run."""
        return {
            "ledgers_archived": self.publications,
            "events_archived": self.events,
            "ledgers_damaged": self.damaged,
        }


def archive_events(store: Store, lake: Lake, *, before: datetime) -> ArchiveReport:
    """Move the ledgers of publications that have ended, and not changed since `before`.

    Never one that is planned, in progress, `unknown` or in review, has later parts to send, or an edit whose outcome is
    not known. The publication with the newest event stays, too: SQLite would give the numbers of deleted events to new
    ones, and whoever continues after a number (`warehouse.planning.news`) would miss those.

    Raises ConflictError if the lake cannot be locked, or does not hold what was written: then nothing was deleted.
    """
    report = ArchiveReport()
    for ids in _list_blocks(store, before):
        with store.read() as session:
            newest = session.scalar(
                select(PublicationAttempt.publication_id).order_by(PublicationAttempt.id.desc()).limit(1)
            )
            rows = session.scalars(
                select(Publication).where(Publication.id.in_(ids), Publication.id != newest, *_ended(before))
            ).all()
            ended = {row.id: row for row in rows if (row.edit or {}).get("state") != "unknown"}
            ledgers = read_ledgers(session, list(ended.values()), lambda: nullcontext(lake))
            kept = list_attempts(session, list(ended))
        damaged = {key for key, row in ended.items() if check_ledger(row, ledgers[key])}
        for key in sorted(damaged):
            logger.warning("the ledger of publication %s is damaged: it is not archived", key)
        report.damaged += len(damaged)
        moved = {key: kept[key] for key in ended if key not in damaged and kept[key]}
        if not moved:
            continue
        _copy(lake, [event for events in moved.values() for event in events])
        _compare(lake, {key: ledgers[key] for key in moved}, ended)
        gone = _remove(store, {key: ended[key] for key in moved})
        report.publications += len(gone)
        report.events += sum(len(moved[key]) for key in gone)
    return report


def read_ledgers(
    session: Session,
    publications: Sequence[Publication],
    open_lake: Callable[[], AbstractContextManager[Lake]],
) -> dict[str, list[PublicationAttempt]]:
    """Return the events of publications by publication id, oldest first, wherever they are.

    The lake is opened only if the store lacks events. If it cannot be read, those are missing: `check_ledger` tells.
    """
    found = list_attempts(session, [row.id for row in publications])
    lacking = [row.id for row in publications if len(found[row.id]) < row.ledger_rows]
    if not lacking:
        return found
    try:
        with open_lake() as lake:
            archived = _read(lake, lacking)
    except (SetupError, duckdb.Error) as error:
        logger.warning("the archived events of %d publications cannot be read: %s", len(lacking), error)
        return found
    for key, events in archived.items():
        known = {event.seq for event in found[key]}
        found[key] = sorted(
            [*found[key], *(event for event in events if event.seq not in known)], key=lambda event: event.seq
        )
    return found


def _list_blocks(store: Store, before: datetime) -> Iterator[list[str]]:
    """Yield ids of publications by their oldest events in the store, until events are newer than `before`."""
    after = 0
    for _ in range(MOST_BLOCKS):
        query = select(PublicationAttempt.id, PublicationAttempt.publication_id, PublicationAttempt.at)
        query = query.where(PublicationAttempt.id > after).order_by(PublicationAttempt.id).limit(BLOCK)
        with store.read() as session:
            rows = session.execute(query).all()
        old = [row.publication_id for row in rows if row.at < before]
        if not old:
            return
        yield list(dict.fromkeys(old))
        after = rows[-1].id


def _ended(before: datetime) -> tuple[Any, ...]:
    return (
        Publication.status.in_(FINAL),
        or_(Publication.rest.is_(None), Publication.rest == CANCELED),
        Publication.updated_at < before,
    )


def _copy(lake: Lake, events: Sequence[PublicationAttempt]) -> None:
    """Insert into the lake what is not there yet."""
    import pyarrow as pa  # noqa: PLC0415 (40 MB that readers do not need)

    columns: dict[str, list[Any]] = {name: [getattr(event, name) for event in events] for name in _COLUMNS}
    columns["detail"] = [json.dumps(detail) for detail in columns["detail"]]
    archived = pa.table(columns, schema=pa.schema([(name, _type_of(name, pa)) for name in _COLUMNS]))

    def insert(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.register("archived", archived)
        cursor.execute(load_sql("archive/insert_events"))

    lake.run_write(insert)


def _type_of(name: str, pa: Any) -> Any:  # noqa: ANN401 (pyarrow, imported where it is needed)
    if name in {"seq", "attempt"}:
        return pa.int64()
    return pa.timestamp("us", tz="UTC") if name == "at" else pa.string()


def _compare(
    lake: Lake, ledgers: dict[str, list[PublicationAttempt]], publications: dict[str, Publication]
) -> None:
    """Raise ConflictError unless the lake alone holds the whole ledger of each publication, with the right hashes."""
    stored = _read(lake, list(ledgers))
    for key in ledgers:
        problems = check_ledger(publications[key], stored.get(key, []))
        if problems:
            raise ConflictError(
                f"the lake does not hold the events of publication {key} as they were written ({problems[0]}): "
                "nothing was removed from the store; compare raw.publication_events with a backup",
                code="archive_differs",
            )


def _remove(store: Store, publications: dict[str, Publication]) -> set[str]:
    """Delete the events of publications that have not changed since they were read; return their ids."""
    with store.write() as session:
        query = select(Publication.id, Publication.status, Publication.ledger_hash, Publication.updated_at)
        rows = session.execute(query.where(Publication.id.in_(publications)).with_for_update()).all()
        same = {
            row.id
            for row in rows
            for read in (publications[row.id],)
            if (row.status, row.ledger_hash, row.updated_at)
            == (read.status, read.ledger_hash, read.updated_at)
        }
        session.execute(delete(PublicationAttempt).where(PublicationAttempt.publication_id.in_(same)))
    return same


def _read(lake: Lake, ids: Sequence[str]) -> dict[str, list[PublicationAttempt]]:
    found: dict[str, list[PublicationAttempt]] = {}
    for row in lake.query(load_sql("archive/select_events"), {"ids": list(ids)}):
        event = PublicationAttempt(**(row | {"detail": json.loads(row["detail"])}))
        found.setdefault(event.publication_id, []).append(event)
    return found
