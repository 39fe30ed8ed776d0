"""Notice that a store is a copy or a restored backup, and look up what the original may have sent before sending it.

The store keeps what describes its place; a publisher compares it at its start:

    SQLite      time of birth and inode of the database file (a copy gets its own), and the machine's id; where all of
                these agree, a different device together with a different path shows a cloned disk or a snapshot
    PostgreSQL  the server's system identifier and timeline, and the database's oid

`last-beat` beside a SQLite file bears the time of the last heartbeat: where it is newer than the store's own last
heartbeat, an older database was put into the place of the file. `docs/operations.md` lists what is not noticed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.exc import DatabaseError

from connectors.types import SENT_ELSEWHERE
from warehouse.errors import SetupError
from warehouse.store.models import Instance, Publication
from warehouse.store.publishing.heartbeats import PublisherRow
from warehouse.store.publishing.later_parts import is_resting
from warehouse.store.publishing.ledger import LedgerEvent, append_events
from warehouse.store.publishing.publications import refresh_post_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from warehouse.store.database import Store

LAST_BEAT = "last-beat"
_BEAT_TOLERANCE = timedelta(seconds=10)
_RESTORED = "restored_from"
_MOVED = "moved_at"
_ARRIVING = "arriving"
_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A store that is used in a new place for the first time."""

    generation: int
    reason: str
    """Why it counts as a copy."""
    since: datetime | None
    """The last heartbeat that the store knows: what the original did after it is not known here."""
    looked_up: int
    """Publications that are looked up on their platforms before anything of them is sent."""

    @property
    def message(self) -> str:
        """Return what a person must know, in one sentence."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return (
            f"this installation is a copy or a restored backup ({self.reason}): {self.looked_up} posts that the "
            f"original may have published{since} are looked up on their platforms before they are sent; make sure that "
            "the original does not run any more"
        )


def arrive(store: Store, now: datetime) -> Arrival | None:
    """Compare the store's place with the one it was last used in; to be called before anything is sent.

    In a new place all that may have been sent from another one is marked to be looked up, in the same transaction.
    Returns None where nothing has changed, or the store is used for the first time. Raises SetupError where only a part
    of an installation has been moved or restored to.
    """
    with store.write() as session:
        instance = session.get(Instance, 1, with_for_update=True)
        if instance is None:
            return None
        if is_arriving(session):
            raise SetupError(
                "an installation was moved or restored into this place and not all of it has arrived: finish that "
                "command, or empty this database; nothing is published before"
            )
        place = read_place(store, session)
        known = instance.place
        told = {name: fact for name, fact in place.items() if fact is not None}
        instance.place = {**(known or {}), **told}
        since = session.scalar(select(func.max(PublisherRow.beat_at)))
        reason = None if known is None else _find_difference(known, place) or _find_lost_beat(store, since)
        if reason is None:
            return None
        count = _mark_open(session, now, since, reason)
        instance.place = told
        instance.generation += 1
        arrival = Arrival(instance.generation, reason, since, count)
        instance.copied_at, instance.copied_reason = now, arrival.message
        _put_back_last_beat(store, since)
        return arrival


def mark_restored(store: Store, made_at: datetime) -> None:
    """Note that the store comes from a backup: the first publisher then looks up what may have been sent since."""
    with store.write() as session:
        instance = session.get_one(Instance, 1, with_for_update=True)
        instance.place = {_RESTORED: made_at.isoformat()}


def mark_arriving(store: Store) -> None:
    """Note that an installation is being copied into this store: no publisher starts before all of it is there."""
    with store.write() as session:
        instance = session.get_one(Instance, 1, with_for_update=True)
        instance.place = {_ARRIVING: True}


def is_arriving(session: Session) -> bool:
    """Return whether an installation is being copied into this store, or was and not to its end."""
    instance = session.get(Instance, 1)
    return instance is not None and _ARRIVING in (instance.place or {})


def mark_moved(store: Store, at: datetime) -> None:
    """Note that the installation goes on elsewhere: started again here, it looks up what may have been sent there."""
    with store.write() as session:
        instance = session.get_one(Instance, 1, with_for_update=True)
        instance.place = {_MOVED: at.isoformat()}


def read_arrival(session: Session) -> tuple[datetime, str] | None:
    """Return when this store was last found to be a copy, and the sentence about it."""
    instance = session.get(Instance, 1)
    if instance is None or instance.copied_at is None:
        return None
    return instance.copied_at, instance.copied_reason or ""


def read_generation(session: Session) -> int:
    """Return the installation's generation."""
    return session.get_one(Instance, 1).generation


def write_last_beat(store: Store, at: datetime) -> None:
    """Leave the time of a committed heartbeat beside the database file."""
    if store.folder is None:
        return
    path, seconds = store.folder / LAST_BEAT, at.timestamp()
    with suppress(OSError):  # a full disk: without the file, one case less is noticed
        path.touch(mode=0o600)
        os.utime(path, (seconds, seconds))


def _put_back_last_beat(store: Store, since: datetime | None) -> None:
    """Let the file agree with the store again: what it told is noted."""
    if since is not None:
        write_last_beat(store, since)
    elif store.folder is not None:
        (store.folder / LAST_BEAT).unlink(missing_ok=True)


def read_place(store: Store, session: Session) -> dict[str, Any]:
    """Return what describes the place of this store."""
    if store.dialect == "postgresql":
        return _read_server(session)
    file = store.file
    if file is None:
        return {}
    status = file.stat()
    return {
        "inode": status.st_ino,
        "born": _read_birth(file, status),
        "device": status.st_dev,
        "path": str(file.resolve()),
        "machine": _read_machine(),
    }


def _read_server(session: Session) -> dict[str, Any]:
    oid = session.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    place: dict[str, Any] = {"database": int(oid or 0)}
    query = text(
        "SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint()"
    )
    try:
        with session.begin_nested():
            row = session.execute(query).one()
    except DatabaseError:  # some hosted servers forbid it: then the oid alone tells
        return place
    return place | {"system": row[0], "timeline": row[1]}


_WORDS: Mapping[str, str] = {
    "machine": "it is on another machine",
    "born": "its database is another file",
    "inode": "its database is another file",
    "system": "its database is on another PostgreSQL server",
    "timeline": "its PostgreSQL server was restored or failed over",
    "database": "it is another PostgreSQL database",
}


def _find_difference(known: Mapping[str, Any], place: Mapping[str, Any]) -> str | None:
    if _RESTORED in known:
        return f"a backup of {datetime.fromisoformat(known[_RESTORED]):%Y-%m-%d %H:%M} UTC was restored"

    if _MOVED in known:
        return f"it was moved to another place at {datetime.fromisoformat(known[_MOVED]):%Y-%m-%d %H:%M} UTC"

    def differs(name: str) -> bool:
        both = known.get(name), place.get(name)
        return None not in both and both[0] != both[1]

    names = list(_WORDS)
    if known.get("born") is not None and place.get("born") is not None:
        # Some file systems number their files anew at each start; the time of birth cannot be copied.
        names.remove("inode")
    for name in names:
        if differs(name):
            return _WORDS[name]
    # Device numbers change with a restart, and a home may be moved; a clone differs in both.
    if differs("device") and differs("path"):
        return "it is on another disk and in another folder"
    return None


def _find_lost_beat(store: Store, since: datetime | None) -> str | None:
    if store.folder is None:
        return None
    try:
        last = datetime.fromtimestamp((store.folder / LAST_BEAT).stat().st_mtime, UTC)
    except OSError:
        return None
    if since is None or last - since > _BEAT_TOLERANCE:
        return f"its database is older than the last publisher here, which was active at {last:%Y-%m-%d %H:%M:%S} UTC"
    return None


def _mark_open(session: Session, now: datetime, since: datetime | None, reason: str) -> int:
    """Mark what the original may have sent; returns how many.

    `sending` keeps its state, for should its publisher live after all, it must be able to finish: it becomes unknown
    by the usual way. The time of the attempt is the earliest at which the original can have sent it.
    """
    due = and_(
        or_(Publication.status == "scheduled", is_resting()),
        Publication.due_at.is_not(None),
        or_(Publication.due_at <= now, func.coalesce(Publication.rest_at, Publication.scheduled_at) <= now),
    )
    taken = Publication.status.in_(("claimed", "sending", "unknown"))
    rows = session.scalars(select(Publication).where(or_(due, taken)).with_for_update()).all()
    message = f"this installation is a copy or a restored backup ({reason}): the original may have sent it"
    for row in rows:
        earliest = min(since or row.created_at, now)
        row.first_attempt_at = min(row.first_attempt_at or earliest, earliest)
        row.attempts = max(row.attempts, 1)  # a look-up for another publication must reckon with it
        row.send_state = {**row.send_state, SENT_ELSEWHERE: True}
        row.updated_at = now
        if row.status == "sending":
            continue
        row.status, row.reason_code, row.reason = "unknown", "sent_elsewhere", message
        row.unknown_since = row.due_at = now
        row.lease_owner = row.lease_until = None
    session.flush()
    _note(session, rows, message, now)
    return len(rows)


def _note(session: Session, rows: Sequence[Publication], message: str, now: datetime) -> None:
    unknown = [row for row in rows if row.status == "unknown"]
    events = [
        LedgerEvent(row.id, "unknown", {"code": "sent_elsewhere", "message": message}) for row in unknown
    ]
    append_events(session, events, now=now)
    refresh_post_status(session, {row.post_id for row in unknown}, now)


def _read_machine() -> str | None:
    try:
        return _MACHINE_ID.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _read_birth(file: Path, status: os.stat_result) -> int | None:
    """Return when the file was made, in nanoseconds; None where the system does not tell."""
    born: float | None = getattr(status, "st_birthtime", None)
    return _ask_statx(file) if born is None else int(born * 1_000_000_000)


def _ask_statx(file: Path) -> int | None:
    """Ask statx(2) of Linux, which Python does not offer."""
    statx = getattr(ctypes.CDLL(None), "statx", None) if os.name == "posix" else None
    if statx is None:
        return None
    at_cwd, wanted, seconds_at = -100, 0x800, 80  # AT_FDCWD, STATX_BTIME, the offset of stx_btime
    buffer = ctypes.create_string_buffer(256)
    if statx(at_cwd, os.fsencode(file), 0, wanted, buffer) != 0:
        return None
    answer = buffer.raw
    if not int.from_bytes(answer[:4], sys.byteorder) & wanted:
        return None
    seconds = int.from_bytes(answer[seconds_at : seconds_at + 8], sys.byteorder, signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(answer[seconds_at + 8 : seconds_at + 12], sys.byteorder)
