"""Schemas of the bulk report."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.schemas import ProblemEntry
from warehouse.planning.bulk import BulkMode


class BulkRow(BaseModel):
    """Result of one row."""

    line: int = Field(description="Line of the body where it starts, from 1; in a JSON array its position.")
    status: Literal["created", "valid", "failed"] = Field(
        description="`valid`: no errors, and nothing was saved."
    )
    post_id: str | None = None
    scheduled_at: datetime | None = None
    warnings: list[str] = Field(default_factory=list)
    code: str | None = Field(default=None, description="As in the problem that POST /posts would return.")
    errors: list[ProblemEntry] = Field(
        default_factory=list, description="Pointers are into the row's own post."
    )
    existing_id: str | None = Field(default=None, description="With the code `duplicate`: the existing post.")


class BulkOut(BaseModel):
    """Report on all rows, in their order."""

    mode: BulkMode
    dry_run: bool
    total: int
    created: int
    failed: int
    rows: list[BulkRow]


EXAMPLE: list[dict[str, Any]] = [
    {"content": "Monday's news", "platforms": ["mastodon"], "scheduled_at": "2030-04-15T09:00:00Z"},
    {"content": "Tuesday's news", "platforms": ["mastodon"], "scheduled_at": "2030-04-16T09:00:00Z"},
]
