"""Reserve ports: check that they are free, and keep them reserved until our children listen."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING, Self

from flows.errors import PortInUseError
from warehouse.errors import SetupError

if TYPE_CHECKING:
    from flows.settings import FlowSettings


class Ports:
    """Ports that this process has reserved for its children, until it ends.

    Prefect's server starts listening ten seconds after its port is chosen. Until then a named lock (on Linux
    an abstract socket, which has no file and ends with the process) keeps a second launcher from choosing the
    same port.
    """

    def __init__(self) -> None:
        self._reservations: list[socket.socket] = []

    def take(self, host: str, port: int) -> bool:
        """Reserve a port, if nothing listens there and no other launcher has reserved it.

        Raises SetupError for an address that this machine cannot listen on.
        """
        if not is_free(host, port):
            return False
        if sys.platform == "linux":
            reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                reservation.bind(f"\0socialflow-port-{port}")
            except OSError:
                reservation.close()
                return False
            self._reservations.append(reservation)
        return True

    def take_any(self) -> int:
        """Reserve a free port on loopback and return it."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if self.take("127.0.0.1", port):
                return port

    def close(self) -> None:
        """Release all ports."""
        for reservation in self._reservations:
            reservation.close()
        self._reservations.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def take_ports(ports: Ports, settings: FlowSettings) -> None:
    """Reserve the ports of the API and Prefect. Raises PortInUseError for the first one in use."""
    wanted = (
        ("API", settings.api_host, settings.api_port, "SOCIALFLOW_API_PORT (or --port)"),
        ("Prefect server", "127.0.0.1", settings.prefect_port, "SOCIALFLOW_PREFECT_PORT"),
    )
    for part, host, port, setting in wanted:
        if not ports.take(host, port):
            raise PortInUseError(part, host, port, setting)


def is_free(host: str, port: int) -> bool:
    """Return whether this process could listen there. Raises SetupError for a foreign address."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise SetupError(
            f"{host!r} is not an address to listen on: use 127.0.0.1, or a name of this machine"
        ) from None
    except PermissionError:
        raise SetupError(f"not allowed to listen on port {port}: choose one above 1023") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return True
