"""`socialflow keys`: API keys for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.arguments import expand_id
from flows.cli.moments import FORMS, write_optional_time
from flows.cli.output import JsonOption, YesOption, confirm, print_details, print_json, print_records, say
from warehouse.errors import InvalidInputError
from warehouse.scheduling.local_times import resolve_expiry
from warehouse.settings import WarehouseSettings
from warehouse.shapes import read_shape
from warehouse.store.access.api_keys import (
    SCOPES,
    create_api_key,
    describe_api_key,
    get_api_key,
    list_api_keys,
    parse_scopes,
    revoke_api_key,
)
from warehouse.store.access.shapes import ApiKeyCreate
from warehouse.store.access.workspaces import ensure_default_workspace, get_workspace, parse_timezone
from warehouse.store.database import Store

if TYPE_CHECKING:
    from warehouse.store.database import Session
    from warehouse.store.models import Workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Create, list and revoke API keys.",
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
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Default: it does not expire.")] = None,
    expires_at: Annotated[
        str | None,
        typer.Option(help=f"{FORMS}; without offset in the workspace's zone. Default: it does not expire."),
    ] = None,
    workspace_id: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key. Prints api_key and api_secret, which are not shown again."""
    now = datetime.now(UTC)
    if expires_in_days is not None and expires_at is not None:
        raise InvalidInputError("give --expires-at or --expires-in-days, one of them", field="expires_at")
    scopes = parse_scopes(scope or SCOPES)
    wanted = read_shape(
        ApiKeyCreate,
        {
            "name": name,
            "scopes": scopes,
            "expires_at": write_optional_time(expires_at, None, field="expires_at"),
        },
    )
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        if expires_in_days is None:
            ends = resolve_expiry(wanted.expires_at, parse_timezone(workspace.timezone), now)
        else:
            ends = now + timedelta(days=expires_in_days)
        made = create_api_key(session, store.cipher, workspace.id, wanted.name, scopes, now, ends)
        shown = {
            **describe_api_key(made.row, now),
            "workspace_id": workspace.id,
            "api_key": made.api_key,
            "api_secret": made.api_secret,
        }
    if as_json:
        print_json(shown)
        return
    print_records([shown], ["id", "name", "api_key", "api_secret"])
    say("Save the secret now: only its fingerprint is stored, and it cannot be shown again.")


@app.command("list")
def list_(*, workspace_id: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the keys, including revoked ones."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        rows = [describe_api_key(row, now) for row in list_api_keys(session, workspace.id)]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, ["id", "name", "key_hint", "status", "scopes", "expires_at"])


@app.command()
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(help="As `socialflow keys list` shows it.", callback=expand_id)],
    workspace_id: WorkspaceOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key permanently; its tokens stop working at once."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        name = get_api_key(session, workspace.id, key_id).name
        confirm(f"Revoke the key {name}? Its tokens stop working at once.", yes=yes, only_people=True)
        shown = describe_api_key(revoke_api_key(session, workspace.id, key_id, now), now)
    if as_json:
        print_json(shown)
    else:
        say(f"{key_id} ({name}) is revoked.")


@app.command()
def show(
    *,
    key_id: Annotated[str, typer.Argument(help="As `socialflow keys list` shows it.", callback=expand_id)],
    workspace_id: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one key. Its secret is never shown."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = _find_workspace(session, workspace_id, now)
        shown = describe_api_key(get_api_key(session, workspace.id, key_id), now)
    if as_json:
        print_json(shown)
    else:
        print_details(shown)


def _find_workspace(session: Session, workspace_id: str | None, now: datetime) -> Workspace:
    return (
        ensure_default_workspace(session, now)
        if workspace_id is None
        else get_workspace(session, workspace_id)
    )
