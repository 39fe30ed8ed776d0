"""Whether a person said that a published post was promoted for money."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("marked_paid", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("publications", "marked_paid")
