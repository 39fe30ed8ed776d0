"""Shared HTTP clients: time-outs on everything, no redirects, optionally no private networks."""

import ssl
from functools import cache

import httpx

from connectors.http.encoding import NO_COMPRESSION, bound_decoding
from connectors.http.private_networks import guarded_transport
from connectors.http.redaction import guard_http_logs
from connectors.settings import ConnectorSettings

USER_AGENT = "SocialFlow/0.1 (self-hosted scheduler)"
# Many servers close idle connections after five seconds. Keep ours shorter: a request sent into a closing
# connection has an unknown outcome, which is costly for a publish.
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
    """TLS trust store, loaded once: loading takes a new client 20 ms."""
    return httpx.create_ssl_context()
