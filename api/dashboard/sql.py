"""The SQL page: one read-only statement on the lake, worked queries, a quick chart, and a file to download.

A statement sees the whole lake. So the page is for administrators of an installation with one workspace; with several,
the command line on the machine (`socialflow sql`) is the way.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from api.dashboard.charts import DayValue, draw_days
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, RefusedError, Visitor, VisitorDep, require_form_token
from api.http.dependencies import ServicesDep
from api.http.services import Services
from warehouse.errors import InvalidInputError
from warehouse.lake.console import ask
from warehouse.lake.export.formulas import guard_text
from warehouse.scheduling.local_times import resolve_time
from warehouse.store.access.workspaces import list_workspaces, parse_timezone, read_settings
from warehouse.store.audit.log import record

router = APIRouter(prefix="/dashboard/sql", include_in_schema=False, route_class=DashboardRoute)

SHOWN_ROWS = 200
FILE_ROWS = 50_000
SECONDS = 20.0
LONGEST = 20_000
_CHART_DAYS = 366
_SLIDER_STEPS = 200
EXAMPLES = (
    (
        "Engagement by platform",
        """SELECT platform, count(*) AS publications, count(engagement) AS measured, median(engagement) AS typical
FROM marts.publication_latest
GROUP BY platform
ORDER BY typical DESC NULLS LAST""",
    ),
    (
        "Engagement earned per day",
        """SELECT day, sum(gain) AS engagement
FROM marts.engagement_daily
GROUP BY day
ORDER BY day DESC
LIMIT 60""",
    ),
    (
        "Followers per day",
        """SELECT day, sum(followers) AS followers
FROM marts.account_daily
GROUP BY day
ORDER BY day DESC
LIMIT 60""",
    ),
    (
        "Best posts after 24 hours",
        """SELECT post_id, platforms, engagement_24h
FROM marts.post_performance
WHERE engagement_24h IS NOT NULL
ORDER BY engagement_24h DESC
LIMIT 20""",
    ),
    (
        "Best hours of each account",
        """SELECT account_id, weekday, hour, expected_lift, lift_low, lift_high, n_posts
FROM marts.optimal_times
QUALIFY row_number() OVER (PARTITION BY account_id ORDER BY expected_lift DESC) <= 5""",
    ),
    (
        "Doubtful numbers",
        """SELECT check_name, severity, count(*) AS findings
FROM quality.findings
GROUP BY ALL
ORDER BY findings DESC""",
    ),
)
"""Worked queries; docs/warehouse.md has more."""


@router.get("")
def show_box(
    services: ServicesDep, visitor: VisitorDep, example: Annotated[int, Query(ge=0, lt=len(EXAMPLES))] = 0
) -> HTMLResponse:
    """Show the box with a worked query."""
    _require(services, visitor)
    return _show(services, visitor, EXAMPLES[example][1])


@router.post("")
def run(services: ServicesDep, visitor: VisitorDep, fields: FieldsDep) -> Response:
    """Run the statement and show its rows, or with `file` return them as CSV."""
    require_form_token(fields, visitor)
    _require(services, visitor)
    statement, written = field_of(fields, "sql"), field_of(fields, "as_of")
    if not statement or len(statement) > LONGEST:
        raise InvalidInputError(f"write one statement of at most {LONGEST:,} characters", field="sql")
    try:
        with services.store.read() as session:
            zone = parse_timezone(read_settings(session, visitor.key.workspace_id).timezone)
        as_of = resolve_time(written, zone, field="as_of").at if written else None
        most = FILE_ROWS if "file" in fields else SHOWN_ROWS + 1
        with ask(services.warehouse, statement, as_of=as_of, seconds=SECONDS) as answer:
            columns, rows = answer.columns, list(answer.rows(most))
    except InvalidInputError as error:
        return _show(services, visitor, statement, as_of=written, problem=error.message)
    with services.store.write() as session:
        now = services.clock()
        detail = {"rows": len(rows), "sql": statement[:500]}
        record(session, "data_exported", visitor.key.workspace_id, now, None, detail)
    if "file" in fields:
        return _write_file(columns, rows)
    return _show(services, visitor, statement, as_of=written, columns=columns, rows=rows)


def _require(services: Services, visitor: Visitor) -> None:
    visitor.require("admin")
    with services.store.read() as session:
        if len(list_workspaces(session)) > 1:
            raise RefusedError(
                "A statement would read every workspace of this installation: use `socialflow sql` on its machine."
            )


def _write_file(columns: list[str], rows: list[tuple[Any, ...]]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([guard_text(one) if isinstance(one, str) else one for one in row])
    headers = {"Content-Disposition": 'attachment; filename="rows.csv"', "Cache-Control": "no-store"}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _show(
    services: Services,
    visitor: Visitor,
    statement: str,
    *,
    as_of: str = "",
    problem: str | None = None,
    columns: list[str] | None = None,
    rows: list[tuple[Any, ...]] | None = None,
) -> HTMLResponse:
    with services.store.read() as session:
        zone = parse_timezone(read_settings(session, visitor.key.workspace_id).timezone)
    shown = [[_write(one) for one in row] for row in (rows or [])[:SHOWN_ROWS]]
    return show(
        "sql.html",
        422 if problem else 200,
        visitor=visitor,
        services=services,
        statement=statement,
        as_of=as_of,
        commits=list_commits(services.lake.list_commits(), zone),
        problem=problem,
        columns=columns,
        rows=shown,
        more=rows is not None and len(rows) > SHOWN_ROWS,
        limit=SHOWN_ROWS,
        chart=_draw(columns or [], rows or []),
        examples=EXAMPLES,
    )


def list_commits(commits: Sequence[datetime], zone: ZoneInfo) -> list[str]:
    """Return the local minutes at which the lake has a state, oldest first; of many, some spread evenly."""
    # The minute after the commit: a time without seconds must not lie before it.
    minutes = sorted(
        {(at + timedelta(minutes=1)).astimezone(zone).strftime("%Y-%m-%dT%H:%M") for at in commits}
    )
    step = max(1, -(-len(minutes) // _SLIDER_STEPS))
    return [*reversed(minutes[::-1][::step])]


def _draw(columns: list[str], rows: list[tuple[Any, ...]]) -> Any:  # noqa: ANN401 (markup, or None)
    """Return a chart if the first column is a day and the second a number."""
    pairs = {row[0]: row[1] for row in rows if len(row) > 1 and type(row[0]) is date}
    if len(pairs) < 2 or not all(
        value is None or isinstance(value, (int, float)) for value in pairs.values()
    ):
        return None
    series = [DayValue(day, None if value is None else float(value)) for day, value in sorted(pairs.items())]
    return draw_days(series[-_CHART_DAYS:], f"{columns[1]} by {columns[0]}", whole=False)


def _write(value: Any) -> str:  # noqa: ANN401 (a cell of any type)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:500]
