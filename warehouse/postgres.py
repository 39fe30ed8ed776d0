"""How long a connection to PostgreSQL waits for a server, and a server for us, that no longer answer.

A network that drops every packet closes no connection. Without these limits our side waits for its answer for up to
15 minutes (the kernel's retransmissions), or for ever; and the server keeps the row locks, and the advisory lock of the
lake, of a machine that is cut off for two hours (the kernel's default keepalive).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT = {
    "connect_timeout": "5",  # seconds, for each address
    "keepalives_idle": "5",  # seconds
    "keepalives_interval": "3",  # seconds
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds until sent data must be acknowledged
}
"""libpq's connection parameters (PostgreSQL documentation, 32.1.2): a silent server is given up after 15 s."""
SERVER = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""The same for the other direction, as settings of a session (PostgreSQL 12 or newer; 20.3.2).

They have no effect on Unix sockets.
"""

SET_SERVER = "; ".join(f"SET {name} = {value}" for name, value in SERVER.items())
"""For a new connection: also accepted by a pooler, which may refuse `options` at the start."""


def choose_timeouts(given: Mapping[str, object]) -> dict[str, str]:
    """Return CLIENT without the parameters that the operator's own address has."""
    return {name: value for name, value in CLIENT.items() if name not in given}


def add_timeouts(words: str) -> str:
    """Return connection parameters (words or a URI) with CLIENT and SERVER where they have none of their own."""
    given = conninfo_to_dict(words)
    more = choose_timeouts(given)
    if "options" not in given:
        more["options"] = " ".join(f"-c {name}={value}" for name, value in SERVER.items())
    return make_conninfo(words, **more)
