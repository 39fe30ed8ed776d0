"""`socialflow pause` and `socialflow resume`: stop everything from going out, and let it go out again."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from flows.cli.output import say
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace, pause_publishing, resume_publishing
from warehouse.store.database import Store

pause_app = typer.Typer(add_completion=False, rich_markup_mode=None)
resume_app = typer.Typer(add_completion=False, rich_markup_mode=None)


@pause_app.command()
def pause() -> None:
    """Hold back everything that has not been sent yet, on every account. What is being sent is finished."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = pause_publishing(session, ensure_default_workspace(session, now).id, now)
        since = workspace.publishing_paused_at
    say(f"publishing is paused since {since:%Y-%m-%d %H:%M:%S} UTC; `socialflow resume` ends that")


@resume_app.command()
def resume() -> None:
    """Let posts go out again. What became too late meanwhile waits for your decision."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        resume_publishing(session, ensure_default_workspace(session, now).id)
    say("publishing goes on")
