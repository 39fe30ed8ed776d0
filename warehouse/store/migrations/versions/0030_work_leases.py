"""Leases of pieces of work, such as the accounts of an ingest, that several workers share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "work_leases",
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("item", sa.String(length=60), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "item", name=op.f("pk_work_leases")),
    )
    op.create_index(op.f("ix_work_leases_owner"), "work_leases", ["owner"])


def downgrade() -> None:
    op.drop_index(op.f("ix_work_leases_owner"), "work_leases")
    op.drop_table("work_leases")
