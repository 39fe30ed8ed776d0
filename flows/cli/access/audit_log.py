"""`socialflow audit-log`: who did what, when and from where."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.moments import FORMS, read_moment
from flows.cli.output import JsonOption, print_json, print_records
from flows.cli.workspace_session import open_workspace
from warehouse.store.audit.log import ACTIONS, describe_entry, list_entries

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def audit_log(
    *,
    action: Annotated[str | None, typer.Option(help=f"One of: {', '.join(ACTIONS)}.")] = None,
    actor: Annotated[str | None, typer.Option(help="Id or name of who acted.")] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"{FORMS}, included.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Excluded.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who did what, newest first: sign-ins and failures, keys, accounts, settings, approvals, exports."""
    with open_workspace() as opened:
        rows = list_entries(
            opened.session,
            opened.workspace_id,
            with_unassigned=True,
            action=action,
            actor=actor,
            start=read_moment(start, opened.zone, field="from"),
            end=read_moment(end, opened.zone, field="to"),
            limit=limit,
        )
        shown = [describe_entry(row) for row in rows]
    if as_json:
        print_json(shown)
        return
    flat = [{**one, "by": f"{one['actor']['kind']} {one['actor']['name'] or ''}".strip()} for one in shown]
    print_records(flat, ["at", "action", "by", "address", "subject_id", "detail"])
