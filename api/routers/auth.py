"""Exchange API credentials for an access token."""

from fastapi import APIRouter, Request, Response

from api.auth import TOKEN_LIFETIME, issue_token
from api.dependencies import ServicesDep
from api.errors import ApiError, problem_at
from api.schemas_auth import TokenRequest, TokenResponse
from api.schemas_common import problems
from warehouse.store.api_keys import expand_scopes, parse_scopes, touch_api_key, verify_credentials

router = APIRouter(prefix="/auth", tags=["Authentication"])


@router.post("/token", operation_id="create_token", responses=problems(401, 413, 422, 429))
def create_token(
    body: TokenRequest, request: Request, response: Response, services: ServicesDep
) -> TokenResponse:
    """Exchange your API credentials for an access token of one hour.

    An `Idempotency-Key` is ignored here: a repetition gets another token, and no token is ever stored.
    """
    now = services.clock()
    address = request.client.host if request.client else ""
    # Only failures use the allowance up: for one key from one address, and for one address over all keys.
    buckets = (f"{address}|{body.api_key}", f"{address}|")
    wait = max(services.auth_limiter.look(bucket, now).retry_after_seconds for bucket in buckets)
    if wait:
        raise ApiError(
            429,
            "too_many_failures",
            "too many wrong credentials from this address: wait and check them",
            headers={"Retry-After": str(wait)},
            retryable=True,
        )
    with services.store.read() as session:
        key = verify_credentials(session, services.store.cipher, body.api_key, body.api_secret, now=now)
    if key is None:
        for bucket in buckets:
            services.auth_limiter.take(bucket, now)
        raise ApiError(
            401,
            "invalid_credentials",
            "api_key and api_secret do not belong to a usable key: make one with `socialflow keys create`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    scopes = _narrow(key.scopes, body.scope)
    with services.store.write() as session:
        touch_api_key(session, key.id, now)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    token = issue_token(services.signing_key, key_id=key.id, scopes=scopes, now=now)
    return TokenResponse(
        access_token=token,
        token_type="Bearer",  # noqa: S106 (the scheme, no secret)
        expires_in=int(TOKEN_LIFETIME.total_seconds()),
    )


def _narrow(held: list[str], wanted: str | None) -> list[str]:
    """Return the scopes of the token: those asked for, as far as the key holds them."""
    if wanted is None or not wanted.strip():
        return held
    scopes = parse_scopes(wanted.split())
    beyond = [scope for scope in scopes if scope not in expand_scopes(held)]
    if beyond:
        raise problem_at("/scope", "invalid_scope", f"the key does not hold {', '.join(beyond)}")
    return scopes
