"""`socialflow times`: when to post, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from flows.cli import time_questions
from flows.cli.arguments import parse_platform
from flows.cli.output import JsonOption, print_json, say
from warehouse.lake.connect import Lake
from warehouse.lake.queries.timing import get_optimal_times
from warehouse.scheduling.explanations import CAVEATS, describe_account, describe_slot, list_account_caveats
from warehouse.scheduling.placement import next_instant
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import get_account, list_accounts
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.store.database import Session
    from warehouse.store.models import AccountRow

app = typer.Typer(add_completion=False, rich_markup_mode=None)
for _question in (time_questions.suggest, time_questions.score):
    app.command()(_question)


@app.callback(invoke_without_command=True)
def times(
    context: typer.Context,
    *,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=168, help="Slots an account.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Tell when to post: each account's best hours, and what is known about them.

    `suggest` finds times for several posts, `score` tells what one time is worth.
    """
    if context.invoked_subcommand is not None:
        return
    now = datetime.now(UTC)
    settings = WarehouseSettings()
    wanted = parse_platform(platform) if platform else None
    with Store.open(settings) as store, store.write() as session:
        workspace_id = ensure_default_workspace(session, now).id
        accounts = (
            [get_account(session, workspace_id, account)] if account else _listed(session, workspace_id)
        )
        accounts = [row for row in accounts if wanted is None or row.platform == wanted.value]
    with Lake.open(settings, read_only=True) as lake:
        rows = get_optimal_times(
            lake, workspace_id=workspace_id, account_ids=[row.id for row in accounts], limit=limit
        )
    told = [_tell(row, [slot for slot in rows if slot["account_id"] == row.id], now) for row in accounts]
    if as_json:
        print_json(told)
        return
    if not told:
        say("no account is connected: socialflow accounts connect")
    for one in told:
        say(f"\n{one['platform']} @{one['handle']} ({one['account_id']})\n  {one['verdict']}")
        for sentence in [*(slot["sentence"] for slot in one["slots"]), *one["caveats"]]:
            say(f"  - {sentence}")
    say(f"\n{CAVEATS[0]}")


def _listed(session: Session, workspace_id: str) -> list[AccountRow]:
    return [row for row in list_accounts(session, workspace_id) if row.status != "disconnected"]


def _tell(account: AccountRow, slots: Sequence[dict[str, Any]], now: datetime) -> dict[str, Any]:
    instants = [
        next_instant(slot["weekday"], slot["hour"], ZoneInfo(slot["timezone"]), now) for slot in slots
    ]
    best = slots[0] if slots else None
    return {
        "account_id": account.id,
        "platform": account.platform,
        "handle": account.handle,
        "posts": best["account_posts"] if best else 0,
        "verdict": describe_account(best, instants[0] if instants else None),
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
