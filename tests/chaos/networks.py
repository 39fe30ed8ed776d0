"""Two networks and two machines on them, by network namespaces (Linux, as root): what a partition needs.

    data       PostgreSQL, the bucket, Prefect's server and the monitoring
    platforms  the simulated platforms

The services are in the namespace of the test itself, at HOST of each network. A machine is cut off from a network by
its port of the bridge, which then drops every frame in silence: no connection is refused or reset, as in a real
partition.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINES = ("a", "b")
SUBNETS = {"data": "10.213.1", "platforms": "10.213.2"}
HOST = 1
FORWARDING, DISABLED = "3", "0"
"""States of a bridge's port (linux/if_bridge.h)."""


@dataclass(frozen=True)
class Networks:
    """The networks of one storm; interfaces and namespaces have `tag` in their names."""

    tag: str

    def address(self, network: str, machine: str | None = None) -> str:
        """Return the address of a machine in a network; None = of the services."""
        number = HOST if machine is None else HOST + 1 + MACHINES.index(machine)
        return f"{SUBNETS[network]}.{number}"

    def inside(self, machine: str) -> list[str]:
        """Return the words that run a command on the machine."""
        return ["ip", "netns", "exec", f"{self.tag}-{machine}"]

    def cut(self, machine: str, network: str) -> None:
        """Drop every packet between the machine and the network."""
        self._set_port(machine, network, DISABLED)

    def mend(self, machine: str, network: str) -> None:
        """End the cut."""
        self._set_port(machine, network, FORWARDING)

    def _set_port(self, machine: str, network: str, state: str) -> None:
        run("bridge", "link", "set", "dev", f"{self.tag}{machine}{network[0]}", "state", state)


def find_obstacle() -> str | None:
    """Return why there can be no networks here, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "partitions need root (network namespaces)"
    if not all(shutil.which(name) for name in ("ip", "bridge")):
        return "partitions need ip and bridge (package iproute2)"
    return None


@contextmanager
def make_networks() -> Iterator[Networks]:
    """Make both networks and both machines, and remove them at the end."""
    networks = Networks(f"sf{os.getpid() % 100_000}")
    tag = networks.tag
    try:
        for machine in MACHINES:
            run("ip", "netns", "add", f"{tag}-{machine}")
            run(*networks.inside(machine), "ip", "link", "set", "lo", "up")
        for network in SUBNETS:
            bridge = f"{tag}{network[0]}"
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "address", "add", f"{networks.address(network)}/24", "dev", bridge)
            run("ip", "link", "set", bridge, "up")
            for machine in MACHINES:
                port, end = f"{tag}{machine}{network[0]}", f"{network[0]}0"
                run(
                    "ip",
                    "link",
                    "add",
                    port,
                    "type",
                    "veth",
                    "peer",
                    "name",
                    end,
                    "netns",
                    f"{tag}-{machine}",
                )
                run("ip", "link", "set", port, "master", bridge, "up")
                address = f"{networks.address(network, machine)}/24"
                run(*networks.inside(machine), "ip", "address", "add", address, "dev", end)
                run(*networks.inside(machine), "ip", "link", "set", end, "up")
        yield networks
    finally:
        for machine in MACHINES:
            subprocess.run(["ip", "netns", "delete", f"{tag}-{machine}"], check=False, capture_output=True)
        for network in SUBNETS:
            # Ports of a namespace that is still in use would outlive it.
            for machine in MACHINES:
                port = f"{tag}{machine}{network[0]}"
                subprocess.run(["ip", "link", "delete", port], check=False, capture_output=True)
            subprocess.run(["ip", "link", "delete", f"{tag}{network[0]}"], check=False, capture_output=True)


def run(*command: str) -> None:
    """Run a short command of the system. Raises RuntimeError with what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
