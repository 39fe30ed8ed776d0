"""`socialflow doctor`: check this installation."""

from __future__ import annotations

from typing import Any

import typer

from flows.cli.output import JsonOption, print_json, print_rows, say
from flows.maintenance.doctor import as_json as describe
from flows.maintenance.doctor import examine
from flows.settings import FlowSettings
from warehouse.settings import WarehouseSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Check home, key, stores, extensions, zones, accounts, late posts and processes; exit 1 on a failure."""
    findings = examine(WarehouseSettings(), FlowSettings())
    result = describe(findings)
    if as_json:
        print_json(result)
    else:
        print_rows(
            ["check", "status", "detail"], [[item.check, item.status, item.detail] for item in findings]
        )
        say(_summarize(result))
    raise typer.Exit(0 if result["ok"] else 1)


def _summarize(result: dict[str, Any]) -> str:
    words = [f"{kind}: {', '.join(result[key])}" for kind, key in _PARTS if result[key]]
    return "; ".join(words) or "everything is fine"


_PARTS = (("wrong", "failed"), ("worth a look", "warnings"))
