"""`socialflow posts unpublish`: delete a published post on its platforms."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from flows.cli.arguments import expand_id
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_records
from warehouse.planning.unpublishing import unpublish_post
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def unpublish(
    *,
    post_id: Annotated[str, typer.Argument(help="As `socialflow posts list` shows it.", callback=expand_id)],
    publication: Annotated[
        list[str] | None, typer.Option(help="Only this publication; repeat the option. Default: all.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a published post on its platforms. Its metrics are kept. Safe to repeat.

    The exit code is 1 if something was not deleted.
    """
    confirm(f"Delete {post_id} on its platforms?", yes=yes)
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store:
        with store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        results = asyncio.run(_unpublish(store, workspace_id, post_id, publication or ()))
    if as_json:
        print_json({"post_id": post_id, "results": results})
    else:
        print_records(results, ["publication_id", "platform", "outcome", "detail"])
    if any(one["outcome"] not in {"deleted", "already_deleted"} for one in results):
        raise typer.Exit(1)


async def _unpublish(
    store: Store, workspace_id: str, post_id: str, publication_ids: Sequence[str]
) -> list[dict[str, Any]]:
    async with ConnectorPool(ConnectorSettings()) as pool:
        return await unpublish_post(
            store,
            pool.delete_post,
            workspace_id,
            post_id,
            publication_ids=publication_ids,
            clock=lambda: datetime.now(UTC),
        )
