"""Check credentials, with a pause for whoever guesses: the same for tokens and for the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.errors import ApiError
from warehouse.store.access.api_keys import touch_api_key, verify_credentials

if TYPE_CHECKING:
    from api.http.services import Services
    from warehouse.store.models import ApiKey


def check_credentials(services: Services, address: str, api_key: str, api_secret: str) -> ApiKey:
    """Return the key that the credentials belong to, and note its use. Raises a 401, or a 429 after failures."""
    now = services.clock()
    # Only failures use the allowance up: for one key from one address, and for one address over all keys.
    buckets = (f"{address}|{api_key}", f"{address}|")
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
        key = verify_credentials(session, services.store.cipher, api_key, api_secret, now=now)
    if key is None:
        for bucket in buckets:
            services.auth_limiter.take(bucket, now)
        raise ApiError(
            401,
            "invalid_credentials",
            "api_key and api_secret do not belong to a usable key: make one with `socialflow keys create`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    with services.store.write() as session:
        touch_api_key(session, key.id, now)
    return key
