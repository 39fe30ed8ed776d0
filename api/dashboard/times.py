"""Best times: each account's week on one continuous scale, the evidence, and what one hour rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse  # noqa: TC002 (FastAPI reads the annotation)

from api.dashboard.charts import DAYS, describe_lift, draw_week, scale_of
from api.dashboard.rendering import DashboardRoute, show
from api.dashboard.sessions import VisitorDep  # noqa: TC001 (same)
from api.http.dependencies import ServicesDep  # noqa: TC001 (same)
from warehouse.errors import InvalidInputError
from warehouse.lake.queries.placement_lift import get_placement_lift
from warehouse.lake.queries.posts import list_recent_posts
from warehouse.lake.queries.timing import get_optimal_times
from warehouse.scheduling.advised_week import read_advised_week
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_account,
    describe_kinds,
    describe_pace,
    describe_slot,
    list_account_caveats,
)
from warehouse.scheduling.placement import next_instant
from warehouse.store.accounts.accounts import get_account, list_accounts
from warehouse.store.schedules.placements import get_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from markupsafe import Markup

    from api.http.services import Services
    from warehouse.store.models import AccountRow

router = APIRouter(prefix="/dashboard/times", include_in_schema=False, route_class=DashboardRoute)

CONNECTED = ("active", "revoked", "imported")
_SHOWN_SLOTS = 3
_SHOWN_POSTS = 12
_LOOKED_AT = 2000
"""How many of an account's newest posts are looked through for those of one hour."""


@dataclass(frozen=True, slots=True)
class ShownWeek:
    """An account's week, drawn."""

    account: AccountRow
    timezone: str
    posts: int
    verdict: str
    pace: str
    """How often to post."""
    kinds: str
    """Which kinds and lengths do better."""
    chart: Markup
    scale: float
    best: Sequence[tuple[datetime, str]]
    """The top slots: next time, and their sentence."""
    caveats: Sequence[str]
    rows: Sequence[dict[str, Any]]


@router.get("")
def show_times(
    services: ServicesDep, visitor: VisitorDep, account: Annotated[str, Query(max_length=40)] = ""
) -> HTMLResponse:
    """Show the week of one account, of the one with the most posts if none is chosen, and the verdict on each other."""
    visitor.require("read")
    workspace_id, now = visitor.key.workspace_id, services.clock()
    with services.store.read() as session:
        accounts = list_accounts(session, workspace_id, statuses=CONNECTED)
        if account:
            get_account(session, workspace_id, account)
        share = get_policy(session, workspace_id).random_share
        advised = read_advised_week(
            session, services.lake, workspace_id, account_id=account or None, limit=_SHOWN_SLOTS
        )
    shown = {one.id for one in accounts}
    best = {key: row for key, row in advised.best.items() if key in shown and row["account_posts"]}
    drawn = max(best, key=lambda key: best[key]["account_posts"], default=None)
    others, without = [], []
    for one in accounts:
        if account and one.id != account:
            continue
        if one.id not in best:
            without.append(one)
        elif one.id != drawn:
            row = best[one.id]
            others.append((one, describe_account(row, _next_of(row, now))))
    week = None
    if drawn is not None:
        chosen = next(one for one in accounts if one.id == drawn)
        slots = [row for row in advised.slots if row["account_id"] == drawn]
        week = _draw(services, chosen, best[drawn], slots, advised.habits.get(drawn, ()), now)
    lift = None
    if "analytics" in visitor.scopes:
        lift = get_placement_lift(
            services.lake, workspace_id=workspace_id, age="24h", account_id=account or None
        )
    return show(
        "times.html",
        visitor=visitor,
        services=services,
        week=week,
        others=others,
        without=without,
        accounts=accounts,
        account=account,
        lift=lift,
        share=round(share * 100),
        caveats=CAVEATS,
        day_names=DAYS,
    )


@router.get("/{account_id}/hour")
def show_hour(
    account_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    *,
    weekday: Annotated[int, Query(ge=0, le=6)],
    hour: Annotated[int, Query(ge=0, le=23)],
) -> HTMLResponse:
    """Show one hour: its range, the posts it rests on, and what can be done with it."""
    visitor.require("read")
    with services.store.read() as session:
        account = get_account(session, visitor.key.workspace_id, account_id)
    rows = get_optimal_times(services.lake, workspace_id=visitor.key.workspace_id, account_id=account_id)
    row = next((one for one in rows if (one["weekday"], one["hour"]) == (weekday, hour)), None)
    if row is None:
        raise InvalidInputError("nothing has been computed for this hour yet", field="hour")
    at = next_instant(weekday, hour, ZoneInfo(row["timezone"]), services.clock())
    zone = ZoneInfo(row["timezone"])
    recent = list_recent_posts(
        services.lake, workspace_id=visitor.key.workspace_id, account_id=account_id, limit=_LOOKED_AT
    )
    there = [one for one in recent if _place_of(one["published_at"].astimezone(zone)) == (weekday, hour)]
    return show(
        "hour.html",
        visitor=visitor,
        services=services,
        account=account,
        row=row,
        at=at,
        said=describe_slot(row, at),
        lift=describe_lift(row["expected_lift"], row["lift_low"], row["lift_high"]),
        posts=there[:_SHOWN_POSTS],
        name=f"{DAYS[weekday]} {hour:02}:00",
    )


def _draw(  # noqa: PLR0917 (an account and what is known about it)
    services: Services,
    account: AccountRow,
    best: Mapping[str, Any],
    slots: Sequence[Mapping[str, Any]],
    habits: Sequence[Mapping[str, Any]],
    now: datetime,
) -> ShownWeek:
    """Return the account's week with its chart; `best`: its best row, `slots`: its best few, best first."""
    rows = get_optimal_times(services.lake, workspace_id=account.workspace_id, account_id=account.id)

    def link(weekday: int, hour: int) -> str:
        return f"/dashboard/times/{account.id}/hour?weekday={weekday}&hour={hour}"

    times = [(_next_of(row, now), row) for row in slots]
    return ShownWeek(
        account,
        best["timezone"],
        best["account_posts"],
        describe_account(best, _next_of(best, now)),
        describe_pace(habits),
        describe_kinds(habits),
        draw_week(rows, f"Expected effect by weekday and hour, @{account.handle}", link),
        scale_of(rows),
        [(at, describe_slot(row, at)) for at, row in times],
        list_account_caveats(best, now),
        rows,
    )


def _next_of(row: Mapping[str, Any], now: datetime) -> datetime:
    return next_instant(row["weekday"], row["hour"], ZoneInfo(row["timezone"]), now)


def _place_of(local: datetime) -> tuple[int, int]:
    return local.weekday(), local.hour
