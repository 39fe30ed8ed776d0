"""Numbers: figures of a period with comparisons at equal age, a chart per metric, and a page per account.

Under each chart are its table and the statement that made it. Days are whole days in the shown zone; today is included
and marked as not over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse  # noqa: TC002 (FastAPI reads the annotation)

from api.dashboard.charts import DayValue, count_of, draw_days, draw_spark
from api.dashboard.rendering import DashboardRoute, show, write_change
from api.dashboard.sessions import VisitorDep  # noqa: TC001 (same)
from api.http.dependencies import ServicesDep  # noqa: TC001 (same)
from connectors.capabilities import CAPABILITIES
from warehouse.errors import InvalidInputError
from warehouse.lake.queries.accounts import get_account_figures, list_account_days, list_account_groups
from warehouse.lake.queries.overview import find_post_words, get_overview
from warehouse.lake.queries.usual import compare_at_age
from warehouse.scheduling.local_times import resolve_local
from warehouse.sql import load_sql
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import get_account, list_accounts
from warehouse.store.posts.reads import find_contents, list_publications

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from markupsafe import Markup

    from api.http.services import Services
    from warehouse.lake.queries.usual import PeriodLift

router = APIRouter(prefix="/dashboard/numbers", include_in_schema=False, route_class=DashboardRoute)

PERIODS = (7, 30, 90, 365)
METRICS = {"engagement": "Engagement", "posts": "Posts", "follower_growth": "New followers"}
STILL_EARNING = 3
"""Days whose posts earn most of their engagement yet."""
CONNECTED = ("active", "revoked", "imported")


@dataclass(frozen=True, slots=True)
class Figure:
    """One tile of the row on top."""

    name: str
    value: str
    under: str
    trend: str = ""
    """up, down, or nothing where the range holds zero."""
    change: str = ""
    spark: Markup | None = None


@router.get("")
def show_numbers(
    services: ServicesDep,
    visitor: VisitorDep,
    *,
    days: Annotated[int, Query(ge=1, le=365)] = 30,
    metric: Annotated[str, Query(max_length=20)] = "engagement",
    account: Annotated[str, Query(max_length=40)] = "",
    platform: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show the figures of the last days, of all accounts, one platform or one account."""
    visitor.require("analytics")
    if metric not in METRICS:
        raise InvalidInputError(f"metric: use one of {', '.join(METRICS)}", field="metric")
    if platform and platform not in CAPABILITIES:
        raise InvalidInputError("platform: choose one of the connected platforms", field="platform")
    workspace_id = visitor.key.workspace_id
    with services.store.read() as session:
        zone = parse_timezone(read_settings(session, workspace_id).timezone)
        accounts = list_accounts(session, workspace_id, statuses=CONNECTED)
        if account:
            get_account(session, workspace_id, account)
    asked: dict[str, Any] = {"platform": platform or None, "account_id": account or None}
    start, end, before = whole_days(services.clock(), zone, days)
    figures = get_overview(services.lake, workspace_id=workspace_id, start=start, end=end, zone=zone, **asked)
    earlier = get_overview(
        services.lake, workspace_id=workspace_id, start=before, end=start, zone=zone, **asked
    )
    lift = compare_at_age(
        services.lake, workspace_id=workspace_id, start=start, end=end, account_id=asked["account_id"],
        platform=asked["platform"],
    )  # fmt: skip
    series = make_series(
        figures["series"], metric, start.astimezone(zone).date(), services.clock().astimezone(zone).date()
    )
    previous = [day[metric] if metric != "engagement" or day["posts"] else 0 for day in earlier["series"]]
    name = f"{METRICS[metric]} per day, last {days} days"
    words = find_post_words(
        services.lake, workspace_id, [row["post_id"] for row in figures["top_performing"]]
    )
    add_stored(services, workspace_id, words)
    query = {name: value for name, value in (("account", account), ("platform", platform)) if value}
    return show(
        "numbers.html",
        visitor=visitor,
        services=services,
        days=days,
        periods=PERIODS,
        metric=metric,
        metrics=METRICS,
        account=account,
        platform=platform,
        accounts=accounts,
        platforms=sorted({row.platform for row in accounts}),
        figures=figures,
        tiles=_make_tiles(figures, earlier, lift, days),
        series=series,
        previous=previous,
        chart=draw_days(series, name, kind="bars", previous=previous),
        statement=_write_overview(figures, start, end, before, workspace_id, asked),
        words=words,
        query=f"&{urlencode(query)}" if query else "",
        first=start.astimezone(zone).date(),
    )


@router.get("/accounts/{account_id}")
def show_account(
    account_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    days: Annotated[int, Query(ge=1, le=365)] = 90,
) -> HTMLResponse:
    """Show one account: followers, and its posts by kind, length and hashtag at equal age."""
    visitor.require("analytics")
    workspace_id = visitor.key.workspace_id
    with services.store.read() as session:
        account = get_account(session, workspace_id, account_id)
        zone = parse_timezone(account.timezone or read_settings(session, workspace_id).timezone)
    start, end, before = whole_days(services.clock(), zone, days)
    asked: dict[str, Any] = {"workspace_id": workspace_id, "account_id": account_id}
    counted = {row["date"]: row for row in list_account_days(services.lake, start=start, end=end, **asked)}
    first = start.astimezone(zone).date()
    followers = [
        DayValue(day, counted[day]["followers"] if day in counted else None)
        for day in (first + timedelta(days=number) for number in range(days))
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in list_account_groups(services.lake, start=before, end=end, **asked):
        groups.setdefault(row["part"], []).append(
            {
                **row,
                "name": row["name"].removeprefix(row["name"][:3]) if row["part"] == "length" else row["name"],
            }
        )
    figures = get_account_figures(services.lake, start=start, end=end, **asked).get(account_id, {})
    statement = write_statement(
        load_sql("queries/select_account_days"), {**asked, "start": start, "end": end}
    )
    return show(
        "account_numbers.html",
        visitor=visitor,
        services=services,
        account=account,
        days=days,
        periods=PERIODS,
        figures=figures,
        chart=draw_days(followers, f"Followers, last {days} days", kind="line"),
        followers=followers,
        groups=groups,
        statement=statement,
        lift=compare_at_age(
            services.lake, start=start, end=end, workspace_id=workspace_id, account_id=account_id
        ),
    )


def whole_days(now: datetime, zone: ZoneInfo, days: int) -> tuple[datetime, datetime, datetime]:
    """Return start and end (UTC) of the last `days` local days including today, and the start of the days before."""
    today = now.astimezone(zone).date()

    def midnight(day: date) -> datetime:
        return resolve_local(datetime.combine(day, time()), zone).at

    first = today - timedelta(days=days - 1)
    end = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return (
        midnight(first),
        max(end, midnight(today) + timedelta(minutes=1)),
        midnight(first - timedelta(days=days)),
    )


def make_series(rows: Sequence[Mapping[str, Any]], metric: str, first: date, today: date) -> list[DayValue]:
    """Return the days of a metric. A day without posts has no engagement to measure, which is no gap."""
    series = []
    for row in rows:
        if row["date"] < first:
            continue
        value = row[metric]
        if metric == "engagement" and not row["posts"]:
            value = 0
        note = "" if metric == "posts" else count_of(row["posts"], "post")
        young = metric == "engagement" and (today - row["date"]).days < STILL_EARNING and bool(row["posts"])
        series.append(DayValue(row["date"], value, note, young))
    return series


def add_stored(services: Services, workspace_id: str, words: dict[str, dict[str, Any]]) -> None:
    """Add what only the store knows: texts that the lake lacks, and deleted publications, whose links are dead."""
    with services.store.read() as session:
        publications = list_publications(session, list(words))
        texts = find_contents(session, workspace_id, [one for one in words if not words[one]["text"]])
    for post_id, known in words.items():
        known["text"] = known["text"] or texts.get(post_id)
        gone = {row.permalink for row in publications.get(post_id, ()) if row.platform_deleted_at is not None}
        known["places"] = [{**place, "deleted": place["permalink"] in gone} for place in known["places"]]


def _make_tiles(
    figures: Mapping[str, Any], earlier: Mapping[str, Any], lift: PeriodLift, days: int
) -> list[Figure]:
    def spark(name: str, label: str) -> Markup:
        return draw_spark([row[name] for row in figures["series"]], label)

    trend, change = describe_trend(lift)
    coverage = figures["coverage"]
    mean = "Not measured yet" if lift.engagement_mean is None else f"{lift.engagement_mean:,.0f}"
    return [
        Figure(
            "Engagement per post after 24 h",
            mean,
            f"{count_of(lift.posts, 'publication')}, against {lift.usual_posts:,} of the 90 days before",
            trend,
            change,
        ),
        Figure(
            "Engagement so far",
            _write(figures["total_engagement"]),
            f"{coverage['measured']} of {coverage['publications']} publications measured; newer posts still earn",
            spark=spark("engagement", "Engagement per day"),
        ),
        Figure(
            "New followers",
            _write(figures["follower_growth"], signed=True),
            f"{count_of(coverage['follower_accounts'], 'account')}; {days} days before: "
            f"{_write(earlier['follower_growth'], signed=True).lower()}",
            spark=spark("follower_growth", "New followers per day"),
        ),
        Figure(
            "Posts",
            _write(figures["total_posts"]),
            f"{days} days before: {_write(earlier['total_posts']).lower()}",
            spark=spark("posts", "Posts per day"),
        ),
    ]


def describe_trend(lift: PeriodLift) -> tuple[str, str]:
    """Return the direction (nothing where the range holds zero) and the change with its range, in words."""
    if lift.lift is None or lift.low is None or lift.high is None:
        return "", "No comparison yet: too few posts measured at 24 hours"
    direction = "up" if lift.low > 0 else "down" if lift.high < 0 else ""
    return (
        direction,
        f"{write_change(lift.lift)} against usual ({write_change(lift.low)} to {write_change(lift.high)})",
    )


def _write(value: int | None, *, signed: bool = False) -> str:
    if value is None:
        return "Not measured yet"
    return f"{value:+,}" if signed and value else f"{value:,}"


def _write_overview(  # noqa: PLR0917 (what the overview was asked)
    figures: Mapping[str, Any],
    start: datetime,
    end: datetime,
    before: datetime,
    workspace_id: str,
    asked: Mapping[str, Any],
) -> str:
    ahead = figures["period"]["from"].utcoffset() or timedelta(0)
    statement = load_sql("queries/sum_overview").replace(
        "{measured}", load_sql("queries/select_measured_now")
    )
    values = {
        "workspace_id": workspace_id, "start": start, "end": end, "previous_start": before, "as_of": None,
        "since": [start], "ahead": [ahead // timedelta(microseconds=1)], **asked,
    }  # fmt: skip
    return write_statement(statement, values)


def write_statement(statement: str, values: Mapping[str, Any]) -> str:
    """Return a statement with its parameters written out, to copy into the SQL page."""

    def write(value: Any) -> str:  # noqa: ANN401 (a parameter of any type)
        if value is None:
            return "NULL"
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(write(one) for one in value)}]"
        if isinstance(value, datetime):
            return f"'{value.isoformat()}'"
        return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"

    body = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
    return re.sub(r"\$(\w+)", lambda found: write(values[found[1]]) if found[1] in values else found[0], body)
