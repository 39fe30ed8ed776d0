"""The queue of notifications to people: one row for what waits, and one small row for each thing that was told.

Both are webhook events without deliveries, in the installation's first workspace, and are deleted with old events.
The unique key of an event makes sure that a thing is told once, whichever process finds it. Only the process that
holds the lease of `notify-people` writes here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.database import new_id
from warehouse.store.webhooks.models import WebhookEvent
from warehouse.store.webhooks.outbox import insert_once

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

STATE_KEY = "notify/state"
TOLD_PREFIX = "notify/told/"
EVENT_TYPE = "notification"

RETRY_AFTER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
"""Pause after each failed attempt; after the last one the message is given up for this address."""
PAUSE = timedelta(minutes=15)
"""Between two messages of one kind: what happens meanwhile is one message then. A platform that refuses every post for
hours is four messages an hour, not one a minute."""
MOST_WAITING = 100
"""Messages that wait at once; of more, the oldest are given up."""
KEPT_FAILURES = 20


@dataclass(slots=True)
class Target:
    """One message to one address. `address` is a keyed hash: addresses contain passwords."""

    address: str
    next_at: datetime
    attempts: int = 0
    error: str | None = None
    """Why the last attempt failed; without secrets."""


@dataclass(slots=True)
class Message:
    """One message, and the addresses that have not confirmed it."""

    id: str
    kind: str
    title: str
    text: str
    at: datetime
    targets: list[Target] = field(default_factory=list)


@dataclass(slots=True)
class GivenUp:
    """A message that one address never took."""

    title: str
    at: datetime
    error: str


@dataclass(slots=True)
class Outbox:
    """What waits, what was given up lately, and how far the ledger has been read."""

    last_ledger_id: int | None = None
    """None = notifications have just been set up: what happened before is not told."""
    first_ledger_id: int = 0
    """The newest row at that time."""
    waiting: list[Message] = field(default_factory=list)
    given_up: list[GivenUp] = field(default_factory=list)
    told_at: dict[str, datetime] = field(default_factory=dict)
    """When the last message of each kind was queued."""

    def is_paused(self, kind: str, now: datetime) -> bool:
        """Whether news of this kind wait, because a message of it was queued lately."""
        at = self.told_at.get(kind)
        return at is not None and timedelta(0) <= now - at < PAUSE

    def add(self, message: Message) -> None:
        """Queue a message; give up the oldest ones beyond the limit."""
        self.waiting.append(message)
        self.told_at[message.kind] = message.at
        while len(self.waiting) > MOST_WAITING:
            oldest = self.waiting.pop(0)
            self._give_up(oldest, f"more than {MOST_WAITING} messages waited", message.at)

    def is_due(self, now: datetime) -> bool:
        """Whether a message is to be sent now."""
        return any(target.next_at <= now for message in self.waiting for target in message.targets)

    def begin_attempt(self, message_id: str, address: str, now: datetime) -> bool:
        """Count an attempt before it is made, so that a crash in it is one, too. False = it is not due."""
        found = self._find(message_id, address)
        if found is None or found[1].next_at > now:
            return False
        target = found[1]
        target.attempts += 1
        target.next_at = now + RETRY_AFTER[min(target.attempts, len(RETRY_AFTER)) - 1]
        return True

    def end_attempt(self, message_id: str, address: str, now: datetime, error: str | None) -> None:
        """Record the outcome of the attempt that has begun; `error` None = the address took the message."""
        found = self._find(message_id, address)
        if found is None:
            return
        message, target = found
        target.error = error
        if error is not None and target.attempts <= len(RETRY_AFTER):
            return
        message.targets.remove(target)
        if error is not None:
            self._give_up(message, error, now)
        if not message.targets:
            self.waiting.remove(message)

    def keep_addresses(self, addresses: Collection[str]) -> None:
        """Forget the targets whose address is no longer in the settings."""
        for message in list(self.waiting):
            message.targets = [one for one in message.targets if one.address in addresses]
            if not message.targets:
                self.waiting.remove(message)

    def _find(self, message_id: str, address: str) -> tuple[Message, Target] | None:
        for message in self.waiting:
            for target in message.targets:
                if (message.id, target.address) == (message_id, address):
                    return message, target
        return None

    def _give_up(self, message: Message, error: str, now: datetime) -> None:
        self.given_up = [*self.given_up, GivenUp(message.title, now, error)][-KEPT_FAILURES:]


def read_outbox(session: Session) -> Outbox:
    """Return the queue; an empty one where nothing was ever told."""
    row = _find_state(session)
    return _from_json(json.loads(row.body)) if row is not None else Outbox()


def write_outbox(session: Session, outbox: Outbox, now: datetime) -> None:
    """Store the queue. Needs a workspace, of which there is one from the first start on."""
    body = json.dumps(asdict(outbox), default=lambda value: value.astimezone(UTC).isoformat())
    row = _find_state(session)
    if row is None:
        insert_once(session, _event_row(_home_of(session), STATE_KEY, now, body))
    else:
        row.body, row.created_at = body, now  # as new as its content: events are deleted by this time


def find_untold(session: Session, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that nobody was told yet."""
    stored = {TOLD_PREFIX + key: key for key in keys}
    query = select(WebhookEvent.once_key).where(
        WebhookEvent.workspace_id == _home_of(session), WebhookEvent.once_key.in_(list(stored))
    )
    return set(keys) - {stored[found] for found in session.scalars(query) if found is not None}


def mark_told(session: Session, key: str, now: datetime) -> bool:
    """Record that this thing is told with the message of this transaction. False = it was told before."""
    return insert_once(session, _event_row(_home_of(session), TOLD_PREFIX + key, now, "{}"))


def _home_of(session: Session) -> str:
    return list_workspaces(session)[0].id


def _find_state(session: Session) -> WebhookEvent | None:
    workspaces = list_workspaces(session)
    if not workspaces:
        return None
    query = select(WebhookEvent).where(
        WebhookEvent.workspace_id == workspaces[0].id, WebhookEvent.once_key == STATE_KEY
    )
    return session.scalars(query).one_or_none()


def _event_row(workspace_id: str, key: str, now: datetime, body: str) -> dict[str, Any]:
    return {
        "id": new_id("msg"),
        "workspace_id": workspace_id,
        "type": EVENT_TYPE,
        "body": body,
        "once_key": key,
        "created_at": now,
    }


def _from_json(plain: dict[str, Any]) -> Outbox:
    def read_time(value: str) -> datetime:
        return datetime.fromisoformat(value)

    return Outbox(
        last_ledger_id=plain["last_ledger_id"],
        first_ledger_id=plain["first_ledger_id"],
        waiting=[
            Message(
                **{
                    **one,
                    "at": read_time(one["at"]),
                    "targets": [
                        Target(**{**target, "next_at": read_time(target["next_at"])})
                        for target in one["targets"]
                    ],
                }
            )
            for one in plain["waiting"]
        ],
        given_up=[GivenUp(**{**one, "at": read_time(one["at"])}) for one in plain["given_up"]],
        told_at={kind: read_time(at) for kind, at in plain.get("told_at", {}).items()},
    )
