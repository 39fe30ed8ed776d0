"""The frame of every page: navigation, what needs a person, and times in the chosen zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.planning.attention import list_needs
from warehouse.store.access.workspaces import get_workspace, parse_timezone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from api.dashboard.sessions import Visitor
    from api.http.services import Services
    from warehouse.planning.attention import Need

PAGES = (
    ("Today", "", "today", ("read", "analytics")),
    ("Calendar", "/calendar", "calendar", ("read",)),
    ("Posts", "/posts", "posts", ("read",)),
    ("Numbers", "/numbers", "numbers", ("analytics",)),
    ("Best times", "/times", "times", ("read",)),
    ("SQL", "/sql", "sql", ("admin",)),
    ("Imports", "/imports", "imports", ("read",)),
    ("Accounts", "/accounts", "accounts", ("read", "accounts")),
    ("Settings", "/settings", "settings", ("read", "write", "approve", "analytics", "accounts")),
)
"""Name, address below /dashboard, icon, and the scopes of which one is enough."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times as every page shows them: in one zone, in words near now."""

    zone: ZoneInfo
    now: datetime
    """Aware UTC."""

    @property
    def place(self) -> str:
        """The zone's short name: "Berlin", "UTC"."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")

    def local(self, at: datetime) -> datetime:
        """Return the instant in the zone."""
        return at.astimezone(self.zone)

    def time(self, at: datetime) -> str:
        """Return "09:30"."""
        return f"{self.local(at):%H:%M}"

    def day(self, at: datetime) -> str:
        """Return "Today", "Tomorrow", "Yesterday", or "Fri 15 Jan"; with the year if it is another one."""
        local, today = self.local(at), self.local(self.now)
        away = (local.date() - today.date()).days
        near = {0: "Today", 1: "Tomorrow", -1: "Yesterday"}.get(away)
        return near or _write_day(local, year=local.year != today.year)

    def full(self, at: datetime) -> str:
        """Return "Fri 15 Jan, 09:30"."""
        local = self.local(at)
        return f"{_write_day(local, year=local.year != self.local(self.now).year)}, {local:%H:%M}"

    def when(self, at: datetime) -> str:
        """Return "in 40 min" or "3 h ago" within a day, else the day and time."""
        away = at.astimezone(UTC) - self.now
        minutes = round(abs(away) / timedelta(minutes=1))
        if minutes >= 24 * 60:
            return self.full(at)
        if minutes == 0:
            return "now"
        span = f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"
        return f"in {span}" if away > timedelta(0) else f"{span} ago"

    def stamp(self, at: datetime) -> str:
        """Return the machine-readable form, for `datetime` of a <time> element."""
        return self.local(at).isoformat(timespec="minutes")

    def field(self, at: datetime) -> str:
        """Return the value of an <input type="datetime-local">."""
        return f"{self.local(at):%Y-%m-%dT%H:%M}"


def _write_day(local: datetime, *, year: bool) -> str:
    return f"{local:%a} {local.day} {local:%b}{f' {local.year}' if year else ''}"


@dataclass(frozen=True, slots=True)
class Frame:
    """What base.html shows around a page."""

    visitor: Visitor
    workspace: str
    clock: Clock
    needs: Sequence[Need] = ()
    pages: Sequence[tuple[str, str, str]] = field(default_factory=tuple)
    """Name, address and icon of the pages that this visitor may open."""

    @property
    def may_write(self) -> bool:
        """Whether the visitor may create and change posts."""
        return "write" in self.visitor.scopes


def build_frame(services: Services, visitor: Visitor, zone: str | None = None) -> Frame:
    """Return the frame for a visitor; times are in `zone`, else in the workspace's. Raises InvalidInputError."""
    now = services.clock().astimezone(UTC)
    with services.store.read() as session:
        workspace = get_workspace(session, visitor.key.workspace_id)
        name, own = workspace.name, workspace.timezone
        needs = list_needs(session, visitor.key.workspace_id, now) if "read" in visitor.scopes else []
    clock = Clock(parse_timezone(zone or own), now)
    pages = [
        (title, f"/dashboard{path}", icon)
        for title, path, icon, scopes in PAGES
        if visitor.scopes & {*scopes}
    ]
    return Frame(visitor, name, clock, needs, pages)
