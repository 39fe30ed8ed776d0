"""FastAPI dependencies of the routes: services, caller with scope, rejection of unknown parameters."""

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.callers import Caller, Identity
from api.http.errors import ApiError
from api.http.rate_limits import RateLimitState
from api.http.services import Services
from api.http.tokens import InvalidTokenError
from warehouse.store.access.shapes import Scope
from warehouse.store.audit.actors import Actor, act_as

bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    scheme_name="accessToken",
    description="The access_token of POST /api/v1/auth/token.",
)


def services_of(request: Request) -> Services:
    """Return the services that the process opened at startup."""
    services: Services = request.app.state.services
    return services


async def get_services(request: Request) -> Services:
    """Return the services (dependency)."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(get_services, scope="function")]


def require_scope(*accepted: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that accepts callers with one of these scopes (admin includes all)."""
    enough = frozenset({*accepted, "admin"})

    async def dependency(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Caller:
        caller = await _authenticate(request, credentials)
        if not caller.scopes & enough:
            raise missing_scope(*accepted, held=caller.scopes)
        return caller

    dependency.__name__ = f"require_{'_or_'.join(accepted)}"
    return dependency


def caller_of(request: Request) -> Caller:
    """Return the caller, for dependencies declared after it: FastAPI resolves them in that order."""
    caller: Caller = request.scope["socialflow.identity"].caller
    return caller


def missing_scope(*accepted: Scope, held: Iterable[str], why: str = "") -> ApiError:
    """Return the 403 for a caller without any of the accepted scopes; `why` says what needs the scope."""
    needed = " or ".join(accepted)
    what = f"this needs the scope {needed} {why}".strip()
    return ApiError(
        403,
        "missing_scope",
        f"{what}; the token has {' '.join(sorted(held)) or 'none'}",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{accepted[0]}"'},
    )


def client_address(request: Request) -> str:
    """Return where a request comes from, as far as SOCIALFLOW_API_TRUSTED_PROXIES lets a proxy tell it."""
    return request.client.host if request.client else ""


async def _authenticate(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    services = services_of(request)
    if credentials is None:
        raise _unauthenticated("missing_token", "send the header Authorization: Bearer <access_token>")
    admitted: Identity | None = request.scope.get("socialflow.admitted")
    if admitted is not None:  # by the response cache, which has also counted the request
        act_as(Actor("api_key", admitted.caller.key_id, client_address(request)))
        return admitted.caller
    try:
        identity = await services.callers.identify(credentials.credentials, services.clock())
    except InvalidTokenError as error:
        raise _unauthenticated(error.code, str(error)) from None
    request.scope["socialflow.identity"] = identity
    caller = identity.caller
    act_as(Actor("api_key", caller.key_id, client_address(request)))
    state = await services.key_limiter.take_async(caller.key_id, services.clock())
    require_within_limit(request, state, "key")
    return caller


def require_within_limit(request: Request, state: RateLimitState, what: str) -> None:
    """Note the state for the response's RateLimit headers. Raises ApiError (429) if the request is over the limit."""
    request.scope["socialflow.rate_limit"] = state
    if not state.allowed:
        raise ApiError(
            429,
            "rate_limited",
            f"more than {state.limit} requests a minute with this {what}: wait {state.retry_after_seconds} s",
            headers={"Retry-After": str(state.retry_after_seconds)},
            retryable=True,
        )


def _unauthenticated(code: str, detail: str) -> ApiError:
    challenge = (
        "Bearer" if code == "missing_token" else f'Bearer error="invalid_token", error_description="{code}"'
    )
    return ApiError(401, code, detail, headers={"WWW-Authenticate": challenge})


Reader = Annotated[Caller, Depends(require_scope("read"))]
Writer = Annotated[Caller, Depends(require_scope("write"))]
Approver = Annotated[Caller, Depends(require_scope("approve"))]
Analyst = Annotated[Caller, Depends(require_scope("analytics"))]
AccountReader = Annotated[Caller, Depends(require_scope("read", "accounts"))]
AccountKeeper = Annotated[Caller, Depends(require_scope("accounts"))]
Administrator = Annotated[Caller, Depends(require_scope("admin"))]


async def refuse_misreadings(request: Request) -> None:
    """Reject input that would otherwise be ignored silently: an empty condition, an unknown parameter."""
    _refuse_empty_condition(request)
    _refuse_unknown_parameters(request)


def _refuse_empty_condition(request: Request) -> None:
    """Raise a 412 for an If-Match header without a value: it would be treated as no condition."""
    if request.headers.get("if-match", "*").strip() == "":
        raise ApiError(
            412, "stale", "the If-Match header is empty: send the ETag as it was read, or leave it out"
        )


def _refuse_unknown_parameters(request: Request) -> None:
    """Raise a 422 for an unknown query parameter: a misspelt filter must not be ignored."""
    known = _query_names(request.scope["route"].dependant)
    for name in request.query_params:
        if name not in known:
            remedy = f"use {', '.join(sorted(known))}" if known else "this endpoint has none"
            detail = f"unknown query parameter {name!r}: {remedy}"
            raise ApiError(
                422,
                "unknown_parameter",
                detail,
                errors=[{"pointer": name, "code": "unknown_parameter", "detail": detail, "in": "query"}],
            )


def _query_names(dependant: Dependant) -> frozenset[str]:
    return _query_names_of(_Identity(dependant))


class _Identity:
    """Key for the cache below that compares dependants by identity: they are not hashable."""

    def __init__(self, dependant: Dependant) -> None:
        self.dependant = dependant

    def __hash__(self) -> int:
        return id(self.dependant)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.dependant is self.dependant


@cache
def _query_names_of(identity: _Identity) -> frozenset[str]:
    names: set[str] = set()
    waiting = [identity.dependant]
    while waiting:
        dependant = waiting.pop()
        names.update(field.alias for field in dependant.query_params)
        waiting.extend(dependant.dependencies)
    return frozenset(names)


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag as read: refuses the change (412) if it was changed.",
        json_schema_extra={"pattern": r'^(\*|(W/)?"[0-9]{1,9}")$'},
    ),
]


def parse_if_match(header: str | None) -> int | None:
    """Return the version that an If-Match header requires; None = any.

    Raises a 412 for an unknown ETag format.
    """
    if header is None or header.strip() == "*":
        return None
    tag = re.fullmatch(r'(?:W/)?"(\d{1,9})"', header.strip(), re.ASCII)
    if tag is None:
        raise ApiError(412, "stale", "the If-Match header is not an ETag of this API: read the ETag again")
    return int(tag[1])


def version_etag(version: int) -> str:
    """Return the ETag of a versioned resource: a post, a recurrence, a webhook."""
    return f'"{version}"'


def set_headers(response: Response, headers: dict[str, str]) -> None:
    """Add headers to the response that FastAPI will build."""
    for name, value in headers.items():
        response.headers[name] = value
