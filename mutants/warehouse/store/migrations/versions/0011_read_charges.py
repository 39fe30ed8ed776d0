"""What was read on platforms that charge for each post."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "read_charges",
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("publication_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("platform", "day", "publication_id", name=op.f("pk_read_charges")),
    )


def downgrade() -> None:
    op.drop_table("read_charges")
