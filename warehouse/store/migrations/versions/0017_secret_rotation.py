"""What outlives a rotation of the secret, and the secret before it while it lasts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("instance") as table:
        table.add_column(sa.Column("lasting_keys", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("previous_secret", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("instance") as table:
        table.drop_column("previous_secret")
        table.drop_column("lasting_keys")
