"""What is known of an upload before it is sent: the size of a picture, the pages of a document."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("width", "height", "pages"):
        op.add_column("media_uploads", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("media_uploads", sa.Column("is_animated", sa.Boolean(), nullable=True))


def downgrade() -> None:
    for name in ("is_animated", "pages", "height", "width"):
        op.drop_column("media_uploads", name)
