"""View models of the dashboard's pages, read from the stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from api.dashboard.charts import Bar, Cell, draw_bars, draw_week
from connectors.types import UPLOAD_PREFIX, UPLOAD_TYPES
from warehouse.errors import NotFoundError
from warehouse.lake.queries.overview import find_post_words, get_overview
from warehouse.lake.queries.timing import get_optimal_times
from warehouse.scheduling.explanations import describe_confidence
from warehouse.store.access.workspaces import parse_timezone, read_settings
from warehouse.store.accounts.accounts import account_health, list_accounts
from warehouse.store.posts.media import get_upload
from warehouse.store.posts.posts import list_possible_actions
from warehouse.store.posts.reads import (
    PostFilter,
    find_contents,
    list_attempts,
    list_posts,
    list_publications,
)
from warehouse.store.publishing.story import tell_story

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from api.http.services import Services
    from warehouse.store.accounts.health import AccountHealth
    from warehouse.store.models import AccountRow, Post, Publication
    from warehouse.store.posts.idempotency import StoreSession

POSTS_SHOWN = 50
PERIODS = (7, 30, 90, 365)
CONNECTED = ("active", "revoked", "imported")


@dataclass(frozen=True, slots=True)
class ShownPublication:
    """A publication with its history as text."""

    row: Publication
    handle: str
    story: list[str]

    @property
    def shown_status(self) -> str:
        """The status, or `deleted` if the platform no longer has the post."""
        return "deleted" if self.row.platform_deleted_at is not None else self.row.status


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post with all its publications.

    `at`: local time in the workspace; None for a draft without a time.
    """

    row: Post
    at: datetime | None
    publications: list[ShownPublication]

    @property
    def may(self) -> set[str]:
        """The actions that are possible now: move, cancel, retry, approve."""
        return list_possible_actions(self.row, [one.row for one in self.publications])


@dataclass(frozen=True, slots=True)
class ShownWeek:
    """An account's week: 7 rows of 24 hours in its time zone."""

    account: AccountRow
    timezone: str
    posts: int
    confidence: str
    days: list[list[Cell]]


def show_overview(services: Services, workspace_id: str, days: int) -> dict[str, Any]:
    """Return the figures of the last `days` days and two bar series."""
    end = services.clock().astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    with services.store.read() as session:
        zone = parse_timezone(read_settings(session, workspace_id).timezone)
    figures = get_overview(
        services.lake, workspace_id=workspace_id, start=end - timedelta(days=days), end=end, zone=zone
    )
    series = figures["series"]
    charts: list[tuple[str, int, list[Bar]]] = [
        (title, max((day[name] or 0 for day in series), default=0), draw_bars(series, name))
        for title, name in (
            ("Engagement of the posts published that day", "engagement"),
            ("Posts published", "posts"),
        )
    ]
    words = find_post_words(
        services.lake, workspace_id, [row["post_id"] for row in figures["top_performing"]]
    )
    _add_stored(services, workspace_id, words)
    return {"figures": figures, "charts": charts, "days": days, "periods": PERIODS, "words": words}


def _add_stored(services: Services, workspace_id: str, words: dict[str, dict[str, Any]]) -> None:
    """Add what only the store knows: texts that the lake lacks, and deleted publications, whose links are dead."""
    with services.store.read() as session:
        publications = list_publications(session, list(words))
        texts = find_contents(session, workspace_id, [one for one in words if not words[one]["text"]])
    for post_id, known in words.items():
        known["text"] = known["text"] or texts.get(post_id)
        gone = {row.permalink for row in publications.get(post_id, ()) if row.platform_deleted_at is not None}
        known["places"] = [{**place, "deleted": place["permalink"] in gone} for place in known["places"]]


def show_posts(services: Services, workspace_id: str) -> dict[str, Any]:
    """Return the newest posts, upcoming then past, grouped by day in the workspace's time zone."""
    now = services.clock()
    with services.store.read() as session:
        handles = {
            row.id: row.handle
            for row in list_accounts(session, workspace_id, statuses=(*CONNECTED, "disconnected"))
        }
        rows, has_more = list_posts(session, workspace_id, PostFilter(), limit=POSTS_SHOWN)
        timezone = read_settings(session, workspace_id).timezone
        zone = parse_timezone(timezone)
        publications = list_publications(session, [row.id for row in rows])
        attempts = list_attempts(session, [one.id for group in publications.values() for one in group])
        shown = [
            ShownPost(
                row,
                row.scheduled_at.astimezone(zone) if row.scheduled_at else None,
                [
                    ShownPublication(
                        one,
                        handles.get(one.account_id, ""),
                        tell_story(session, one, attempts.get(one.id, ()), now),
                    )
                    for one in publications[row.id]
                ],
            )
            for row in rows
        ]
    timed = [post for post in shown if post.row.scheduled_at is not None]
    timed.sort(key=lambda post: post.row.scheduled_at or now)
    coming = [post for post in timed if (post.row.scheduled_at or now) >= now]
    parts = {
        "Upcoming": _by_day(coming),
        "Unscheduled": {"": [post for post in shown if post.row.scheduled_at is None]},
        "Past": _by_day(reversed([post for post in timed if post not in coming])),
    }
    parts = {name: days for name, days in parts.items() if any(days.values())}
    return {"parts": parts, "has_more": has_more, "shown": POSTS_SHOWN, "timezone": timezone}


def show_recipients(
    services: Services, workspace_id: str, media: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the accounts that can be posted to, the time zone of the form, and its media by name."""
    with services.store.read() as session:
        accounts = list_accounts(session, workspace_id, statuses=("active",))
        timezone = read_settings(session, workspace_id).timezone
        shown = [(url, alt, _name_of(session, workspace_id, url)) for url, alt in media]
    return {"accounts": accounts, "timezone": timezone, "media": shown, "accepted": ",".join(UPLOAD_TYPES)}


def _name_of(session: StoreSession, workspace_id: str, url: str) -> str:
    try:
        return get_upload(session, workspace_id, url.removeprefix(UPLOAD_PREFIX)).filename or url
    except NotFoundError:  # deleted in the meantime: creating the post reports it
        return url


def _by_day(posts: Iterable[ShownPost]) -> dict[str, list[ShownPost]]:
    days: dict[str, list[ShownPost]] = {}
    for post in posts:
        days.setdefault(f"{post.at:%A, %d %B %Y}", []).append(post)
    return days


def show_accounts(services: Services, workspace_id: str) -> dict[str, Any]:
    """Return the connected accounts with their health."""
    now = services.clock()
    with services.store.read() as session:
        rows = list_accounts(session, workspace_id, statuses=CONNECTED)
        timezone = read_settings(session, workspace_id).timezone
    accounts: list[tuple[AccountRow, AccountHealth]] = [(row, account_health(row, now)) for row in rows]
    return {"accounts": accounts, "timezone": timezone}


def show_times(services: Services, workspace_id: str) -> dict[str, Any]:
    """Return each account's week of expected lifts, and the accounts that have none yet."""
    with services.store.read() as session:
        accounts = list_accounts(session, workspace_id, statuses=CONNECTED)
    weeks, without = [], []
    for account in accounts:
        rows = get_optimal_times(services.lake, workspace_id=workspace_id, account_id=account.id)
        if not rows or rows[0]["account_posts"] == 0:
            without.append(account)
            continue
        first = rows[0]
        weeks.append(
            ShownWeek(
                account,
                first["timezone"],
                first["account_posts"],
                describe_confidence(first["confidence"], first["lift_high"]),
                draw_week(rows),
            )
        )
    return {"weeks": weeks, "without": without}
