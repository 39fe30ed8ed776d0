"""`socialflow schedules`: the content calendar."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.moments import FORMS, write_optional_time
from flows.cli.output import JsonOption, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError
from warehouse.scheduling.calendar import describe_calendar, read_feed_span, read_planned, resolve_span
from warehouse.scheduling.calendar_file import write_calendar_csv
from warehouse.scheduling.icalendar import write_calendar
from warehouse.store.access.workspaces import parse_timezone

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show what is planned, or write it as iCalendar.",
)

AccountOption = Annotated[str | None, typer.Option("--account", help="Only this account, by its id.")]
SHORTENED = 30


@app.command()
def show(
    *,
    start: Annotated[str | None, typer.Option("--from", help=f"{FORMS}; default: today, local.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Excluded; default: 30 days later.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone of the local days; default: the workspace's.")
    ] = None,
    account_id: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show planned posts by local day. A `!` marks another post of the account less than 30 minutes away."""
    with open_workspace() as opened:
        zone = parse_timezone(timezone or opened.workspace.timezone)
        since, until = _read_span(start, end, zone, opened.now)
        planned = read_planned(opened.session, opened.workspace_id, since, until, account_id)
        told = describe_calendar(planned, zone, since, until)
    if as_json:
        print_json(told)
        return
    rows = [
        {
            "local time": _local(entry["local_time"]) + (" !" if entry["conflicts"] else ""),
            "platform": entry["platform"],
            "status": entry["status"],
            "content": _shorten(entry["content"]),
        }
        for day in told["data"]
        for entry in day["entries"]
    ]
    print_records(rows, ["local time", "platform", "status", "content"])
    say(f"times in {zone.key}; {len(rows)} planned")


@app.command()
def export(
    *,
    output: Annotated[
        Path, typer.Option(help="The .ics or .csv file to write; it appears when it is complete.")
    ],
    account_id: AccountOption = None,
    start: Annotated[str | None, typer.Option("--from", help=f"CSV: {FORMS}; default: today, local.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="CSV: excluded; default: 30 days later.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="CSV: IANA zone of the times; default: the workspace's.")
    ] = None,
) -> None:
    """Write the calendar to a file. iCalendar covers one month back and eleven ahead, CSV a period."""
    if output.suffix.lower() not in {
        ".csv",
        ".ics",
        ".ical",
        "",
    }:  # a name without ending has always been iCalendar
        raise InvalidInputError(f"{output.name} must end in .ics or .csv: rename it", field="output")
    with open_workspace() as opened:
        if output.suffix.lower() == ".csv":
            zone = parse_timezone(timezone or opened.workspace.timezone)
            since, until = _read_span(start, end, zone, opened.now)
            planned = read_planned(opened.session, opened.workspace_id, since, until, account_id)
            body = write_calendar_csv(planned, zone, since, until)
        else:
            planned = read_feed_span(opened.session, opened.workspace_id, opened.now, account_id)
            body = write_calendar(planned, opened.workspace.name)
    with write_beside(output.absolute()) as path:
        path.write_bytes(body)
    say(f"{len(planned)} entries in {output}")


def _read_span(
    start: str | None, end: str | None, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    since = write_optional_time(start, zone.key, field="from")
    return resolve_span(since, write_optional_time(end, zone.key, field="to"), zone, now)


def _local(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORTENED else line[: SHORTENED - 1] + "…"
