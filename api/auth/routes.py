"""Endpoint that exchanges API credentials for an access token."""

from fastapi import APIRouter, Request, Response

from api.auth.schemas import TokenRequest, TokenResponse
from api.auth.sign_in import check_credentials
from api.http.dependencies import ServicesDep, client_address
from api.http.errors import problem_at
from api.http.schemas import problems
from api.http.tokens import TOKEN_LIFETIME, issue_token
from warehouse.store.access.api_keys import expand_scopes, parse_scopes

router = APIRouter(prefix="/auth", tags=["Authentication"])


@router.post(
    "/token",
    operation_id="create_token",
    summary="Exchange an API key for an access token",
    responses=problems(401, 413, 422, 429),
)
def create_token(
    body: TokenRequest, request: Request, response: Response, services: ServicesDep
) -> TokenResponse:
    """Exchange your API credentials for an access token that is valid for one hour.

    An `Idempotency-Key` is ignored here: a repeated request returns a new token, and tokens are never stored.
    """
    key = check_credentials(services, client_address(request), body.api_key, body.api_secret, via="token")
    scopes = _narrow(key.scopes, body.scope)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    token = issue_token(services.signing_key, key_id=key.id, scopes=scopes, now=services.clock())
    return TokenResponse(
        access_token=token,
        token_type="Bearer",  # noqa: S106 (the scheme, no secret)
        expires_in=int(TOKEN_LIFETIME.total_seconds()),
    )


def _narrow(held: list[str], wanted: str | None) -> list[str]:
    """Return the token's scopes: the requested ones.

    Raises an error for a scope that the key does not hold.
    """
    if wanted is None or not wanted.strip():
        return held
    scopes = parse_scopes(wanted.split())
    beyond = [scope for scope in scopes if scope not in expand_scopes(held)]
    if beyond:
        raise problem_at("/scope", "invalid_scope", f"the key does not hold {', '.join(beyond)}")
    return scopes
