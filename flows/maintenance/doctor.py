"""Checks of `socialflow doctor`: each prints one line with what was checked, its status and the remedy."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.maintenance.lake_doctor import examine_lake, examine_pace
from flows.maintenance.process_doctor import examine_processes, is_running
from flows.maintenance.settings_doctor import find_unknown_settings
from flows.notifications.notifier import check_notifications
from flows.notifications.settings import read_settings
from warehouse.errors import SetupError, WarehouseError
from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.accounts.accounts import account_health, list_accounts
from warehouse.store.clock import CLOCK_TOLERANCE, StoreClock, read_time
from warehouse.store.database import Store
from warehouse.store.installation import read_arrival
from warehouse.store.leases.flow_leases import find_flows_behind, list_flow_states
from warehouse.store.measuring.measurements import count_measured
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.store.publishing.queue_state import get_queue_state
from warehouse.store.webhooks.state import get_webhook_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flows.settings import FlowSettings
    from warehouse.settings import WarehouseSettings
    from warehouse.store.database import Session

Status = Literal["ok", "warning", "failed"]

LOW_DISK_BYTES = 1_000_000_000
FULL_DISK_BYTES = 100_000_000
WEBHOOKS_LATE_SECONDS = 600
"""A failing receiver is retried every five minutes at least, so a longer wait has its cause on our side."""
COPY_SHOWN = timedelta(days=7)
"""How long the doctor tells that this installation is a copy or a restored backup."""
_PACKAGES = ("prefect", "fastapi", "sqlalchemy", "duckdb", "duckdb-extension-ducklake", "pytz")


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    check: str
    status: Status
    detail: str


def examine(warehouse: WarehouseSettings, flows: FlowSettings, now: datetime | None = None) -> list[Finding]:
    """Run all checks; nothing is created, migrated or changed, and every failure is a finding."""
    now = now or datetime.now(UTC)
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("home", lambda: [_check_home(warehouse)]),
        ("disk", lambda: [_check_disk(warehouse)]),
        ("time zones", lambda: [_check_zones()]),
        ("packages", _check_packages),
        ("settings", _check_settings),
    ]
    # On several machines the home holds only logs, and may not be there yet.
    if warehouse.home.exists() or warehouse.database_url is not None:
        looks += [
            ("store", lambda: _check_store(warehouse, flows, now)),
            ("lake", lambda: _check_lake(warehouse, now)),
            ("processes", lambda: [Finding(*line) for line in examine_processes(warehouse, flows)]),
        ]
    findings: list[Finding] = []
    for name, look in looks:
        try:
            findings += look()
        except WarehouseError as error:
            findings.append(Finding(name, "failed", error.message))
        except Exception as error:  # noqa: BLE001 (any failure is a finding)
            words = str(error).strip().splitlines()
            detail = f"could not be checked: {type(error).__name__}: {words[0] if words else ''}"
            findings.append(Finding(name, "failed", detail))
    return findings


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """Return the findings for a script."""
    failed = [finding.check for finding in findings if finding.status == "failed"]
    warned = [finding.check for finding in findings if finding.status == "warning"]
    return {
        "ok": not failed,
        "failed": failed,
        "warnings": warned,
        "findings": [asdict(finding) for finding in findings],
    }


def _check_home(settings: WarehouseSettings) -> Finding:
    home = settings.home
    if not home.exists():
        return Finding("home", "warning", f"{home} does not exist yet: `socialflow up` creates it")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("home", "failed", f"{home} is not a writable folder: set SOCIALFLOW_HOME")
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
    return Finding("time zones", "ok", "the zone database is installed")


def _check_packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(f"package {name}", "ok", version(name))
        except PackageNotFoundError:
            yield Finding(
                f"package {name}", "failed", f"{name} is missing: install the pinned requirements again"
            )


def _check_settings() -> Iterator[Finding]:
    for name, where, meant in find_unknown_settings():
        hint = f"did you mean {meant}?" if meant else "remove it, or look up its name in docs/deployment.md"
        yield Finding("settings", "warning", f"{name} in {where} is not a setting and has no effect: {hint}")


def _check_store(settings: WarehouseSettings, flows: FlowSettings, now: datetime) -> Iterator[Finding]:
    if _is_unmade(settings):
        yield Finding("store", "warning", "there is no store yet: `socialflow up` creates it")
        return
    with Store.open(settings, create=False) as store, store.read() as session:
        yield Finding("store", "ok", f"{store.dialect}, the secret key matches")
        yield from _check_installation(session, now)
        yield _check_clock(store)
        yield from _check_pauses(session)
        yield from _check_accounts(session, now)
        yield from _check_queue(session, now)
        running = is_running(settings)
        yield _check_publishers(session, running=running)
        yield from _check_flows(session, now, running=running)
        yield from (Finding(*line) for line in examine_pace(session, flows, now))
        yield from _check_webhooks(session, now)
        yield from _check_notifications(session, now)


def _is_unmade(settings: WarehouseSettings) -> bool:
    """Return whether this home is empty: no key, no store, no lake."""
    kept = ("secret.key", "socialflow.sqlite", "lake")
    return settings.database_url is None and not any((settings.home / name).exists() for name in kept)


def _check_installation(session: Session, now: datetime) -> Iterator[Finding]:
    arrival = read_arrival(session)
    if arrival is not None and now - arrival[0] < COPY_SHOWN:
        yield Finding("installation", "warning", f"noticed {arrival[0]:%Y-%m-%d %H:%M} UTC: {arrival[1]}")


def _check_clock(store: Store) -> Finding:
    clock = StoreClock(store)
    clock.sync()
    skew = clock.skew.total_seconds()
    if not clock.is_trusted:
        detail = f"this machine's clock is {skew:+.1f} s off the store's: correct it (NTP); nothing is published here"
        return Finding("clock", "failed", detail)
    return Finding("clock", "ok", f"{skew:+.1f} s off the store's")


def _check_pauses(session: Session) -> Iterator[Finding]:
    for workspace in list_workspaces(session):
        if workspace.publishing_paused_at is not None:
            since = f"{workspace.publishing_paused_at:%Y-%m-%d %H:%M} UTC"
            detail = f"paused in workspace {workspace.name} since {since}: `socialflow resume` resumes"
            yield Finding("publishing", "warning", detail)


def _check_flows(session: Session, now: datetime, *, running: bool) -> Iterator[Finding]:
    behind = {one.name: one for one in find_flows_behind(session, now)}
    for row in list_flow_states(session):
        last = (
            f"last success {row.last_succeeded_at:%Y-%m-%d %H:%M} UTC"
            if row.last_succeeded_at
            else "no success yet"
        )
        failed = row.last_failed_at is not None and (
            row.last_succeeded_at is None or row.last_failed_at > row.last_succeeded_at
        )
        why = f"; it failed at {row.last_failed_at:%H:%M} UTC: {row.last_failure}" if failed else ""
        if row.name in behind:
            late = behind[row.name]
            detail = (
                f"has not succeeded since {late.since:%Y-%m-%d %H:%M} UTC, it is due every {late.period}{why}"
            )
            yield Finding(f"flow {row.name}", "failed" if running else "warning", detail)
        else:
            yield Finding(f"flow {row.name}", "warning" if failed else "ok", last + why)


def _check_accounts(session: Session, now: datetime) -> Iterator[Finding]:
    for workspace in list_workspaces(session):
        for row in list_accounts(session, workspace.id):
            health = account_health(row, now)
            name = f"account {row.platform} @{row.handle}"
            if health.status in {"revoked", "expired"}:
                yield Finding(name, "failed", f"{health.status}: {health.reason}; connect it again")
            elif health.status in {"limited", "expiring"} or row.last_error:
                yield Finding(name, "warning", row.last_error or str(health.reason))
            elif row.paused_at is not None:
                yield Finding(name, "warning", f"paused since {row.paused_at:%Y-%m-%d %H:%M} UTC")
            else:
                yield Finding(name, "ok", health.status)


def _check_queue(session: Session, now: datetime) -> Iterator[Finding]:
    state = get_queue_state(session, now)
    if state.late:
        minutes = state.oldest_late_seconds / 60
        detail = f"{state.late} due posts are not sent, the oldest for {minutes:.0f} min: is `socialflow up` running?"
        yield Finding("due posts", "failed", detail)
    else:
        yield Finding("due posts", "ok", "none are late")
    if state.stale_unknown:
        detail = f"{state.stale_unknown} posts have had an unknown outcome for over 10 min (`socialflow posts list`)"
        yield Finding("unknown outcomes", "failed", detail)
    if state.failed_parts:
        detail = f"{state.failed_parts} published posts lack a later part that was refused: `socialflow posts retry ID`"
        yield Finding("later parts", "warning", detail)
    if state.needs_review:
        detail = f"{state.needs_review} posts need a decision: `socialflow posts show ID` says why"
        yield Finding("posts to review", "failed", detail)


def _check_publishers(session: Session, *, running: bool) -> Finding:
    """Check the publishers' heartbeats, using the store's clock, which they are recorded with."""
    state = get_publishers_state(session, read_time(session))
    if abs(state.clock_skew_seconds) > CLOCK_TOLERANCE.total_seconds():
        detail = (
            f"the clock of a publisher's machine is off by {state.clock_skew_seconds:+.1f} s from the store's: "
            "correct it (NTP); until then that publisher sends nothing"
        )
        return Finding("publishers", "failed", detail)
    if state.awake:
        return Finding("publishers", "ok", f"{state.awake} running")
    if running:
        return Finding("publishers", "failed", "none is running: see logs/publisher-1.log in the home folder")
    return Finding("publishers", "warning", "none is running: `socialflow up` starts two")


def _check_webhooks(session: Session, now: datetime) -> Iterator[Finding]:
    state = get_webhook_state(session, now)
    if state.oldest_seconds > WEBHOOKS_LATE_SECONDS:
        detail = f"{state.backlog} events wait to be sent, the oldest for {state.oldest_seconds / 60:.0f} min"
        yield Finding("webhooks", "warning", detail)
    if state.disabled or state.exhausted:
        detail = (
            f"{state.disabled} disabled, {state.exhausted} deliveries exhausted: `socialflow webhooks list` says why, "
            "`socialflow webhooks replay` sends again"
        )
        yield Finding("failing webhooks", "warning", detail)


def _check_notifications(session: Session, now: datetime) -> Iterator[Finding]:
    try:
        settings = read_settings()
    except SetupError as error:
        yield Finding("notifications", "failed", error.message)
        return
    for status, detail in check_notifications(session, settings, now):
        yield Finding("notifications", status, detail)


def _check_lake(settings: WarehouseSettings, now: datetime) -> Iterator[Finding]:
    measured = _count_measured(settings)
    yield from (Finding(*line) for line in examine_lake(settings, now, measured=measured))


def _count_measured(settings: WarehouseSettings) -> int:
    """Return how many publications must be in the lake; 0 if the store fails, which has its own finding."""
    try:
        with Store.open(settings, create=False) as store, store.read() as session:
            return count_measured(session)
    except WarehouseError:
        return 0
