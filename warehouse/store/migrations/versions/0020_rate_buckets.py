"""Requests and failed sign-ins that several API processes count together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_buckets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("is_allowed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_buckets")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Nothing is lost when the counts of a minute are: no write-ahead log, and room for updates in place.
        op.execute("ALTER TABLE rate_buckets SET UNLOGGED")
        op.execute("ALTER TABLE rate_buckets SET (fillfactor = 50)")


def downgrade() -> None:
    op.drop_table("rate_buckets")
