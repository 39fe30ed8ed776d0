"""Webhook deliveries: claims, outcomes, retries, and the delivery log.

Delivery is at least once: a delivery is claimed under a lease and is done only when the receiver has confirmed it. If
the process dies in between, the lease expires and the next process sends the same event with the same id.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.orm import aliased

from warehouse.errors import ConflictError, NotFoundError, SetupError
from warehouse.store.webhooks.endpoints import PURPOSE
from warehouse.store.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from warehouse.store.webhooks.outbox import write_test_event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""The schedule of Standard Webhooks: ten attempts within three days, each pause +-10 %."""
LONGEST_WAIT = timedelta(hours=24)
DEAD_AFTER = timedelta(days=3)
"""An endpoint is disabled after every attempt has failed for this long."""
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
"""Pause of a failing endpoint: doubles with each failure from the first to the second value."""
PER_ENDPOINT = 4
"""Concurrent deliveries to one endpoint, over all processes; a failing endpoint gets one at a time."""
HISTORY = 20
STATUSES = ("pending", "delivered", "exhausted")


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """The data to send one delivery."""

    id: str
    endpoint_id: str
    event_id: str
    url: str
    body: str
    secrets: tuple[str, ...]
    """The endpoint's secret, and the previous one while it still signs."""
    fault: str | None = None
    """Why it cannot be sent; this counts as a failed attempt."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Outcome of one attempt. Any 2xx is delivered; `status` None = no response, `error` has the reason."""

    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_at: datetime | None = None
    """When the receiver asked for the next attempt."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it."""
        return self.status is not None and 200 <= self.status < 300


_PENDING_AND_DUE = (
    select(WebhookDelivery.id)
    .where(WebhookDelivery.status == "pending", WebhookDelivery.next_attempt_at <= bindparam("now"))
    .limit(1)
)
"""Run every second, nearly always without a result: building the statement below costs ten times as much."""


def find_due(session: Session, now: datetime, limit: int) -> list[str]:
    """Return the ids of due deliveries, in turn over the endpoints, so that a slow endpoint does not delay others.

    Call it in a read session, so that the write transaction of the claim stays short.
    """
    if session.scalar(_PENDING_AND_DUE, {"now": now}) is None:
        return []
    waiting = aliased(WebhookDelivery)
    under_way = (
        select(waiting.endpoint_id, func.count().label("n"))
        .where(waiting.status == "pending", waiting.lease_until > now)
        .group_by(waiting.endpoint_id)
        .subquery()
    )
    turn = func.row_number().over(
        partition_by=WebhookDelivery.endpoint_id,
        order_by=(WebhookDelivery.next_attempt_at, WebhookDelivery.id),
    )
    room = case((WebhookEndpoint.failing_since.is_not(None), 1), else_=PER_ENDPOINT)
    ranked = (
        select(
            WebhookDelivery.id,
            WebhookDelivery.next_attempt_at,
            turn.label("turn"),
            (room - func.coalesce(under_way.c.n, 0)).label("room"),
        )
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .outerjoin(under_way, under_way.c.endpoint_id == WebhookDelivery.endpoint_id)
        .where(
            WebhookEndpoint.disabled_at.is_(None),
            or_(WebhookEndpoint.paused_until.is_(None), WebhookEndpoint.paused_until <= now),
            *_due(now),
        )
        .subquery()
    )
    query = (
        select(ranked.c.id)
        .where(ranked.c.turn <= ranked.c.room)
        .order_by(ranked.c.turn, ranked.c.next_attempt_at, ranked.c.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def claim_deliveries(
    session: Session, cipher: Cipher, ids: Sequence[str], *, owner: str, now: datetime, lease: timedelta
) -> list[ClaimedDelivery]:
    """Claim those of `ids` that no other process has claimed in the meantime."""
    if not ids:
        return []
    row = aliased(WebhookDelivery)
    lock = select(row.id).where(row.id.in_(ids)).with_for_update(skip_locked=True)
    taken = session.scalars(
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(lock), *_due(now))
        .values(lease_owner=owner, lease_until=now + lease)
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    query = (
        select(WebhookDelivery.id, WebhookEvent.id.label("event_id"), WebhookEvent.body, WebhookEndpoint)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.id.in_(taken))
        .order_by(WebhookDelivery.next_attempt_at, WebhookDelivery.id)
    )
    claimed = []
    for found in session.execute(query).all():
        try:
            secrets, fault = _secrets(cipher, found.WebhookEndpoint, now), None
        except (SetupError, ValueError) as error:  # one endpoint's damaged secret must not block the others
            secrets, fault = (), str(error)
        claimed.append(
            ClaimedDelivery(
                id=found.id,
                endpoint_id=found.WebhookEndpoint.id,
                event_id=found.event_id,
                url=found.WebhookEndpoint.url,
                body=found.body,
                secrets=secrets,
                fault=fault,
            )
        )
    return claimed


def record_attempt(
    session: Session, claimed: ClaimedDelivery, attempt: Attempt, *, owner: str, now: datetime
) -> str | None:
    """Record the outcome of an attempt and plan the next; return the delivery's status, None if it was deleted.

    A failure counts only if the caller still holds the lease; a success always counts.
    """
    # Lock the endpoint first, as all code does; weak enough for the outbox, which only needs it to exist.
    endpoint = session.get(WebhookEndpoint, claimed.endpoint_id, with_for_update={"key_share": True})
    row = session.get(WebhookDelivery, claimed.id, with_for_update=True)
    if endpoint is None or row is None:
        return None  # deleted by its owner in the meantime
    if row.status != "pending" or (row.lease_owner != owner and not attempt.delivered):
        return row.status
    row.attempts += 1
    row.history = [*row.history, _history_entry(attempt)][-HISTORY:]
    row.response = attempt.response
    row.lease_owner = row.lease_until = None
    if attempt.delivered:
        row.status, row.delivered_at, row.next_attempt_at = "delivered", attempt.at, None
        endpoint.failing_since, endpoint.failures_in_a_row, endpoint.paused_until = None, 0, None
        endpoint.last_success_at = attempt.at
        return row.status
    if attempt.status == 410 or row.attempts > len(RETRY_AFTER):
        row.status, row.next_attempt_at = "exhausted", None
    else:
        row.next_attempt_at = _next_attempt(row.attempts, attempt, now)
    _note_failure(endpoint, attempt, now)
    return row.status


def list_deliveries(
    session: Session,
    workspace_id: str,
    endpoint_id: str,
    *,
    status: str | None = None,
    before_id: str | None = None,
    limit: int = 20,
) -> tuple[list[tuple[WebhookDelivery, WebhookEvent]], bool]:
    """Return one page of an endpoint's log, newest first, and whether more follow."""
    query = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.workspace_id == workspace_id, WebhookDelivery.endpoint_id == endpoint_id)
    )
    if status is not None:
        query = query.where(WebhookDelivery.status == status)
    if before_id is not None:
        query = query.where(WebhookDelivery.id < before_id)
    found = session.execute(query.order_by(WebhookDelivery.id.desc()).limit(limit + 1)).all()
    return list(found[:limit]), len(found) > limit


def get_delivery(
    session: Session, workspace_id: str, endpoint_id: str, delivery_id: str
) -> tuple[WebhookDelivery, WebhookEvent]:
    """Return one delivery with its event. Raises NotFoundError, also for a delivery of another endpoint."""
    query = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.workspace_id == workspace_id,
            WebhookDelivery.endpoint_id == endpoint_id,
        )
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFoundError(f"there is no delivery {delivery_id} of this webhook")
    return found


def replay_deliveries(
    session: Session,
    endpoint: WebhookEndpoint,
    now: datetime,
    *,
    since: datetime | None = None,
    delivery_id: str | None = None,
    only_undelivered: bool = False,
) -> int:
    """Replay the events since `since`, or one delivery; return the number. The ids stay the same.

    Skips deliveries that are being sent now. Raises ConflictError for a disabled endpoint.
    """
    _require_enabled(endpoint)
    conditions: list[ColumnElement[bool]] = [WebhookDelivery.endpoint_id == endpoint.id, _free(now)]
    if since is not None:
        conditions.append(WebhookDelivery.created_at >= since)
    if delivery_id is not None:
        conditions.append(WebhookDelivery.id == delivery_id)
    if only_undelivered:
        conditions.append(WebhookDelivery.status != "delivered")
    changed = session.scalars(
        update(WebhookDelivery)
        .where(*conditions)
        .values(
            status="pending",
            attempts=0,
            next_attempt_at=now,
            delivered_at=None,
            replayed=True,
            lease_owner=None,
            lease_until=None,
        )
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session="fetch")
    )
    return len(changed.all())


def send_test_event(
    session: Session, endpoint: WebhookEndpoint, now: datetime
) -> tuple[WebhookDelivery, WebhookEvent]:
    """Queue a test event for the endpoint like any other event; return its delivery.

    Raises ConflictError for a disabled endpoint.
    """
    _require_enabled(endpoint)
    delivery_id = write_test_event(session, endpoint, now)
    return get_delivery(session, endpoint.workspace_id, endpoint.id, delivery_id)


def describe_delivery(row: WebhookDelivery, event: WebhookEvent) -> dict[str, Any]:
    """Return a delivery as all interfaces show it."""
    return {
        "id": row.id,
        "event_id": event.id,
        "type": event.type,
        "status": row.status,
        "attempts": row.attempts,
        "replayed": row.replayed,
        "next_attempt_at": row.next_attempt_at,
        "delivered_at": row.delivered_at,
        "created_at": row.created_at,
        "last_attempt": row.history[-1] if row.history else None,
    }


def describe_delivery_detail(row: WebhookDelivery, event: WebhookEvent) -> dict[str, Any]:
    """Return a delivery with its attempts, the last response, and the payload."""
    return {
        **describe_delivery(row, event),
        "history": row.history,
        "response": row.response,
        "payload": json.loads(event.body),
    }


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise ConflictError(
            f"the webhook is disabled ({endpoint.disabled_reason}): enable it first", code="webhook_disabled"
        )


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return WebhookDelivery.status == "pending", WebhookDelivery.next_attempt_at <= now, _free(now)


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until <= now)


def _secrets(cipher: Cipher, endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    blobs = [endpoint.secret]
    if endpoint.old_secret is not None and endpoint.old_secret_until is not None:
        blobs += [endpoint.old_secret] if endpoint.old_secret_until > now else []
    return tuple(cipher.decrypt_text(PURPOSE, blob) for blob in blobs)


def _next_attempt(attempts: int, attempt: Attempt, now: datetime) -> datetime:
    # Jitter, so that deliveries that failed together are not retried together.
    pause = RETRY_AFTER[attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311 (spreads load, guards nothing)
    return max(now + pause, _asked(attempt, now))


def _asked(attempt: Attempt, now: datetime) -> datetime:
    return now if attempt.retry_at is None else min(attempt.retry_at, now + LONGEST_WAIT)


def _note_failure(endpoint: WebhookEndpoint, attempt: Attempt, now: datetime) -> None:
    endpoint.failing_since = endpoint.failing_since or attempt.at
    endpoint.failures_in_a_row += 1
    # 2 ** 9 seconds exceed five minutes; the bound keeps the power small.
    pause = min(FIRST_PAUSE * 2 ** min(endpoint.failures_in_a_row - 1, 9), LONGEST_PAUSE)
    endpoint.paused_until = max(now + pause, _asked(attempt, now))
    if endpoint.disabled_at is not None:
        return
    if attempt.status == 410:
        endpoint.disabled_reason = "it answered 410 Gone: it no longer accepts events"
    elif now - endpoint.failing_since >= DEAD_AFTER:
        answered = f"it answered {attempt.status}" if attempt.status is not None else attempt.error
        since = f"{endpoint.failing_since:%Y-%m-%d %H:%M} UTC"
        endpoint.disabled_reason = f"no delivery has succeeded since {since}; last result: {answered}"
    else:
        return
    endpoint.disabled_at = endpoint.updated_at = now
    endpoint.version += 1


def _history_entry(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at.isoformat(),
        "status": attempt.status,
        "error": attempt.error,
        "milliseconds": attempt.milliseconds,
    }
