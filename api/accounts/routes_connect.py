"""Endpoints of the browser authorization: start it with an API key, finish it with the state alone."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.accounts.authorization import Return, finish_authorization, start_authorization
from api.accounts.schemas_connect import AuthorizationRequest, AuthorizationStarted
from api.http.dependencies import AccountKeeper, ServicesDep, client_address
from api.http.idempotency import Repeatable, answer_once_across, make_answer
from api.http.schemas import problems
from warehouse.platforms import parse_platform
from warehouse.store.audit.actors import Actor, act_as
from warehouse.store.posts.idempotency import StoredAnswer

router = APIRouter(prefix="/accounts/connect", tags=["Accounts"])
callback_router = APIRouter(prefix="/accounts/connect", tags=["Accounts"])
"""A router of its own: platforms add their own query parameters, which must not be rejected as unknown."""

PlatformName = Annotated[str, Path(max_length=40, examples=["mastodon"])]
_templates = Environment(loader=PackageLoader("api.pages"), autoescape=True, undefined=StrictUndefined)
_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}


@router.post(
    "/{platform}/start",
    operation_id="start_account_connection",
    summary="Start connecting an account in the browser",
    response_model=AuthorizationStarted,
    responses=problems(401, 403, 409, 413, 422, 429, 502, 503),
)
async def start_account_connection(
    platform: PlatformName,
    services: ServicesDep,
    caller: AccountKeeper,
    repeat: Repeatable,
    body: AuthorizationRequest | None = None,
) -> Response:
    """Start connecting an account in the browser.

    The owner opens `authorization_url` and approves; the account is then saved. For X, Instagram, Facebook,
    Threads, LinkedIn, TikTok, YouTube, Pinterest and Mastodon. Bluesky and Telegram are connected with `POST
    /api/v1/accounts/connect` only.
    """

    async def work() -> StoredAnswer:
        asked = body or AuthorizationRequest()
        url, redirect_uri, expires_at = await start_authorization(
            services, caller, parse_platform(platform), asked
        )
        return make_answer(
            200,
            AuthorizationStarted(authorization_url=url, redirect_uri=redirect_uri, expires_at=expires_at),
            {"Cache-Control": "no-store"},
        )

    return await answer_once_across(services, repeat, work)


@callback_router.get(
    "/{platform}/callback",
    operation_id="finish_account_connection",
    summary="Finish connecting an account (redirect target of the platforms)",
    response_class=HTMLResponse,
    responses={
        303: {"description": "Redirect to `return_url` with `status` and `account_id` or `code`."},
        403: {
            "description": "Not connected: used or expired state, denied consent or refused code. The page says why.",
            **_PAGE,
        },
        502: {"description": "The platform did not respond as expected.", **_PAGE},
        **problems(422),
    },
)
async def finish_account_connection(
    platform: PlatformName,
    request: Request,
    services: ServicesDep,
    *,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Redirect target of the platforms. Needs no token: `state` works once, for ten minutes."""
    act_as(Actor("anonymous", None, client_address(request)))
    outcome = await finish_authorization(
        services, parse_platform(platform), state=state, code=code, denial=error
    )
    return _show(outcome)


def _show(outcome: Return) -> Response:
    headers = {"Cache-Control": "no-store"}
    if outcome.location is not None:
        return RedirectResponse(outcome.location, 303, headers)
    page = _templates.get_template("connected.html").render(title=outcome.title, words=outcome.words)
    return HTMLResponse(page, outcome.status, headers)
