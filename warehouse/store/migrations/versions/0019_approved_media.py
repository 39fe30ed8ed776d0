"""The hashes of the media that were approved with a post."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("approved_media", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("posts", "approved_media")
