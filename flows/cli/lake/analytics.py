"""`socialflow analytics`: metrics of posts and accounts, from the lake."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.arguments import ChangedSinceOption, expand_id, require_choice
from flows.cli.lake.settings import read_lake_settings
from flows.cli.moments import FORMS, read_moment, write_optional_time
from flows.cli.output import JsonOption, print_details, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.atomic_files import write_beside
from warehouse.lake.connect import Lake
from warehouse.lake.export.workspace_files import FORMATS, TABLES, write_table
from warehouse.lake.queries.accounts import (
    NOT_MEASURED,
    get_account_figures,
    get_account_zone,
    list_account_days,
)
from warehouse.lake.queries.decay import FEWEST_POSTS, REFERENCES, get_decay, get_frequency
from warehouse.lake.queries.overview import get_overview
from warehouse.lake.queries.placement_lift import AGES as LIFT_AGES
from warehouse.lake.queries.placement_lift import get_placement_lift
from warehouse.lake.queries.posts import AGES, METRICS, get_post_metrics, rank_posts
from warehouse.platforms import parse_platform
from warehouse.scheduling.periods import DEFAULT_PERIOD, AskedPeriod, resolve_period
from warehouse.store.accounts.accounts import get_account, list_accounts
from warehouse.store.audit.log import record
from warehouse.store.measuring.export_cursors import note_cursor
from warehouse.store.posts.reads import get_post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.cli.workspace_session import Opened
    from warehouse.store.models import AccountRow

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show metrics of posts and accounts. Unmeasured values are empty (null), never 0.",
)

LATEST = "latest"

PeriodOption = Annotated[str | None, typer.Option(help=f"1d to 365d, up to now; default: {DEFAULT_PERIOD}.")]
FromOption = Annotated[str | None, typer.Option("--from", help=f"{FORMS}, inclusive; instead of --period.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Exclusive; default: now.")]
PlatformOption = Annotated[str | None, typer.Option(help="Only this platform.")]
AccountOption = Annotated[str | None, typer.Option("--account", help="Only this account, by its id.")]


@dataclass(frozen=True, slots=True)
class _Filter:
    """Filter options shared by most commands, validated."""

    workspace_id: str
    platform: Any
    account_id: str | None

    def as_query(self) -> dict[str, Any]:
        return {"workspace_id": self.workspace_id, "platform": self.platform, "account_id": self.account_id}


@app.command()
def overview(
    *,
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    as_of: Annotated[str | None, typer.Option(help="Use only data measured by this time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Summarize a period. Shows its posts, their results so far, new followers and top posts."""
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        wanted = _read_filter(opened, platform, account_id)
        measured_by = read_moment(as_of, opened.zone, field="as_of")
    with _open_lake() as lake:
        told = get_overview(
            lake, **wanted.as_query(), start=asked.start, end=asked.end, as_of=measured_by, zone=opened.zone
        )
    if as_json:
        print_json(told)
        return
    names = ("total_posts", "total_engagement", "follower_growth", "as_of", "timezone", "period", "coverage")
    print_details({name: told[name] for name in names})
    print_records(told["by_platform"], ["platform", "total_posts", "total_engagement", "follower_growth"])
    print_records(told["top_performing"], ["post_id", "engagement"])


@app.command()
def posts(
    *,
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    sort: Annotated[str, typer.Option(help=f"Best first: {', '.join(METRICS)}.")] = "engagement",
    age: Annotated[
        str,
        typer.Option(
            help=f"Compare posts at this age: {', '.join(AGES)}, or latest = by their newest metrics."
        ),
    ] = "24h",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Rank the posts published in a period, at equal age."""
    require_choice(sort, METRICS, field="sort")
    require_choice(age, (*AGES, LATEST), field="age")
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        wanted = _read_filter(opened, platform, account_id)
    with _open_lake() as lake:
        found = rank_posts(
            lake,
            snapshot_id=lake.snapshot_id(),
            **wanted.as_query(),
            start=asked.start,
            end=asked.end,
            metric=sort,
            age=None if age == LATEST else age,
            limit=limit,
        )
    if as_json:
        print_json(
            {
                "data": found.rows,
                "has_more": found.has_more,
                "age": age,
                "sort": sort,
                "period": {"from": asked.start, "to": asked.end},
                "ranked": found.ranked,
                "unranked": found.unranked,
            }
        )
        return
    print_records(found.rows, ["rank", "post_id", "value", "published_at"])
    say(f"{found.ranked} ranked by {sort} at {age}; {found.unranked} were not measured at that age")


@app.command()
def post(
    *,
    post_id: Annotated[str, typer.Argument(help="As `socialflow posts list` shows it.", callback=expand_id)],
    as_json: JsonOption = False,
) -> None:
    """Show a post's metrics over time. Lists every measurement of each publication."""
    with open_workspace() as opened:
        get_post(opened.session, opened.workspace_id, post_id)
    with _open_lake() as lake:
        told = get_post_metrics(lake, workspace_id=opened.workspace_id, post_id=post_id)
    if as_json:
        print_json(told)
        return
    rows = [
        {"platform": one["platform"], **snapshot}
        for one in told["publications"]
        for snapshot in one["snapshots"]
    ]
    print_records(rows, ["platform", "captured_at", "likes", "comments", "shares", "engagement"])


@app.command()
def accounts(
    *,
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every account's followers and engagement in a period."""
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        chosen = parse_platform(platform) if platform else None
        rows = list_accounts(opened.session, opened.workspace_id, platform=chosen)
    with _open_lake() as lake:
        figures = get_account_figures(
            lake, workspace_id=opened.workspace_id, start=asked.start, end=asked.end
        )
    data = [{**NOT_MEASURED, **figures.get(row.id, {}), **_name(row)} for row in rows]
    if as_json:
        print_json({"data": data, "period": {"from": asked.start, "to": asked.end}})
    else:
        print_records(
            data, ["platform", "handle", "followers", "follower_growth", "publications", "engagement"]
        )


@app.command()
def account(
    *,
    account_id: Annotated[
        str, typer.Argument(help="As `socialflow accounts list` shows it.", callback=expand_id)
    ],
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account's results in a period. Also prints its followers per day."""
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        row = get_account(opened.session, opened.workspace_id, account_id)
    query: dict[str, Any] = {
        "workspace_id": opened.workspace_id,
        "start": asked.start,
        "end": asked.end,
        "account_id": account_id,
    }
    with _open_lake() as lake:
        figures = get_account_figures(lake, **query).get(account_id, {})
        series = list_account_days(lake, **query)
        zone = get_account_zone(lake, account_id)
    told = {
        **NOT_MEASURED,
        **figures,
        **_name(row),
        "timezone": zone,
        "period": {"from": asked.start, "to": asked.end},
    }
    if as_json:
        print_json({**told, "series": series})
        return
    print_details(told)
    print_records(series, ["date", "followers", "follower_growth", "posts"])


@app.command("timing-lift")
def timing_lift(
    *,
    age: Annotated[
        str, typer.Option(help=f"Every post is compared at this age: {', '.join(LIFT_AGES)}.")
    ] = "24h",
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare recommended times with random times.

    Needs an experiment: `socialflow workspace set --random-share 0.2`.
    """
    require_choice(age, LIFT_AGES, field="age")
    with open_workspace() as opened:
        wanted = _read_filter(opened, platform, account_id)
    with _open_lake() as lake:
        told = get_placement_lift(lake, **wanted.as_query(), age=age)
    if as_json:
        print_json(told)
    else:
        say(told["verdict"])
        print_details({name: value for name, value in told.items() if name != "verdict"})


@app.command()
def decay(
    *,
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    reference: Annotated[
        str, typer.Option(help=f"The engagement at this age counts as the whole: {', '.join(REFERENCES)}.")
    ] = "7d",
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how fast posts earn their engagement. Prints the half-life and the share reached at each age."""
    require_choice(reference, REFERENCES, field="reference")
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        wanted = _read_filter(opened, platform, account_id)
    with _open_lake() as lake:
        told = get_decay(lake, **wanted.as_query(), start=asked.start, end=asked.end, reference=reference)
    if as_json:
        print_json({**told, "period": {"from": asked.start, "to": asked.end}})
        return
    rows = []
    for group in told["groups"]:
        half, ages = group["half_life"], {age["age_hours"]: age["share"] for age in group["ages"]}
        shares = {f"share_{hours}h": ages.get(hours) for hours in (1, 6, 24, 72)}
        rows.append({**group, "half_life_h": half["hours"], "interval": half["interval"], **shares})
    print_records(
        rows,
        [
            "level",
            "platform",
            "account_id",
            "posts",
            "half_life_h",
            "interval",
            *(f"share_{n}h" for n in (1, 6, 24, 72)),
        ],
    )
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["coverage"].items())
    say(f"posts: {counts}; empty = not known (fewer than {FEWEST_POSTS} posts)")


@app.command()
def frequency(
    *,
    period: PeriodOption = None,
    start: FromOption = None,
    end: ToOption = None,
    age: Annotated[str, typer.Option(help=f"Compare posts at this age: {', '.join(AGES)}.")] = "24h",
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare posts per day with engagement per post. An association, not proof."""
    require_choice(age, AGES, field="age")
    with open_workspace() as opened:
        asked = _read_period(period, start, end, opened)
        wanted = _read_filter(opened, platform, account_id)
    with _open_lake() as lake:
        told = get_frequency(lake, **wanted.as_query(), start=asked.start, end=asked.end, age=age)
    if as_json:
        print_json({**told, "period": {"from": asked.start, "to": asked.end}})
        return
    rows = [
        {**{name: group[name] for name in ("level", "platform", "account_id")}, **day}
        for group in told["groups"]
        for day in group["days"]
    ]
    print_records(
        rows,
        ["level", "platform", "account_id", "posts_per_day", "days", "compared", "relative", "interval"],
    )
    say(f"relative: 1 = as usual for the account; empty = not known (fewer than {FEWEST_POSTS} posts)")


@app.command()
def export(
    *,
    output: Annotated[Path, typer.Option(help="The file to write; it appears when it is complete.")],
    table: Annotated[
        str, typer.Option(help=f"As in docs/warehouse.md: {', '.join(TABLES)}.")
    ] = "publication_latest",
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Default: by the ending of --output, else parquet.",
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help=f"{FORMS}, inclusive: the table's time column.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive.")] = None,
    platform: PlatformOption = None,
    account_id: AccountOption = None,
    changed_since: ChangedSinceOption = None,
) -> None:
    """Write the workspace's rows of one table as a file. `socialflow export` writes all tables.

    Prints the cursor: the snapshot to give as --changed-since next time.
    """
    ending = output.suffix.lower().removeprefix(".")
    chosen = kind or (ending if ending in FORMATS else "parquet")
    require_choice(table, TABLES, field="table")
    require_choice(chosen, FORMATS, field="format")
    with open_workspace() as opened:
        wanted = _read_filter(opened, platform, account_id)
        since = read_moment(start, opened.zone, field="from")
        until = read_moment(end, opened.zone, field="to")
        said: dict[str, Any] = {
            "table": table,
            "format": chosen,
            "platform": platform,
            "account_id": account_id,
        }
        said |= {"from": start, "to": end, "changed_since": changed_since}
        record(opened.session, "data_exported", opened.workspace_id, opened.now, None, said)
    with _open_lake() as lake:
        snapshot_id = lake.snapshot_id()
        query = wanted.as_query() | {"start": since, "end": until, "changed_since": changed_since}
        with (
            write_table(lake, table, chosen, snapshot_id=snapshot_id, **query) as written,
            write_beside(output.absolute()) as path,
        ):
            shutil.copyfile(written, path)
    with open_workspace() as opened:
        note_cursor(opened.session, snapshot_id, opened.now)
    say(f"{table} in {output}; cursor {snapshot_id}")


@contextmanager
def _open_lake() -> Iterator[Lake]:
    with Lake.open(read_lake_settings(), read_only=True) as lake:
        yield lake


def _read_period(period: str | None, start: str | None, end: str | None, opened: Opened) -> AskedPeriod:
    since = write_optional_time(start, opened.zone.key, field="from")
    until = write_optional_time(end, opened.zone.key, field="to")
    return resolve_period(period, since, until, opened.zone, opened.now)


def _read_filter(opened: Opened, platform: str | None, account_id: str | None) -> _Filter:
    if account_id is not None:
        get_account(opened.session, opened.workspace_id, account_id)
    chosen = parse_platform(platform) if platform else None
    return _Filter(opened.workspace_id, chosen, account_id)


def _name(row: AccountRow) -> dict[str, str]:
    return {"account_id": row.id, "platform": row.platform, "handle": row.handle}
