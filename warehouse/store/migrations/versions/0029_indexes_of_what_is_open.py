"""Partial indexes of open publications: their size is that of the queue, not of its history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TURN = sa.text("status = 'scheduled' OR status = 'published' AND rest = 'waiting'")
_FAILED = sa.text("rest = 'failed'")
_OPEN = sa.text("status IN ('scheduled', 'claimed', 'sending')")


def upgrade() -> None:
    op.create_index(
        op.f("ix_publications_turn"),
        "publications",
        ["account_id", "due_at", "id"],
        sqlite_where=_TURN,
        postgresql_where=_TURN,
    )
    op.create_index(
        op.f("ix_publications_planned"),
        "publications",
        ["due_at"],
        sqlite_where=_TURN,
        postgresql_where=_TURN,
    )
    op.create_index(
        op.f("ix_publications_failed_parts"),
        "publications",
        ["status"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
    op.create_index(
        op.f("ix_publications_open"),
        "publications",
        ["scheduled_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_publications_failed_parts"), "publications")
    op.drop_index(op.f("ix_publications_open"), "publications")
    op.drop_index(op.f("ix_publications_planned"), "publications")
    op.drop_index(op.f("ix_publications_turn"), "publications")
