"""Parts of a publication that are published after a delay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("rest", sa.String(length=12), nullable=True))
    op.add_column("publications", sa.Column("rest_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("publications", "rest_at")
    op.drop_column("publications", "rest")
