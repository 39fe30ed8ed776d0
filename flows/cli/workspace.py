"""`socialflow workspace`: show and change the workspace, as `/api/v1/workspace` does."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.output import JsonOption, print_details, print_json
from flows.cli.pause import pause, resume
from flows.cli.workspace_session import open_workspace, sync_lake_accounts
from warehouse.errors import InvalidInputError
from warehouse.shapes import read_shape
from warehouse.store.schedules.placements import LARGEST_SHARE
from warehouse.store.schedules.shapes import WorkspacePatch
from warehouse.store.schedules.workspace_changes import change_workspace, describe_workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show and change the workspace: name, time zone, approval, experiments, pause.",
)
app.command()(pause)
app.command()(resume)


@app.command()
def show(*, as_json: JsonOption = False) -> None:
    """Show the workspace's settings."""
    with open_workspace() as opened:
        _print(describe_workspace(opened.session, opened.workspace), as_json=as_json)


@app.command("set")
def set_(
    *,
    name: Annotated[str | None, typer.Option(help="The workspace's name.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone of times without an offset.")] = None,
    approval: Annotated[
        bool | None,
        typer.Option("--approval/--no-approval", help="Whether posts need approval."),
    ] = None,
    random_share: Annotated[
        float | None,
        typer.Option(
            help='Share of the posts placed by "optimal" that get a random acceptable time, to measure the '
            f"effect of the recommendations, from 0 (off) to {LARGEST_SHARE}."
        ),
    ] = None,
    weekly_exploration: Annotated[
        bool | None,
        typer.Option(
            "--weekly-exploration/--no-weekly-exploration",
            help="Whether one such post a week tries a time with little data.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change the given settings; omitted ones stay unchanged."""
    options = {
        "name": name,
        "timezone": timezone,
        "approval_required": approval,
        "random_share": random_share,
        "weekly_exploration": weekly_exploration,
    }
    given = {field: value for field, value in options.items() if value is not None}
    if not given:
        raise InvalidInputError(
            "nothing to change: give --name, --timezone, --approval, --random-share or --weekly-exploration",
            field="name",
            code="nothing_to_change",
        )
    change = read_shape(WorkspacePatch, given)
    with open_workspace() as opened:
        workspace = change_workspace(opened.session, opened.workspace_id, change, opened.now)
        shown = describe_workspace(opened.session, workspace)
    if timezone is not None:
        sync_lake_accounts()
    _print(shown, as_json=as_json)


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        print_details(shown)
