"""Validity of a token, checked the same way for all platforms; each formats its own error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount, TokenKind
    from connectors.sandbox.world import SandboxWorld

TokenFlaw = Literal["unknown", "expired", "revoked"]

# On Bluesky a used refresh token works a little longer, in case the response was lost.
BLUESKY_REFRESH_GRACE_S = 7200.0


def judge_token(
    world: SandboxWorld, platform: Platform, token: str | None, *, kind: TokenKind, at: float
) -> SandboxAccount | TokenFlaw:
    """Return the account of a valid token, or what is wrong with it."""
    claims = world.tokens.read(token) if token else None
    account = None if claims is None else world.account_of_key(claims.account_key)
    if claims is None or account is None or account.platform is not platform or claims.kind != kind:
        return "unknown"
    if claims.generation < account.revoked_below:
        return "revoked"
    if claims.expires is not None and at >= claims.expires:
        return "expired"
    if kind == "access":
        return "expired" if claims.generation < account.expired_below else account
    return account if _still_unspent(world, account, claims.generation, at) else "revoked"


def rotate_tokens(world: SandboxWorld, account: SandboxAccount, refresh_token: str, at: float) -> None:
    """Exchange this refresh token for new tokens; this invalidates it."""
    claims = world.tokens.read(refresh_token)
    if claims is not None:
        world.spent.setdefault((account.key, claims.generation), at)
    world.tokens.issue(account, at)


def expire_tokens(account: SandboxAccount) -> None:
    """Make the current access token expire; the refresh token still works."""
    account.expired_below = account.generation + 1


def revoke_tokens(account: SandboxAccount) -> None:
    """Revoke all current tokens, as the account's owner would."""
    account.revoked_below = account.generation + 1


def _still_unspent(world: SandboxWorld, account: SandboxAccount, generation: int, at: float) -> bool:
    spent_at = world.spent.get((account.key, generation))
    if spent_at is None:
        return True
    return account.platform is Platform.BLUESKY and at < spent_at + BLUESKY_REFRESH_GRACE_S
