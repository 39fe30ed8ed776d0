"""Keep requests to user-supplied addresses (instances, media) off loopback and private networks.

The address is checked when the connection is made, and the connection goes to that same address, so DNS
rebinding has no effect.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore
import httpx

from connectors.content.addresses import is_name, is_public, may_be_public
from connectors.errors import GiveUpError
from connectors.http.messages import shorten

_HANDLE = re.compile(r"\A@?[\w.-]+@(?=[^@/]+\Z)")
"""The user of a handle such as @anna@tea.example."""


class PrivateAddressError(httpcore.ConnectError):
    """The name resolves to an address that is not public. Nothing was sent."""


def check_instance_url(url: str | None, *, field: str, allow_private: bool) -> str:
    """Return the address as scheme://host[:port]. Raises GiveUpError with the remedy.

    Understood as well: a host without https://, a profile's address, and a full handle (@anna@tea.example).
    Whether a host name resolves to a private address is checked when the connection is made.
    """
    remedy = "SOCIALFLOW_ALLOW_PRIVATE_INSTANCES=true"
    given = (url or "").strip()
    if given and "://" not in given:
        given = f"https://{_HANDLE.sub('', given)}"
    parts = _check(given, field=field, allow_private=allow_private, remedy=remedy)
    host = str(parts.hostname)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + (f":{parts.port}" if parts.port else "")


def check_public_url(url: str, *, field: str, allow_private: bool, remedy: str) -> str:
    """Return the whole URL, with path and query.

    Raises GiveUpError that names `remedy`, the setting to change.

    Whether a host name resolves to a private address is checked when the connection is made.
    """
    parts = _check(url, field=field, allow_private=allow_private, remedy=remedy)
    return parts._replace(fragment="").geturl()


def _check(url: str | None, *, field: str, allow_private: bool, remedy: str) -> SplitResult:
    given = (url or "").strip()
    if not given.isprintable() or " " in given:
        raise GiveUpError(f"{field} contains characters that no web address has")
    try:
        parts = urlsplit(given)
    except ValueError:
        parts = urlsplit("")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
        raise GiveUpError(
            f"{field} {shorten(url or '')!r} is not a web address: give it as https://example.social"
        )
    host = _plain_host(given)
    if host is None:
        raise GiveUpError(
            f"{field} {shorten(url or '')!r} names its host in an unusual form: write a name or four decimal numbers"
        )
    if host in {"http", "https"}:
        raise GiveUpError(f"{field} {shorten(url or '')!r} holds the scheme twice: write https:// once")
    if parts.username or parts.password:
        raise GiveUpError(f"{field} must not hold a user name or password")
    if parts.scheme == "http" and not allow_private:
        raise GiveUpError(f"{field} must start with https://: nothing is sent in the clear")
    if not allow_private and not may_be_public(host):
        raise GiveUpError(f"{field} {parts.hostname} is on a private network: set {remedy} to allow it")
    return parts


def _plain_host(url: str) -> str | None:
    """Return the host that will be connected to; None = parsers disagree about the host.

    0177.0.0.1, 0x7f.1 and 127.1 are loopback to some parsers and names to others, and so are non-ASCII
    digits.
    """
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii") if parsed.host else ""  # `host` decodes punycode (xn--) labels
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return None
    host = host.strip("[]").rstrip(".")
    last = host.rpartition(".")[2]
    if ":" in host or re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", last):
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
    if ":" in host:
        return host
    return host if is_name(host) else None


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to public addresses only."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve(host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            raise PrivateAddressError(f"{host} is not on the public internet")
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        raise PrivateAddressError(f"{path} is a local socket")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises httpcore.ConnectError if it cannot be resolved."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def guarded_transport(
    limits: httpx.Limits, *, verify: ssl.SSLContext | bool = True
) -> httpx.AsyncHTTPTransport:
    """Return a transport that connects to the public internet only. `verify` is httpx's TLS trust setting."""
    transport = httpx.AsyncHTTPTransport(verify=verify, limits=limits)
    pool = transport._pool  # noqa: SLF001 - httpx has no public way to set httpcore's network backend
    if not isinstance(pool, httpcore.AsyncConnectionPool):  # a later httpx version changed this attribute
        raise TypeError("httpx no longer builds an httpcore pool: the private network guard must be adapted")
    pool._network_backend = _GuardedBackend(pool._network_backend)  # noqa: SLF001 - as above
    return transport
