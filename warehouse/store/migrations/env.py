"""Alembic's entry point: runs on the connection passed by `warehouse.store.migrations.migrate`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from alembic import context
from alembic.operations import Operations
from alembic.operations.ops import CreateIndexOp
from sqlalchemy import text

from warehouse import store
from warehouse.store.models import Base, UtcDateTime

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

for _module in pkgutil.walk_packages(store.__path__, "warehouse.store."):
    if "migrations" not in _module.name:
        import_module(_module.name)  # importing a module registers its tables


@Operations.implementation_for(CreateIndexOp, replace=True)
def create_index(operations: Operations, operation: CreateIndexOp) -> None:
    """Create an index, unless it was built beside the writers already (`LARGE_INDEXES`)."""
    connection = operations.get_bind()
    if connection.dialect.name == "postgresql":
        there = text("SELECT to_regclass(:name)")
        if connection.execute(there, {"name": operation.index_name}).scalar() is not None:
            return
    operations.impl.create_index(operation.to_index(operations.migration_context))


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Render our own column type as the plain one, so that migrations do not depend on our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter most things in place, so Alembic copies the table.
    render_as_batch=True,
    render_item=render_item,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
