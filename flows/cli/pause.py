"""`socialflow pause` and `socialflow resume`: pause and resume all publishing."""

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
    """Pause publishing on every account: nothing unsent is sent. Sending in progress is finished."""
    with open_workspace() as opened:
        workspace = pause_publishing(opened.session, opened.workspace_id, opened.now)
        shown = describe_workspace(opened.session, workspace)
    if as_json:
        print_json(shown)
    else:
        since = shown["publishing_paused_at"]
        say(f"publishing is paused since {since:%Y-%m-%d %H:%M:%S} UTC: `socialflow resume` resumes it")


@resume_app.command()
def resume(*, as_json: JsonOption = False) -> None:
    """Resume publishing. Posts that are too late by now wait for your decision."""
    with open_workspace() as opened:
        shown = describe_workspace(
            opened.session, resume_publishing(opened.session, opened.workspace_id, opened.now)
        )
    if as_json:
        print_json(shown)
    else:
        say("publishing is resumed")
