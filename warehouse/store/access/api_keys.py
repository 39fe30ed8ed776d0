"""API keys: create, verify in constant time, list and revoke.

A key is `sf_` + 22 random characters + 6 checksum characters; its secret is `sfs_` + 43 + 6. Both use only digits
and letters, so that a double click selects the whole value. The checksum lets secret scanners recognise a key
without access to the store. The store keeps only HMACs; key and secret are shown once, on creation.
"""

from __future__ import annotations

import hmac
import secrets
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, select

from warehouse.errors import InvalidInputError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.crypto import Cipher

SCOPES = ("read", "write", "approve", "analytics", "accounts", "admin")
"""read posts and calendar; write posts; approve them; read analytics; manage accounts; admin = all of these,
and keys."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH = 6
_KEY_PREFIX, _KEY_LENGTH = "sf_", 22
_SECRET_PREFIX, _SECRET_LENGTH = "sfs_", 43
_KEY_PURPOSE, _SECRET_PURPOSE = "api-key", "api-secret"


class CreatedApiKey(NamedTuple):
    """A new key with its two plain values, which are shown only once."""

    row: ApiKey
    api_key: str
    api_secret: str


def create_api_key(  # noqa: PLR0917 (the fields of a key)
    session: Session,
    cipher: Cipher,
    workspace_id: str,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> CreatedApiKey:
    """Create a key for a workspace. Raises InvalidInputError: no name, unknown scope, expiry in the past."""
    if not name.strip():
        raise InvalidInputError(
            "a key needs a name: give one that identifies it in the list of keys", field="name"
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError("expires_at is in the past", field="expires_at", code="in_the_past")
    api_key = _mint(_KEY_PREFIX, _KEY_LENGTH)
    api_secret = _mint(_SECRET_PREFIX, _SECRET_LENGTH)
    row = ApiKey(
        id=new_id("key"),
        workspace_id=workspace_id,
        name=name.strip(),
        key_hint=api_key[:9],
        key_hmac=cipher.hmac_hex(_KEY_PURPOSE, api_key),
        secret_hmac=cipher.hmac_hex(_SECRET_PURPOSE, api_secret),
        scopes=parse_scopes(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    ends = expires_at.isoformat() if expires_at else None
    detail = {"name": row.name, "scopes": row.scopes, "expires_at": ends}
    record(session, "api_key_created", workspace_id, now, row.id, detail)
    return CreatedApiKey(row, api_key, api_secret)


def parse_scopes(scopes: Iterable[str]) -> list[str]:
    """Return the distinct scopes in fixed order. Raises InvalidInputError for an unknown scope or none at all."""
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        problem = f"unknown scope {', '.join(unknown)}" if unknown else "no scope given"
        raise InvalidInputError(
            f"{problem}: use some of {', '.join(SCOPES)}", field="scope", code="invalid_scope"
        )
    return [scope for scope in SCOPES if scope in wanted]


def verify_credentials(
    session: Session, cipher: Cipher, api_key: str, api_secret: str, *, now: datetime
) -> ApiKey | None:
    """Return the key with these credentials, or None.

    The work is the same whether the key exists or not (two HMACs, one lookup by HMAC, one constant-time
    comparison), so that the response time does not reveal which keys exist.
    """
    key_hmac = cipher.hmac_hex(_KEY_PURPOSE, api_key)
    secret_hmac = cipher.hmac_hex(_SECRET_PURPOSE, api_secret)
    row = session.scalars(select(ApiKey).where(ApiKey.key_hmac == key_hmac)).one_or_none()
    expected = row.secret_hmac if row is not None else "0" * len(secret_hmac)
    secret_matches = hmac.compare_digest(expected, secret_hmac)
    return row if row is not None and secret_matches and is_usable(row, now) else None


def find_key(session: Session, cipher: Cipher, api_key: str) -> ApiKey | None:
    """Return the key of this value, usable or not, whatever the secret; None = there is none."""
    return session.scalars(
        select(ApiKey).where(ApiKey.key_hmac == cipher.hmac_hex(_KEY_PURPOSE, api_key))
    ).one_or_none()


class KeyRights(NamedTuple):
    """The current permissions of a key."""

    id: str
    workspace_id: str
    name: str
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None


# Built once: building a statement and its cache key takes longer than running it.
_RIGHTS = select(*(ApiKey.__table__.c[name] for name in KeyRights._fields)).where(
    ApiKey.__table__.c.id == bindparam("key_id")
)


def is_usable(key: ApiKey | KeyRights, now: datetime) -> bool:
    """Return whether the key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def describe_api_key(row: ApiKey, now: datetime) -> dict[str, Any]:
    """Return a key as all interfaces show it, without secrets."""
    return {
        "id": row.id,
        "name": row.name,
        "key_hint": row.key_hint,
        "scopes": row.scopes,
        "status": "active" if is_usable(row, now) else "revoked" if row.revoked_at is not None else "expired",
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }


def ensure_command_line_key(session: Session, workspace_id: str, now: datetime) -> str:
    """Return the id of the key row that represents the command line; create it on first use.

    The row is revoked and has no key and no secret, so nobody can sign in with it.
    """
    key_id = f"key_cli_{workspace_id.removeprefix('ws_')}"[:40]
    if session.get(ApiKey, key_id) is None:
        session.add(
            ApiKey(
                id=key_id,
                workspace_id=workspace_id,
                name="command line (no sign-in)",
                key_hint="",
                # Not a valid HMAC, so no key matches this row.
                key_hmac=f"none:{key_id}",
                secret_hmac="",
                scopes=["write"],
                created_at=now,
                revoked_at=now,
            )
        )
        session.flush()
    return key_id


def get_usable_api_key(session: Session, key_id: str, now: datetime) -> KeyRights | None:
    """Return the permissions of a usable key, else None. Called for every request with a token."""
    row = session.connection().execute(_RIGHTS, {"key_id": key_id}).one_or_none()
    key = None if row is None else KeyRights._make(row)
    return key if key is not None and is_usable(key, now) else None


def touch_api_key(session: Session, key_id: str, now: datetime) -> None:
    """Record that the key was used (needs a write session)."""
    row = session.get(ApiKey, key_id)
    if row is not None:
        row.last_used_at = now


def expand_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the effective scopes: `admin` includes every scope."""
    held = frozenset(scopes)
    return frozenset(SCOPES) if "admin" in held else held


def require_grantable(
    holder: ApiKey | KeyRights, held: Iterable[str], wanted: Iterable[str], expires_at: datetime | None
) -> None:
    """Raise InvalidInputError if a key created by `holder` would exceed the scopes `held` or the holder's expiry.

    `held` are the scopes of the current request, which may be fewer than those of the holder's key.
    """
    beyond = [scope for scope in wanted if scope not in expand_scopes(held)]
    if beyond:
        raise InvalidInputError(
            f"your key does not have {', '.join(beyond)}: grant only scopes of the key that you use",
            field="scopes",
            code="beyond_own_scopes",
        )
    if holder.expires_at is not None and (expires_at is None or expires_at > holder.expires_at):
        raise InvalidInputError(
            f"your key expires at {holder.expires_at.isoformat()}: a new key cannot expire later than the key "
            "that creates it, so set expires_at to that time or earlier",
            field="expires_at",
            code="beyond_own_expiry",
        )


def list_api_keys(
    session: Session, workspace_id: str, *, before_id: str | None = None, limit: int | None = None
) -> list[ApiKey]:
    """Return the workspace's keys, including revoked ones, newest first: at most `limit`, before `before_id`."""
    statement = select(ApiKey).where(ApiKey.workspace_id == workspace_id).order_by(ApiKey.id.desc())
    if before_id is not None:
        statement = statement.where(ApiKey.id < before_id)
    return list(session.scalars(statement.limit(limit)))


def get_api_key(session: Session, workspace_id: str, key_id: str) -> ApiKey:
    """Return the key, usable or not. Raises NotFoundError, also for a key of another workspace."""
    row = session.get(ApiKey, key_id)
    if row is None or row.workspace_id != workspace_id:
        raise NotFoundError(f"no API key {key_id} in this workspace: list them with `socialflow keys list`")
    return row


def revoke_api_key(session: Session, workspace_id: str, key_id: str, now: datetime) -> ApiKey:
    """Revoke a key permanently; its tokens stop working immediately. Idempotent. Raises NotFoundError."""
    row = get_api_key(session, workspace_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = now
        detail = {"name": row.name, "scopes": row.scopes}
        record(session, "api_key_revoked", workspace_id, now, row.id, detail)
    return row


def is_well_formed(value: str) -> bool:
    """Return whether `value` has the form and checksum of a key or secret. Does not check that it exists."""
    for prefix, length in ((_SECRET_PREFIX, _SECRET_LENGTH), (_KEY_PREFIX, _KEY_LENGTH)):
        if value.startswith(prefix) and len(value) == len(prefix) + length + _CHECKSUM_LENGTH:
            return value[-_CHECKSUM_LENGTH:] == _checksum(value[:-_CHECKSUM_LENGTH])
    return False


def _mint(prefix: str, length: int) -> str:
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
    return body + _checksum(body)


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
