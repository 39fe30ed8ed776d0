"""Access tokens: HS256 JWTs valid for one hour, signed with a key derived from the store's secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.store.crypto import Cipher

TOKEN_LIFETIME = timedelta(seconds=3600)
_ALGORITHM = "HS256"
_ISSUER = "socialflow"


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of a valid token. Whether its API key still exists is checked in the store on each request."""

    key_id: str
    scopes: frozenset[str]
    expires_at: datetime


class InvalidTokenError(Exception):
    """The token is not ours, was modified, has expired, or its key is not usable; the message says which."""

    def __init__(self, message: str, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code


def derive_signing_key(cipher: Cipher) -> bytes:
    """Return the key that signs access tokens; it has no other use."""
    return cipher.derive_key("access-tokens")


def issue_token(
    signing_key: bytes,
    *,
    key_id: str,
    scopes: Iterable[str],
    now: datetime,
    lifetime: timedelta = TOKEN_LIFETIME,
) -> str:
    """Return a token that acts for the API key until `now` + `lifetime`."""
    claims = {
        "iss": _ISSUER,
        "sub": key_id,
        "scope": " ".join(scopes),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode(claims, signing_key, algorithm=_ALGORITHM)


def read_token(signing_key: bytes, token: str, now: datetime) -> Claims:
    """Return the claims of a token. Raises InvalidTokenError."""
    options: Any = {
        "require": ["iss", "sub", "exp", "scope"],
        # Both are checked below, against the injected clock that issued them.
        "verify_exp": False,
        "verify_iat": False,
    }
    try:
        claims = jwt.decode(token, signing_key, algorithms=[_ALGORITHM], issuer=_ISSUER, options=options)
    except jwt.InvalidTokenError:
        raise InvalidTokenError("the access token was not issued by this server") from None
    if not isinstance(claims["exp"], int) or claims["exp"] <= now.timestamp():
        raise InvalidTokenError("the access token has expired: get a new one with POST /api/v1/auth/token")
    return Claims(
        key_id=claims["sub"],
        scopes=frozenset(str(claims["scope"]).split()),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
