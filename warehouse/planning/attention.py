"""What needs a person: failed posts, open decisions, approvals, accounts to reconnect, pauses, late flows.

One list for every interface; each entry says what it is about, so that the interface can offer the action with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select

from connectors.capabilities import CAPABILITIES
from connectors.types import Platform
from warehouse.store.access.workspaces import get_workspace
from warehouse.store.accounts.accounts import list_accounts
from warehouse.store.accounts.health import account_health
from warehouse.store.leases.flow_leases import find_flows_behind
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.approvals import PENDING

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

Kind = Literal["paused", "failed", "needs_review", "approval", "reconnect", "account_paused", "behind"]

_WORDS = 60
"""Characters of a post's text that identify it."""
_NAMED = 3
"""Entries that are listed one by one; beyond it one entry counts the rest."""
FLOW_WORDS = {
    "ingest-metrics": "Reading numbers",
    "ingest-followers": "Reading followers",
    "backfill-history": "Reading histories",
    "refresh-tokens": "Renewing access to accounts",
    "refresh-optimal-times": "Computing best times",
    "extend-recurrences": "Making recurring posts",
    "maintain-lake": "Maintaining the lake",
    "publish-due-posts": "Watching the publishers",
}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a person should look at."""

    kind: Kind
    words: str
    """One sentence without a full stop."""
    post_id: str | None = None
    publication_id: str | None = None
    account_id: str | None = None
    version: int | None = None
    """Of the post, for an approval of what was read."""
    count: int = 1
    """How many this entry stands for; over 1, it names none of them."""


def list_needs(session: Session, workspace_id: str, now: datetime) -> list[Need]:
    """Return what needs a person in the workspace, most urgent first; at most a dozen entries."""
    workspace = get_workspace(session, workspace_id)
    needs: list[Need] = []
    if workspace.publishing_paused_at is not None:
        needs.append(Need("paused", "All publishing is paused: nothing is sent"))
    needs += _list_publications(session, workspace_id, "needs_review", "may or may not be published")
    needs += _list_publications(session, workspace_id, "failed", "was not published")
    needs += _list_approvals(session, workspace_id)
    for row in list_accounts(session, workspace_id, statuses=("active", "revoked")):
        health = account_health(row, now)
        name = f"{CAPABILITIES[Platform(row.platform)].label} @{row.handle}"
        if health.status in {"revoked", "expired"}:
            needs.append(Need("reconnect", f"{name} must be connected again", account_id=row.id))
        elif row.paused_at is not None:
            needs.append(Need("account_paused", f"{name} is paused", account_id=row.id))
    for flow in find_flows_behind(session, now):
        words = FLOW_WORDS.get(flow.name, flow.name)
        needs.append(Need("behind", f"{words} is behind: last success {_ago(now - flow.since)} ago"))
    return needs


def _list_publications(session: Session, workspace_id: str, status: str, words: str) -> list[Need]:
    condition = (
        Publication.workspace_id == workspace_id,
        Publication.status == status,
        Publication.origin == "socialflow",
        Post.deleted_at.is_(None),
    )
    query = (
        select(Publication, AccountRow.handle, Post.content)
        .join(Post, Post.id == Publication.post_id)
        .join(AccountRow, AccountRow.id == Publication.account_id)
        .where(*condition)
        .order_by(Publication.updated_at.desc(), Publication.id)
        .limit(_NAMED + 1)
    )
    rows = session.execute(query).all()
    shown = rows if len(rows) <= _NAMED else rows[: _NAMED - 1]
    kind: Kind = "failed" if status == "failed" else "needs_review"
    needs = [
        Need(
            kind,
            f"{begin_of(content)} {words} on {CAPABILITIES[Platform(row.platform)].label} @{handle}"
            f"{f' ({row.reason})' if row.reason else ''}",
            post_id=row.post_id,
            publication_id=row.id,
        )
        for row, handle, content in shown
    ]
    if len(rows) > len(shown):
        counted = session.scalar(
            select(func.count())
            .select_from(Publication)
            .join(Post, Post.id == Publication.post_id)
            .where(*condition)
        )
        rest = (counted or 0) - len(shown)
        what = "were not published" if status == "failed" else "wait for your decision"
        needs.append(Need(kind, f"{rest} more {what}", count=max(rest, 2)))
    return needs


def _list_approvals(session: Session, workspace_id: str) -> list[Need]:
    condition = (
        Post.workspace_id == workspace_id,
        Post.approval_state == PENDING,
        Post.deleted_at.is_(None),
    )
    query = select(Post).where(*condition).order_by(Post.scheduled_at, Post.id).limit(_NAMED + 1)
    rows = list(session.scalars(query))
    shown = rows if len(rows) <= _NAMED else rows[: _NAMED - 1]
    needs = [
        Need("approval", f"{begin_of(row.content)} waits for approval", post_id=row.id, version=row.version)
        for row in shown
    ]
    if len(rows) > len(shown):
        rest = (session.scalar(select(func.count()).select_from(Post).where(*condition)) or 0) - len(shown)
        needs.append(Need("approval", f"{rest} more wait for approval", count=max(rest, 2)))
    return needs


def begin_of(content: str) -> str:
    """Return the first words of a post's text in quotation marks, by which a person knows it again."""
    words = " ".join(content.split())
    if not words:
        return "A post without text"
    shown = words if len(words) <= _WORDS else f"{words[:_WORDS]}..."
    return f"\N{LEFT DOUBLE QUOTATION MARK}{shown}\N{RIGHT DOUBLE QUOTATION MARK}"


def _ago(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    if hours < 1:
        return f"{span // timedelta(minutes=1)} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
