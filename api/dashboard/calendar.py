"""The calendar: month, week, day and list, with best-time tint, queue slots, recurrences, and moves.

A move is a form; a script sends the same form after a drag or a key and gets JSON back, with the expected effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.charts import describe_lift, scale_of, tint_of
from api.dashboard.frame import Clock
from api.dashboard.rendering import DashboardRoute, field_of, give_json, show, wants_json
from api.dashboard.sessions import FieldsDep, VisitorDep, require_form_token
from api.http.dependencies import ServicesDep  # noqa: TC001 (same)
from connectors.types import UPLOAD_PREFIX
from warehouse.errors import InvalidInputError
from warehouse.lake.queries.usual import get_usual_ratios
from warehouse.planning.posts import move_post
from warehouse.scheduling.calendar import list_open_places, read_planned
from warehouse.scheduling.local_times import resolve_local
from warehouse.scheduling.optimal_placement import load_weeks, read_calendar
from warehouse.scheduling.placement import HARD_GAP, WANTED_GAP, weigh
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.posts.reads import get_post, list_history, list_publications

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from api.http.services import Services
    from warehouse.scheduling.placement import SlotAdvice, Week
    from warehouse.store.models import AccountRow, Post, Publication

router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)

VIEWS = ("month", "week", "day", "list")
_CHIPS_A_DAY = 3
_MOST_COLUMNS = 4
_CHIP_ROWS = 3
_QUARTERS = 96
_MOST_HISTORY = 200
"""Posts from accounts' histories on one page, the latest: the page stays small whatever was imported."""


@dataclass(slots=True)
class Chip:
    """A post on the calendar."""

    post_id: str
    at: datetime
    """Local in the shown zone."""
    status: str
    words: str
    platforms: Sequence[str]
    thumb: str | None
    movable: bool
    ratio: float | None = None
    """Engagement at 24 hours against the usual; None = not measured."""
    from_history: bool = False
    """Found in an account's history instead of written here."""
    column: str = "k1-0"
    """The CSS class of its column, next to entries that overlap it."""

    @property
    def row(self) -> int:
        """The quarter of the local day, 0 to 93: a chip is three quarters high."""
        return min((self.at.hour * 60 + self.at.minute) // 15, _QUARTERS - 3)

    @property
    def gain(self) -> int | None:
        """The width of its bar in percent: 50 = as usual, 100 = twice the usual or more."""
        return None if self.ratio is None else round(min(self.ratio, 2) * 50)


@dataclass(slots=True)
class Place:
    """A free queue slot, or an occurrence of a rule that is not made yet."""

    at: datetime
    words: str
    platforms: Sequence[str]
    rule: bool
    column: str = "k1-0"

    @property
    def row(self) -> int:
        """The quarter of the local day at which it begins."""
        return min((self.at.hour * 60 + self.at.minute) // 15, _QUARTERS - 2)


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a day in week and day view."""

    hour: int
    tint: str
    title: str
    missing: bool = False
    """The clocks go forward over it."""
    twice: bool = False
    """The clocks go back to it."""
    at: str = ""
    """For the form of a new post."""


@dataclass(slots=True)
class Day:
    """One day of the calendar."""

    date: date
    inside: bool
    """Whether it belongs to the shown month."""
    chips: list[Chip] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    hours: list[Hour] = field(default_factory=list)


@router.get("/calendar")
def show_calendar(
    services: ServicesDep,
    visitor: VisitorDep,
    *,
    view: Annotated[str, Query(max_length=10)] = "week",
    day: Annotated[str, Query(alias="date", max_length=10)] = "",
    zone: Annotated[str, Query(max_length=64)] = "",
    account: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Show the plan of a month, a week, a day, or as a list of four weeks."""
    visitor.require("read")
    if view not in VIEWS:
        raise InvalidInputError(f"view: use one of {', '.join(VIEWS)}", field="view")
    now = services.clock()
    with services.store.read() as session:
        workspace = get_workspace(session, visitor.key.workspace_id)
        shown_zone = parse_timezone(zone or workspace.timezone, field="zone")
        focus = _read_day(day, now.astimezone(shown_zone).date())
        first, last = _span(view, focus)
        start, end = _midnight(first, shown_zone), _midnight(last + timedelta(days=1), shown_zone)
        accounts = list_accounts(session, workspace.id, statuses=("active", "revoked"))
        chosen = [row for row in accounts if row.id == account] if account else accounts
        if account and not chosen:
            raise InvalidInputError("account: choose one of the connected accounts", field="account")
        planned = read_planned(session, workspace.id, start, end, account or None)
        days = {
            first + timedelta(days=n): Day(first + timedelta(days=n), inside=True)
            for n in range((last - first).days + 1)
        }
        for shown in days.values():
            shown.inside = view != "month" or shown.date.month == focus.month
        may_move = "write" in visitor.scopes
        past = list_history(
            session,
            workspace.id,
            start=start,
            end=end,
            account_id=account or None,
            limit=_MOST_HISTORY + 1,
        )
        entries = [*planned, *past[:_MOST_HISTORY]]
        chips = _make_chips(services, workspace.id, entries, shown_zone, start, end, now, may_move=may_move)
        for chip in chips:
            days[chip.at.date()].chips.append(chip)
        for one in list_open_places(session, workspace.id, chosen, planned, max(start, now), end):
            local = one.at.astimezone(shown_zone)
            words = "Free slot" if one.content is None else first_words(one.content)
            days[local.date()].places.append(Place(local, words, one.platforms, rule=one.content is not None))
        zones = list(
            dict.fromkeys(
                [
                    workspace.timezone,
                    *(row.timezone for row in accounts if row.timezone),
                    shown_zone.key,
                    "UTC",
                ]
            )
        )
    tinted = chosen[0] if len(chosen) == 1 else None
    week = None
    if view in {"week", "day"}:
        week = _load_tint(services, workspace.id, tinted) if tinted else None
        slots = week.slots.values() if week else ()
        scale = scale_of([{"expected_lift": slot.expected_lift} for slot in slots])
        for shown in days.values():
            shown.hours = list_hours(shown.date, shown_zone, week.advice_at if week else None, scale)
            set_columns([*shown.places, *shown.chips])
    return show(
        "calendar.html",
        visitor=visitor,
        services=services,
        zone=shown_zone.key,
        view=view,
        views=VIEWS,
        focus=focus,
        days=list(days.values()),
        today=now.astimezone(shown_zone).date(),
        now_row=_row_of(now.astimezone(shown_zone)),
        title=_title(view, first, last, focus),
        before=_step(view, focus, -1),
        after=_step(view, focus, 1),
        accounts=accounts,
        account=account,
        zones=zones,
        zone_asked=zone,
        most=_CHIPS_A_DAY,
        tinted=tinted,
        has_tint=week is not None,
        most_history=_MOST_HISTORY if len(past) > _MOST_HISTORY else None,
        query=_join_query(zone, account),
    )


@router.get("/posts/{post_id}/move")
def ask_for_time(
    post_id: Annotated[str, Path(max_length=40)], services: ServicesDep, visitor: VisitorDep
) -> HTMLResponse:
    """Show the form that moves a post, for keyboards and browsers without scripts."""
    visitor.require("write")
    with services.store.read() as session:
        post = get_post(session, visitor.key.workspace_id, post_id)
    return show("move.html", visitor=visitor, services=services, post=post)


@router.post("/posts/{post_id}/move")
def move(
    post_id: Annotated[str, Path(max_length=40)],
    request: Request,
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> Response:
    """Move what has not been sent; with `now`, send it at once; with `undo`, an approval is not asked for twice."""
    require_form_token(fields, visitor)
    visitor.require("write")
    when = None if "now" in fields else field_of(fields, "at")
    zone = field_of(fields, "zone") or None
    with services.store.write() as session:
        context = services.planning(session, visitor.key.workspace_id)
        before = get_post(session, visitor.key.workspace_id, post_id).scheduled_at
        post = move_post(context, post_id, when, timezone=zone)
        moved_to = post.scheduled_at
    if not wants_json(request):
        return RedirectResponse(_back(fields, post_id), 303)
    clock = Clock(
        parse_timezone(zone) if zone else _zone_of(services, visitor.key.workspace_id), services.clock()
    )
    at = moved_to or services.clock()
    words, collisions = describe_effect(services, visitor.key.workspace_id, post_id, at)
    return give_json(
        {
            "at": at.isoformat(),
            "local": clock.field(at),
            "undo": before.isoformat() if before and before > services.clock() else None,
            "words": f"Moved to {clock.full(at)}{words}.{collisions}",
        }
    )


def describe_effect(services: Services, workspace_id: str, post_id: str, at: datetime) -> tuple[str, str]:
    """Return the expected effect of a time on a post's accounts, and what is too close to it, in words."""
    with services.store.read() as session:
        rows = list_publications(session, [post_id])[post_id]
        ids = [row.account_id for row in rows if row.status != "canceled"]
        accounts = [row for row in list_accounts(session, workspace_id) if row.id in ids]
        if not accounts:
            return "", ""
        weeks = load_weeks(session, services.lake, workspace_id, accounts)
        _calendar, near = read_calendar(
            session, ids, at - WANTED_GAP, at + WANTED_GAP, except_post_id=post_id
        )
    words = ""
    if any(week.slots for week in weeks):
        candidate = weigh(weeks, at)
        words = f": expected {describe_lift(candidate.lift, candidate.lift_low, candidate.lift_high)}"
    close = sum(abs(item.at - at) < HARD_GAP for item in near)
    return words, f" {close} other post(s) within 30 minutes: the earlier one earns less." if close else ""


def list_hours(
    day: date, zone: ZoneInfo, advise: Callable[[datetime], SlotAdvice] | None, scale: float = 1.0
) -> list[Hour]:
    """Return the 24 wall-clock hours of a local day; a clock change makes one missing, or one happen twice.

    `advise`: what an instant can expect, None = not known; `scale`: the lift that is drawn at full strength.
    """
    hours = []
    for hour in range(24):
        written = datetime.combine(day, time(hour))
        local = resolve_local(written, zone)
        if local.resolution == "shifted_forward":
            shown = local.at.astimezone(zone)
            hours.append(
                Hour(hour, "", f"The clocks go forward: {hour:02}:00 becomes {shown:%H:%M}", missing=True)
            )
            continue
        tint, said = "", f"{hour:02}:00"
        if advise is not None:
            slot = advise(local.at)
            tint = tint_of(slot.expected_lift, scale)
            said += f", {describe_lift(slot.expected_lift, slot.lift_low, slot.lift_high)}"
        twice = local.resolution == "first_of_two"
        if twice:
            said += ". The clocks go back: this hour happens twice; a new post takes the first"
        hours.append(Hour(hour, tint, said, twice=twice, at=f"{written:%Y-%m-%dT%H:%M}"))
    return hours


def set_columns(entries: Sequence[Chip | Place]) -> None:
    """Place overlapping entries in adjacent columns, at most four; other entries have the whole width."""
    group: list[Chip | Place] = []
    ends = -1
    for one in [*sorted(entries, key=lambda entry: entry.row), None]:
        if one is None or one.row >= ends:
            columns = min(len(group), _MOST_COLUMNS)
            for number, member in enumerate(group):
                member.column = f"k{columns}-{number % columns}"
            group = []
        if one is not None:
            group.append(one)
            ends = max(ends, one.row + _CHIP_ROWS)


def _make_chips(  # noqa: PLR0917 (what a period's chips depend on)
    services: Services,
    workspace_id: str,
    planned: Sequence[tuple[Publication, Post]],
    zone: ZoneInfo,
    start: datetime,
    end: datetime,
    now: datetime,
    *,
    may_move: bool,
) -> list[Chip]:
    by_post: dict[str, tuple[Post, list[Publication]]] = {}
    for publication, post in planned:
        at = _time_of(post, publication)
        if at is not None and start <= at < end:
            by_post.setdefault(post.id, (post, []))[1].append(publication)
    measured = [post_id for post_id, (post, _rows) in by_post.items() if post.status == "published"]
    ratios = get_usual_ratios(services.lake, workspace_id=workspace_id, post_ids=measured, now=now)
    chips = []
    for post, rows in by_post.values():
        at = _time_of(post, rows[0]) or now
        thumb = find_thumb(post.details.get("media") or [])
        movable = may_move and all(row.status in {"scheduled", "draft"} for row in rows)
        ratio = ratios[post.id].ratio if post.id in ratios else None
        status = shown_status(post, rows)
        platforms = list(dict.fromkeys(row.platform for row in rows))
        chips.append(
            Chip(
                post.id,
                at.astimezone(zone),
                status,
                first_words(post.content),
                platforms,
                thumb,
                movable,
                ratio,
                from_history=post.origin == "external",
            )
        )
    return sorted(chips, key=lambda chip: (chip.at.astimezone(UTC), chip.post_id))


def _time_of(post: Post, publication: Publication) -> datetime | None:
    """Return when a post is planned, or when one from an account's history was published."""
    return publication.published_at if post.origin == "external" else post.scheduled_at


def first_words(content: str) -> str:
    """Return the beginning of a text on one line."""
    return " ".join(content.split())[:80] or "Without text"


def shown_status(post: Post, rows: Sequence[Publication]) -> str:
    """Return the most pressing state of a post and its publications."""
    states = {row.status for row in rows}
    for pressing in ("needs_review", "failed"):
        if pressing in states:
            return pressing
    return "pending" if post.approval_state == "pending" else post.status


def find_thumb(media: Sequence[dict[str, Any]]) -> str | None:
    """Return the address of the first uploaded picture; pictures elsewhere are not loaded from other servers."""
    for item in media:
        url = str(item.get("url", ""))
        if url.startswith(UPLOAD_PREFIX) and item.get("kind", "image") == "image":
            return f"/dashboard/media/{url.removeprefix(UPLOAD_PREFIX)}"
    return None


def _load_tint(services: Services, workspace_id: str, account: AccountRow) -> Week | None:
    with services.store.read() as session:
        (week,) = load_weeks(session, services.lake, workspace_id, [account])
    return week if week.slots else None


def _read_day(text: str, today: date) -> date:
    if not text:
        return today
    try:
        read = date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError("date: write a day such as 2026-03-02", field="date") from None
    if not 1971 < read.year < 2199:
        raise InvalidInputError("date: use years 1972 to 2198", field="date")
    return read


def _span(view: str, focus: date) -> tuple[date, date]:
    monday = focus - timedelta(days=focus.weekday())
    match view:
        case "week":
            return monday, monday + timedelta(days=6)
        case "day":
            return focus, focus
        case "list":
            return focus, focus + timedelta(days=27)
        case _:
            first = focus.replace(day=1)
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())


def _step(view: str, focus: date, direction: int) -> date:
    if view == "month":
        month = focus.replace(day=1) + timedelta(days=32 if direction > 0 else -1)
        return month.replace(day=1)
    return focus + direction * timedelta(days={"week": 7, "day": 1, "list": 28}[view])


def _title(view: str, first: date, last: date, focus: date) -> str:
    if view == "month":
        return f"{focus:%B %Y}"
    if view == "day":
        return f"{focus:%A} {focus.day} {focus:%B %Y}"
    begin = (
        f"{first.day} {first:%b}" if (first.month, first.year) != (last.month, last.year) else f"{first.day}"
    )
    return f"{begin} to {last.day} {last:%b %Y}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return resolve_local(datetime.combine(day, time()), zone).at


def _row_of(local: datetime) -> int:
    return (local.hour * 60 + local.minute) // 15


def _zone_of(services: Services, workspace_id: str) -> ZoneInfo:
    with services.store.read() as session:
        return parse_timezone(get_workspace(session, workspace_id).timezone)


def _join_query(zone: str, account: str) -> str:
    pairs = {name: value for name, value in (("zone", zone), ("account", account)) if value}
    return f"&{urlencode(pairs)}" if pairs else ""


def _back(fields: dict[str, list[str]], post_id: str) -> str:
    """Return where a form leads back to: the page of the post, or a page of the dashboard that it names."""
    back = field_of(fields, "back")
    return f"/dashboard/{back}" if back in {"calendar", "posts"} else f"/dashboard/posts/{post_id}"
