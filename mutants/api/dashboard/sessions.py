"""Who looks at the dashboard: a cookie of eight hours that stands for an API key, and the token of its forms.

The cookie is HttpOnly and SameSite=Strict, signed with a key of its own, so that it is never taken for an access
token or the other way round. The key behind it is looked up with every page: a revoked one is signed out at once.
Every form carries a token derived from the cookie, which pages from elsewhere can neither read nor guess.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response

from api.http.callers import Caller
from api.http.dependencies import ServicesDep
from api.http.errors import ApiError
from api.http.services import Services
from api.http.tokens import InvalidTokenError, issue_token, read_token
from warehouse.store.access.api_keys import KeyRights, expand_scopes, get_usable_api_key
from warehouse.store.models import ApiKey

COOKIE = "socialflow_session"
LIFETIME = timedelta(hours=8)
LOGIN = "/dashboard/login"


class SignedOutError(Exception):
    """Nobody is signed in: the way is to the login page."""


class RefusedError(Exception):
    """The one who is signed in may not do this; the message says why."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in."""

    key: KeyRights
    scopes: frozenset[str]
    form_token: str

    @property
    def caller(self) -> Caller:
        """The same as the API knows it."""
        return Caller(self.key.id, self.key.workspace_id, self.scopes)

    def require(self, *accepted: str) -> None:
        """Raise RefusedError where none of the scopes is held."""
        if not self.scopes & {*accepted}:
            raise RefusedError(
                f"This needs a key with the scope {' or '.join(accepted)}; yours has {', '.join(self.key.scopes)}."
            )


def sign_in(services: Services, key: ApiKey, response: Response, *, secure: bool) -> None:
    """Set the session's cookie."""
    signing_key = _signing_key(services)
    value = issue_token(
        signing_key, key_id=key.id, scopes=key.scopes, now=services.clock(), lifetime=LIFETIME
    )
    response.set_cookie(
        COOKIE,
        value,
        max_age=int(LIFETIME.total_seconds()),
        path="/dashboard",
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def sign_out(response: Response) -> None:
    """Forget the session's cookie."""
    response.delete_cookie(COOKIE, path="/dashboard", httponly=True, samesite="strict")


def current_visitor(request: Request, services: ServicesDep) -> Visitor:
    """Return who is signed in. Raises SignedOutError."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise SignedOutError
    now = services.clock()
    try:
        claims = read_token(_signing_key(services), cookie, now)
    except InvalidTokenError:
        raise SignedOutError from None
    with services.store.read() as session:
        key = get_usable_api_key(session, claims.key_id, now)
    if key is None:
        raise SignedOutError
    state = services.key_limiter.take(key.id, now)
    if not state.allowed:
        raise RefusedError("Too many requests with this key: wait a minute.")
    form_token = hmac.new(_signing_key(services), cookie.encode(), hashlib.sha256).hexdigest()
    return Visitor(key, expand_scopes(key.scopes), form_token)


VisitorDep = Annotated[Visitor, Depends(current_visitor)]


async def read_fields(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form as it was sent."""
    fields = parse_qs(
        (await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50
    )
    refuse_nul(fields)
    return fields


def refuse_nul(fields: dict[str, list[str]]) -> None:
    """Raise a 422 for a NUL character: a form may write it as %00, which the middleware does not read."""
    if any("\x00" in value for values in fields.values() for value in values):
        raise ApiError(422, "nul_character", "the form holds a NUL character: leave it out")


FieldsDep = Annotated[dict[str, list[str]], Depends(read_fields)]


def require_form_token(fields: dict[str, list[str]], visitor: Visitor) -> None:
    """Raise RefusedError for a form that is not of a page we gave this visitor."""
    given = fields.get("form_token", [""])[0]
    if not hmac.compare_digest(given.encode(), visitor.form_token.encode()):
        raise RefusedError("This form is not of your session: open the page again.")


def _signing_key(services: Services) -> bytes:
    return services.store.cipher.derive_key("dashboard-sessions")
