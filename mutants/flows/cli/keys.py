"""`socialflow keys`: what programs sign in with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.output import JsonOption, print_json, print_records, say
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key, list_api_keys, revoke_api_key
from warehouse.store.access.workspaces import ensure_default_workspace, get_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from warehouse.store.database import Session
    from warehouse.store.models import ApiKey, Workspace

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Make, list and revoke API keys."
)

WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", help="Its id; default: the first one. See `socialflow workspaces`."),
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What the key is for, to tell keys apart.")],
    scope: Annotated[
        list[str] | None, typer.Option(help=f"Some of: {', '.join(SCOPES)}. Repeat the option; default: all.")
    ] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Default: no end.")] = None,
    workspace_id: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print api_key and api_secret, which are never shown again."""
    now = datetime.now(UTC)
    expires_at = None if expires_in_days is None else now + timedelta(days=expires_in_days)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        made = create_api_key(session, store.cipher, workspace.id, name, scope or SCOPES, now, expires_at)
        shown = {
            "id": made.row.id,
            "name": made.row.name,
            "workspace_id": workspace.id,
            "api_key": made.api_key,
            "api_secret": made.api_secret,
            "scopes": made.row.scopes,
            "expires_at": expires_at,
        }
    if as_json:
        print_json(shown)
        return
    print_records([shown], ["id", "name", "api_key", "api_secret"])
    say("Keep the secret now: only its fingerprint is stored, and it cannot be shown again.")


@app.command("list")
def list_(*, workspace_id: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the keys, revoked ones too."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        rows = [_show(row, now) for row in list_api_keys(session, workspace.id)]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, ["id", "name", "key", "status", "scopes", "last_used_at", "expires_at"])


@app.command()
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(help="As `socialflow keys list` shows it.")],
    workspace_id: WorkspaceOption = None,
) -> None:
    """Revoke a key; tokens made with it stop working at once."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        row = revoke_api_key(session, _find_workspace(session, workspace_id, now).id, key_id, now)
        say(f"{row.id} ({row.name}) is revoked.")


def _find_workspace(session: Session, workspace_id: str | None, now: datetime) -> Workspace:
    return (
        ensure_default_workspace(session, now)
        if workspace_id is None
        else get_workspace(session, workspace_id)
    )


def _show(row: ApiKey, now: datetime) -> dict[str, Any]:
    expired = row.expires_at is not None and row.expires_at <= now
    return {
        "id": row.id,
        "name": row.name,
        "key": f"{row.key_hint}...",
        "status": "revoked" if row.revoked_at else "expired" if expired else "active",
        "scopes": " ".join(row.scopes),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
