"""`socialflow times suggest`, `score` and `together`: times for several posts, one post, several accounts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows.cli.lake.settings import read_lake_settings
from flows.cli.moments import FORMS, write_optional_time
from flows.cli.output import JsonOption, print_json, print_records, say
from flows.cli.posts.planner import open_planner
from warehouse.platforms import parse_platform
from warehouse.scheduling.advised_week import read_advised_week, share_week
from warehouse.scheduling.scores import score_time
from warehouse.scheduling.suggestions import SuggestionWish, parse_weights, suggest_times
from warehouse.shapes import read_shape

ZoneOption = Annotated[
    str | None,
    typer.Option("--timezone", help="IANA zone of times without offset; default: the workspace's."),
]


def suggest(
    *,
    count: Annotated[int, typer.Option(min=1, max=100, help="Number of posts to find a time for.")] = 3,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            help="All connected accounts of this platform; repeat the option. Default: every account."
        ),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="One account by its id; repeat the option.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"{FORMS}; default: now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Excluded; default: seven days later.")] = None,
    timezone: ZoneOption = None,
    gap: Annotated[
        int, typer.Option(min=30, max=10_080, help="Minutes from one post of an account to the next.")
    ] = 120,
    weight: Annotated[
        list[str] | None, typer.Option(help="Weight of a platform: instagram:2; repeat the option.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Suggest times for several posts: the best free ones. Nothing is saved or reserved."""
    wish = read_shape(
        SuggestionWish,
        {
            "count": count,
            "platforms": platform or [],
            "account_ids": account or [],
            "from": write_optional_time(start, timezone, field="from"),
            "to": write_optional_time(end, timezone, field="to"),
            "timezone": timezone,
            "gap_minutes": gap,
            "weights": parse_weights(weight or []),
        },
    )
    read_lake_settings()
    with open_planner(with_lake=True, only_reads=True) as context:
        found = suggest_times(context.session, context.open_lake(), context.workspace_id, wish, context.now)
    if as_json:
        print_json({name.rstrip("_"): value for name, value in asdict(found).items()})
        return
    print_records([asdict(one) for one in found.data], ["at", "rank", "reason"])
    say(f"{found.note} Take one with: socialflow posts create --at TIME ...")


def score(
    *,
    at: Annotated[str | None, typer.Option(help=f"{FORMS}; default: now.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    timezone: ZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a time. Shows the expected lift, other posts near it, and the platforms' limits."""
    read_lake_settings()
    with open_planner(with_lake=True, only_reads=True) as context:
        told = score_time(
            context.session,
            context.open_lake(),
            context.workspace_id,
            context.now,
            at=write_optional_time(at, timezone, field="at"),
            platform=parse_platform(platform) if platform else None,
            account_id=account,
            timezone=timezone,
        )
    if as_json:
        print_json(asdict(told))
        return
    say(f"{told.at:%Y-%m-%d %H:%M} ({told.timezone}): {told.verdict}")
    for one in told.data:
        say(f"  - @{one.handle}: {one.sentence}")


def together(
    *,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    timezone: ZoneOption = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="Weight of a platform: instagram:2; repeat the option.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many times.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Find times that suit several accounts. Shows the loss per account."""
    weights = parse_weights(weight or [])
    read_lake_settings()
    with open_planner(with_lake=True, only_reads=True) as context:
        week = read_advised_week(
            context.session,
            context.open_lake(),
            context.workspace_id,
            platform=parse_platform(platform) if platform else None,
            limit=limit,
        )
        shared = share_week(
            context.session,
            context.open_lake(),
            context.workspace_id,
            week,
            context.now,
            timezone=timezone,
            weights=weights,
            limit=limit,
        )
    if as_json:
        print_json(asdict(shared) if shared else None)
    elif shared is None:
        say("there are no common times: at least two accounts need computed times")
    else:
        say(f"{shared.verdict} (times in {shared.timezone})")
        for one in shared.data:
            say(f"  - {one.sentence}")
