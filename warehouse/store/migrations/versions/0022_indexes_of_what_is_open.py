"""Partial indexes of open publications: their size is that of the queue, not of its history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TURN = sa.text("status = 'scheduled'")
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
        op.f("ix_publications_open"),
        "publications",
        ["scheduled_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_publications_open"), "publications")
    op.drop_index(op.f("ix_publications_turn"), "publications")
