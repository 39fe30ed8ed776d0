"""Leases and outcomes of flows; when a publication was found deleted on its platform."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flow_states",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("period_seconds", sa.Integer(), nullable=True),
        sa.Column("expected_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=120), nullable=True),
        sa.Column("lease_began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flow_states")),
    )
    op.add_column("publications", sa.Column("platform_deleted_at", sa.DateTime(timezone=True), nullable=True))
    # The old column held no time: that of the row's last change is the nearest that is known.
    op.execute("UPDATE publications SET platform_deleted_at = updated_at WHERE platform_deleted")
    op.drop_column("publications", "platform_deleted")


def downgrade() -> None:
    op.add_column(
        "publications", sa.Column("platform_deleted", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE publications SET platform_deleted = (platform_deleted_at IS NOT NULL)")
    op.drop_column("publications", "platform_deleted_at")
    op.drop_table("flow_states")
