"""Today: what is published in the next 24 hours, how the week does against the usual, and the next good free times."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse  # noqa: TC002 (FastAPI reads the annotation)

from api.dashboard.calendar import find_thumb, first_words, shown_status
from api.dashboard.charts import DayValue, describe_lift, draw_days
from api.dashboard.numbers import describe_trend, make_series, whole_days
from api.dashboard.rendering import DashboardRoute, show
from api.dashboard.sessions import VisitorDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.dependencies import ServicesDep  # noqa: TC001 (same)
from warehouse.errors import InvalidInputError
from warehouse.lake.queries.overview import get_overview
from warehouse.lake.queries.usual import compare_at_age, get_usual_ratios
from warehouse.scheduling.calendar import read_planned
from warehouse.scheduling.suggestions import SuggestionWish, suggest_times
from warehouse.store.access.workspaces import get_workspace, parse_timezone
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.posts.reads import PostFilter, list_publications, search_posts

if TYPE_CHECKING:
    from datetime import datetime

    from api.dashboard.sessions import Visitor
    from api.http.services import Services
    from warehouse.store.models import Post, Publication

router = APIRouter(prefix="/dashboard", include_in_schema=False, route_class=DashboardRoute)

_AHEAD = timedelta(hours=24)
_WEEK = 7
_SHOWN = 12
_SUGGESTED = 3


@router.get("")
def show_today(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the next 24 hours, the week, and free times; a new installation gets its first steps."""
    visitor.require("read", "analytics")
    values: dict[str, Any] = {"coming": None, "recent": [], "times": [], "week": None, "steps": None}
    if "read" in visitor.scopes:
        values |= _read_plan(services, visitor)
    if "analytics" in visitor.scopes:
        values["week"] = _read_week(services, visitor.key.workspace_id)
        measured = [row["id"] for row in values["recent"]]
        ratios = get_usual_ratios(
            services.lake, workspace_id=visitor.key.workspace_id, post_ids=measured, now=services.clock()
        )
        for row in values["recent"]:
            row["measured"] = ratios.get(row["id"])
    return show("today.html", visitor=visitor, services=services, **values)


def _read_plan(services: Services, visitor: Visitor) -> dict[str, Any]:
    now, workspace_id = services.clock(), visitor.key.workspace_id
    with services.store.read() as session:
        accounts = list_accounts(session, workspace_id)
        planned = read_planned(session, workspace_id, now, now + _AHEAD, None)
        by_post: dict[str, tuple[Post, list[Publication]]] = {}
        for publication, post in planned:
            at = post.scheduled_at
            if (
                at is not None
                and now <= at < now + _AHEAD
                and publication.status in {"scheduled", "claimed", "sending"}
            ):
                by_post.setdefault(post.id, (post, []))[1].append(publication)
        coming = [_describe(post, rows) for post, rows in by_post.values()]
        done, _more = search_posts(
            session, workspace_id, PostFilter(statuses=("published", "partially_published"), origin=None),
            soonest=False, offset=0, limit=5,
        )  # fmt: skip
        publications = list_publications(session, [post.id for post in done])
        recent = [_describe(post, publications[post.id]) for post in done]
        any_post = bool(coming) or bool(
            search_posts(session, workspace_id, PostFilter(), soonest=False, offset=0, limit=1)[0]
        )
        workspace = get_workspace(session, workspace_id)
        times = _suggest(services, session, workspace_id, now) if accounts else []
        steps = None
        if not accounts or not any_post:
            steps = {
                "zone": workspace.timezone,
                "zone_set": workspace.timezone != "UTC",
                "connected": bool(accounts),
                "history": any(
                    row.backfill_finished_at is not None or row.backfill_posts for row in accounts
                ),
                "reading": [row for row in accounts if row.backfill_finished_at is None],
                "written": any_post,
                "accounts": accounts,
            }
    return {
        "coming": coming[:_SHOWN],
        "more": len(coming) - _SHOWN,
        "recent": recent,
        "times": times,
        "steps": steps,
    }


def _describe(post: Post, rows: list[Publication]) -> dict[str, Any]:
    return {
        "id": post.id,
        "at": post.scheduled_at or post.created_at,
        "words": first_words(post.content),
        "thumb": find_thumb(post.details.get("media") or []),
        "platforms": list(dict.fromkeys(row.platform for row in rows)),
        "status": shown_status(post, rows),
        "measured": None,
    }


def _suggest(services: Services, session: Any, workspace_id: str, now: datetime) -> list[dict[str, Any]]:  # noqa: ANN401 (a store session)
    try:
        found = suggest_times(session, services.lake, workspace_id, SuggestionWish(count=_SUGGESTED), now)
    except InvalidInputError:  # nothing is computed yet: the page says so
        return []
    return [
        {
            "at": one.at,
            "lift": describe_lift(
                one.expected_lift_pct / 100, one.interval_80[0] / 100, one.interval_80[1] / 100
            ),
        }
        for one in found.data
    ]


def _read_week(services: Services, workspace_id: str) -> dict[str, Any]:
    now = services.clock()
    with services.store.read() as session:
        zone = parse_timezone(get_workspace(session, workspace_id).timezone)
    start, end, before = whole_days(now, zone, _WEEK)
    asked: dict[str, Any] = {"workspace_id": workspace_id}
    figures = get_overview(services.lake, start=start, end=end, zone=zone, **asked)
    earlier = get_overview(services.lake, start=before, end=start, zone=zone, **asked)
    lift = compare_at_age(services.lake, start=start, end=end, **asked)
    series: list[DayValue] = make_series(
        figures["series"], "engagement", start.astimezone(zone).date(), now.astimezone(zone).date()
    )
    previous = [day["engagement"] if day["posts"] else 0 for day in earlier["series"]]
    trend, change = describe_trend(lift)
    return {
        "figures": figures,
        "lift": lift,
        "trend": trend,
        "change": change,
        "chart": draw_days(series, "Engagement of the posts of each day, last 7 days", previous=previous),
        "measured": any(day.value for day in series),
    }
