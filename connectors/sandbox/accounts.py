"""The simulated accounts: identity, audience and tokens.

A token is signed with the world's seed and contains its account, kind and expiry, so it stays valid after a
restart of the sandbox with the same seed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import orjson

from connectors.sandbox.engagement import Audience, compute_curve, compute_followers, hash_uniforms
from connectors.types import Platform

SANDBOX_PLATFORMS: Final = (
    Platform.TWITTER,
    Platform.INSTAGRAM,
    Platform.MASTODON,
    Platform.BLUESKY,
    Platform.LINKEDIN,
    Platform.TIKTOK,
    Platform.PINTEREST,
    Platform.TELEGRAM,
    Platform.YOUTUBE,
    Platform.FACEBOOK,
    Platform.THREADS,
)
"""Order in which accounts are listed: new platforms come last."""
FOLLOWERS_EPOCH: Final = datetime(2023, 1, 1, tzinfo=UTC).timestamp()

TokenKind = Literal["access", "refresh"]
# Seconds; None = no expiry. X and Bluesky access 2 h, Bluesky refresh 90 d, Instagram 60 d.
TOKEN_LIFETIMES: Final[dict[tuple[Platform, TokenKind], float | None]] = {
    (Platform.TWITTER, "access"): 7200.0,
    (Platform.TWITTER, "refresh"): 180 * 86_400.0,
    (Platform.INSTAGRAM, "access"): 60 * 86_400.0,
    (Platform.MASTODON, "access"): None,
    (Platform.BLUESKY, "access"): 7200.0,
    (Platform.BLUESKY, "refresh"): 90 * 86_400.0,
    (Platform.LINKEDIN, "access"): 60 * 86_400.0,
    (Platform.LINKEDIN, "refresh"): 365 * 86_400.0,
    (Platform.TIKTOK, "access"): 86_400.0,
    (Platform.TIKTOK, "refresh"): 365 * 86_400.0,
    (Platform.PINTEREST, "access"): 30 * 86_400.0,
    (Platform.PINTEREST, "refresh"): 60 * 86_400.0,
    (Platform.TELEGRAM, "access"): None,
    (Platform.YOUTUBE, "access"): 3600.0,
    (Platform.YOUTUBE, "refresh"): None,
    (Platform.FACEBOOK, "access"): None,
    (Platform.THREADS, "access"): 60 * 86_400.0,
}
_BLUESKY_SCOPES: Final = {"access": "com.atproto.access", "refresh": "com.atproto.refresh"}
_BRANDS: Final = (
    ("harborlight", "Harborlight Tea"),
    ("fernandpine", "Fern and Pine"),
    ("quietloom", "Quiet Loom Studio"),
    ("tidalbakery", "Tidal Bakery"),
)
_ZONES: Final = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "Europe/London", "Australia/Sydney")
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(slots=True, eq=False)
class SandboxAccount:
    """One simulated account, with its connection data. The tokens change when they are refreshed."""

    platform: Platform
    index: int
    handle: str
    external_id: str
    display_name: str
    audience: Audience
    access_token: str = ""
    refresh_token: str | None = None
    app_password: str | None = None
    expires_at: datetime | None = None
    """When `access_token` stops working (UTC)."""
    generation: int = 0
    """How many times tokens were issued."""
    expired_below: int = 0
    """Access tokens of an earlier generation count as expired."""
    revoked_below: int = 0
    """All tokens of an earlier generation count as revoked."""

    @property
    def key(self) -> str:
        """A name that is unique in the world."""
        return f"{self.platform}:{self.index}"

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which a fault or a query may refer to this account."""
        return (self.handle, self.external_id, self.key)

    @property
    def timezone(self) -> str:
        """IANA time zone of the audience."""
        return self.audience.timezone

    def followers(self, at: float) -> int:
        """Return the number of followers at this time (Unix seconds)."""
        return compute_followers(self.audience, (at - FOLLOWERS_EPOCH) / 86_400.0)


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """The content of a token. Times are Unix seconds."""

    account_key: str
    kind: TokenKind
    generation: int
    issued: float
    expires: float | None


class TokenIssuer:
    """Issues and reads the tokens of one world."""

    def __init__(self, seed: int) -> None:
        self._key = hashlib.sha256(f"sandbox tokens {seed}".encode()).digest()
        self._read: dict[str, TokenClaims] = {}

    def issue(self, account: SandboxAccount, at: float) -> None:
        """Give the account a new generation of tokens; earlier ones are not changed."""
        account.generation += 1
        account.access_token = self._sign(account, "access", at)
        end = TOKEN_LIFETIMES[account.platform, "access"]
        account.expires_at = None if end is None else datetime.fromtimestamp(int(at + end), UTC)
        if (account.platform, "refresh") in TOKEN_LIFETIMES:
            account.refresh_token = self._sign(account, "refresh", at)

    def read(self, token: str) -> TokenClaims | None:
        """Return the token's content, or None if this world did not issue it. Expiry is not checked."""
        claims = self._read.get(token)
        if claims is not None:
            return claims
        body, _, signature = token.rpartition(".")
        if not body or not hmac.compare_digest(signature, self._signature(body)):
            return None
        content = orjson.loads(_unbase64(body.partition(".")[2]))
        claims = TokenClaims(
            account_key=content["key"],
            kind="refresh" if content["scope"].endswith("refresh") else "access",
            generation=content["gen"],
            issued=content["iat"],
            expires=content.get("exp"),
        )
        self._read[token] = claims
        return claims

    def _sign(self, account: SandboxAccount, kind: TokenKind, at: float) -> str:
        # Bluesky's tokens are JWTs, and clients read `exp` from them; the others may have the same form.
        content: dict[str, object] = {
            "scope": _BLUESKY_SCOPES[kind],
            "sub": account.external_id,
            "aud": f"did:web:{account.platform}.sandbox.test",
            "iat": int(at),
            "key": account.key,
            "gen": account.generation,
        }
        end = TOKEN_LIFETIMES[account.platform, kind]
        if end is not None:
            content["exp"] = int(at + end)
        body = f"{_JWT_HEADER}.{_base64(orjson.dumps(content))}"
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        return _base64(hmac.new(self._key, body.encode(), hashlib.sha256).digest())


def build_account(
    platform: Platform, index: int, *, seed: int, curve_sd: float, noise_sd: float
) -> SandboxAccount:
    """Generate the account with this number: always the same for the same seed."""
    key = f"{platform}:{index}"
    size, growth, rate, *_, pick = hash_uniforms(seed, "account", key)
    brand, name = _BRANDS[index % len(_BRANDS)]
    suffix = "" if index < len(_BRANDS) else str(index)
    audience_seed = int(hash_uniforms(seed, "audience", key)[0] * 2**53)
    followers = 2_000.0 * 20.0**size
    return SandboxAccount(
        platform=platform,
        index=index,
        handle=f"{brand}{suffix}.bsky.test" if platform is Platform.BLUESKY else f"{brand}{suffix}",
        external_id=_external_id(platform, index, seed),
        display_name=f"{name} {suffix}".strip(),
        app_password=_app_password(seed, key) if platform is Platform.BLUESKY else None,
        audience=Audience(
            seed=audience_seed,
            timezone=_ZONES[int(pick * len(_ZONES))],
            curve=compute_curve(seed, key, sd=curve_sd),
            followers_at_epoch=followers,
            daily_growth=0.0004 + 0.0008 * growth,
            engagement_rate=0.004 + 0.012 * rate,
            noise_sd=noise_sd,
        ),
    )


def _external_id(platform: Platform, index: int, seed: int) -> str:
    digest = hashlib.blake2b(f"{seed}:{platform}:{index}".encode(), digest_size=32).digest()
    number = int.from_bytes(digest[:8], "big")
    if platform is Platform.BLUESKY:
        return "did:plc:" + "".join(_BASE32[byte & 31] for byte in digest[:24])
    if platform is Platform.INSTAGRAM:
        return f"17841{number % 10**12:012d}"
    if platform is Platform.LINKEDIN:
        # Accounts with an even number are pages, the others are members.
        kind = "person" if index % 2 else "organization"
        return f"urn:li:{kind}:{number % 10**8:08d}"
    if platform is Platform.FACEBOOK:
        return f"1{number % 10**14:014d}"
    if platform is Platform.YOUTUBE:
        return "UC" + _base64(digest[:16])
    if platform is Platform.TELEGRAM:
        return f"-100{number % 10**10:010d}"
    return f"1{number % 10**17:017d}"


def _app_password(seed: int, key: str) -> str:
    digest = hashlib.blake2b(f"app password {seed} {key}".encode(), digest_size=16).digest()
    letters = "".join(_BASE32[byte & 31] for byte in digest)
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_JWT_HEADER: Final = _base64(b'{"typ":"at+jwt","alg":"HS256"}')


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
