"""An import as all interfaces show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.store.imports.models import Import


def describe_import(row: Import) -> dict[str, Any]:
    """Return an import: what the file is, how far it is, and what it stored."""
    looked = row.detection or {}
    return {
        "id": row.id,
        "status": row.status,
        "filename": row.filename,
        "size": row.size,
        "sha256": row.sha256,
        "options": row.options,
        "detection": looked.get("detection"),
        "preview": looked.get("preview", []),
        "rejected": (row.report or looked).get("rejected", []),
        "rejected_rows": (row.report or looked).get("rejected_rows", 0),
        "needs": looked.get("needs", []),
        "progress": row.progress or None,
        "report": row.report,
        "error": row.error,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "undone_at": row.undone_at,
    }
