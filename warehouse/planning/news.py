"""Notifications to people: posts that failed, accounts to reconnect, late flows, the week's summary.

Read from the ledger and the tables, and not written by the code that publishes: a fault of a notification cannot reach
a post. Each item has a key, so that it is sent once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select

from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from warehouse.planning.attention import FLOW_WORDS, begin_of
from warehouse.store.access.workspaces import list_workspaces
from warehouse.store.accounts.health import account_health
from warehouse.store.leases.flow_leases import find_flows_behind, find_trouble
from warehouse.store.models import AccountRow, Post, Publication, PublicationAttempt
from warehouse.store.notifications.outbox import find_untold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from warehouse.store.models import Workspace

NewsKind = Literal["failed", "needs_review", "reconnect", "behind", "weekly"]
NEWS_KINDS: tuple[NewsKind, ...] = get_args(NewsKind)

LEDGER_OVERLAP = 1_000
"""Ids read again each time: on PostgreSQL a transaction may commit after one that took later ids."""
TOLD_WITHIN = timedelta(days=2)
"""Older failures are not told: notifications had been off, or everything was."""
LEDGER_BATCH = 5_000
"""Ids read at once; the rest follows a minute later."""
NAMED = 10
"""Items that a message lists; it counts the rest."""
SUMMARY_HOUR = 8
"""On Mondays, in the workspace's time zone."""
WEEK = timedelta(days=7)

_EVENTS: dict[str, NewsKind] = {"failed": "failed", "part_failed": "failed", "needs_review": "needs_review"}
_TITLES: dict[NewsKind, tuple[str, str]] = {
    "failed": ("A post was not published", "{} posts were not published"),
    "needs_review": ("A post needs your decision", "{} posts need your decision"),
    "reconnect": ("An account must be connected again", "{} accounts must be connected again"),
    "behind": ("A part of SocialFlow is behind", "{} parts of SocialFlow are behind"),
    "weekly": ("Your week on SocialFlow", "Your week on SocialFlow"),
}
_REMEDIES: dict[NewsKind, str] = {
    "failed": "`socialflow posts show ID` says why; `socialflow posts retry ID` tries again.",
    "needs_review": "Check whether it is on the platform, then decide in the dashboard (`socialflow posts show ID`).",
    "reconnect": "Connect it in the dashboard under Accounts, or with `socialflow accounts connect`.",
    "behind": "`socialflow doctor` says what is wrong.",
    "weekly": "",
}


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell."""

    key: str
    kind: NewsKind
    words: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Items of one kind as one message."""

    kind: NewsKind
    title: str
    text: str


def newest_ledger_id(session: Session) -> int:
    """Return the id of the ledger's newest row; 0 for an empty ledger."""
    return session.scalar(select(func.max(PublicationAttempt.id))) or 0


def collect_news(
    session: Session,
    now: datetime,
    *,
    about: Sequence[NewsKind],
    after: int,
    until: int,
    with_flows: bool,
) -> list[News]:
    """Return what may have to be told: of the ledger, the rows with ids over `after` up to `until`.

    `with_flows`: whether flows that are behind count; after a laptop has slept, all of them are for a while.
    """
    workspaces = list_workspaces(session)
    several = len(workspaces) > 1
    news: list[News] = []
    for workspace in workspaces:
        where = f" [{workspace.name}]" if several else ""
        news += [
            News(one.key, one.kind, one.words + where)
            for one in (
                *_list_publications(session, workspace, now, about=about, after=after, until=until),
                *(_list_accounts(session, workspace, now) if "reconnect" in about else ()),
                *(_list_summary(session, workspace, now) if "weekly" in about else ()),
            )
        ]
    if with_flows and "behind" in about:
        for flow in find_flows_behind(session, now):
            words = (
                f"{FLOW_WORDS.get(flow.name, flow.name)} ({flow.name}): no success since {_utc(flow.since)}"
            )
            why = f": {flow.last_failure}" if flow.last_failure else ""
            news.append(News(f"behind/{flow.name}/{flow.since.isoformat()}", "behind", words + why))
        for trouble in find_trouble(session):
            if now - trouble.at > TOLD_WITHIN:
                continue
            # Once for a row of failures: the key changes when a run has ended.
            since = trouble.since.isoformat() if trouble.since else "-"
            words = f"{FLOW_WORDS.get(trouble.name, trouble.name)} ({trouble.name}): {trouble.words}"
            news.append(News(f"trouble/{trouble.name}/{since}", "behind", words))
    return news


def write_notices(news: Iterable[News]) -> list[Notice]:
    """Return one message per kind; a summary is a message of its own."""
    by_kind: defaultdict[NewsKind, list[News]] = defaultdict(list)
    notices = []
    for one in news:
        if one.kind == "weekly":
            notices.append(Notice("weekly", _TITLES["weekly"][0], one.words))
        else:
            by_kind[one.kind].append(one)
    for kind, items in by_kind.items():
        one_title, many_title = _TITLES[kind]
        lines = [f"- {item.words}" for item in items[:NAMED]]
        if len(items) > NAMED:
            lines.append(f"- and {len(items) - NAMED} more")
        title = one_title if len(items) == 1 else many_title.format(len(items))
        notices.append(Notice(kind, title, "\n".join([*lines, "", _REMEDIES[kind]])))
    return notices


def _list_publications(
    session: Session,
    workspace: Workspace,
    now: datetime,
    *,
    about: Sequence[NewsKind],
    after: int,
    until: int,
) -> Iterator[News]:
    """Yield what the ledger says has failed, unless a person or a retry has changed it since."""
    query = (
        select(PublicationAttempt.id, PublicationAttempt.event, Publication, AccountRow.handle, Post.content)
        .join(Publication, Publication.id == PublicationAttempt.publication_id)
        .join(Post, Post.id == Publication.post_id)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(
            PublicationAttempt.id > after,
            PublicationAttempt.id <= until,
            PublicationAttempt.event.in_(_EVENTS),
            PublicationAttempt.workspace_id == workspace.id,
            PublicationAttempt.at >= now - TOLD_WITHIN,
            Post.deleted_at.is_(None),
        )
        .order_by(PublicationAttempt.id)
    )
    for row_id, event, row, handle, content in session.execute(query):
        kind = _EVENTS[event]
        holds = row.rest == "failed" if event == "part_failed" else row.status == kind
        if holds and kind in about:
            what = "lacks a later part" if event == "part_failed" else "was not published"
            if kind == "needs_review":
                what = "may or may not be published"
            name = f"{CAPABILITIES[Platform(row.platform)].label} @{handle}"
            why = f": {row.reason}" if row.reason else ""
            yield News(f"ledger/{row_id}", kind, f"{begin_of(content)} {what} on {name}{why} ({row.post_id})")


def _list_accounts(session: Session, workspace: Workspace, now: datetime) -> Iterator[News]:
    query = select(AccountRow).where(
        AccountRow.workspace_id == workspace.id,
        or_(
            AccountRow.status == "revoked",
            and_(AccountRow.status == "active", AccountRow.token_expires_at <= now),
        ),
    )
    for row in session.scalars(query.order_by(AccountRow.id)):
        health = account_health(row, now)
        if health.status in {"revoked", "expired"}:
            name = f"{CAPABILITIES[Platform(row.platform)].label} @{row.handle}"
            since = health.at.isoformat() if health.at else "-"
            yield News(f"reconnect/{row.id}/{since}", "reconnect", f"{name}: {health.reason}")


def _list_summary(session: Session, workspace: Workspace, now: datetime) -> Iterator[News]:
    """Yield the summary of the last full week, Monday to Sunday, unless nothing happened and nothing is planned."""
    zone = ZoneInfo(workspace.timezone)
    local = now.astimezone(zone)
    monday = (local - timedelta(days=local.weekday())).date()
    if local < datetime.combine(monday, time(SUMMARY_HOUR), zone):
        return
    key = f"weekly/{workspace.id}/{monday - WEEK}"
    if not find_untold(session, [key]):
        return  # asked every minute: the counts below are not free
    begin = datetime.combine(monday - WEEK, time(), zone).astimezone(UTC)
    end = datetime.combine(monday, time(), zone).astimezone(UTC)
    mine = (Publication.workspace_id == workspace.id, Publication.origin == "socialflow")

    def count(*conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(Publication).where(*mine, *conditions)
        return session.scalar(query) or 0

    published = count(Publication.published_at >= begin, Publication.published_at < end)
    failed = count(
        Publication.status == "failed", Publication.updated_at >= begin, Publication.updated_at < end
    )
    review = count(Publication.status == "needs_review")
    planned = count(
        Publication.status == "scheduled", Publication.due_at >= now, Publication.due_at < now + WEEK
    )
    if not (published or failed or review or planned):
        return
    words = [
        f"Week of {monday - WEEK} to {monday - timedelta(days=1)} ({workspace.timezone})",
        f"- published: {published}",
        f"- not published: {failed}",
        f"- waiting for your decision: {review}",
        f"- planned for the next seven days: {planned}",
    ]
    words += [f"- to reconnect: {one.words}" for one in _list_accounts(session, workspace, now)][:NAMED]
    yield News(key, "weekly", "\n".join(words))


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
