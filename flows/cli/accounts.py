"""`socialflow accounts`: the accounts that posts are published on and metrics are read from."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from flows.cli.account_browser import connect_by_browser
from flows.cli.arguments import expand_id
from flows.cli.moments import FORMS, write_optional_time
from flows.cli.output import JsonOption, YesOption, confirm, print_details, print_json, print_records, say
from flows.cli.workspace_session import open_workspace, sync_lake_accounts
from flows.settings import FlowSettings
from warehouse.errors import InvalidInputError
from warehouse.planning.connections import read_candidate
from warehouse.platforms import parse_platform
from warehouse.settings import WarehouseSettings
from warehouse.shapes import read_shape
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import (
    change_account,
    connect_account,
    describe_account,
    disconnect_account,
    get_account,
    list_accounts,
    pause_account,
    resume_account,
)
from warehouse.store.accounts.credentials import open_account
from warehouse.store.accounts.shapes import AccountPatch, ConnectRequest
from warehouse.store.database import Store

if TYPE_CHECKING:
    from connectors.types import Account, Board, Platform, VerifiedAccount
    from warehouse.store.models import AccountRow

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Connect, list, pause and disconnect accounts.",
)

TOKEN_VARIABLE = "SOCIALFLOW_ACCESS_TOKEN"  # noqa: S105 (the name of a variable)
REFRESH_TOKEN_VARIABLE = "SOCIALFLOW_REFRESH_TOKEN"  # noqa: S105 (the name of a variable)
_LONGEST_TOKEN = 10_000

AccountId = Annotated[str, typer.Argument(help="As `socialflow accounts list` shows it.", callback=expand_id)]


@app.command()
def connect(
    name: Annotated[
        str | None, typer.Argument(metavar="PLATFORM", help="twitter, instagram, mastodon, ...")
    ] = None,
    *,
    platform: Annotated[str | None, typer.Option(help="The same, as an option.")] = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser", help="Authorize on the platform's own page; `socialflow up` must be running."
        ),
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="With --browser: only print the address to open.")
    ] = False,
    page: Annotated[
        str | None,
        typer.Option(
            help="With --browser, if there are several: a Facebook page's id, or urn:li:organization:123 on LinkedIn."
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
        str | None, typer.Option(help=f"If the platform gives one; also from {REFRESH_TOKEN_VARIABLE}.")
    ] = None,
    expires_at: Annotated[str | None, typer.Option(help=f"When the access token expires: {FORMS}.")] = None,
    instance_url: Annotated[
        str | None,
        typer.Option(help="Mastodon and Bluesky: the account's own server, such as mastodon.social."),
    ] = None,
    handle: Annotated[
        str | None,
        typer.Option(
            help="Bluesky with an app password: its handle. Telegram: @channel. Or the profile's address."
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="IANA zone of the audience, for optimal times; default: the workspace's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify the token with the platform and save the account.

    An account that is already connected is updated.
    """
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
    request = read_shape(
        ConnectRequest,
        {
            "platform": chosen.value,
            "access_token": _read_token(token),
            "refresh_token": refresh_token or os.environ.get(REFRESH_TOKEN_VARIABLE) or None,
            "expires_at": write_optional_time(expires_at, None, field="expires_at"),
            "handle": handle,
            "instance_url": instance_url,
            "timezone": timezone,
        },
    )
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store:
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
            candidate = read_candidate(session, workspace_id, request, now)
        verified = asyncio.run(_verify(candidate))
        with store.write() as session:
            row = connect_account(
                session, store.cipher, workspace_id, verified, chosen, now, timezone=timezone
            )
            shown = _show(row, now)
    if as_json:
        print_json(shown)
    else:
        say(f"connected {row.platform} @{row.handle} as {row.id}")


@app.command("list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Include disconnected accounts.")] = False,
    platform: Annotated[str | None, typer.Option(help="Only this platform's accounts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the accounts with their health. Credentials are never shown."""
    chosen = parse_platform(platform) if platform else None
    statuses = ("active", "revoked", "imported", *(("disconnected",) if everything else ()))
    with open_workspace() as opened:
        found = list_accounts(opened.session, opened.workspace_id, platform=chosen, statuses=statuses)
        rows = [_show(row, opened.now) for row in found]
    if as_json:
        print_json(rows)
        return
    told = [{**row, "health": _state(row), "reason": _reason(row)} for row in rows]
    print_records(told, ["id", "platform", "handle", "health", "reason"])


@app.command()
def show(*, account_id: AccountId, as_json: JsonOption = False) -> None:
    """Show one account. Credentials are never shown."""
    with open_workspace() as opened:
        shown = _show(get_account(opened.session, opened.workspace_id, account_id), opened.now)
    if as_json:
        print_json(shown)
    else:
        print_details(shown)


@app.command("set")
def set_(
    *,
    account_id: AccountId,
    timezone: Annotated[
        str, typer.Option(help="IANA zone of the audience, or `workspace` for the workspace's.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Change an account's time zone. Its slots and posting times in the lake follow at once."""
    change = AccountPatch(timezone=None if timezone == "workspace" else timezone)
    with open_workspace() as opened:
        row = change_account(opened.session, opened.workspace_id, account_id, change, opened.now)
        shown = _show(row, opened.now)
        workspace_zone = opened.workspace.timezone
    sync_lake_accounts()
    if as_json:
        print_json(shown)
    else:
        say(f"{_call(shown)}: {shown['timezone'] or f'{workspace_zone} (the workspace)'}")


@app.command()
def boards(*, account_id: AccountId, as_json: JsonOption = False) -> None:
    """List an account's Pinterest boards. Use a name in --option pinterest.board=NAME."""
    with open_workspace() as opened:
        account = open_account(
            get_account(opened.session, opened.workspace_id, account_id), opened.store.cipher
        )
    found = [asdict(board) for board in asyncio.run(_list_boards(account))]
    if as_json:
        print_json(found)
    else:
        print_records(found, ["id", "name", "privacy", "is_default"])


@app.command()
def pause(*, account_id: AccountId, as_json: JsonOption = False) -> None:
    """Pause an account: nothing is sent on it until it is resumed."""
    with open_workspace() as opened:
        row = pause_account(opened.session, opened.workspace_id, account_id, opened.now)
        shown = _show(row, opened.now)
    if as_json:
        print_json(shown)
    else:
        say(f"{_call(shown)} is paused: nothing is sent until `socialflow accounts resume {account_id}`.")


@app.command()
def resume(*, account_id: AccountId, as_json: JsonOption = False) -> None:
    """Resume a paused account."""
    with open_workspace() as opened:
        shown = _show(resume_account(opened.session, opened.workspace_id, account_id, opened.now), opened.now)
    if as_json:
        print_json(shown)
    else:
        say(f"{_call(shown)} is no longer paused.")


@app.command()
def disconnect(*, account_id: AccountId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Disconnect an account. Its credentials are deleted and its scheduled posts canceled; its metrics are kept."""
    with open_workspace() as opened:
        name = _call(_show(get_account(opened.session, opened.workspace_id, account_id), opened.now))
    confirm(
        f"Disconnect {name}? Its credentials are deleted and its scheduled posts canceled.",
        yes=yes,
        only_people=True,
    )
    with open_workspace() as opened:
        row, canceled = disconnect_account(opened.session, opened.workspace_id, account_id, opened.now)
        shown = {**_show(row, opened.now), "canceled_publication_ids": list(canceled)}
    if as_json:
        print_json(shown)
    else:
        say(f"{name} is disconnected; {len(canceled)} scheduled publications canceled.")


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


async def _list_boards(account: Account) -> list[Board]:
    async with ConnectorPool(ConnectorSettings()) as pool:
        return await pool.list_boards(account)


def _read_token(given: str | None) -> str:
    token = given or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        token = (
            getpass.getpass("access token: ")
            if sys.stdin.isatty()
            else sys.stdin.readline(_LONGEST_TOKEN + 1)
        )
    if len(token) > _LONGEST_TOKEN:
        raise InvalidInputError(
            f"the access token is longer than {_LONGEST_TOKEN:,} characters: give the token alone",
            field="token",
        )
    if not token.strip():
        raise InvalidInputError(
            f"no access token: set {TOKEN_VARIABLE}, or give it on standard input", field="token"
        )
    return token.strip()


def _show(row: AccountRow, now: datetime) -> dict[str, Any]:
    return {**describe_account(row, now), "history_read": row.backfill_posts}


def _call(shown: dict[str, Any]) -> str:
    return f"{shown['platform']} @{shown['handle']}"


def _state(shown: dict[str, Any]) -> str:
    return f"{shown['health']['status']}{', paused' if shown['paused_at'] else ''}"


def _reason(shown: dict[str, Any]) -> str | None:
    reason: str | None = shown["health"]["reason"] or shown["last_error"]
    return reason
