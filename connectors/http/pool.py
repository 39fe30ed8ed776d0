"""The HTTP clients that everything here shares: bounded in time, without redirects, off private networks on request."""

import ssl
from functools import cache

import httpx

from connectors.http.encoding import NO_COMPRESSION, bound_decoding
from connectors.http.private_networks import guarded_transport
from connectors.http.redaction import guard_http_logs
from connectors.settings import ConnectorSettings

USER_AGENT = "SocialFlow/0.1 (self-hosted scheduler)"
# Below the five seconds after which many servers close an idle connection: a request sent into a closing
# one ends in doubt, and doubt is dear for a publish.
_KEEPALIVE_SECONDS = 4.0


def open_client(
    settings: ConnectorSettings,
    *,
    public_only: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client with time-outs everywhere and no redirects (a token must not follow one).

    `public_only` keeps it off private networks; `transport` replaces the network, for tests.
    """
    guard_http_logs()
    limits = httpx.Limits(
        max_connections=settings.max_connections,
        max_keepalive_connections=settings.max_connections,
        keepalive_expiry=_KEEPALIVE_SECONDS,
    )
    if transport is None and public_only:
        transport = guarded_transport(limits, verify=_trust())
    return httpx.AsyncClient(
        verify=_trust(),
        timeout=httpx.Timeout(
            settings.read_timeout, connect=settings.connect_timeout, pool=settings.connect_timeout
        ),
        limits=limits,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", **NO_COMPRESSION},
        event_hooks={"response": [bound_decoding]},
        follow_redirects=False,
        transport=transport,
    )


@cache
def _trust() -> ssl.SSLContext:
    """Whom TLS connections trust: read once, since reading it takes a new client 20 ms."""
    return httpx.create_ssl_context()
