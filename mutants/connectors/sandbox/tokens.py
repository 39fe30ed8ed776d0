"""Whether a token still works, judged the same way for all platforms; each words its own refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from connectors.types import Platform

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount, TokenKind
    from connectors.sandbox.world import SandboxWorld

TokenFlaw = Literal["unknown", "expired", "revoked"]

# A refresh token that was just spent works a little longer on Bluesky, in case the answer was lost.
BLUESKY_REFRESH_GRACE_S = 7200.0


def judge_token(
    world: SandboxWorld, platform: Platform, token: str | None, *, kind: TokenKind, at: float
) -> SandboxAccount | TokenFlaw:
    """Return whose working token this is, or what is wrong with it."""
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
    """Give the account new tokens in exchange for this refresh token, which is spent by it."""
    claims = world.tokens.read(refresh_token)
    if claims is not None:
        world.spent.setdefault((account.key, claims.generation), at)
    world.tokens.issue(account, at)


def expire_tokens(account: SandboxAccount) -> None:
    """Make the present access token count as expired; the refresh token still works."""
    account.expired_below = account.generation + 1


def revoke_tokens(account: SandboxAccount) -> None:
    """Make all present tokens count as revoked by the account's owner."""
    account.revoked_below = account.generation + 1


def _still_unspent(world: SandboxWorld, account: SandboxAccount, generation: int, at: float) -> bool:
    spent_at = world.spent.get((account.key, generation))
    if spent_at is None:
        return True
    return account.platform is Platform.BLUESKY and at < spent_at + BLUESKY_REFRESH_GRACE_S
