"""Measure memory and CPU time of `socialflow up` at rest, without any account.

Memory is proportional (PSS of /proc/PID/smaps_rollup): a page that four processes share counts a quarter for each.
Compared with the same processes if nothing was shared (RSS). Linux only.

    python benchmarks/bench_rest.py --seconds 60
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

LIMIT_MB = 600
SETTLE_SECONDS = 30.0
"""Time after the start until the first runs of flows have ended."""


def main() -> int:
    """Print one line a process; exit code 1 if all of them together use more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure CPU time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "SOCIALFLOW_HOME": home,
            "SOCIALFLOW_API_PORT": str(_free_port()),
            "SOCIALFLOW_PREFECT_PORT": str(_free_port()),
        }
        up = subprocess.Popen(
            [str(Path(sys.executable).with_name("socialflow")), "up"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(f"http://127.0.0.1:{environment['SOCIALFLOW_API_PORT']}/readyz", up)
            time.sleep(SETTLE_SECONDS)
            return _measure(psutil.Process(up.pid), arguments.seconds)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait()


def _measure(launcher: psutil.Process, seconds: float) -> int:
    began, before = time.monotonic(), _cpu_of_all(launcher)
    time.sleep(seconds)
    cpu = (_cpu_of_all(launcher) - before) / (time.monotonic() - began)
    pss = rss = 0.0
    for process in (launcher, *launcher.children(recursive=True)):
        try:
            sizes = _read_sizes(process.pid)
            command = " ".join(" ".join(process.cmdline()).split()[1:5])
        except (psutil.Error, OSError):
            continue  # a run that has just ended
        pss += sizes["Pss"]
        rss += sizes["Rss"]
        print(f"{sizes['Pss']:7.1f} MB proportional {sizes['Rss']:7.1f} MB resident  {command}")
    print(
        f"{pss:7.1f} MB proportional {rss:7.1f} MB resident  all (ratio {pss / rss:.2f}; limit {LIMIT_MB} MB)"
    )
    print(f"{cpu:7.1%} of one core over {seconds:.0f} s (load of the machine: {os.getloadavg()[0]:.1f})")
    return int(pss > LIMIT_MB)


def _cpu_of_all(launcher: psutil.Process) -> float:
    """Return CPU seconds of the process and its children, including those that have ended."""
    total = 0.0
    for process in (launcher, *launcher.children(recursive=True)):
        try:
            times: Any = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _read_sizes(pid: int) -> dict[str, float]:
    """Return sizes in MB (1,000,000 bytes)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {
        name: int(kib) * 1024 / 1e6 for name, kib in re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE)
    }


def _wait_until_ready(url: str, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while up.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 (our own http address)
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        time.sleep(0.5)
    raise SystemExit("`socialflow up` did not become ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
