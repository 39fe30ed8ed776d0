"""Endpoints of connected accounts: list, connect (verified with the platform), pause, disconnect."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Query, Response

from api.accounts.schemas import AccountOut, BoardList, BoardOut, DisconnectOut
from api.accounts.views import render_account, render_disconnected
from api.http.callers import Caller
from api.http.dependencies import AccountKeeper, AccountReader, ServicesDep
from api.http.idempotency import Repeatable, answer_once, answer_once_across, make_answer
from api.http.lake_follow_up import follow_accounts
from api.http.schemas import Page, problems
from api.http.services import Services
from connectors.types import Account, Platform, VerifiedAccount
from warehouse.planning.connections import read_candidate
from warehouse.platforms import parse_platform
from warehouse.store.accounts import accounts as store_accounts
from warehouse.store.accounts.credentials import open_account
from warehouse.store.accounts.shapes import AccountPatch, ConnectRequest
from warehouse.store.posts.idempotency import StoredAnswer, StoreSession

router = APIRouter(prefix="/accounts", tags=["Accounts"])

AccountId = Annotated[str, Path(max_length=40)]


@router.get(
    "",
    operation_id="list_accounts",
    summary="List connected accounts",
    responses=problems(401, 403, 422, 429),
)
def list_accounts(
    services: ServicesDep,
    caller: AccountReader,
    *,
    platform: Annotated[str | None, Query(max_length=40)] = None,
    disconnected: Annotated[bool, Query(description="Include disconnected accounts.")] = False,
) -> Page[AccountOut]:
    """List the connected accounts with their health, all on one page. Credentials are never returned."""
    statuses = ("active", "revoked", "imported", *(("disconnected",) if disconnected else ()))
    with services.store.read() as session:
        rows = store_accounts.list_accounts(
            session,
            caller.workspace_id,
            platform=parse_platform(platform) if platform else None,
            statuses=statuses,
        )
    now = services.clock()
    return Page(data=[render_account(row, now) for row in rows], has_more=False, next_cursor=None)


@router.post(
    "/connect",
    operation_id="connect_account",
    summary="Connect an account by its token",
    status_code=201,
    response_model=AccountOut,
    responses=problems(401, 403, 409, 413, 422, 429, 502, 503),
)
async def connect_account(
    body: ConnectRequest, services: ServicesDep, caller: AccountKeeper, repeat: Repeatable
) -> Response:
    """Connect an account. The token is verified with the platform before anything is saved.

    An account that is already connected is updated: its id stays, and the stored refresh token is kept unless
    a new one is given.
    """

    async def work() -> StoredAnswer:
        platform = parse_platform(body.platform)
        candidate = await asyncio.to_thread(_read_candidate, services, caller, body)
        verified = await services.connectors.open(candidate).verify()
        return await asyncio.to_thread(_save, services, caller, body, platform, verified)

    return await answer_once_across(services, repeat, work)


@router.get(
    "/{account_id}",
    operation_id="get_account",
    summary="Get a connected account",
    responses=problems(401, 403, 404, 422, 429),
)
def read_account(account_id: AccountId, services: ServicesDep, caller: AccountReader) -> AccountOut:
    """Read one account."""
    with services.store.read() as session:
        row = store_accounts.get_account(session, caller.workspace_id, account_id)
    return render_account(row, services.clock())


@router.patch(
    "/{account_id}",
    operation_id="update_account",
    summary="Change an account",
    responses=problems(401, 403, 404, 413, 422, 429),
)
def update_account(
    account_id: AccountId,
    body: AccountPatch,
    services: ServicesDep,
    caller: AccountKeeper,
    background: BackgroundTasks,
) -> AccountOut:
    """Change an account's time zone. Its slots and posting times in the lake follow within seconds."""
    now = services.clock()
    with services.store.write() as session:
        row = store_accounts.change_account(session, caller.workspace_id, account_id, body, now)
    background.add_task(follow_accounts, services)
    return render_account(row, now)


@router.get(
    "/{account_id}/boards",
    operation_id="list_boards",
    summary="List the boards of a Pinterest account",
    responses=problems(401, 403, 404, 409, 422, 429, 502, 503),
)
async def list_boards(account_id: AccountId, services: ServicesDep, caller: AccountReader) -> BoardList:
    """Ask Pinterest for the account's boards. Accounts of other platforms have none: 422."""

    def read() -> Account:
        with services.store.read() as session:
            row = store_accounts.get_account(session, caller.workspace_id, account_id)
            return open_account(row, services.store.cipher)

    boards = await services.connectors.list_boards(await asyncio.to_thread(read))
    return BoardList(data=[BoardOut.model_validate(asdict(board)) for board in boards])


@router.delete(
    "/{account_id}",
    operation_id="disconnect_account",
    summary="Disconnect an account",
    responses=problems(401, 403, 404, 409, 422, 429),
)
def disconnect_account(account_id: AccountId, services: ServicesDep, caller: AccountKeeper) -> DisconnectOut:
    """Disconnect an account: delete its credentials and cancel its scheduled posts.

    Published posts and their metrics are kept. Returns 409 while a post is being sent on the account.
    """
    now = services.clock()
    with services.store.write() as session:
        row, canceled = store_accounts.disconnect_account(session, caller.workspace_id, account_id, now)
    return render_disconnected(row, canceled, now)


@router.post(
    "/{account_id}/pause",
    operation_id="pause_account",
    summary="Pause an account",
    response_model=AccountOut,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def pause_account(
    account_id: AccountId, services: ServicesDep, caller: AccountKeeper, repeat: Repeatable
) -> Response:
    """Pause an account: nothing is sent on it until it is resumed."""
    now = services.clock()

    def work(session: StoreSession) -> StoredAnswer:
        row = store_accounts.pause_account(session, caller.workspace_id, account_id, now)
        return make_answer(200, render_account(row, now))

    return answer_once(services, repeat, work)


@router.post(
    "/{account_id}/resume",
    operation_id="resume_account",
    summary="Resume an account",
    response_model=AccountOut,
    responses=problems(401, 403, 404, 409, 422, 429),
)
def resume_account(
    account_id: AccountId, services: ServicesDep, caller: AccountKeeper, repeat: Repeatable
) -> Response:
    """Resume a paused account."""
    now = services.clock()

    def work(session: StoreSession) -> StoredAnswer:
        row = store_accounts.resume_account(session, caller.workspace_id, account_id, now)
        return make_answer(200, render_account(row, now))

    return answer_once(services, repeat, work)


def _read_candidate(services: Services, caller: Caller, body: ConnectRequest) -> Account:
    with services.store.read() as session:
        return read_candidate(session, caller.workspace_id, body, services.clock())


def _save(
    services: Services,
    caller: Caller,
    body: ConnectRequest,
    platform: Platform,
    verified: VerifiedAccount,
) -> StoredAnswer:
    now = services.clock()
    with services.store.write() as session:
        row = store_accounts.connect_account(
            session,
            services.store.cipher,
            caller.workspace_id,
            verified,
            platform,
            now,
            timezone=body.timezone,
        )
    return make_answer(201, render_account(row, now), {"Location": f"/api/v1/accounts/{row.id}"})
