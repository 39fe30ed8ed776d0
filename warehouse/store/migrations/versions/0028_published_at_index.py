"""An index for what was published lately, which /metrics reads."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_publications_published_at", "publications", ["published_at"])


def downgrade() -> None:
    op.drop_index("ix_publications_published_at", table_name="publications")
