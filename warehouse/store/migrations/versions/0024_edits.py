"""Edits of published posts: the last one of each publication, and when the post was last changed on its platform."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("edit", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("publications", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("publications", "edited_at")
    op.drop_column("publications", "edit")
