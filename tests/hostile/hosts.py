"""Spellings of addresses that lead a server to its own machine or network, and of none at all."""

from __future__ import annotations

PRIVATE = (
    # loopback, as decimal, octal, hexadecimal and short forms
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01", "0x7f.0.0.1",
    "0x7f000001", "0x7f.1", "0X7F.0x0.0x0.0x1", "127.000.000.001", "127.0.0.1.", "0" + ".0" * 3, "0", "00",
    "0x0",
    "127.255.255.254", "4294967295", "99999999999", "256.256.256.256", "1.2.3.4.5", "127.0.0.08",
    # other networks
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
    # IPv6, and IPv4 inside it
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
    "[fe80::1%25lo]", "[fe80::1%lo]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]",
    "[100::1]", "[2001::1]", "[::ffff:10.0.0.1]", "[::1", "::1]", "::1", "[]", "[127.0.0.1]", "[v1.a]",
    # names
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "a.local", "metadata.google.internal",
    "b.internal.",
    # other scripts, dots and separators
    "\u2488", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1",
    "\uff11\uff12\uff17.0.0.1", "\u0661\u0662\u0667.0.0.1",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "loc\u00adalhost", "local\u200bhost", "127.0.0.1\u00ad", "xn--", "xn--a", "xn--\u00fc", "\ud83d\ude00",
    "\u202e1.0.0.721",
    # parts that a reader takes for the host
    "example.com@127.0.0.1", "user:secret@example.com", "127.0.0.1@example.com", "a:b@", "@", ":@127.0.0.1",
    "example.com:80@127.0.0.1", "127.0.0.1#@example.com", "127.0.0.1?@example.com", "127.0.0.1\\@example.com",
    "example.com\\.127.0.0.1", "127.0.0.1%2f.example.com", "127.0.0.1%00.example.com",
    "example.com%40127.0.0.1",
    "127.0.0.1 .example.com", "127.0.0.1\t", "exa\nmple.com", "example.com\r\nHost: a", "example.com\x00",
    # ports, dots, lengths
    "127.0.0.1:0", "example.com:99999", "example.com:-1", "example.com:8a", "example.com:\u0661",
    "example.com::80",
    "", ".", "..", "example..com", ".example.com", "a" * 64 + ".com", ("a" * 60 + ".") * 5 + "com", "-",
    "_", "*",
    "%31%32%37.0.0.1", "%6c%6f%63alhost", "127.0.0.1%20",
)  # fmt: skip
"""Hosts that no address given from outside may have."""

SCHEMES = (
    "", "//", "http://", "HTTP://", "ftp://", "file://", "file:///", "gopher://", "dict://", "javascript:",
    "data:", "unix://",
    "https:", "https:/", "https:///", "https:\\\\", "https://https://", " https://", "\u0000https://",
    "ws://", "jar:https://",
)  # fmt: skip
"""Beginnings that no address given from outside may have."""


def addresses() -> list[str]:
    """Return addresses that must be refused wherever a stranger can give one."""
    found = [f"https://{host}/" for host in PRIVATE]
    found += [f"https://{host}:8443/a?b=c" for host in PRIVATE if host and ":" not in host]
    found += [f"{scheme}127.0.0.1/" for scheme in SCHEMES]
    return list(dict.fromkeys(found))
