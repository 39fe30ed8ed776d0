"""Posts that wait for approval.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("posts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("approval_state", sa.String(length=12), nullable=True))
        batch_op.add_column(sa.Column("approval_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("approval_by", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("approval_reason", sa.Text(), nullable=True))

    with op.batch_alter_table("workspaces", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("approval_required", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:

    with op.batch_alter_table("workspaces", schema=None) as batch_op:
        batch_op.drop_column("approval_required")

    with op.batch_alter_table("posts", schema=None) as batch_op:
        batch_op.drop_column("approval_reason")
        batch_op.drop_column("approval_by")
        batch_op.drop_column("approval_at")
        batch_op.drop_column("approval_state")
