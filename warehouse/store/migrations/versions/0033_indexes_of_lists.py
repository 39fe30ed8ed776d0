"""Indexes in the order of ids for lists by status, approval, account and platform."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_ASKED = sa.text("approval_state IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_posts_state", "posts", ["workspace_id", "origin", "status", "id"])
    op.create_index(
        "ix_posts_approval",
        "posts",
        ["workspace_id", "approval_state", "id"],
        sqlite_where=_ASKED,
        postgresql_where=_ASKED,
    )
    op.create_index("ix_publications_of_account", "publications", ["account_id", "post_id"])
    op.create_index(
        "ix_publications_of_platform",
        "publications",
        ["workspace_id", "platform", "post_id"],
    )
    op.drop_index("ix_posts_status", table_name="posts")
    op.drop_index("ix_publications_workspace_id", table_name="publications")


def downgrade() -> None:
    op.create_index("ix_publications_workspace_id", "publications", ["workspace_id"])
    op.create_index("ix_posts_status", "posts", ["workspace_id", "status", "id"])
    op.drop_index("ix_publications_of_platform", table_name="publications")
    op.drop_index("ix_publications_of_account", table_name="publications")
    op.drop_index("ix_posts_approval", table_name="posts")
    op.drop_index("ix_posts_state", table_name="posts")
