"""Encryption of credentials at rest, and the instance secret from which all keys are derived.

The secret comes from `SOCIALFLOW_SECRET_KEY` or the file in `SOCIALFLOW_SECRET_KEY_FILE`; otherwise the first run
creates it in `<home>/secret.key` with mode 0600. Each purpose (credentials, tokens, keys) has its own key, derived
with HKDF, so that a key of one purpose cannot decrypt data of another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from connectors.types import Credentials
from warehouse.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from warehouse.settings import WarehouseSettings

MINIMUM_SECRET_LENGTH = 32


def load_secret(settings: WarehouseSettings) -> str:
    """Return the instance's secret; create it on first use. Raises SetupError if it is too short or unreadable."""
    if settings.secret_key is not None and settings.secret_key_file is not None:
        raise SetupError(
            "SOCIALFLOW_SECRET_KEY and SOCIALFLOW_SECRET_KEY_FILE are both set: set only one of them"
        )
    if settings.secret_key is not None:
        return _require_long(settings.secret_key.get_secret_value(), "SOCIALFLOW_SECRET_KEY")
    if settings.secret_key_file is not None:
        try:
            given = settings.secret_key_file.expanduser().read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SetupError(
                f"cannot read SOCIALFLOW_SECRET_KEY_FILE={settings.secret_key_file}: {reason}"
            ) from None
        return _require_long(given, "the key in SOCIALFLOW_SECRET_KEY_FILE")
    path = settings.home / "secret.key"
    try:
        return _read_or_make(path)
    except OSError as error:
        raise SetupError(f"cannot read or create the key file {path}: {error.strerror or error}") from error


def new_secret() -> str:
    """Return a new random secret."""
    return secrets.token_urlsafe(48)


def _require_long(secret: str, what: str) -> str:
    if len(secret) < MINIMUM_SECRET_LENGTH:
        raise SetupError(
            f"{what} has {len(secret)} characters: use at least {MINIMUM_SECRET_LENGTH}, "
            "for example the output of `python -c 'import secrets; print(secrets.token_urlsafe(48))'`"
        )
    return secret


def _read_or_make(path: Path) -> str:
    try:
        return _check_length(path.read_text().strip(), path)
    except FileNotFoundError:
        pass  # a first run
    try:
        # O_EXCL: of two concurrent first runs only one creates the key; the link below publishes it when complete.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(new_secret() + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
    except FileExistsError:
        pass  # another run created it: use that one
    return _check_length(path.read_text().strip(), path)


def _check_length(secret: str, path: Path) -> str:
    if len(secret) < MINIMUM_SECRET_LENGTH:
        raise SetupError(f"the key file {path} is damaged: restore it from a backup, or credentials are lost")
    return secret


NEXT_KEY = "secret.key.new"
"""In the home folder during a rotation: the key that the store is, or was just, encrypted with anew."""


def load_next_secret(settings: WarehouseSettings) -> str | None:
    """Return the key of a rotation that was begun in this home and not finished; None = there is none.

    Raises SetupError where the file is damaged or unreadable.
    """
    path = settings.home / NEXT_KEY
    try:
        return _check_length(path.read_text().strip(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"cannot read the key file {path}: {error.strerror or error}") from error


def make_next_secret(settings: WarehouseSettings) -> str:
    """Return the key of a rotation, whole on the disk; an interrupted rotation's is used again."""
    try:
        return _read_or_make(settings.home / NEXT_KEY)
    except OSError as error:
        raise SetupError(
            f"cannot make {settings.home / NEXT_KEY}: {error.strerror or error}; nothing was changed"
        ) from error


def adopt_next_secret(settings: WarehouseSettings) -> None:
    """Put the new key in the place of the old one, in one step; does nothing where that is done."""
    path = settings.home / NEXT_KEY
    if not path.exists():
        return
    path.replace(settings.home / "secret.key")
    folder = os.open(settings.home, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Cipher:
    """Encrypts credentials and derives keys for other purposes from the instance's secret."""

    def __init__(
        self, secret: str, *, lasting: Mapping[str, bytes] | None = None, previous: str | None = None
    ) -> None:
        """`lasting`: keys of purposes that outlive a rotation. `previous`: an older secret that is still read."""
        self._secret = secret.encode()
        self._lasting = dict(lasting or {})
        self._previous = None if previous is None else Cipher(previous)
        self._fernets: dict[str, MultiFernet] = {}
        self._fernet = self._fernet_of("credentials")

    def derive_key(self, purpose: str) -> bytes:
        """Return the 32-byte key of `purpose`."""
        if purpose in self._lasting:
            return self._lasting[purpose]
        # The secret is random and long, so HKDF without a salt is sound (RFC 5869, 3.1).
        return HKDF(hashes.SHA256(), length=32, salt=None, info=f"socialflow/{purpose}".encode()).derive(
            self._secret
        )

    def hmac_hex(self, purpose: str, value: str) -> str:
        """Return the hex HMAC-SHA256 of `value` under the key of `purpose`."""
        return hmac.new(self.derive_key(purpose), value.encode(), hashlib.sha256).hexdigest()

    @property
    def fingerprint(self) -> str:
        """A fingerprint of the secret, stored to detect a wrong key; it does not reveal the secret."""
        return self.derive_key("fingerprint").hex()[:32]

    def encrypt_text(self, purpose: str, text: str) -> bytes:
        """Return an authenticated ciphertext that only the key of the same purpose decrypts."""
        return self._fernet_of(purpose).encrypt(text.encode())

    def decrypt_text(self, purpose: str, blob: bytes) -> str:
        """Return the text. Raises SetupError if the secret or the purpose differs from the one used to encrypt."""
        try:
            return self._fernet_of(purpose).decrypt(blob).decode()
        except InvalidToken:
            raise SetupError(
                f"a stored secret ({purpose}) cannot be decrypted: SOCIALFLOW_SECRET_KEY (or secret.key in the home "
                "folder) is not the one it was saved with"
            ) from None

    def _fernet_of(self, purpose: str) -> MultiFernet:
        known = self._fernets.get(purpose)
        if known is not None:
            return known
        ciphers = [self] if self._previous is None else [self, self._previous]
        fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(one.derive_key(purpose))) for one in ciphers])
        self._fernets[purpose] = fernet  # a handful of purposes; deriving the key takes as long as encrypting
        return fernet

    @property
    def secret(self) -> str:
        """The master secret: only for a rotation, which keeps it encrypted under the next one."""
        return self._secret.decode()

    def encrypt_anew(self, purpose: str, blob: bytes) -> bytes | None:
        """Return the ciphertext under the present secret, of one made with it or the previous; None = of neither."""
        fernet = self._fernet_of(purpose)
        try:
            return fernet.encrypt(fernet.decrypt(blob))
        except InvalidToken:
            return None

    def encrypt_credentials(self, credentials: Credentials) -> bytes:
        """Return an authenticated ciphertext of the credentials."""
        return self._fernet.encrypt(json.dumps(_to_json(credentials)).encode())

    def decrypt_credentials(self, blob: bytes) -> Credentials:
        """Return the credentials. Raises SetupError if the secret differs from the one used to encrypt."""
        try:
            plain: dict[str, Any] = json.loads(self._fernet.decrypt(blob))
        except InvalidToken:
            raise SetupError(
                "stored credentials cannot be decrypted: SOCIALFLOW_SECRET_KEY (or secret.key in the home "
                "folder) is not the one they were saved with"
            ) from None
        return _from_json(plain)


def _to_json(credentials: Credentials) -> dict[str, Any]:
    def reveal(secret: SecretStr | None) -> str | None:
        return secret.get_secret_value() if secret else None

    return {
        "access_token": credentials.access_token.get_secret_value(),
        "refresh_token": reveal(credentials.refresh_token),
        "expires_at": credentials.expires_at.isoformat() if credentials.expires_at else None,
        "app_password": reveal(credentials.app_password),
    }


def _from_json(plain: dict[str, Any]) -> Credentials:
    def conceal(value: str | None) -> SecretStr | None:
        return SecretStr(value) if value else None

    return Credentials(
        access_token=SecretStr(plain["access_token"]),
        refresh_token=conceal(plain["refresh_token"]),
        expires_at=datetime.fromisoformat(plain["expires_at"]) if plain["expires_at"] else None,
        app_password=conceal(plain["app_password"]),
    )
