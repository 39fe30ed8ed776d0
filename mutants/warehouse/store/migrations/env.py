"""Alembic's entry: runs inside the connection that `warehouse.store.migrations.migrate` hands over."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from alembic import context

from warehouse import store
from warehouse.store.models import Base, UtcDateTime

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

for _module in pkgutil.iter_modules(store.__path__, "warehouse.store."):
    if not _module.ispkg:
        import_module(_module.name)  # a table is known once its module is


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our own column type as the plain one: a migration must not change when our code does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter most things in place: Alembic copies the table instead.
    render_as_batch=True,
    render_item=render_item,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
