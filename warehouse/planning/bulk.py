"""Create many posts in one transaction: all or nothing, each row independently, or a dry run that saves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from warehouse.planning.posts import plan_new_post
from warehouse.planning.times import is_advised, needs_lake
from warehouse.planning.wish import PostWish
from warehouse.shapes import read_shape
from warehouse.store.access.workspaces import read_settings
from warehouse.store.accounts.target_accounts import keep_locked_accounts
from warehouse.store.posts.posts import create_post
from warehouse.store.posts.staging import Staged, stage_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from warehouse.planning.context import PlanningContext
    from warehouse.planning.files import PostRow

BulkMode = Literal["all", "each"]
"""all: save nothing unless every row is valid. each: save every valid row."""


@dataclass(frozen=True, slots=True)
class BulkRow:
    """Result of one row."""

    line: int
    status: Literal["created", "valid", "failed"]
    post_id: str | None = None
    scheduled_at: datetime | None = None
    warnings: Sequence[str] = ()
    code: str | None = None
    errors: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Entries like those of InvalidInputError; the pointers are relative to the row's post."""
    existing_id: str | None = None
    """For the code duplicate: the existing post."""


@dataclass(frozen=True, slots=True)
class BulkReport:
    """Results of all rows, in their order."""

    mode: BulkMode
    dry_run: bool
    total: int
    created: int
    failed: int
    rows: Sequence[BulkRow]


def rows_need_lake(rows: Sequence[PostRow]) -> bool:
    """Return whether one of the rows asks for an advised time (see `needs_lake`)."""
    return any(isinstance(row.fields, dict) and needs_lake(row.fields.get("scheduled_at")) for row in rows)


def create_posts(
    context: PlanningContext, rows: Sequence[PostRow], *, mode: BulkMode = "all", dry_run: bool = False
) -> BulkReport:
    """Create the posts of the rows, and report on each row.

    On a dry run, and with mode "all" if a row is invalid, everything is rolled back to the state before the call.
    Each row sees the rows before it: duplicates within the file are found, and each row takes its own free time.
    """
    keep_locked_accounts(context.session)
    with context.session.begin_nested() as everything:
        # A dry run takes part in no experiment: otherwise it could be repeated until the draw suits.
        staged = Staged()
        told = [_create_row(context, row, staged, preview=dry_run) for row in rows]
        staged.insert(context.session)
        failed = sum(row.status == "failed" for row in told)
        discard = dry_run or (mode == "all" and failed > 0)
        if discard:
            everything.rollback()
    keep_locked_accounts(context.session, kept=False)
    if discard:
        told = [
            replace(row, status="valid", post_id=None) if row.status == "created" else row for row in told
        ]
    return BulkReport(
        mode=mode,
        dry_run=dry_run,
        total=len(told),
        created=0 if discard else len(told) - failed,
        failed=failed,
        rows=told,
    )


def _read_wish(row: PostRow) -> PostWish:
    if row.problem is not None:
        raise InvalidInputError(row.problem, field="", code="unreadable_row")
    return read_shape(PostWish, row.fields)


def _attempt(context: PlanningContext, wish: PostWish, staged: Staged) -> AbstractContextManager[object]:
    """Return a block that leaves nothing of a refused row, and the other rows as they are."""
    if _is_plain(context, wish):
        return stage_to(context.session, staged)
    staged.insert(context.session)
    return context.session.begin_nested()


def _is_plain(context: PlanningContext, wish: PostWish) -> bool:
    """Return whether creating the post only reads, but for its own rows, and depends on no other post's time."""
    if wish.media or wish.thread or wish.first_comment or wish.variants or is_advised(wish.scheduled_at):
        return False
    return not read_settings(context.session, context.workspace_id).approval_required


def _create_row(context: PlanningContext, row: PostRow, staged: Staged, *, preview: bool) -> BulkRow:
    try:
        wish = _read_wish(row)
        with _attempt(context, wish, staged):
            plan = plan_new_post(context, wish, preview=preview)
            post = create_post(context.session, context.workspace_id, plan.draft, context.now)
    except InvalidInputError as error:
        keep_locked_accounts(context.session)
        return BulkRow(
            line=row.line, status="failed", warnings=row.warnings, code=error.code, errors=error.entries
        )
    except (ConflictError, NotFoundError) as error:
        keep_locked_accounts(context.session)
        return BulkRow(
            line=row.line,
            status="failed",
            code=error.code,
            errors=[{"pointer": "", "code": error.code, "detail": error.message}],
            existing_id=error.existing_id if isinstance(error, ConflictError) else None,
        )
    return BulkRow(
        line=row.line,
        status="created",
        post_id=post.id,
        scheduled_at=post.scheduled_at,
        warnings=[*row.warnings, *plan.warnings],
    )
