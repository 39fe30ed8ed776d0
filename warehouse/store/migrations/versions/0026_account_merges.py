"""Which account another one turned out to be. Imported histories of connected accounts are marked: they were doubles.

The posts follow when store and lake are next open together (`warehouse.lake.import_.accounts`), which writes what was
merged to the audit log.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

logger = logging.getLogger(__name__)


def upgrade() -> None:
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("merged_into", sa.String(length=40), nullable=True))
    accounts = sa.table(
        "accounts",
        *(
            sa.column(name)
            for name in (
                *("id", "workspace_id", "platform", "handle", "external_id", "status", "status_reason"),
                "merged_into",
            )
        ),
    )
    connection = op.get_bind()
    rows = connection.execute(sa.select(accounts).order_by(accounts.c.id)).all()
    owners: dict[tuple[str, str, str], str] = {}
    # Connected accounts first: an imported history belongs to the connected account of its name.
    for row in sorted(rows, key=lambda row: row.status == "imported"):
        names = {_name(row.handle), _name(row.external_id.removeprefix("import:"))}
        keys = [(row.workspace_id, row.platform, name) for name in sorted(names) if name]
        owner = next((owners[key] for key in keys if key in owners), None)
        if owner is not None and row.status == "imported":
            connection.execute(
                sa.update(accounts)
                .where(accounts.c.id == row.id)
                .values(status="merged", merged_into=owner, status_reason=f"it is the account {owner}")
            )
            logger.warning(
                "the imported history %s (%s) is the account %s: they are merged", row.handle, row.id, owner
            )
            continue
        for key in keys:
            owners.setdefault(key, row.id)


def _name(given: str) -> str:
    """Return a handle as it was compared when this migration was written: without @, address and case."""
    text = given.strip().rstrip("/")
    if "://" in text:
        text = text.rpartition("/")[2]
    return text.removeprefix("@").casefold()


def downgrade() -> None:
    op.execute("UPDATE accounts SET status = 'imported' WHERE status = 'merged'")
    with op.batch_alter_table("accounts") as table:
        table.drop_column("merged_into")
