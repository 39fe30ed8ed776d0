"""Browser authorizations of accounts under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_authorizations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("kept", sa.LargeBinary(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_account_authorizations_workspace_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_authorizations")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_account_authorizations_state_hash")),
    )
    op.create_index(
        op.f("ix_account_authorizations_workspace_id"), "account_authorizations", ["workspace_id"]
    )
    op.create_index(op.f("ix_account_authorizations_expires_at"), "account_authorizations", ["expires_at"])


def downgrade() -> None:
    op.drop_table("account_authorizations")
