"""An API process to attack, and the judge of its answers: status, time, memory, stored rows, lines of the log."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
from pydantic import SecretStr

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.serving.ports import Ports
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import SCOPES, create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG_SECONDS = 5.0
LONGEST_SECONDS = 30.0
"""What a busy machine is waited for: there a long answer is a hang only if the API itself worked at it."""
MEMORY_GROWTH = 300_000_000
"""Bytes that the process may grow by over the whole corpus, at its peak."""
FORGED = "FORGED-LINE"
"""Begins a line of the log only where an input forged one."""
RECORDS = ("audit_events", "audit_log")
"""Tables that rightly grow with a refused request."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True)
class Case:
    """An input: raw bytes of one connection, sent in pieces."""

    kind: str
    name: str
    pieces: tuple[bytes, ...]
    may_pass: bool = False
    """Whether a 2xx or 3xx is right too, and rows may be stored then."""
    may_stay_silent: bool = False
    """Whether closing the connection without an answer is right: there was no whole request."""
    only: tuple[int, ...] = ()
    """Statuses of which one must come, so that another refusal does not hide the one that is tested; empty = any."""
    half: bool = False
    """Whether the sender ends here and never sends the rest."""


@dataclass
class Report:
    """What came back."""

    tried: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hangs: int = 0
    server_errors: int = 0
    slowest: float = 0.0
    peak: int = 0
    unsure: bool = False
    """Whether the last request was left by its sender, so that its work may still go on."""
    growth: int = 0

    def judge(
        self, case: Case, status: int | None, seconds: float, answer: bytes, stored: dict[str, int]
    ) -> None:
        """Count an answer, and note what is wrong with it."""
        relayed = status in case.only and status is not None and status >= 500
        passed = status is not None and status < 400
        self.slowest = max(self.slowest, seconds)
        answered = "closed" if status is None else f"{status // 100}xx"
        self.answers["502/503 for the server that was asked" if relayed else answered] += 1
        wrong: list[str] = []
        if seconds > HANG_SECONDS:
            self.hangs += 1
            wrong.append(f"{seconds:.1f} s")
        elif status is None and not case.may_stay_silent:
            wrong.append("closed without an answer")
        if status is not None and status >= 500 and not relayed:
            self.server_errors += 1
            wrong.append(f"{status} {answer[-300:]!r}")
        if passed and not case.may_pass:
            wrong.append(f"{status}, not refused")
        elif case.only and status not in case.only:
            wrong.append(f"{status} instead of {case.only}: {answer[-200:]!r}")
        # Who hangs up after a whole request gets no answer, but it is carried out, perhaps a moment later.
        if stored and not (passed and case.may_pass) and not self.unsure and not case.half:
            wrong.append(f"answered {status}, but stored {stored}")
        self.unsure = case.half and status is None
        self.faults.extend(f"{case.kind}: {case.name}: {one}" for one in wrong)

    def lines(self) -> list[str]:
        """Return the report as text."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.tried.items()))
        answers = ", ".join(f"{name} {count}" for name, count in sorted(self.answers.items()))
        return [
            f"inputs tried: {self.tried.total()} ({kinds})",
            f"answers: {answers}",
            f"5xx: {self.server_errors}; hangs over {HANG_SECONDS:.0f} s: {self.hangs}; slowest: {self.slowest:.2f} s",
            f"peak memory: {self.peak / 1e6:.0f} MB, {self.growth / 1e6:.0f} MB above the start",
            f"faults: {len(self.faults)}",
            *(f"  {fault}" for fault in self.faults[:50]),
        ]


@dataclass
class Target:
    """A running API process with one workspace, whose key holds every scope."""

    port: int
    home: Path
    pid: int
    log: Path
    token: str
    document: dict[str, object]
    peak_before: int = 0

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def peak_memory(self) -> int:
        """Return the largest memory the process ever held, in bytes."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():  # not Linux: what it holds now is the next best
            return int(psutil.Process(self.pid).memory_info().rss)
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found, "the API process has ended"
        return int(found[1]) * 1024

    def worked_seconds(self) -> float:
        """Return the processor time that the process has taken."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rows(self) -> dict[str, int]:
        """Count the rows of every table of the store but the records."""
        return {name: count for name, count in count_rows(self.home).items() if name not in RECORDS}

    def request(
        self, method: str, path: str, body: bytes = b"", headers: list[tuple[str, bytes]] | None = None,
        *, signed_in: bool = True, content_type: str = "application/json",
    ) -> bytes:  # fmt: skip
        """Return the bytes of a whole request with the key's token."""
        given = list(headers or ())
        names = {name.lower() for name, _ in given}
        lines = [f"{method} {path} HTTP/1.1".encode()]
        own = [("Host", f"127.0.0.1:{self.port}".encode()), ("Connection", b"close")]
        if signed_in:
            own.append(("Authorization", f"Bearer {self.token}".encode()))
        if body or method in {"POST", "PATCH", "PUT"}:
            own += [("Content-Length", str(len(body)).encode()), ("Content-Type", content_type.encode())]
        lines += [name.encode() + b": " + value for name, value in own if name.lower() not in names]
        lines += [name.encode() + b": " + value for name, value in given]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def send(self, case: Case) -> tuple[int | None, float, bytes]:
        """Send a case. Returns status (None = closed without answer), seconds, and what was answered."""
        began = time.monotonic()
        answer = bytearray()
        with socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST_SECONDS) as connection:
            # A refused request may be answered, and closed, before all of it is sent.
            with suppress(ConnectionError):
                for piece in case.pieces:
                    connection.sendall(piece)
                if case.half:
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while piece := connection.recv(65_536):
                    answer += piece
                    if time.monotonic() - began > LONGEST_SECONDS or len(answer) > 5_000_000:
                        break
        found = _STATUS.match(answer)
        return int(found[1]) if found else None, time.monotonic() - began, bytes(answer)

    def attack(self, cases: Iterator[Case], report: Report, *, until: float | None = None) -> None:
        """Send the cases one after the other, and judge each answer, then memory, log and health."""
        before = self.rows()
        for case in cases:
            report.tried[case.kind] += 1
            worked = self.worked_seconds()
            try:
                status, seconds, answer = self.send(case)
            except TimeoutError:
                status, seconds, answer = None, LONGEST_SECONDS + 1, b""
            if HANG_SECONDS < seconds < LONGEST_SECONDS and _is_busy():
                seconds = self.worked_seconds() - worked
            after = self.rows()
            changed = {name: after[name] - count for name, count in before.items() if after[name] != count}
            before = after
            report.judge(case, status, seconds, answer, changed)
            if until is not None and time.monotonic() > until:
                break
        self.judge(report)

    def judge(self, report: Report) -> None:
        """Look at memory, log and health after the cases."""
        report.peak = self.peak_memory()
        report.growth = report.peak - self.peak_before
        if report.growth > MEMORY_GROWTH:
            report.faults.append(f"the process grew by {report.growth / 1e6:.0f} MB")
        text = self.log.read_text(errors="replace")
        report.faults.extend(
            f"a forged line of the log: {line[:100]!r}"
            for line in text.splitlines()
            if line.startswith(FORGED) or not line.replace("\t", " ").isprintable()
        )
        if not httpx.get(f"{self.url}/healthz", timeout=LONGEST_SECONDS).is_success:
            report.faults.append("the API is not healthy afterwards")


def _is_busy() -> bool:
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


def count_rows(home: Path) -> dict[str, int]:
    """Count the rows of every table of a home's store."""
    with closing(
        sqlite3.connect(f"file:{home / 'socialflow.sqlite'}?mode=ro", uri=True, timeout=30)
    ) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in names)  # noqa: S608 - our own tables' names
        return dict(database.execute(counts).fetchall())


@contextmanager
def running_target(folder: Path, **settings: str) -> Iterator[Target]:
    """Start an API process over a new home with one workspace and one account."""
    home, log = folder / "home", folder / "api.log"
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings(home=home)) as store, store.write() as session:
        workspace_id = ensure_default_workspace(session, now).id
        key = create_api_key(session, store.cipher, workspace_id, "attacker", SCOPES, now)
        verified = VerifiedAccount("m1", "m1", "M", Credentials(SecretStr("token"), SecretStr("refresh")))
        connect_account(session, store.cipher, workspace_id, verified, Platform.MASTODON, now)
    with Ports() as ports:
        port = ports.take_any()
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SOCIALFLOW_", "PREFECT_"))
        },
        "SOCIALFLOW_HOME": str(home),
        "SOCIALFLOW_API_PORT": str(port),
        "SOCIALFLOW_API_RATE_LIMIT": "10000000",
        "SOCIALFLOW_API_AUTH_FAILURES": "10000000",
        **settings,
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serving.api_process"], env=environment, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", timeout=2).is_success:
                    break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        pair = {"api_key": key.api_key, "api_secret": key.api_secret}
        token = httpx.post(f"{url}/api/v1/auth/token", json=pair, timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        document = httpx.get(f"{url}/openapi.json", headers=headers, timeout=30).json()
        target = Target(port, home, process.pid, log, token, document)
        # What an ordinary answer takes is loaded before the attack's growth is measured.
        for path in ("posts", "accounts", "webhooks", "analytics/overview"):
            httpx.get(f"{url}/api/v1/{path}", headers=headers, timeout=60)
        target.peak_before = target.peak_memory()
        yield target
    finally:
        process.terminate()
        process.wait(timeout=20)
