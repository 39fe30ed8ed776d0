"""What Prefect reported of a flow's runs that failed or were not started."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("flow_states", sa.Column("trouble_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("flow_states", sa.Column("trouble", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("flow_states", "trouble")
    op.drop_column("flow_states", "trouble_at")
