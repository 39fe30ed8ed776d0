"""`socialflow accounts`: whom we publish and measure for."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, VerifiedAccount
from flows.cli.account_browser import connect_by_browser
from flows.cli.arguments import parse_platform
from flows.cli.output import JsonOption, print_json, print_records, say
from flows.settings import FlowSettings
from warehouse.errors import InvalidInputError
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import (
    account_health,
    connect_account,
    disconnect_account,
    list_accounts,
    pause_account,
    resume_account,
)
from warehouse.store.database import Store

if TYPE_CHECKING:
    from connectors.types import Platform
    from warehouse.store.models import AccountRow

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Connect, list, pause and disconnect accounts.",
)

TOKEN_VARIABLE = "SOCIALFLOW_ACCESS_TOKEN"  # noqa: S105 (a variable's name)
REFRESH_TOKEN_VARIABLE = "SOCIALFLOW_REFRESH_TOKEN"  # noqa: S105 (a variable's name)

AccountId = Annotated[str, typer.Argument(help="As `socialflow accounts list` shows it.")]


@app.command()
def connect(
    name: Annotated[
        str | None, typer.Argument(metavar="PLATFORM", help="twitter, instagram, mastodon, ...")
    ] = None,
    *,
    platform: Annotated[str | None, typer.Option(help="The same, as an option.")] = None,
    browser: Annotated[
        bool,
        typer.Option("--browser", help="Say yes on the platform's own page; `socialflow up` has to run."),
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="With --browser: only print the address to open.")
    ] = False,
    page: Annotated[
        str | None,
        typer.Option(
            help="With --browser, of several: a Facebook page's id, or urn:li:organization:123 on LinkedIn."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="With --browser: seconds to wait; the link itself works for 600.")
    ] = 600,
    token: Annotated[
        str | None,
        typer.Option(
            help=f"The access token, or a Bluesky app password; default: from {TOKEN_VARIABLE}, else "
            "standard input (other users can see a command's arguments)."
        ),
    ] = None,
    refresh_token: Annotated[
        str | None, typer.Option(help=f"Where the platform gives one; also by {REFRESH_TOKEN_VARIABLE}.")
    ] = None,
    instance_url: Annotated[
        str | None, typer.Option(help="Mastodon and Bluesky: the account's own server, https://...")
    ] = None,
    handle: Annotated[
        str | None, typer.Option(help="Bluesky with an app password: whose it is. Telegram: @channel.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="IANA zone of the audience, for optimal times; default: the workspace's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the platform whom the token belongs to, and save the account. A known one is brought up to date."""
    if (name is None) == (platform is None):
        raise InvalidInputError("name one platform: socialflow accounts connect mastodon", field="platform")
    chosen = parse_platform(name or platform or "")
    if browser:
        _connect_by_browser(
            chosen,
            {"instance_url": instance_url, "account": page, "timezone": timezone},
            timeout=timeout,
            opens=not no_open,
            as_json=as_json,
        )
        return
    wanted = Account(
        id="",
        platform=chosen,
        credentials=Credentials(
            access_token=SecretStr(_read_token(token)),
            refresh_token=_optional_secret(refresh_token or os.environ.get(REFRESH_TOKEN_VARIABLE)),
        ),
        handle=handle,
        instance_url=instance_url,
    )
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store:
        verified = asyncio.run(_verify(wanted))
        with store.write() as session:
            workspace = ensure_default_workspace(session, now)
            row = connect_account(
                session, store.cipher, workspace.id, verified, chosen, now, timezone=timezone
            )
            shown = _show(row, now)
    if as_json:
        print_json(shown)
    else:
        say(f"connected {row.platform} @{row.handle} as {row.id}")


@app.command("list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Disconnected ones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the accounts with their health. Never a credential."""
    now = datetime.now(UTC)
    statuses = ("active", "revoked", "imported", *(("disconnected",) if everything else ()))
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = ensure_default_workspace(session, now)
        rows = [_show(row, now) for row in list_accounts(session, workspace.id, statuses=statuses)]
    if as_json:
        print_json(rows)
    else:
        print_records(rows, ["id", "platform", "handle", "health", "reason", "paused_at", "connected_at"])


@app.command()
def pause(*, account_id: AccountId) -> None:
    """Hold back everything that is to be sent on this account."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        row = pause_account(session, ensure_default_workspace(session, now).id, account_id, now)
        say(f"{row.platform} @{row.handle} is paused: nothing is sent until `socialflow accounts resume`.")


@app.command()
def resume(*, account_id: AccountId) -> None:
    """Let this account's posts go out again."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        row = resume_account(session, ensure_default_workspace(session, now).id, account_id)
        say(f"{row.platform} @{row.handle} is no longer paused.")


@app.command()
def disconnect(*, account_id: AccountId) -> None:
    """Forget an account's credentials and cancel what is scheduled on it; what was measured stays."""
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = ensure_default_workspace(session, now)
        row, canceled = disconnect_account(session, workspace.id, account_id, now)
        say(f"{row.platform} @{row.handle} is disconnected; {len(canceled)} scheduled publications canceled.")


def _connect_by_browser(
    platform: Platform, asked: dict[str, str | None], *, timeout: float, opens: bool, as_json: bool
) -> None:
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store:
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        rows = connect_by_browser(
            store, workspace_id, platform, asked, api_url=FlowSettings().api_url, timeout=timeout, opens=opens
        )
    if as_json:
        print_json([_show(row, now) for row in rows])
    for row in rows:
        say(f"connected {row.platform} @{row.handle} as {row.id}")


async def _verify(account: Account) -> VerifiedAccount:
    async with ConnectorPool(ConnectorSettings()) as pool:
        return await pool.open(account).verify()


def _read_token(given: str | None) -> str:
    token = given or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        token = getpass.getpass("access token: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise InvalidInputError(
            f"no access token: set {TOKEN_VARIABLE}, or give it on standard input", field="token"
        )
    return token.strip()


def _optional_secret(value: str | None) -> SecretStr | None:
    return SecretStr(value) if value else None


def _show(row: AccountRow, now: datetime) -> dict[str, Any]:
    health = account_health(row, now)
    return {
        "id": row.id,
        "platform": row.platform,
        "handle": row.handle,
        "display_name": row.display_name,
        "instance_url": row.instance_url or None,
        "timezone": row.timezone,
        "health": health.status,
        "reason": health.reason or row.last_error,
        "paused_at": row.paused_at,
        "connected_at": row.connected_at,
        "history_read": row.backfill_posts,
    }
