"""Judge hosts of web addresses by their text alone: names, and addresses on private networks. No network access."""

import ipaddress
import re

import idna

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All globally routed IPv6 addresses are in this network. Python 3.11 treats more as global: fec0::/10
# (site-local), ::127.0.0.1 and ::ffff:0:127.0.0.1 (old ways to embed an IPv4 address), 64:ff9b:1::/48 (local
# NAT64).
_IPV6_INTERNET = ipaddress.ip_network("2000::/3")
_IPV6_DOCUMENTATION = ipaddress.ip_network("3fff::/20")
_LABEL = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9_-]{1,63}")
_LONGEST_NAME = 253


def is_name(host: str) -> bool:
    """Return whether DNS can hold this name. A name in another script counts in its ASCII form."""
    try:
        labels = [
            label if label.isascii() else idna.encode(label).decode("ascii") for label in host.split(".")
        ]
        for label in labels:
            if label.lower().startswith("xn--"):
                idna.decode(label)
    except idna.IDNAError:
        return False
    return len(".".join(labels)) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def is_public(address: str) -> bool:
    """Return whether an IP address, also one embedded in IPv6, is on the public internet.

    Raises ValueError for anything but an IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _IPV6_INTERNET or ip in _IPV6_DOCUMENTATION:
            return False
    return ip.is_global and not ip.is_multicast


def may_be_public(host: str) -> bool:
    """Return whether a host of a web address may be on the public internet.

    False for private IP addresses and for names that are private by convention. What any other name resolves to
    is checked when the connection is made (`connectors.http.private_networks`).
    """
    host = host.strip("[]").rstrip(".").lower()
    try:
        return is_public(host)
    except ValueError:  # a name, not an address
        return host != "localhost" and not host.endswith((".localhost", ".local", ".internal"))
