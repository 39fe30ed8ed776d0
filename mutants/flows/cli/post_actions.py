"""`socialflow posts cancel|reschedule|retry|resolve|approve|reject`: what a person can do about a post."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.output import JsonOption, print_json, say
from flows.cli.post_times import find_time, open_lake_for, read_time
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.target_accounts import list_target_accounts
from warehouse.store.database import Store
from warehouse.store.posts.approvals import approve_post, reject_post
from warehouse.store.posts.posts import cancel_post, reschedule_post, resolve_publication, retry_post
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.store.database import Session
    from warehouse.store.models import Post, Workspace

BY = "cli"
PostId = Annotated[str, typer.Argument(help="As `socialflow posts list` shows it.")]
PublicationId = Annotated[str, typer.Argument(help="As `socialflow posts show` names it.")]


def cancel(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Cancel what has not been sent. What is out stays out."""
    _act(lambda session, workspace, now: cancel_post(session, workspace.id, post_id, now), as_json=as_json)


def reschedule(
    *,
    post_id: PostId,
    at: Annotated[
        str,
        typer.Option(
            help='ISO 8601; without offset in the workspace\'s zone. "optimal": the next best free time.'
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Set another time for what has not been sent."""

    def work(session: Session, workspace: Workspace, now: datetime) -> Post:
        chosen = read_time(at, workspace.timezone, now)
        if lake is not None:
            post = get_post(session, workspace.id, post_id)
            rows = list_publications(session, [post.id])[post.id]
            ids = [row.account_id for row in rows if row.status != "canceled"]
            accounts = list_target_accounts(session, workspace.id, account_ids=ids)
            chosen = find_time(session, lake, workspace, accounts, now, except_post_id=post.id)
        return reschedule_post(session, workspace.id, post_id, chosen.at, now, details=chosen.details)

    with open_lake_for(at, WarehouseSettings()) as lake:
        _act(work, as_json=as_json)


def retry(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Send the failed publications of a post again, at once."""
    _act(lambda session, workspace, now: retry_post(session, workspace.id, post_id, now), as_json=as_json)


def resolve(
    *,
    post_id: PostId,
    publication_id: PublicationId,
    decision: Annotated[str, typer.Option(help="published (it is out), send (now), or discard.")],
    external_id: Annotated[
        str | None, typer.Option(help="With published: the platform's id, so that it can be measured.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide on a publication in needs_review, once you have looked on the platform."""
    _act(
        lambda session, workspace, now: resolve_publication(
            session, workspace.id, post_id, publication_id, decision, now, external_id=external_id
        ),
        as_json=as_json,
    )


def approve(*, post_id: PostId, as_json: JsonOption = False) -> None:
    """Let a post that waits for approval go out at its time."""
    max_lateness = WarehouseSettings().max_lateness
    _act(
        lambda session, workspace, now: approve_post(
            session, workspace.id, post_id, BY, now, max_lateness=max_lateness
        ),
        as_json=as_json,
    )


def reject(
    *,
    post_id: PostId,
    reason: Annotated[str, typer.Option(help="Why, for its author.")],
    as_json: JsonOption = False,
) -> None:
    """Send a post that waits for approval back to its author, as a draft."""
    _act(
        lambda session, workspace, now: reject_post(session, workspace.id, post_id, BY, reason, now),
        as_json=as_json,
    )


def _act(work: Callable[[Session, Workspace, datetime], Post], *, as_json: bool) -> None:
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        post = work(session, ensure_default_workspace(session, now), now)
        shown = {"id": post.id, "status": post.status, "scheduled_at": post.scheduled_at}
    if as_json:
        print_json(shown)
    else:
        say(f"{shown['id']} is {shown['status']}")
