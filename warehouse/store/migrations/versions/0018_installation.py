"""The place where a store is used, so that a copy of it is noticed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("place", sa.JSON(), nullable=True))
    op.add_column("instance", sa.Column("generation", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("instance", sa.Column("copied_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("instance", sa.Column("copied_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("copied_reason", "copied_at", "generation", "place"):
        op.drop_column("instance", name)
