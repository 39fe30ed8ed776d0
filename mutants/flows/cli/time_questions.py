"""`socialflow times suggest` and `score`: the API's answers, without a server."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from flows.cli.api_rules import ask_api_rules
from flows.cli.lake_settings import read_lake_settings
from flows.cli.output import JsonOption, print_json, print_records, say
from warehouse.errors import InvalidInputError

RULES = "api.optimal_times.ask_advice"

ZoneOption = Annotated[
    str | None,
    typer.Option("--timezone", help="IANA zone of times without offset; default: the workspace's."),
]


def suggest(
    *,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many posts want a time.")] = 3,
    platform: Annotated[
        list[str] | None,
        typer.Option(help="All connected accounts of this platform; repeat it. Default: every account."),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="One account by its id; repeat the option.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="ISO 8601; default: now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Excluded; default: seven days later.")] = None,
    timezone: ZoneOption = None,
    gap: Annotated[
        int, typer.Option(min=30, max=10_080, help="Minutes from one post of an account to the next.")
    ] = 120,
    weight: Annotated[
        list[str] | None, typer.Option(help="How much a platform counts: instagram:2; repeat the option.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find times for several posts: the most promising free ones. Nothing is saved or reserved."""
    fields = {
        "count": count,
        "platforms": platform or [],
        "account_ids": account or [],
        "from": start,
        "to": end,
        "timezone": timezone,
        "gap_minutes": gap,
        "weights": dict(_read_weight(text) for text in weight or []),
    }
    found = _ask("suggest", fields)
    if as_json:
        print_json(found)
        return
    print_records(
        [{**one, "at": datetime.fromisoformat(one["at"])} for one in found["data"]], ["at", "rank", "reason"]
    )
    say(f"{found['note']} Take one with: socialflow posts create --at TIME ...")


def score(
    *,
    at: Annotated[str | None, typer.Option(help="ISO 8601; default: now.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account, by its id.")] = None,
    timezone: ZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what one time is worth: the expected lift, other posts near it, the platforms' limits."""
    told = _ask("score", {"at": at, "platform": platform, "account_id": account, "timezone": timezone})
    if as_json:
        print_json(told)
        return
    say(f"{datetime.fromisoformat(told['at']):%Y-%m-%d %H:%M} ({told['timezone']}): {told['verdict']}")
    for one in told["data"]:
        say(f"  - @{one['handle']}: {one['sentence']}")


def _ask(question: str, fields: dict[str, Any]) -> dict[str, Any]:
    read_lake_settings()
    answer: dict[str, Any] = ask_api_rules(RULES, question, json.dumps(fields), field="times")
    return answer


def _read_weight(text: str) -> tuple[str, float]:
    name, _, number = text.partition(":")
    try:
        return name, float(number)
    except ValueError:
        raise InvalidInputError(f"--weight {text!r}: write it as instagram:2", field="weight") from None
