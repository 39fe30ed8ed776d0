"""`socialflow workspaces`: tenants of one installation, isolated from each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.output import JsonOption, print_json, print_records, say
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import create_workspace, ensure_default_workspace, list_workspaces
from warehouse.store.database import Store

if TYPE_CHECKING:
    from warehouse.store.models import Workspace

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Create and list workspaces."
)

_COLUMNS = ["id", "name", "timezone", "created_at"]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name of the workspace.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone of times without an offset.")] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Create a workspace. `socialflow keys create --workspace ID` creates its first key."""
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        ensure_default_workspace(session, datetime.now(UTC))
        shown = _show(create_workspace(session, name=name, timezone=timezone, now=datetime.now(UTC)))
    if as_json:
        print_json(shown)
        return
    print_records([shown], _COLUMNS)
    say(f"Create its first key: socialflow keys create --name first --workspace {shown['id']}")


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List the workspaces, oldest first."""
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        ensure_default_workspace(session, datetime.now(UTC))
        rows = [_show(row) for row in list_workspaces(session)]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, [*_COLUMNS, "publishing_paused_at"])


def _show(row: Workspace) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "timezone": row.timezone,
        "publishing_paused_at": row.publishing_paused_at,
        "created_at": row.created_at,
    }
