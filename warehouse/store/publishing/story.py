"""Describe a publication's history in sentences: what happened when, why it is not sent yet, and what is next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from warehouse.store.models import AccountRow, PlatformLimit, Workspace
from warehouse.store.publishing.later_parts import CANCELED, FAILED, WAITING, count_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from warehouse.store.models import Publication, PublicationAttempt

Clock = Callable[[datetime], str]


def tell_story(
    session: Session, publication: Publication, events: Sequence[PublicationAttempt], now: datetime
) -> list[str]:
    """Return sentences, oldest first; the last one describes the state at `now`. Times are UTC."""
    return [
        f"{_clock(at)} {words}" if at else words
        for at, words in list_story(session, publication, events, now)
    ]


def list_story(
    session: Session,
    publication: Publication,
    events: Sequence[PublicationAttempt],
    now: datetime,
    *,
    clock: Clock | None = None,
) -> list[tuple[datetime | None, str]]:
    """Return what happened when, oldest first; the last entry, without a time, describes the state at `now`.

    `clock` writes the times within the sentences; default: UTC to the second.
    """
    write = clock or _clock
    told: list[tuple[datetime | None, str]] = [
        (event.at, _sentence(event, publication, write)) for event in events
    ]
    if publication.platform_deleted_at is not None and all(one.event != "unpublished" for one in events):
        told.append((publication.platform_deleted_at, "found deleted on the platform."))
    return [*told, (None, _standing(session, publication, now, write) + _partly(publication, write))]


def _partly(publication: Publication, clock: Clock) -> str:
    """Return how many parts are out while some are not, as a sentence; "" for everything else."""
    sent, total = count_parts(publication)
    if not 0 < sent < total:
        return ""
    if publication.status == "published":
        return _tell_rest(publication, sent, total, clock)
    return f" {name_parts(1, sent).capitalize()} of {total} {'is' if sent == 1 else 'are'} out."


def _tell_rest(publication: Publication, sent: int, total: int, clock: Clock) -> str:
    """Return what becomes of the later parts of a published thread, as a sentence; "" if nothing is known of them."""
    rest = name_parts(sent + 1, total).capitalize()
    if publication.rest == WAITING and publication.rest_at is not None:
        again = ""
        if publication.due_at is not None and publication.due_at > publication.rest_at:
            again = f" (next try {clock(publication.due_at)}: {publication.reason})"
        return f" Part {sent + 1} of {total} follows at {clock(publication.rest_at)}{again}."
    if publication.rest == FAILED:
        return f" Part {sent + 1} of {total} failed: {publication.reason}."
    if publication.rest == CANCELED:
        return f" {rest} of {total} will not be sent."
    return ""


def name_parts(first: int, last: int) -> str:
    """Return "part 2" or "parts 2 to 3"."""
    return f"part {first}" if first == last else f"parts {first} to {last}"


def _tell_parts(event: str, detail: Mapping[str, Any], why: str, next_at: str, clock: Clock) -> str | None:
    """Return the sentence of an event of which the parts of a thread have different outcomes; None = they have not."""
    counts = detail.get("parts")
    if counts is None or not (counts["before"] or counts["out"]):
        return None
    before, out, total = counts["before"], counts["out"], counts["of"]
    thread = f"the thread is {detail.get('external_id')}"
    later = (
        f"; part {out + 1} follows at {_written(detail['rest_at'], clock)}" if detail.get("rest_at") else ""
    )
    rest = name_parts(out + 1, total)
    sentences = {
        "published": f"{name_parts(before + 1, out)} of {total} accepted by the platform; {thread}{later}",
        "found": f"{name_parts(before + 1, out)} of {total} found on the platform: it was published; {thread}{later}",
        "part_published": f"{name_parts(before + 1, out)} of {total} accepted by the platform{later}",
        "part_found": f"{name_parts(before + 1, out)} of {total} found on the platform: it was published{later}",
        "part_failed": f"part {out + 1} of {total} failed{why}",
        "not_found": f"looked for on the platform{why}",
        "retry": f"{name_parts(1, out)} of {total} out, {rest} not sent{why}{next_at}",
        "unknown": f"{name_parts(1, out)} of {total} out, outcome of part {out + 1} unknown: it may be published{why}; "
        "the platform will be checked",
    }
    # A thread whose parts all went out at once has nothing to tell apart.
    return sentences.get(event) if before or out < total else None


def _sentence(event: PublicationAttempt, publication: Publication, clock: Clock) -> str:
    detail: dict[str, Any] = event.detail
    why = f": {detail['message']}" if detail.get("message") else ""
    next_at = f"; next at {_written(detail['next_at'], clock)}" if detail.get("next_at") else ""
    late = ""
    if event.event == "sending" and publication.scheduled_at is not None:
        late = f", {(event.at - publication.scheduled_at).total_seconds():+.3f} s from its time"
    sentences = {
        "draft": "saved as a draft",
        "scheduled": f"scheduled for {_written(detail['scheduled_at'], clock)}"
        if detail.get("scheduled_at")
        else "scheduled",
        "edited": "its content was changed",
        "claimed": "claimed by a publisher",
        "released": f"given back unsent{why}",
        "sending": f"attempt {event.attempt} began{late}",
        "published": f"accepted by the platform as {detail.get('external_id')}",
        "retry": f"not sent{why}{next_at}",
        "unknown": f"outcome unknown: it may be published{why}; the platform will be checked",
        "found": f"found on the platform as {detail.get('external_id')}: it was published",
        "not_found": f"not on the platform{why}",
        "needs_review": f"needs a decision{why}",
        "failed": f"failed{why}",
        "canceled": "canceled",
        "part_failed": f"a later part failed{why}",
        "parts_canceled": f"its later parts were canceled{why}",
        "resolved": f"decided by a user: {detail.get('decision')}",
        "retry_by_hand": "retried by a user",
        "approval_requested": "asked for approval",
        "approved": f"approved{why}",
        "rejected": f"returned to its author{why}",
        "edit_requested": "asked to be edited on the platform",
        "edit_done": "edited on the platform, as asked",
        "edit_failed": f"not edited on the platform{why}",
        "edit_unknown": f"perhaps edited on the platform{why}",
        "edit_refused": f"not edited{why}",
        "unpublish_requested": "asked to be deleted on the platform",
        "unpublished": "deleted on the platform, as asked",
        "unpublish_failed": f"not deleted on the platform{why}",
        "unpublish_unknown": f"perhaps deleted on the platform{why}",
        "duplicate": f"confirmed a second time, as {detail.get('external_id')}; it may be published twice",
    }
    told = _tell_parts(event.event, detail, why, next_at, clock)
    return (told or sentences.get(event.event, f"{event.event}{why}")) + "."


def _standing(session: Session, publication: Publication, now: datetime, clock: Clock) -> str:
    status, reason = publication.status, publication.reason
    if status == "published" and publication.platform_deleted_at is not None:
        return "It was published and later deleted on the platform."
    if status == "published":
        where = f"It is published{f': {publication.permalink}' if publication.permalink else ''}."
        return where + _tell_edit(publication, clock)
    if status == "scheduled":
        return _waiting(session, publication, now, clock)
    standing = {
        "draft": "It is a draft: give it a time to schedule it.",
        "claimed": "A publisher has claimed it and sends it at its time.",
        "sending": "It is being sent.",
        "unknown": f"It may be published; the platform is checked again at {clock(publication.due_at or now)}.",
        "needs_review": f"It needs your decision{f': {reason}' if reason else ''}.",
        "failed": f"It failed{f': {reason}' if reason else ''}.",
        "canceled": "It was canceled.",
    }
    return standing[status]


def _tell_edit(publication: Publication, clock: Clock) -> str:
    """Return how the last edit stands, as a sentence; "" if there was none."""
    edit = publication.edit
    if edit is None:
        return ""
    at = _written(edit["requested_at"], clock)
    return {
        "done": f" It was edited at {at}.",
        "failed": f" The edit of {at} was not made: the post is unchanged.",
        "refused": f" The edit of {at} was not possible: the post is unchanged.",
        "unknown": f" Whether the edit of {at} was made is not known: repeat it.",
    }[edit["state"]]


def _waiting(session: Session, publication: Publication, now: datetime, clock: Clock) -> str:
    if publication.due_at is None:
        return "Not sent yet: it waits for approval."
    account = session.get_one(AccountRow, publication.account_id)
    workspace = session.get_one(Workspace, publication.workspace_id)
    limit = session.get(PlatformLimit, publication.platform)
    if workspace.publishing_paused_at is not None:
        return f"Not sent yet: all publishing is paused since {clock(workspace.publishing_paused_at)}."
    if account.paused_at is not None:
        return f"Not sent yet: the account is paused since {clock(account.paused_at)}."
    if account.status != "active":
        return f"Not sent yet, and it will fail: the account is {account.status}; reconnect it."
    if account.rate_limited_until is not None and account.rate_limited_until > now:
        until, why = account.rate_limited_until, account.rate_limit_reason
        return f"Not sent yet: the platform asked this account to wait until {clock(until)} ({why})."
    if limit is not None and limit.paused_until > now:
        return f"Not sent yet: the platform asked to wait until {clock(limit.paused_until)} ({limit.reason})."
    due = publication.due_at or now
    if due > now:
        return f"Not sent yet: its {'next try' if publication.attempts else 'time'} is {clock(due)}."
    return (
        "Due now: a publisher sends it within seconds; if not, no publisher is running (`socialflow doctor`)."
    )


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _written(time: object, clock: Clock) -> str:
    """Return a time that the ledger holds as text, in the form of all other times."""
    return clock(datetime.fromisoformat(str(time)).astimezone(UTC))
