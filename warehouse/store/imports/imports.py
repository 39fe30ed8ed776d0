"""Life of an import: uploaded, started, claimed by one process, finished, undone. One runs at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update

from warehouse.errors import ConflictError, NotFoundError
from warehouse.store.audit.log import record
from warehouse.store.database import new_id
from warehouse.store.imports.models import Import, ImportedPublication
from warehouse.store.imports.owners import is_gone
from warehouse.store.models import AccountRow, Post, Publication
from warehouse.store.posts.external_posts import content_of
from warehouse.store.schedules.queue_models import QueueSlot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

LEASE = timedelta(minutes=10)
"""A process that runs an import renews its lease while it lives; after a crash another one continues then."""
UNSTARTED_FOR = timedelta(days=1)
"""An upload that was not started by then is deleted."""
UNFINISHED = ("queued", "running", "undoing")


def create_import(
    session: Session,
    workspace_id: str,
    now: datetime,
    *,
    filename: str,
    size: int,
    sha256: str,
    options: Mapping[str, Any],
    import_id: str | None = None,
) -> Import:
    """Add an import of an uploaded file; nothing is loaded yet."""
    row = Import(
        id=import_id or new_id("imp"),
        workspace_id=workspace_id,
        filename=filename[:300],
        size=size,
        sha256=sha256,
        status="ready",
        options=dict(options),
        progress={},
        created_accounts=[],
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def get_import(session: Session, workspace_id: str, import_id: str) -> Import:
    """Return the import. Raises NotFoundError, also for one of another workspace."""
    row = session.get(Import, import_id)
    if row is None or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no import {import_id} in this workspace")
    return row


def list_imports(
    session: Session, workspace_id: str, *, before_id: str | None = None, limit: int = 50
) -> tuple[list[Import], bool]:
    """Return a page of imports, newest first, and whether there are more."""
    query = select(Import).where(Import.workspace_id == workspace_id)
    if before_id is not None:
        query = query.where(Import.id < before_id)
    rows = list(session.scalars(query.order_by(Import.id.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def start_import(session: Session, workspace_id: str, import_id: str, now: datetime) -> Import:
    """Queue an uploaded or failed import. Idempotent while it is queued or running. Raises ConflictError."""
    row = get_import(session, workspace_id, import_id)
    if row.status in {"ready", "failed"}:
        row.status, row.error, row.started_at = "queued", None, now
        detail = {"filename": row.filename, "sha256": row.sha256}
        record(session, "import_started", workspace_id, now, row.id, detail)
    elif row.status not in {"queued", "running"}:
        raise ConflictError(
            f"the import is {row.status}: upload the file again to import it again", code="import_finished"
        )
    return row


def begin_undo(session: Session, workspace_id: str, import_id: str, now: datetime) -> Import:
    """Mark an import as being undone. Idempotent. Raises ConflictError while it runs, or if it never ran."""
    row = get_import(session, workspace_id, import_id)
    if row.status in {"undoing", "undone"}:
        return row
    if row.status in {"ready", "queued"} or (row.status == "running" and _is_leased(row, now)):
        raise ConflictError(
            f"the import is {row.status}: "
            + ("delete it" if row.status == "ready" else "wait until it has finished"),
            code="import_not_finished",
        )
    row.status, row.lease_owner, row.lease_until = "undoing", None, None
    return row


def delete_import(session: Session, workspace_id: str, import_id: str, now: datetime) -> Import:
    """Delete the record of an import that stored nothing, or whose undo has finished. Raises ConflictError."""
    row = get_import(session, workspace_id, import_id)
    stored = session.scalar(
        select(func.count()).select_from(ImportedPublication).where(ImportedPublication.import_id == row.id)
    )
    if row.status in UNFINISHED and (row.status != "queued" or _is_leased(row, now)):
        raise ConflictError(
            f"the import is {row.status}: wait until it has finished", code="import_not_finished"
        )
    if stored:
        raise ConflictError(
            "its posts are stored: undo the import before you delete it", code="import_not_undone"
        )
    session.delete(row)
    return row


def claim_import(session: Session, now: datetime, owner: str, import_id: str | None = None) -> Import | None:
    """Take the oldest unfinished import, or the given one, unless another process runs one; None = nothing to do.

    Raises ConflictError for a given one that cannot be taken now.
    """
    leased = select(Import).where(
        Import.status.in_(UNFINISHED), Import.lease_until > now, Import.lease_owner != owner
    )
    other = None
    for running in session.scalars(leased):
        if is_gone(str(running.lease_owner)):
            running.lease_owner = running.lease_until = None
        else:
            other = running.id
    if other is not None:
        if import_id is None:
            return None
        raise ConflictError(
            f"the import {other} is running: try again when it has finished", code="import_running"
        )
    query = select(Import).where(Import.status.in_(UNFINISHED))
    if import_id is not None:
        query = query.where(Import.id == import_id)
    row = session.scalars(query.order_by(Import.id).limit(1).with_for_update()).one_or_none()
    if row is not None:
        row.lease_owner, row.lease_until = owner, now + LEASE
        if row.status == "queued":
            row.status = "running"
            row.started_at = row.started_at or now
    return row


def renew_lease(
    session: Session, import_id: str, owner: str, now: datetime, progress: Mapping[str, Any]
) -> None:
    """Keep the import for this process and save its progress. Raises ConflictError if another one took it."""
    result = session.execute(
        update(Import)
        .where(Import.id == import_id, Import.lease_owner == owner)
        .values(lease_until=now + LEASE, progress=dict(progress))
        .returning(Import.id)
    )
    if result.first() is None:
        raise ConflictError("another process has taken over the import", code="import_taken")


def next_lease_end(session: Session) -> tuple[bool, datetime | None]:
    """Return whether imports are unfinished, and when the running one can be taken over."""
    rows = session.execute(select(Import.lease_until).where(Import.status.in_(UNFINISHED))).all()
    return bool(rows), max((row.lease_until for row in rows if row.lease_until), default=None)


def finish_import(session: Session, import_id: str, now: datetime, report: Mapping[str, Any]) -> None:
    """Save the report and end the lease."""
    row = session.get_one(Import, import_id)
    row.status, row.report, row.finished_at = "done", dict(report), now
    row.lease_owner = row.lease_until = row.error = None
    detail = {
        "filename": row.filename,
        "loaded": report.get("loaded"),
        "rejected": report.get("rejected_rows"),
    }
    record(session, "import_finished", row.workspace_id, now, row.id, detail)


def fail_import(session: Session, import_id: str, now: datetime, reason: str) -> None:
    """Save why the import failed. What it stored stays until it is undone or started again."""
    row = session.get_one(Import, import_id)
    if row.status != "undoing":
        row.status = "failed"
    row.error, row.finished_at = reason, now
    row.lease_owner = row.lease_until = None
    record(session, "import_failed", row.workspace_id, now, row.id, {"filename": row.filename})


def _is_leased(row: Import, now: datetime) -> bool:
    return row.lease_until is not None and row.lease_until > now


def list_stale_uploads(session: Session, now: datetime) -> list[str]:
    """Return uploads that were never started and are a day old."""
    query = select(Import.id).where(Import.status == "ready", Import.created_at < now - UNSTARTED_FOR)
    return list(session.scalars(query))


class UndoPlan:
    """What an undo removes and restores; read before the lake is changed, and the same if it is read again."""

    def __init__(self, session: Session, row: Import) -> None:
        mine = select(ImportedPublication).where(ImportedPublication.import_id == row.id)
        notes = list(session.scalars(mine))
        self.publication_ids = [note.publication_id for note in notes]
        """Everything that the import contained."""
        self.before = {note.publication_id: note.before for note in notes if note.before}
        """Values to restore, by publication."""
        others = (
            select(ImportedPublication.publication_id)
            .join(Import, Import.id == ImportedPublication.import_id)
            .where(ImportedPublication.import_id != row.id)
        )
        removable = (
            select(Publication.id, Publication.post_id)
            .join(ImportedPublication, ImportedPublication.publication_id == Publication.id)
            .where(
                ImportedPublication.import_id == row.id,
                ImportedPublication.created.is_(True),
                Publication.origin == "external",
                Publication.snapshot_count == 0,
                Publication.next_snapshot_at.is_(None),
                Publication.id.not_in(others),
            )
        )
        found = session.execute(removable).all()
        self.removed = {item.id: item.post_id for item in found}
        """Posts by publication that only this import knew."""
        kept_accounts = select(Publication.account_id).where(
            Publication.account_id.in_(row.created_accounts),
            Publication.id.not_in(
                select(ImportedPublication.publication_id).where(ImportedPublication.import_id == row.id)
            ),
        )
        measured = select(Publication.account_id).where(
            Publication.account_id.in_(row.created_accounts),
            or_(Publication.snapshot_count > 0, Publication.next_snapshot_at.is_not(None)),
        )
        queued = select(QueueSlot.account_id).where(QueueSlot.account_id.in_(row.created_accounts))
        busy = {
            account_id for query in (kept_accounts, measured, queued) for account_id in session.scalars(query)
        }
        candidates = session.scalars(
            select(AccountRow.id).where(
                AccountRow.id.in_(row.created_accounts), AccountRow.status == "imported"
            )
        )
        self.accounts = [account_id for account_id in candidates if account_id not in busy]
        """Accounts that it created and that have nothing else."""
        self.shared_with = sorted(
            set(
                session.scalars(
                    select(ImportedPublication.import_id).where(
                        ImportedPublication.import_id != row.id,
                        ImportedPublication.publication_id.in_(
                            select(ImportedPublication.publication_id).where(
                                ImportedPublication.import_id == row.id
                            )
                        ),
                    )
                )
            )
        )
        """Other imports that contained some of the same posts."""


def finish_undo(
    session: Session, row_id: str, plan: UndoPlan, now: datetime, removed_rows: int
) -> dict[str, Any]:
    """Remove and restore what the plan says, after the lake has been changed; return what was removed."""
    row = session.get_one(Import, row_id)
    for publication_id, before in plan.before.items():
        if publication_id in plan.removed:
            continue
        publication = session.get(Publication, publication_id)
        if publication is None:
            continue
        publication.external_id = before["external_id"]
        publication.permalink = before["permalink"]
        if before["published_at"]:
            publication.published_at = datetime.fromisoformat(before["published_at"])
            session.get_one(Post, publication.post_id).created_at = publication.published_at
        publication.content, publication.payload_hash = content_of(before["text"])
        post = session.get_one(Post, publication.post_id)
        post.content = before["text"]
        publication.updated_at = post.updated_at = now
    session.flush()
    session.execute(delete(ImportedPublication).where(ImportedPublication.import_id == row_id))
    removed = list(plan.removed.items())
    for start in range(0, len(removed), 5_000):
        part = removed[start : start + 5_000]
        session.execute(delete(Publication).where(Publication.id.in_([key for key, _ in part])))
        session.execute(delete(Post).where(Post.id.in_([post for _, post in part])))
    if plan.accounts:
        empty = select(Publication.account_id).where(Publication.account_id.in_(plan.accounts))
        session.execute(
            delete(AccountRow).where(AccountRow.id.in_(plan.accounts), AccountRow.id.not_in(empty))
        )
    undone = {
        "posts": len(plan.removed),
        "measurements": removed_rows,
        "restored_posts": len(plan.before.keys() - plan.removed.keys()),
        "accounts": len(plan.accounts),
        "shared_with": plan.shared_with,
    }
    row.status, row.undone_at = "undone", now
    row.lease_owner = row.lease_until = row.error = None
    row.report = {**(row.report or {}), "undone": undone}
    record(session, "import_undone", row.workspace_id, now, row.id, {"filename": row.filename, **undone})
    return undone
