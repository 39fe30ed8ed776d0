"""One round of notifications: find what is new, queue it, send what is due.

    one transaction     the ledger's new rows, accounts, flows -> things not told yet -> messages in the queue
    for each target     commit "attempt begins" -> send -> commit the outcome

A crash after a message was sent and before that was committed sends it once more, a minute later; everything else is
sent once. Rounds of two processes never overlap: a lease keeps them apart.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from flows.exclusive_runs import run_exclusively
from warehouse.planning.news import (
    LEDGER_BATCH,
    LEDGER_OVERLAP,
    collect_news,
    newest_ledger_id,
    write_notices,
)
from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.database import new_id
from warehouse.store.notifications.outbox import (
    Message,
    Target,
    find_untold,
    mark_told,
    read_outbox,
    write_outbox,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from flows.notifications.sender import Sender
    from flows.notifications.settings import NotifySettings
    from warehouse.planning.news import News
    from warehouse.store.database import Session, Store
    from warehouse.store.notifications.outbox import Outbox

logger = logging.getLogger(__name__)

LEASE = "notify-people"
SHOWN = timedelta(days=7)
PURPOSE = "notification addresses"


def has_work(session: Session, settings: NotifySettings, now: datetime, *, with_flows: bool) -> bool:
    """Whether a round would do anything. Reads only, and no more however long the history is (40 ms)."""
    if not list_workspaces(session):
        return False
    outbox = read_outbox(session)
    newest = newest_ledger_id(session)
    if outbox.last_ledger_id is None or outbox.is_due(now):
        return True
    if newest - outbox.last_ledger_id > LEDGER_BATCH:
        return True
    news = _collect(session, settings, outbox, newest, now, with_flows=with_flows)
    return bool(find_untold(session, [one.key for one in news if not outbox.is_paused(one.kind, now)]))


def run_round(
    store: Store,
    settings: NotifySettings,
    senders: Sequence[Sender],
    *,
    clock: Callable[[], datetime],
    with_flows: bool,
) -> dict[str, int]:
    """Queue what is new, send what is due, and return the counts `queued`, `sent` and `failed`.

    Raises FlowBusyError while another process does the same.
    """
    counts = Counter(queued=0, sent=0, failed=0)
    by_address = {store.cipher.hmac_hex(PURPOSE, sender.url)[:16]: sender for sender in senders}
    with run_exclusively(store, LEASE):
        while _queue_news(store, settings, list(by_address), clock(), counts, with_flows=with_flows):
            pass
        with store.read() as session:
            waiting = read_outbox(session).waiting
        for message in waiting:
            for target in message.targets:
                _send(store, by_address, message, target.address, clock=clock, counts=counts)
    return dict(counts)


def check_notifications(
    session: Session, settings: NotifySettings, now: datetime
) -> list[tuple[Literal["ok", "warning"], str]]:
    """Return what the doctor says of notifications; nothing where no address is set."""
    if not settings.addresses or not list_workspaces(session):
        return []
    outbox = read_outbox(session)
    lost = [one for one in outbox.given_up if now - one.at < SHOWN]
    if lost:
        last = lost[-1]
        detail = (
            f"{len(lost)} were given up, the last ({last.title}): {last.error}; try `socialflow notify test`"
        )
        return [("warning", detail)]
    failing = [target for one in outbox.waiting for target in one.targets if target.error is not None]
    if failing:
        return [("warning", f"{len(failing)} are tried again, the last failed: {failing[-1].error}")]
    return [("ok", f"{len(outbox.waiting)} wait to be sent to {len(settings.addresses)} addresses")]


def _queue_news(
    store: Store,
    settings: NotifySettings,
    addresses: list[str],
    now: datetime,
    counts: Counter[str],
    *,
    with_flows: bool,
) -> bool:
    """Queue the news of the ledger's next rows; return whether there are more rows."""
    with store.write() as session:
        if not list_workspaces(session):
            return False
        outbox = read_outbox(session)
        outbox.keep_addresses(addresses)
        newest = newest_ledger_id(session)
        if outbox.last_ledger_id is None:
            outbox.first_ledger_id = outbox.last_ledger_id = newest
        until = min(newest, outbox.last_ledger_id + LEDGER_BATCH)
        news = _collect(session, settings, outbox, until, now, with_flows=with_flows)
        paused = [one for one in news if outbox.is_paused(one.kind, now)]
        waits = bool(find_untold(session, [one.key for one in paused]))
        told = [one for one in news if one not in paused and mark_told(session, one.key, now)]
        for notice in write_notices(told):
            targets = [Target(address, now) for address in addresses]
            outbox.add(Message(new_id("ntf"), notice.kind, notice.title, notice.text, now, targets))
            counts["queued"] += 1
        if waits:  # read again in a minute: what was told is known by its key
            write_outbox(session, outbox, now)
            return False
        outbox.last_ledger_id = until
        write_outbox(session, outbox, now)
        return until < newest


def _collect(
    session: Session,
    settings: NotifySettings,
    outbox: Outbox,
    until: int,
    now: datetime,
    *,
    with_flows: bool,
) -> list[News]:
    after = max(outbox.first_ledger_id, (outbox.last_ledger_id or 0) - LEDGER_OVERLAP)
    return collect_news(session, now, about=settings.about, after=after, until=until, with_flows=with_flows)


def _send(
    store: Store,
    senders: Mapping[str, Sender],
    message: Message,
    address: str,
    *,
    clock: Callable[[], datetime],
    counts: Counter[str],
) -> None:
    with store.write() as session:
        outbox = read_outbox(session)
        if not outbox.begin_attempt(message.id, address, clock()):
            return
        write_outbox(session, outbox, clock())
    sender = senders[address]
    error = sender.send(f"SocialFlow: {message.title}", message.text)
    counts["sent" if error is None else "failed"] += 1
    if error is not None:
        logger.warning("notification %r to address %s failed: %s", message.title, sender.name, error)
    with store.write() as session:
        outbox = read_outbox(session)
        outbox.end_attempt(message.id, address, clock(), error)
        write_outbox(session, outbox, clock())
