"""A new master secret: everything stored is encrypted anew, in one transaction, and can be begun again anywhere.

    1  the new secret is on the disk (`secret.key.new`, or a file of the operator's)
    2  `rotate_secret`: one transaction encrypts all anew and keeps the old secret, encrypted with the new one
    3  `secret.key.new` takes the place of `secret.key`
    4  `finish_rotation`: what was still saved with the old secret meanwhile is encrypted anew, the old one is forgotten

A process that was opened before 2 can save with the old secret until it ends: that is read until 4.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from warehouse.errors import ConflictError, SetupError
from warehouse.store.access.models import DashboardSession
from warehouse.store.accounts.authorizations import AccountAuthorization
from warehouse.store.audit.log import record
from warehouse.store.crypto import Cipher
from warehouse.store.database import LASTING_KEYS, PREVIOUS_SECRET
from warehouse.store.models import AccountRow, IdempotencyKey, Instance
from warehouse.store.webhooks.models import WebhookEndpoint

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from warehouse.store.database import Store

LASTING_PURPOSES = ("api-key", "api-secret", "calendar-feed", "media-address")
"""HMAC keys that stay: only HMACs of these values are stored, and their holders go on using them."""

_ENCRYPTED: tuple[tuple[Any, Any, str], ...] = (
    (AccountRow.id, AccountRow.credentials, "credentials"),
    (WebhookEndpoint.id, WebhookEndpoint.secret, "webhooks"),
    (WebhookEndpoint.id, WebhookEndpoint.old_secret, "webhooks"),
    (AccountAuthorization.id, AccountAuthorization.kept, "authorizations"),
    (IdempotencyKey.id, IdempotencyKey.body, "idempotent-answers"),
)
"""Every column that holds a ciphertext, and its purpose."""


def is_rotating(store: Store) -> bool:
    """Tell whether a rotation was begun and not finished."""
    with store.read() as session:
        return session.scalar(select(Instance.previous_secret)) is not None


def rotate_secret(store: Store, new: str, now: datetime) -> None:
    """Encrypt all that is stored with a new secret, in one transaction, and end all dashboard sessions.

    The store must be opened anew afterwards. Raises ConflictError where a rotation is unfinished, or the secret is the
    present one; SetupError where something stored cannot be read: nothing is changed then.
    """
    old = store.cipher
    if Cipher(new).fingerprint == old.fingerprint:
        raise ConflictError("the new key is the current one: give another", code="same_secret")
    lasting = {purpose: old.derive_key(purpose) for purpose in LASTING_PURPOSES}
    cipher = Cipher(new, lasting=lasting, previous=old.secret)
    with store.write() as session:
        row = session.scalars(select(Instance).with_for_update()).one()
        if row.previous_secret is not None or row.secret_fingerprint != old.fingerprint:
            raise ConflictError(
                "a rotation was begun and not finished: finish it first", code="unfinished_rotation"
            )
        _encrypt_all(session, cipher)
        kept = json.dumps({purpose: key.hex() for purpose, key in lasting.items()})
        row.lasting_keys = cipher.encrypt_text(LASTING_KEYS, kept)
        row.previous_secret = cipher.encrypt_text(PREVIOUS_SECRET, old.secret)
        row.secret_fingerprint = cipher.fingerprint
        session.execute(
            update(DashboardSession).where(DashboardSession.ended_at.is_(None)).values(ended_at=now)
        )
        record(session, "secret_rotation_started", None, now)


def finish_rotation(store: Store, now: datetime) -> None:
    """Encrypt anew what was saved with the old secret meanwhile, and forget that secret.

    Call it with a store opened after `rotate_secret`, once no process works with the old secret.
    """
    with store.write() as session:
        row = session.scalars(select(Instance).with_for_update()).one()
        if row.previous_secret is None:
            return
        _encrypt_all(session, store.cipher)
        row.previous_secret = None
        record(session, "secret_rotated", None, now)


def _encrypt_all(session: Session, cipher: Cipher) -> None:
    for key, column, purpose in _ENCRYPTED:
        # Locked: a token that is refreshed at this moment must not be replaced by the one before.
        query = select(key, column).where(column.is_not(None)).order_by(key).with_for_update()
        for row_id, blob in session.execute(query).all():
            if blob[:1] in {b"{", b"["}:
                continue  # an answer that was kept as it is, since it holds no secret
            anew = cipher.encrypt_anew(purpose, blob)
            if anew is None:
                raise SetupError(
                    f"the stored secret of {row_id} ({purpose}) cannot be decrypted with the present key: connect that "
                    "account again, or create that webhook again, first; nothing was changed"
                )
            session.execute(update(column.class_).where(key == row_id).values({column.key: anew}))
