"""`socialflow sessions`: browsers that are signed in to the dashboard."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.arguments import expand_id
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.store.access import sessions as store_sessions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List and end dashboard sessions.",
)


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the open sessions, newest first."""
    with open_workspace() as opened:
        rows = store_sessions.list_sessions(opened.session, opened.workspace_id, opened.now, limit=limit)
    shown = [row._asdict() for row in rows]
    if as_json:
        print_json(shown)
    else:
        print_records(shown, ["id", "key_name", "address", "browser", "created_at", "expires_at"])


@app.command()
def end(
    *,
    session_id: Annotated[
        str, typer.Argument(help="As `socialflow sessions list` shows it.", callback=expand_id)
    ],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a session: the browser is signed out with its next request."""
    confirm(f"End the session {session_id}?", yes=yes)
    with open_workspace() as opened:
        store_sessions.end_session(opened.session, opened.workspace_id, session_id, opened.now)
    if as_json:
        print_json({"id": session_id, "ended": True})
    else:
        say(f"{session_id} is ended.")
