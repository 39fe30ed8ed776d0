"""Tables of imports: one row for each file, and one for each publication that it contained."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base


class Import(Base):
    """One file of past posts, from its upload to its undoing."""

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_list", "workspace_id", "id"),
        Index("ix_imports_status", "status"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Also the run_id of its rows in the lake."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    filename: Mapped[str] = mapped_column(String(300))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(12))
    """ready (uploaded, not started) | queued | running | done | failed | undoing | undone"""
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the user decided: platform, account, timezone and the other options of the reader."""
    detection: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What the file is (`warehouse.lake.import_.views.show_detection`); None = not read yet."""
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{"step", "done", "total"} of the running import."""
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Result of the import; after an undo also what that removed."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why it failed: one sentence with the remedy."""
    created_accounts: Mapped[list[str]] = mapped_column(default=list)
    """Ids of the accounts that it created."""
    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    """While set and in the future, one process runs the import or its undoing."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]


class ImportedPublication(Base):
    """One publication that a file contained."""

    __tablename__ = "import_publications"
    __table_args__ = (Index("ix_import_publications_publication_id", "publication_id"),)

    import_id: Mapped[str] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    publication_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created: Mapped[bool] = mapped_column(Boolean)
    """The import created it; else it was known before."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Values that the import changed, as they were before: published_at, text, permalink. None = none."""
