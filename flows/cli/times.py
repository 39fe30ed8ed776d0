"""`socialflow times`: the best times to post, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from flows.cli import time_questions
from flows.cli.lake.settings import read_lake_settings
from flows.cli.output import JsonOption, print_json, say
from flows.cli.posts.planner import open_planner
from warehouse.platforms import parse_platform
from warehouse.scheduling.advised_week import read_advised_week
from warehouse.scheduling.explanations import (
    CAVEATS,
    describe_account,
    describe_habit,
    describe_kinds,
    describe_pace,
    describe_slot,
    list_account_caveats,
)
from warehouse.scheduling.placement import next_instant
from warehouse.store.access.workspaces import parse_timezone

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.scheduling.advised_week import AdvisedWeek
    from warehouse.store.models import AccountRow

app = typer.Typer(add_completion=False, rich_markup_mode=None)
for _question in (time_questions.suggest, time_questions.score, time_questions.together):
    app.command()(_question)


@app.callback(invoke_without_command=True)
def times(
    context: typer.Context,
    *,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=168, help="Slots per account.")] = 3,
    timezone: Annotated[
        str | None, typer.Option(help="IANA time zone of the output; default: each account's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show each account's best hours to post, and the evidence for them.

    `suggest` finds times for several posts, `score` rates one time, `together` finds times that suit several
    accounts.
    """
    if context.invoked_subcommand is not None:
        return
    zone = parse_timezone(timezone) if timezone else None
    read_lake_settings()
    with open_planner(with_lake=True, only_reads=True) as planner:
        week = read_advised_week(
            planner.session,
            planner.open_lake(),
            planner.workspace_id,
            platform=parse_platform(platform) if platform else None,
            account_id=account,
            limit=limit,
        )
    told = [_tell(row, week, zone, planner.now) for row in week.accounts]
    if as_json:
        print_json(told)
        return
    if not told:
        say("no account is connected: socialflow accounts connect")
    for one in told:
        say(f"\n{one['platform']} @{one['handle']} ({one['account_id']})\n  {one['verdict']}")
        slots = (slot["sentence"] for slot in one["slots"])
        for sentence in [*slots, one["pace"], one["kinds"], *one["caveats"]]:
            say(f"  - {sentence}")
    say(f"\n{CAVEATS[0]}")


def _tell(account: AccountRow, week: AdvisedWeek, zone: ZoneInfo | None, now: datetime) -> dict[str, Any]:
    slots = [slot for slot in week.slots if slot["account_id"] == account.id]
    habits = week.habits.get(account.id, ())
    instants = [
        next_instant(slot["weekday"], slot["hour"], ZoneInfo(slot["timezone"]), now) for slot in slots
    ]
    if zone is not None:
        instants = [at.astimezone(zone) for at in instants]
    best = week.best.get(account.id)
    facts = best or {}
    return {
        "account_id": account.id,
        "platform": account.platform,
        "handle": account.handle,
        "posts": best["account_posts"] if best else 0,
        "verdict": describe_account(best, instants[0] if instants else None),
        "p_chance": facts.get("p_chance"),
        "moved_at": moved_at.isoformat() if (moved_at := facts.get("moved_at")) else None,
        "suspicious_hours": facts.get("suspicious_hours") or [],
        "pace": describe_pace(habits),
        "kinds": describe_kinds(habits),
        "habits": [
            {
                "subject": row["subject"],
                "label": row["label"],
                "posts": row["n_posts"],
                "effect": row["effect"],
                "interval_80": (row["low"], row["high"]),
                "known": row["known"],
                "sentence": describe_pace([row])
                if row["subject"] == "posts_per_day"
                else describe_habit(row),
            }
            for row in habits
        ],
        "caveats": list_account_caveats(best, now),
        "slots": [
            {
                "next_at": at.isoformat(),
                "expected_lift": slot["expected_lift"],
                "interval_80": (slot["lift_low"], slot["lift_high"]),
                "confidence": slot["confidence"],
                "sentence": describe_slot(slot, at),
            }
            for slot, at in zip(slots, instants, strict=True)
        ],
    }
