"""A workspace's wish to place some posts by experiment; an index for what is out on an account around a time.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placement_policies",
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("random_share", sa.Float(), nullable=False),
        sa.Column("weekly_exploration", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_placement_policies_workspace_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_placement_policies")),
    )
    with op.batch_alter_table("publications", schema=None) as batch_op:
        batch_op.create_index("ix_publications_published", ["account_id", "published_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("publications", schema=None) as batch_op:
        batch_op.drop_index("ix_publications_published")
    op.drop_table("placement_policies")
