"""Dashboard sessions: the session cookie and the CSRF token of the forms.

The cookie is HttpOnly and SameSite=Strict, and its value is random: it is valid only while the session is
open in the store, for eight hours at most. Session and key are looked up on every request, so signing out,
ending the session elsewhere or revoking the key takes effect at once. Every form carries a token derived from
a cookie, which other sites can neither read nor guess; the sign-in form has a separate cookie for that.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response

from api.http.callers import Caller
from api.http.dependencies import ServicesDep, client_address
from api.http.errors import ApiError
from api.http.services import Services
from warehouse.errors import InvalidInputError
from warehouse.store.access.api_keys import KeyRights, expand_scopes, get_usable_api_key
from warehouse.store.access.sessions import LIFETIME, end_session, find_session, open_session
from warehouse.store.audit.actors import Actor, act_as
from warehouse.store.models import ApiKey

COOKIE = "socialflow_session"
LOGIN_COOKIE = "socialflow_login"
_LOGIN_SECONDS = 3600
_LONGEST_COOKIE = 200
LOGIN = "/dashboard/login"


class SignedOutError(Exception):
    """Nobody is signed in: redirect to the sign-in page."""


class RefusedError(Exception):
    """The signed-in visitor may not do this; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The signed-in visitor."""

    key: KeyRights
    scopes: frozenset[str]
    form_token: str
    session_id: str

    @property
    def caller(self) -> Caller:
        """The same identity as an API caller."""
        return Caller(self.key.id, self.key.workspace_id, self.scopes)

    def require(self, *accepted: str) -> None:
        """Raise RefusedError unless one of the scopes is held."""
        if not self.scopes & {*accepted}:
            raise RefusedError(
                f"This needs a key with the scope {' or '.join(accepted)}; yours has {', '.join(self.key.scopes)}."
            )


def sign_in(
    services: Services,
    key: ApiKey,
    request: Request,
    response: Response,
    ends_at: datetime | None = None,
) -> None:
    """Open a session and set its cookie; `ends_at`: when it ends, if not after the usual time."""
    address = client_address(request)
    browser = request.headers.get("user-agent", "")
    with services.store.write() as session:
        token = open_session(
            session,
            services.store.cipher,
            key,
            services.clock(),
            address=address,
            browser=browser,
            ends_at=ends_at,
        )
    lasts = LIFETIME if ends_at is None else ends_at - services.clock()
    _set_cookie(request, response, COOKIE, token, path="/dashboard", seconds=int(lasts.total_seconds()))
    response.delete_cookie(LOGIN_COOKIE, path=LOGIN, httponly=True, samesite="strict")


def sign_out(services: Services, visitor: Visitor, response: Response) -> None:
    """End the session and delete its cookie."""
    with services.store.write() as session:
        end_session(session, visitor.key.workspace_id, visitor.session_id, services.clock())
    response.delete_cookie(COOKIE, path="/dashboard", httponly=True, samesite="strict")


def prepare_login(services: Services, request: Request) -> tuple[str, str]:
    """Return the cookie of the sign-in form (an existing one is reused) and the CSRF token for the form."""
    cookie = request.cookies.get(LOGIN_COOKIE, "")
    if not 20 <= len(cookie) <= _LONGEST_COOKIE:
        cookie = secrets.token_urlsafe(32)
    return cookie, _form_token(services, f"login|{cookie}")


def set_login_cookie(request: Request, response: Response, cookie: str) -> None:
    """Set the cookie that the sign-in form's CSRF token is derived from."""
    _set_cookie(request, response, LOGIN_COOKIE, cookie, path=LOGIN, seconds=_LOGIN_SECONDS)


def is_own_login(services: Services, request: Request, given: str) -> bool:
    """Return whether this browser got the sign-in form from us: prevents login CSRF."""
    cookie = request.cookies.get(LOGIN_COOKIE, "")
    expected = _form_token(services, f"login|{cookie}")
    return bool(cookie) and hmac.compare_digest(given.encode(), expected.encode())


async def current_visitor(request: Request, services: ServicesDep) -> Visitor:
    """Return the signed-in visitor and name it as the actor of the audit log. Raises SignedOutError."""
    visitor = await asyncio.to_thread(_find_visitor, request, services)
    request.state.visitor = visitor  # for the frame of an error page
    act_as(Actor("dashboard", visitor.key.id, client_address(request), visitor.session_id))
    return visitor


def _find_visitor(request: Request, services: Services) -> Visitor:
    cookie = request.cookies.get(COOKIE)
    if cookie is None or len(cookie) > _LONGEST_COOKIE:
        raise SignedOutError
    now = services.clock()
    with services.store.read() as session:
        found = find_session(session, services.store.cipher, cookie, now)
        key = None if found is None else get_usable_api_key(session, found[1], now)
    if found is None or key is None:
        raise SignedOutError
    state = services.key_limiter.take(key.id, now)
    if not state.allowed:
        raise RefusedError("Too many requests with this key: wait a minute.")
    return Visitor(key, expand_scopes(key.scopes), _form_token(services, cookie), found[0])


VisitorDep = Annotated[Visitor, Depends(current_visitor)]


async def read_fields(request: Request) -> dict[str, list[str]]:
    """Return the fields of a submitted form."""
    return await _parse_fields(request, 50)


async def read_many_fields(request: Request) -> dict[str, list[str]]:
    """Return the fields of a large form, with the options of every platform."""
    return await _parse_fields(request, 500)


async def _parse_fields(request: Request, most: int) -> dict[str, list[str]]:
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise ApiError(422, "too_many_fields", f"the form has more than {most} fields") from None
    refuse_nul(fields)
    return fields


def refuse_nul(fields: dict[str, list[str]]) -> None:
    """Raise a 422 for a NUL character: forms can encode it as %00, which the middleware does not check."""
    if any("\x00" in value for values in fields.values() for value in values):
        raise ApiError(422, "nul_character", "the form contains a NUL character: leave it out")


FieldsDep = Annotated[dict[str, list[str]], Depends(read_fields)]


def require_form_token(fields: dict[str, list[str]], visitor: Visitor) -> None:
    """Raise RefusedError for a form without this session's CSRF token."""
    given = fields.get("form_token", [""])[0]
    if not hmac.compare_digest(given.encode(), visitor.form_token.encode()):
        raise RefusedError("This form does not belong to your session: reload the page.")


def require_confirmation(fields: dict[str, list[str]], consequence: str) -> None:
    """Raise InvalidInputError unless the form's box, which says the consequence, is ticked."""
    if "sure" not in fields:
        raise InvalidInputError(f"tick the box to confirm that {consequence}", field="sure")


def _form_token(services: Services, cookie: str) -> str:
    return hmac.new(
        services.store.cipher.derive_key("dashboard-forms"), cookie.encode(), hashlib.sha256
    ).hexdigest()


def _set_cookie(
    request: Request, response: Response, name: str, value: str, *, path: str, seconds: int
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
