"""Check API credentials and slow down guessing, for tokens and for the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.http.errors import ApiError
from warehouse.store.access.api_keys import find_key, touch_api_key, verify_credentials
from warehouse.store.audit.actors import Actor
from warehouse.store.audit.log import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.http.services import Services
    from warehouse.store.models import ApiKey

LONGEST_KEY = 64
"""Length of the key prefix by which failures are counted per key; real keys are shorter."""


def check_credentials(services: Services, address: str, api_key: str, api_secret: str, *, via: str) -> ApiKey:
    """Return the key of these credentials and record its use. Raises a 401, or a 429 after too many failures.

    Correct credentials are always accepted: failures of others cannot lock a key out, and a secret of 43
    random characters needs no lockout. Failures are counted per key from all addresses, and per address over
    all keys.
    """
    now = services.clock()
    with services.store.read() as session:
        key = verify_credentials(session, services.store.cipher, api_key, api_secret, now=now)
    if key is None:
        _record_failure(services, address, api_key, via)
        refuse_guessing(services, (f"key|{api_key[:LONGEST_KEY]}", f"address|{address}"))
        raise ApiError(
            401,
            "invalid_credentials",
            "api_key and api_secret are not a valid key: create one with `socialflow keys create`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    with services.store.write() as session:
        touch_api_key(session, key.id, now)
        actor = Actor("api_key", key.id, address)
        record(session, "sign_in", key.workspace_id, now, key.id, {"via": via}, actor=actor)
    return key


def _record_failure(services: Services, address: str, api_key: str, via: str) -> None:
    """Write a failed sign-in to the audit log: not each, but each that makes a count worth telling."""
    now, store = services.clock(), services.store
    with store.read() as session:
        key = find_key(session, store.cipher, api_key)
    due = services.failures.count(key.id if key else "unknown", address, now)
    if due is None:
        return
    key_id, seen_from, count = due
    detail: dict[str, object] = {"via": via, "failures_this_minute": count}
    if not key_id:
        detail["note"] = "from further addresses, counted together"
    known = key if key is not None and key.id == key_id else None
    with store.write() as session:
        record(
            session,
            "sign_in_failed",
            known.workspace_id if known else None,
            now,
            known.id if known else None,
            detail,
            actor=Actor("anonymous", None, seen_from or None),
        )


def refuse_guessing(services: Services, buckets: Sequence[str]) -> None:
    """Count one failure in each bucket. Raises a 429 if a bucket is exhausted."""
    now = services.clock()
    wait = max(services.auth_limiter.look(bucket, now).retry_after_seconds for bucket in buckets)
    if wait:
        raise ApiError(
            429,
            "too_many_failures",
            "too many failed sign-ins for this key or from this address: wait, then check the credentials",
            headers={"Retry-After": str(wait)},
            retryable=True,
        )
    for bucket in buckets:
        services.auth_limiter.take(bucket, now)
