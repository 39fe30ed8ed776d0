"""`socialflow dashboard`: open the dashboard, signed in."""

from __future__ import annotations

import json
import sys
import webbrowser
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import JsonOption, is_terminal, print_json, say
from flows.serving.launcher import PROCESSES_FILE
from flows.settings import FlowSettings
from warehouse.settings import WarehouseSettings
from warehouse.store.access.sign_in_links import LOCAL_MINUTES, has_any_key, make_local_link
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def dashboard(
    *,
    open_: Annotated[
        bool,
        typer.Option(
            "--open/--no-open", help="Open it in the browser of this machine, or only print the link."
        ),
    ] = True,
    first: Annotated[
        bool, typer.Option("--first", hidden=True, help="Only if nobody can sign in yet; else print nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a sign-in link for this machine's browser: it works once, within 15 minutes, with every scope."""
    settings = WarehouseSettings()
    now = datetime.now(UTC)
    with Store.open(settings) as store, store.write() as session:
        if first and has_any_key(session):
            return
        workspace = ensure_default_workspace(session, now)
        path = make_local_link(session, store.cipher, workspace.id, now)
    link = f"{_find_api(settings.home)}{path}"
    if as_json:
        print_json({"url": link, "minutes": LOCAL_MINUTES})
        return
    sys.stdout.write(f"{link}\n")
    if first:
        return
    say(f"The link works once, within {LOCAL_MINUTES} minutes, on this machine.")
    if open_ and is_terminal() and not webbrowser.open(link):
        say("No browser could be opened here: open the link yourself.")


def _find_api(home: Path) -> str:
    """Return the API's address: where `socialflow up` runs it, else where it would."""
    try:
        noted = json.loads((home / PROCESSES_FILE).read_text())
    except (OSError, ValueError):
        return FlowSettings().api_url
    return str(noted["addresses"]["api"])
