"""Media uploads and the posts and recurrences that use them. The bytes are in `warehouse.media_files`."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, delete, exists, func, select
from sqlalchemy.orm import Mapped, mapped_column

from connectors.types import UPLOAD_PREFIX, Media
from warehouse.errors import ConflictError, NotFoundError
from warehouse.store.database import new_id
from warehouse.store.models import Base, Post, Publication
from warehouse.store.publishing.later_parts import FAILED, WAITING
from warehouse.store.schedules.recurrence_models import Recurrence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.orm import Session

    from connectors.content.pictures import PictureShape
    from connectors.types import PostContent
    from warehouse.store.crypto import Cipher

_PURPOSE = "media-address"
_DONE = ("published", "canceled")
"""Post statuses after which nothing more is sent. Failed posts are not included: they may be retried."""
_BATCH = 500


class MediaUpload(Base):
    """One uploaded picture, video or document."""

    __tablename__ = "media_uploads"
    __table_args__ = (
        Index("ix_media_uploads_list", "workspace_id", "id"),
        Index("ix_media_uploads_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    kind: Mapped[str] = mapped_column(String(10))
    """image | video | document"""
    content_type: Mapped[str] = mapped_column(String(60))
    """Detected from the first bytes, not from the declared type."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    filename: Mapped[str] = mapped_column(String(200))
    width: Mapped[int | None] = mapped_column(Integer)
    """Pixels, as stored in the file; None = not a picture, or its header cannot be read."""
    height: Mapped[int | None] = mapped_column(Integer)
    is_animated: Mapped[bool | None] = mapped_column(Boolean)
    pages: Mapped[int | None] = mapped_column(Integer)
    """Of a document."""
    created_at: Mapped[datetime]


class MediaUse(Base):
    """A reference from a post or a recurrence to an upload."""

    __tablename__ = "media_uses"

    media_id: Mapped[str] = mapped_column(ForeignKey("media_uploads.id"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(40), primary_key=True, index=True)
    """Id of a post or a recurrence."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))


def new_media_id() -> str:
    """Return an id for a new upload."""
    return new_id("med")


def add_upload(
    session: Session,
    workspace_id: str,
    media_id: str,
    *,
    content_type: str,
    size: int,
    sha256: str,
    filename: str,
    now: datetime,
    quota: int | None = None,
    shape: PictureShape | None = None,
    pages: int | None = None,
) -> MediaUpload:
    """Add an upload whose file is already stored.

    Raises ConflictError if the workspace's uploads would exceed `quota` bytes in total.
    """
    if quota is not None:
        total = select(func.coalesce(func.sum(MediaUpload.size), 0)).where(
            MediaUpload.workspace_id == workspace_id
        )
        if int(session.scalars(total).one()) + size > quota:
            raise ConflictError(
                f"the workspace's uploads would exceed {quota:,} bytes: delete some that no post needs",
                code="upload_quota",
            )
    row = MediaUpload(
        id=media_id,
        workspace_id=workspace_id,
        kind="document" if content_type == "application/pdf" else content_type.partition("/")[0],
        content_type=content_type,
        size=size,
        sha256=sha256,
        filename=filename,
        width=None if shape is None else shape.width,
        height=None if shape is None else shape.height,
        is_animated=None if shape is None else shape.is_animated,
        pages=pages,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def get_upload(session: Session, workspace_id: str, media_id: str) -> MediaUpload:
    """Return the upload. Raises NotFoundError, also for an upload of another workspace."""
    row = session.get(MediaUpload, media_id)
    if row is None or row.workspace_id != workspace_id:
        raise NotFoundError(f"there is no upload {media_id} in this workspace")
    return row


def describe_upload(row: MediaUpload) -> dict[str, Any]:
    """Return an upload as all interfaces show it."""
    return {
        "id": row.id,
        "url": f"{UPLOAD_PREFIX}{row.id}",
        "kind": row.kind,
        "content_type": row.content_type,
        "size": row.size,
        "sha256": row.sha256,
        "filename": row.filename,
        "width": row.width,
        "height": row.height,
        "pages": row.pages,
        "created_at": row.created_at,
    }


def find_uploads(session: Session, workspace_id: str, media_ids: Collection[str]) -> dict[str, MediaUpload]:
    """Return the existing uploads among these ids, by id, locked against concurrent removal."""
    if not media_ids:
        return {}
    query = select(MediaUpload).where(MediaUpload.workspace_id == workspace_id, MediaUpload.id.in_(media_ids))
    return {row.id: row for row in session.scalars(query.order_by(MediaUpload.id).with_for_update())}


def list_uploads(
    session: Session, workspace_id: str, *, before_id: str | None = None, limit: int = 20
) -> tuple[list[MediaUpload], bool]:
    """Return one page of uploads, newest first, and whether more follow."""
    query = select(MediaUpload).where(MediaUpload.workspace_id == workspace_id)
    if before_id is not None:
        query = query.where(MediaUpload.id < before_id)
    rows = list(session.scalars(query.order_by(MediaUpload.id.desc()).limit(limit + 1)))
    return rows[:limit], len(rows) > limit


def find_used_uploads(details: Mapping[str, Any], contents: Iterable[PostContent]) -> set[str]:
    """Return the ids of the uploads that a post or a recurrence uses.

    `details`: those of the post; a draft without accounts has its media only there.
    """
    named = [details, *(details.get("variants") or {}).values()]
    further = [part for one in named for part in (*(one.get("thread") or ()), one.get("first_comment"))]
    named += [part for part in further if isinstance(part, dict)]
    media = [Media.model_validate(item) for one in named for item in one.get("media") or ()]
    media += [item for content in contents for item in content.all_media]
    return {item.upload_id for item in media if item.upload_id}


def note_uses(
    session: Session,
    workspace_id: str,
    owner_id: str,
    details: Mapping[str, Any],
    contents: Iterable[PostContent],
    *,
    is_new: bool,
) -> None:
    """Replace the recorded upload references of a post or a recurrence; arguments as of `find_used_uploads`."""
    if not is_new:
        session.execute(delete(MediaUse).where(MediaUse.owner_id == owner_id))
    session.add_all(
        MediaUse(media_id=media_id, owner_id=owner_id, workspace_id=workspace_id)
        for media_id in sorted(find_used_uploads(details, contents))
    )


def remove_upload(session: Session, workspace_id: str, media_id: str) -> MediaUpload:
    """Delete an upload; the caller removes its file after the commit.

    Raises NotFoundError, and ConflictError while an unsent post or a recurrence uses it.
    """
    row = get_upload(session, workspace_id, media_id)
    session.scalars(select(MediaUpload).where(MediaUpload.id == media_id).with_for_update()).one()
    owner = session.scalars(
        select(MediaUse.owner_id).where(MediaUse.media_id == media_id, _is_alive()).limit(1)
    ).one_or_none()
    if owner is not None:
        raise ConflictError(
            f"{owner} still uses this upload: change or cancel it first",
            code="media_in_use",
            existing_id=owner,
        )
    _forget(session, [media_id])
    return row


def remove_unused(session: Session, *, before: datetime) -> list[str]:
    """Delete unused uploads created before then; return their ids.

    The caller removes their files after the commit.
    """
    needed = exists().where(MediaUse.media_id == MediaUpload.id, _is_alive())
    query = select(MediaUpload.id).where(MediaUpload.created_at < before, ~needed)
    ids = list(
        session.scalars(query.order_by(MediaUpload.id).limit(_BATCH).with_for_update(skip_locked=True))
    )
    _forget(session, ids)
    return ids


def sign_address(cipher: Cipher, media_id: str) -> str:
    """Return the signature that makes an upload's public URL impossible to guess."""
    return cipher.hmac_hex(_PURPOSE, media_id)[:40]


def public_path(cipher: Cipher, media_id: str) -> str:
    """Return the URL path at which anyone who knows it can download an upload."""
    return f"/media/{media_id}/{sign_address(cipher, media_id)}"


def is_signed(cipher: Cipher, media_id: str, signature: str) -> bool:
    """Verify the signature of a public URL in constant time."""
    return hmac.compare_digest(sign_address(cipher, media_id).encode(), signature.encode())


def _is_alive() -> Any:  # noqa: ANN401 (an SQL condition)
    """Condition on MediaUse: its owner is a recurrence, or a post with something left to send."""
    later = exists().where(Publication.post_id == MediaUse.owner_id, Publication.rest.in_((WAITING, FAILED)))
    done_post = exists().where(Post.id == MediaUse.owner_id, Post.status.in_(_DONE), ~later)
    ended_rule = exists().where(Recurrence.id == MediaUse.owner_id, Recurrence.deleted_at.is_not(None))
    return ~done_post & ~ended_rule


def _forget(session: Session, media_ids: list[str]) -> None:
    session.execute(delete(MediaUse).where(MediaUse.media_id.in_(media_ids)))
    session.execute(delete(MediaUpload).where(MediaUpload.id.in_(media_ids)))
