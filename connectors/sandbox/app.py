"""The sandbox as one ASGI application: every simulated platform at its own paths, and /_sandbox."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.routing import Router

from connectors.sandbox.authorization import AuthorizationServers
from connectors.sandbox.bluesky.app import Bluesky
from connectors.sandbox.control import Control
from connectors.sandbox.facebook.app import Facebook
from connectors.sandbox.graph_routes import merge_routes
from connectors.sandbox.instagram.app import Instagram
from connectors.sandbox.linkedin.app import LinkedIn
from connectors.sandbox.mastodon.app import Mastodon
from connectors.sandbox.pinterest.app import Pinterest
from connectors.sandbox.telegram.app import Telegram
from connectors.sandbox.threads.app import Threads
from connectors.sandbox.tiktok.app import TikTok
from connectors.sandbox.twitter.app import Twitter
from connectors.sandbox.wire import RAW_SEND
from connectors.sandbox.world import SandboxWorld
from connectors.sandbox.youtube.app import YouTube

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_GRAPH_VERSION: Final = re.compile(r"/v\d+\.\d+(?=/)")


class SandboxApp:
    """ASGI application for one world, available as `world`."""

    def __init__(self, world: SandboxWorld) -> None:
        self.world = world
        # A bare router: no middleware may sit between a fault and the connection that it breaks.
        platforms = [
            *Twitter(world).routes(),
            *Mastodon(world).routes(),
            *Bluesky(world).routes(),
            *LinkedIn(world).routes(),
            *TikTok(world).routes(),
            *Control(world).routes(),
            *Pinterest(world).routes(),
            *Telegram(world).routes(),
            *YouTube(world).routes(),
            *merge_routes(world, [Facebook(world), Threads(world), Instagram(world)]),
        ]
        routes = AuthorizationServers(world).wrap(platforms)
        self._router = Router(routes=routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan events."""
        if scope["type"] == "http":
            scope[RAW_SEND] = send
            # The Graph API's paths work with and without a version; no other platform has such a prefix.
            path: str = scope["path"]
            if path.startswith("/v"):
                scope["path"] = _GRAPH_VERSION.sub("", path, count=1)
        await self._router(scope, receive, send)


def create_sandbox_app(world: SandboxWorld | None = None) -> SandboxApp:
    """Return the application for this world, or for a new one with the defaults."""
    return SandboxApp(world or SandboxWorld())
