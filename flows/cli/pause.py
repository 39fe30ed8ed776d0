"""`socialflow pause` and `socialflow resume`: hold everything back, and let it go out again."""

from __future__ import annotations

import typer

from flows.cli.output import JsonOption, print_json, say
from flows.cli.workspace_session import open_workspace
from warehouse.store.access.workspaces import pause_publishing, resume_publishing
from warehouse.store.schedules.workspace_changes import describe_workspace

pause_app = typer.Typer(add_completion=False, rich_markup_mode=None)
resume_app = typer.Typer(add_completion=False, rich_markup_mode=None)


@pause_app.command()
def pause(*, as_json: JsonOption = False) -> None:
    """Hold back everything that has not been sent yet, on every account. What is being sent is finished."""
    with open_workspace() as opened:
        workspace = pause_publishing(opened.session, opened.workspace_id, opened.now)
        shown = describe_workspace(opened.session, workspace)
    if as_json:
        print_json(shown)
    else:
        since = shown["publishing_paused_at"]
        say(f"publishing is paused since {since:%Y-%m-%d %H:%M:%S} UTC; `socialflow resume` ends that")


@resume_app.command()
def resume(*, as_json: JsonOption = False) -> None:
    """Let posts go out again. What became too late meanwhile waits for your decision."""
    with open_workspace() as opened:
        shown = describe_workspace(
            opened.session, resume_publishing(opened.session, opened.workspace_id, opened.now)
        )
    if as_json:
        print_json(shown)
    else:
        say("publishing goes on")
