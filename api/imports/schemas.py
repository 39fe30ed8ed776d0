"""Schemas of imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ImportStatus = Literal["ready", "queued", "running", "done", "failed", "undoing", "undone"]


class RejectedRow(BaseModel):
    """One problem of one row, which was not imported."""

    line: int
    field: str
    reason: str


class ImportOut(BaseModel):
    """An import: what the file is, how far it is, and what it stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "imp_01jt3s5yqf3w1k6vhdq6mt4x2e",
                "status": "ready",
                "filename": "tweet_activity.csv",
                "size": 48211,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "options": {"account": "teahouse"},
                "detection": {"sentence": "X analytics export, 2 posts, 2023-01-04, times in UTC"},
                "preview": [],
                "rejected": [],
                "rejected_rows": 0,
                "needs": [],
                "progress": None,
                "report": None,
                "error": None,
                "created_at": "2030-04-15T09:00:00Z",
                "started_at": None,
                "finished_at": None,
                "undone_at": None,
            }
        }
    )

    id: str | None = Field(description="null for a dry run, which stores nothing.")
    status: ImportStatus = Field(
        description="`ready`: uploaded, not started. `queued` and `running` continue after a restart. `undone`: its "
        "rows are removed."
    )
    filename: str
    size: int = Field(description="Bytes.")
    sha256: str
    options: dict[str, Any] = Field(description="What was decided about the file at the upload.")
    detection: dict[str, Any] | None = Field(
        description="What the file is: `sentence`, format, platform, accounts, rows, posts, first, last, zone, "
        "columns, unknown_columns, decisions, notes."
    )
    preview: list[dict[str, Any]] = Field(description="The first 20 valid rows.")
    rejected: list[RejectedRow] = Field(description="Rows that are not imported; at most the first 1,000.")
    rejected_rows: int
    needs: list[Literal["platform", "account"]] = Field(
        description="What the file does not say: upload it again with these."
    )
    progress: dict[str, Any] | None = Field(description="`step`, `done` and `total` rows, while it runs.")
    report: dict[str, Any] | None = Field(
        description="What was imported: rows, loaded, already_there, new_posts, corrected_times, shifted, skipped, "
        "accounts, notes; after an undo also `undone`."
    )
    error: str | None = Field(description="Why it failed. Start it again, or undo what it stored.")
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    undone_at: datetime | None


class ImportMapOut(BaseModel):
    """A remembered mapping of columns."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "redaktion",
                "columns": {"Datum": "published_at", "Aufrufe": "views"},
                "header": ["aufrufe", "datum"],
            }
        }
    )

    name: str
    columns: dict[str, str] = Field(description="Field by column; `-`: the column is ignored.")
    header: list[str] = Field(description="The columns of the files that it is for, normalised.")
