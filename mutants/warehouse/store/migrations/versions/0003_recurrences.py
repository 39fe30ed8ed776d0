"""Recurring posts.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recurrences",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("rrule", sa.String(length=500), nullable=False),
        sa.Column("starts_at", sa.String(length=19), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.Column("client_ref", sa.String(length=200), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_recurrences_workspace_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recurrences")),
    )
    with op.batch_alter_table("recurrences", schema=None) as batch_op:
        batch_op.create_index("ix_recurrences_extend", ["made_until"], unique=False)
        batch_op.create_index("ix_recurrences_list", ["workspace_id", "id"], unique=False)

    op.create_table(
        "recurrence_occurrences",
        sa.Column("recurrence_id", sa.String(length=40), nullable=False),
        sa.Column("occurrence", sa.String(length=19), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_id", sa.String(length=40), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_recurrence_occurrences_post_id")),
        sa.ForeignKeyConstraint(
            ["recurrence_id"], ["recurrences.id"], name=op.f("fk_recurrence_occurrences_recurrence_id")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_recurrence_occurrences_workspace_id")
        ),
        sa.PrimaryKeyConstraint("recurrence_id", "occurrence", name=op.f("pk_recurrence_occurrences")),
        sa.UniqueConstraint("post_id", name=op.f("uq_recurrence_occurrences_post_id")),
    )


def downgrade() -> None:
    op.drop_table("recurrence_occurrences")
    with op.batch_alter_table("recurrences", schema=None) as batch_op:
        batch_op.drop_index("ix_recurrences_list")
        batch_op.drop_index("ix_recurrences_extend")

    op.drop_table("recurrences")
