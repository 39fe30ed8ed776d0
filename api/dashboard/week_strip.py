"""The week strip of compose: the hours of seven days with the chosen accounts' best times, posts and free slots.

A click on an hour fills in the time. Without scripts each hour is a button of the form, which shows the form again with
that time; nothing is saved by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING

from api.dashboard.calendar import list_hours
from api.dashboard.charts import count_of
from warehouse.errors import InvalidInputError
from warehouse.scheduling.calendar import list_open_places, read_planned
from warehouse.scheduling.local_times import resolve_local, resolve_time
from warehouse.scheduling.optimal_placement import load_weeks
from warehouse.scheduling.placement import SlotAdvice, weigh
from warehouse.store.accounts.accounts import list_accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.dashboard.frame import Clock
    from api.http.services import Services
    from warehouse.store.models import AccountRow
    from warehouse.store.posts.idempotency import StoreSession

DAYS = 7
_GONE = frozenset({"canceled", "deleted"})


@dataclass(slots=True)
class StripHour:
    """One hour of the strip."""

    at: str
    """Value of the form's time field; "" = it does not exist (clock change), or is over."""
    tint: str
    said: str
    posts: int = 0
    is_slot: bool = False
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """Seven days."""

    key: str
    """What it depends on: a script asks for another one only if this changes."""
    days: Sequence[tuple[date, Sequence[StripHour]]] = field(default_factory=tuple)
    has_tint: bool = False


def read_strip(  # noqa: PLR0917 (a form and what it is read with)
    services: Services,
    session: StoreSession,
    workspace_id: str,
    account_ids: Sequence[str],
    written: str,
    clock: Clock,
    *,
    known: str = "",
) -> Strip | None:
    """Return the week from today, or of a later time that is written in the form. None: the key is `known` already.

    Posts are those of the chosen accounts, of all if none is chosen.
    """
    first = _find_first(written, clock)
    key = f"{first}|{','.join(sorted(account_ids))}"
    if key == known:
        return None
    every = list_accounts(session, workspace_id, statuses=("active",))
    accounts = [row for row in every if row.id in account_ids]
    advise, scale = _read_advice(services, session, workspace_id, accounts, first, clock)
    start, end = (_midnight(first + timedelta(days=days), clock) for days in (0, DAYS))
    planned = [
        (row, post)
        for row, post in read_planned(session, workspace_id, start, end, None)
        if row.status not in _GONE and (not account_ids or row.account_id in account_ids)
    ]
    posts: dict[tuple[date, int], set[str]] = {}
    for _row, post in planned:
        if post.scheduled_at is not None:
            local = clock.local(post.scheduled_at)
            posts.setdefault((local.date(), local.hour), set()).add(post.id)
    slots: dict[tuple[date, int], str] = {}
    for place in list_open_places(session, workspace_id, accounts, planned, max(start, clock.now), end):
        if place.content is None:
            local = clock.local(place.at)
            slots.setdefault((local.date(), local.hour), f"{local:%Y-%m-%dT%H:%M}")
    now = clock.local(clock.now).replace(tzinfo=None)
    days = []
    for number in range(DAYS):
        day = first + timedelta(days=number)
        hours = []
        for hour in list_hours(day, clock.zone, advise, scale):
            place_ = (day, hour.hour)
            at = slots.get(place_, hour.at)
            over = hour.missing or datetime.combine(day, time(hour.hour)) <= now
            there = len(posts.get(place_, ()))
            said = f"{day:%a} {day.day} {day:%b}, {hour.title}"
            said += f", {count_of(there, 'post')} planned" if there else ""
            said += f", free slot at {at[-5:]}" if place_ in slots else ""
            hours.append(
                StripHour(
                    "" if over else at, hour.tint, said, there, place_ in slots, at[:13] == written[:13] != ""
                )
            )
        days.append((day, hours))
    return Strip(key, days, advise is not None)


def _find_first(written: str, clock: Clock) -> date:
    """Return the first day: today, or that of a written time which is more than a week away."""
    today = clock.local(clock.now).date()
    if not written:
        return today
    try:
        day = clock.local(resolve_time(written, clock.zone, field="at").at).date()
    except InvalidInputError:
        return today
    return today if day < today + timedelta(days=DAYS) else day


def _read_advice(  # noqa: PLR0917 (accounts and a span)
    services: Services,
    session: StoreSession,
    workspace_id: str,
    accounts: Sequence[AccountRow],
    first: date,
    clock: Clock,
) -> tuple[Callable[[datetime], SlotAdvice] | None, float]:
    """Return what these accounts together can expect at an instant, and the lift drawn at full strength."""
    weeks = load_weeks(session, services.lake, workspace_id, accounts) if accounts else []
    if not any(week.slots for week in weeks):
        return None, 1.0

    @cache  # the scale and the hours ask for the same instants
    def advise(at: datetime) -> SlotAdvice:
        one = weigh(weeks, at)
        return SlotAdvice(one.lift, one.lift_low, one.lift_high, 0.5, "none")

    begin = _midnight(first, clock)
    lifts = sorted(abs(advise(begin + timedelta(hours=hour)).expected_lift) for hour in range(DAYS * 24))
    return advise, max(lifts[int(0.95 * (len(lifts) - 1))], 0.05)


def _midnight(day: date, clock: Clock) -> datetime:
    return resolve_local(datetime.combine(day, time()), clock.zone).at.astimezone(UTC)
