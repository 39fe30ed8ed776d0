"""Is this installation well? Each check is one line: what was looked at, how it is, what to do."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError
from urllib.request import urlopen
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.maintenance.lake_doctor import examine_lake, examine_pace
from flows.serving.launcher import PROCESSES_FILE
from warehouse.errors import WarehouseError
from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.accounts.accounts import account_health, list_accounts
from warehouse.store.clock import CLOCK_TOLERANCE, read_time
from warehouse.store.database import Store
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.store.publishing.queue_state import get_queue_state
from warehouse.store.webhooks.state import get_webhook_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.settings import FlowSettings
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Session

Status = Literal["ok", "warning", "failed"]

LOW_DISK_BYTES = 1_000_000_000
FULL_DISK_BYTES = 100_000_000
WEBHOOKS_LATE_SECONDS = 600
"""A failing receiver is asked every five minutes at the least: only what waits longer waits for us."""
_PACKAGES = ("prefect", "fastapi", "sqlalchemy", "duckdb", "duckdb-extension-ducklake", "pytz")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    status: Status
    detail: str


def examine(warehouse: WarehouseSettings, flows: FlowSettings, now: datetime | None = None) -> list[Finding]:
    """Look at everything; nothing is made or changed that `socialflow up` would not make."""
    now = now or datetime.now(UTC)
    findings = [_check_home(warehouse), _check_disk(warehouse), _check_zones(), *_check_packages()]
    if not warehouse.home.exists():
        return findings
    findings += _check_store(warehouse, flows, now)
    findings += _check_lake(warehouse, now)
    findings += _check_processes(warehouse, flows)
    return findings


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """Return the findings for a script."""
    failed = [finding.check for finding in findings if finding.status == "failed"]
    return {"ok": not failed, "failed": failed, "findings": [asdict(finding) for finding in findings]}


def _check_home(settings: WarehouseSettings) -> Finding:
    home = settings.home
    if not home.exists():
        return Finding("home", "warning", f"{home} does not exist yet: `socialflow up` makes it")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("home", "failed", f"{home} is no folder that can be written: set SOCIALFLOW_HOME")
    key = home / "secret.key"
    if os.name == "posix" and key.exists() and key.stat().st_mode & 0o077:
        return Finding("home", "warning", f"{key} can be read by other users: chmod 600 {key}")
    return Finding("home", "ok", str(home))


def _check_disk(settings: WarehouseSettings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    status: Status = "failed" if free < FULL_DISK_BYTES else "warning" if free < LOW_DISK_BYTES else "ok"
    return Finding("disk", status, f"{free / 1e9:.1f} GB free on the disk of {folder}")


def _check_zones() -> Finding:
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        return Finding("time zones", "failed", "no zone database: install the tzdata package")
    return Finding("time zones", "ok", "the zone database is there")


def _check_packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(f"package {name}", "ok", version(name))
        except PackageNotFoundError:
            yield Finding(
                f"package {name}", "failed", f"{name} is missing: install the pinned requirements again"
            )


def _check_store(settings: WarehouseSettings, flows: FlowSettings, now: datetime) -> list[Finding]:
    try:
        with Store.open(settings) as store, store.read() as session:
            return [
                Finding("store", "ok", f"{store.dialect}, the secret key fits"),
                *_check_accounts(session, now),
                *_check_queue(session, now),
                _check_publishers(session, settings),
                *(Finding(*line) for line in examine_pace(session, flows, now)),
                *_check_webhooks(session, now),
            ]
    except WarehouseError as error:
        return [Finding("store", "failed", error.message)]


def _check_accounts(session: Session, now: datetime) -> Iterator[Finding]:
    for workspace in list_workspaces(session):
        for row in list_accounts(session, workspace.id):
            health = account_health(row, now)
            name = f"account {row.platform} @{row.handle}"
            if health.status in {"revoked", "expired"}:
                yield Finding(name, "failed", f"{health.status}: {health.reason}; connect it again")
            elif health.status in {"limited", "expiring"} or row.last_error:
                yield Finding(name, "warning", row.last_error or str(health.reason))
            else:
                yield Finding(name, "ok", health.status)


def _check_queue(session: Session, now: datetime) -> Iterator[Finding]:
    state = get_queue_state(session, now)
    if state.late:
        minutes = state.oldest_late_seconds / 60
        detail = f"{state.late} due posts are not out, the oldest for {minutes:.0f} min: is `socialflow up` running?"
        yield Finding("due posts", "failed", detail)
    else:
        yield Finding("due posts", "ok", "none is late")
    if state.stale_unknown:
        detail = (
            f"{state.stale_unknown} posts may or may not be out for over 10 min (`socialflow posts list`)"
        )
        yield Finding("unknown outcomes", "failed", detail)
    if review := state.by_status.get("needs_review"):
        detail = f"{review} posts wait for a person: `socialflow posts show ID` tells why"
        yield Finding("posts to review", "failed", detail)


def _check_publishers(session: Session, settings: WarehouseSettings) -> Finding:
    """Heartbeats are by the store's clock, so they are judged by it."""
    state = get_publishers_state(session, read_time(session))
    if abs(state.clock_skew_seconds) > CLOCK_TOLERANCE.total_seconds():
        detail = (
            f"the clock of a publisher's machine is off by {state.clock_skew_seconds:+.1f} s from the store's: set it "
            "right (NTP); until then that publisher sends nothing"
        )
        return Finding("publishers", "failed", detail)
    if state.awake:
        return Finding("publishers", "ok", f"{state.awake} awake")
    if (settings.home / PROCESSES_FILE).exists():
        return Finding("publishers", "failed", "none is awake: see logs/publisher-1.log in the home folder")
    return Finding("publishers", "warning", "none is awake: `socialflow up` starts two")


def _check_webhooks(session: Session, now: datetime) -> Iterator[Finding]:
    state = get_webhook_state(session, now)
    if state.oldest_seconds > WEBHOOKS_LATE_SECONDS:
        detail = f"{state.backlog} events wait to be sent, the oldest for {state.oldest_seconds / 60:.0f} min"
        yield Finding("webhooks", "warning", detail)
    if state.disabled or state.exhausted:
        detail = (
            f"{state.disabled} disabled, {state.exhausted} deliveries given up: `socialflow webhooks list` tells why, "
            "`socialflow webhooks replay` sends again"
        )
        yield Finding("failing webhooks", "warning", detail)


def _check_lake(settings: WarehouseSettings, now: datetime) -> list[Finding]:
    try:
        return [Finding(*line) for line in examine_lake(settings, now)]
    except WarehouseError as error:
        return [Finding("lake", "failed", error.message)]


def _check_processes(warehouse: WarehouseSettings, flows: FlowSettings) -> Iterator[Finding]:
    noted = warehouse.home / PROCESSES_FILE
    try:
        addresses = json.loads(noted.read_text())["addresses"]
    except (OSError, ValueError, KeyError):
        yield Finding("processes", "warning", "nothing runs on this home: `socialflow up` starts it")
        return
    for name, path in (("api", "/readyz"), ("prefect", "/api/health")):
        yield _ask(name, str(addresses.get(name, flows.api_url)) + path)


def _ask(name: str, url: str) -> Finding:
    try:
        with urlopen(url, timeout=5):  # noqa: S310 (our own http address)
            return Finding(name, "ok", url)
    except (TimeoutError, URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        return Finding(name, "failed", f"{url} does not answer well: {reason}")
