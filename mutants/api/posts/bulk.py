"""Create many posts in one transaction: all or nothing, or each by itself, or none at all to see a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from api.http.errors import ApiError, explain, problem_at
from api.http.schemas import ProblemEntry
from api.posts.plans import plan_new_post
from api.posts.schemas import PostCreate
from api.posts.schemas_bulk import BulkOut, BulkRow
from warehouse.errors import WarehouseError
from warehouse.store.posts.posts import create_post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.http.callers import Caller
    from api.http.services import Services
    from api.posts.files import PostRow
    from api.posts.schemas_bulk import BulkMode
    from warehouse.store.posts.idempotency import StoreSession


class NothingSaved(Exception):  # noqa: N818 (no error: it carries a report out of a transaction that must not last)
    """Raised to roll the transaction back; `report` is what would have been."""

    def __init__(self, report: BulkOut) -> None:
        super().__init__()
        self.report = report


def create_posts(
    services: Services,
    caller: Caller,
    session: StoreSession,
    rows: Sequence[PostRow],
    *,
    mode: BulkMode,
    dry_run: bool,
) -> BulkOut:
    """Create what the rows say in the caller's write transaction, and report on each.

    Raises NothingSaved on a dry run, and with mode `all` where a row is wrong. Rows see the ones before
    them: a duplicate within the body is found, and each takes its own free time.
    """
    # A dry run takes part in no experiment: looking again until the draw pleases would undo it.
    told = [_create_row(services, caller, session, row, preview=dry_run) for row in rows]
    failed = sum(row.status == "failed" for row in told)
    discard = dry_run or (mode == "all" and failed > 0)
    if discard:
        told = [
            row.model_copy(update={"status": "valid", "post_id": None}) if row.status == "created" else row
            for row in told
        ]
    report = BulkOut(
        mode=mode,
        dry_run=dry_run,
        total=len(told),
        created=0 if discard else len(told) - failed,
        failed=failed,
        rows=told,
    )
    if discard:
        raise NothingSaved(report)
    return report


def _create_row(
    services: Services, caller: Caller, session: StoreSession, row: PostRow, *, preview: bool
) -> BulkRow:
    try:
        if row.problem is not None:
            raise problem_at("", "unreadable_row", row.problem)
        body = PostCreate.model_validate(row.fields)
        # A savepoint: what a refused row has begun is undone, the others stay.
        with session.begin_nested():
            plan = plan_new_post(services, caller, body, session, preview=preview)
            post = create_post(session, caller.workspace_id, plan.draft, services.clock())
    except (ApiError, WarehouseError, ValidationError) as error:
        problem = explain(error)
        entries = problem.errors or [{"pointer": "", "code": problem.code, "detail": problem.detail}]
        return BulkRow(
            line=row.line,
            status="failed",
            code=problem.code,
            errors=[ProblemEntry.model_validate(entry) for entry in entries],
            existing_id=problem.extra.get("existing_id"),
        )
    return BulkRow(
        line=row.line,
        status="created",
        post_id=post.id,
        scheduled_at=post.scheduled_at,
        warnings=list(plan.warnings),
    )


def refuse_all(report: BulkOut) -> ApiError:
    """Return the problem of a body of which nothing was saved since some rows are wrong."""
    bad = [row for row in report.rows if row.status == "failed"]
    first = bad[0].errors[0]
    return ApiError(
        422,
        "rows_refused",
        f"{len(bad)} of {report.total} rows are wrong, so nothing was saved (mode=each saves the others); "
        f"line {bad[0].line}: {first.detail}",
        errors=[
            {**entry.model_dump(), "pointer": f"/{place}{entry.pointer}", "line": row.line}
            for place, row in enumerate(report.rows)
            for entry in row.errors
        ],
        extra={"report": report.model_dump(mode="json")},
    )
