"""One host for Instagram, Facebook and Threads: shared paths are dispatched by the token's platform.

The real hosts have no conflicts. Here a path of several platforms (/me, /{id}, /{id}/insights) goes to the
platform of the token, and without a token of this world to the last of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from connectors.sandbox.world import SandboxWorld
    from connectors.types import Platform


class GraphPlatform(Protocol):
    """A simulated platform of the Graph API."""

    platform: Platform

    def routes(self) -> list[Route]:
        """Return the routes; equal paths use the same parameter names."""
        ...


def merge_routes(world: SandboxWorld, platforms: Sequence[GraphPlatform]) -> list[Route]:
    """Return the routes of all platforms. They must come last: their first segment may be any id."""
    claims: dict[tuple[str, frozenset[str]], dict[Platform, ASGIApp]] = {}
    for platform in platforms:
        for route in platform.routes():
            methods = frozenset(route.methods or ())
            claims.setdefault((route.path, methods), {})[platform.platform] = route.app
    merged = [
        Route(
            path,
            next(iter(claim.values())) if len(claim) == 1 else _ByToken(world, claim),
            methods=sorted(methods),
        )
        for (path, methods), claim in claims.items()
    ]
    # Fixed paths such as /me/accounts before those with variable segments.
    return sorted(merged, key=lambda route: route.path.count("{"))


@dataclass(frozen=True, slots=True)
class _ByToken:
    world: SandboxWorld
    endpoints: Mapping[Platform, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        claims = self.world.tokens.read(_read_token(scope))
        account = None if claims is None else self.world.account_of_key(claims.account_key)
        *_, endpoint = self.endpoints.values()
        if account is not None:
            endpoint = self.endpoints.get(account.platform, endpoint)
        await endpoint(scope, receive, send)


def _read_token(scope: Scope) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("access_token", [""])[0]
