"""Accounts: connect, reconnect, pause, disconnect, and the queue slots of each."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import SecretStr

from api.accounts.authorization import start_authorization
from api.accounts.schemas_connect import AuthorizationRequest
from api.dashboard.charts import DAYS
from api.dashboard.rendering import DashboardRoute, field_of, show
from api.dashboard.sessions import FieldsDep, Visitor, VisitorDep, require_confirmation, require_form_token
from api.http.dependencies import ServicesDep  # noqa: TC001 (FastAPI reads the annotation)
from api.http.errors import ApiError
from api.http.lake_follow_up import follow_accounts
from connectors.capabilities import CAPABILITIES
from connectors.errors import ConnectorError
from connectors.types import Platform
from warehouse.errors import InvalidInputError
from warehouse.planning.connections import read_candidate
from warehouse.platforms import parse_platform
from warehouse.scheduling.queue_slots import add_slot, describe_slot, list_slots, remove_slot
from warehouse.shapes import read_shape
from warehouse.store.access.workspaces import read_settings
from warehouse.store.accounts.accounts import (
    account_health,
    change_account,
    connect_account,
    disconnect_account,
    get_account,
    list_accounts,
    pause_account,
    resume_account,
)
from warehouse.store.accounts.shapes import AccountPatch, ConnectRequest
from warehouse.store.posts.reads import list_calendar

if TYPE_CHECKING:
    from api.http.services import Services

router = APIRouter(prefix="/dashboard/accounts", include_in_schema=False, route_class=DashboardRoute)

CONNECTED = ("active", "revoked", "imported")
AccountId = Annotated[str, Path(max_length=40)]
_BY_TOKEN = {
    Platform.BLUESKY: (
        "Handle",
        "App password",
        "Make one at bsky.app under Settings, Privacy and security, App passwords.",
    ),
    Platform.TELEGRAM: (
        "Channel, such as @teahouse",
        "Bot token",
        "Make a bot with @BotFather and let it post in the channel.",
    ),
}
"""Platforms without a consent page: the two fields, and where the second is from."""
_COUNTED = 1000


@router.get("")
def show_accounts(services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show the accounts, their health, and a tile per platform to connect."""
    visitor.require("read", "accounts")
    return _show(services, visitor)


def _show(services: Services, visitor: Visitor, problem: str | None = None, **more: Any) -> HTMLResponse:  # noqa: ANN401 (what a template takes)
    now = services.clock()
    with services.store.read() as session:
        rows = list_accounts(session, visitor.key.workspace_id, statuses=CONNECTED)
        timezone = read_settings(session, visitor.key.workspace_id).timezone
    return show(
        "accounts.html",
        422 if problem else 200,
        visitor=visitor,
        services=services,
        accounts=[(row, account_health(row, now)) for row in rows],
        timezone=timezone,
        tiles=[
            {
                "name": name,
                "label": one.label,
                "needs_instance": one.needs_instance_url,
                "fields": _BY_TOKEN.get(name),
            }
            for name, one in sorted(CAPABILITIES.items())
        ],
        problem=problem,
        **{"started": None, **more},
    )


@router.post("/connect/{platform}")
async def connect(
    platform: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> Response:
    """Connect an account: start the platform's consent, or verify a handle and its password or token."""
    require_form_token(fields, visitor)
    visitor.require("accounts")
    name = parse_platform(platform)
    try:
        if name not in _BY_TOKEN:
            asked = AuthorizationRequest(instance_url=field_of(fields, "instance") or None)
            url, _uri, ends = await start_authorization(services, visitor.caller, name, asked)
            started = {"url": url, "label": CAPABILITIES[name].label, "ends": ends}
            return await asyncio.to_thread(_show, services, visitor, started=started)
        request = read_shape(
            ConnectRequest,
            {
                "platform": name.value,
                "handle": field_of(fields, "handle"),
                "access_token": SecretStr(field_of(fields, "secret")),
            },
        )
        candidate = await asyncio.to_thread(_read_candidate, services, visitor, request)
        verified = await services.connectors.open(candidate).verify()
    except (ConnectorError, ApiError, InvalidInputError) as error:
        words = error.detail if isinstance(error, ApiError) else error.message
        return await asyncio.to_thread(_show, services, visitor, f"{CAPABILITIES[name].label}: {words}")

    def save() -> None:
        with services.store.write() as session:
            connect_account(
                session, services.store.cipher, visitor.key.workspace_id, verified, name, services.clock()
            )

    await asyncio.to_thread(save)
    return RedirectResponse("/dashboard/accounts", 303)


def _read_candidate(services: Services, visitor: Visitor, request: ConnectRequest) -> Any:  # noqa: ANN401 (an account to verify)
    with services.store.read() as session:
        return read_candidate(session, visitor.key.workspace_id, request, services.clock())


@router.get("/{account_id}")
def show_account(account_id: AccountId, services: ServicesDep, visitor: VisitorDep) -> HTMLResponse:
    """Show one account: its slots, and what disconnecting it would do."""
    visitor.require("read", "accounts")
    now = services.clock()
    with services.store.read() as session:
        row = get_account(session, visitor.key.workspace_id, account_id)
        slots = [describe_slot(session, one, now) for one in list_slots(session, row.workspace_id, row.id)]
        waiting = list_calendar(
            session,
            row.workspace_id,
            start=now,
            end=now + timedelta(days=3660),
            account_id=row.id,
            limit=_COUNTED,
        )
        timezone = read_settings(session, visitor.key.workspace_id).timezone
    return show(
        "account.html",
        visitor=visitor,
        services=services,
        row=row,
        health=account_health(row, now),
        slots=slots,
        days=DAYS,
        waiting=sum(one.status == "scheduled" for one, _post in waiting),
        timezone=timezone,
    )


@router.post("/{account_id}/timezone")
def change_timezone(
    account_id: AccountId,
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
    background: BackgroundTasks,
) -> RedirectResponse:
    """Change an account's time zone; an empty field = the workspace's."""
    require_form_token(fields, visitor)
    visitor.require("accounts")
    change = read_shape(AccountPatch, {"timezone": field_of(fields, "timezone") or None})
    with services.store.write() as session:
        change_account(session, visitor.key.workspace_id, account_id, change, services.clock())
    background.add_task(follow_accounts, services)
    return RedirectResponse("/dashboard/accounts", 303)


@router.post("/{account_id}/disconnect")
def disconnect(
    account_id: AccountId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Disconnect the account; the form says what that cancels, and its box must be ticked."""
    require_form_token(fields, visitor)
    visitor.require("accounts")
    require_confirmation(fields, "the account is disconnected")
    with services.store.write() as session:
        disconnect_account(session, visitor.key.workspace_id, account_id, services.clock())
    return RedirectResponse("/dashboard/accounts", 303)


@router.post("/{account_id}/slots")
def add_slots(
    account_id: AccountId, services: ServicesDep, visitor: VisitorDep, fields: FieldsDep
) -> RedirectResponse:
    """Add a time of day to the queue, on each chosen weekday."""
    require_form_token(fields, visitor)
    visitor.require("write")
    chosen = fields.get("weekday", [])
    if not chosen or not {*chosen} <= {"0", "1", "2", "3", "4", "5", "6"}:
        raise InvalidInputError("choose at least one day of the week", field="weekday")
    with services.store.write() as session:
        for weekday in dict.fromkeys(chosen):
            add_slot(
                session,
                visitor.key.workspace_id,
                account_id,
                int(weekday),
                field_of(fields, "time"),
                services.clock(),
            )
    return RedirectResponse(f"/dashboard/accounts/{account_id}", 303)


@router.post("/{account_id}/slots/{slot_id}/remove")
def drop_slot(
    account_id: AccountId,
    slot_id: Annotated[str, Path(max_length=40)],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> RedirectResponse:
    """Remove a slot; posts that took it keep their time."""
    require_form_token(fields, visitor)
    visitor.require("write")
    with services.store.write() as session:
        remove_slot(session, visitor.key.workspace_id, account_id, slot_id)
    return RedirectResponse(f"/dashboard/accounts/{account_id}", 303)


@router.post("/{account_id}/{act}")
def switch(
    account_id: AccountId,
    act: Literal["pause", "resume"],
    services: ServicesDep,
    visitor: VisitorDep,
    fields: FieldsDep,
) -> RedirectResponse:
    """Send nothing on the account until it is resumed, or resume it."""
    require_form_token(fields, visitor)
    visitor.require("accounts")
    change = pause_account if act == "pause" else resume_account
    with services.store.write() as session:
        change(session, visitor.key.workspace_id, account_id, services.clock())
    return RedirectResponse("/dashboard/accounts", 303)
