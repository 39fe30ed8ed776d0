"""`socialflow imports`: what was imported from files, and undoing it. `socialflow import-history` imports a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from flows.cli.output import JsonOption, YesOption, confirm, print_details, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from warehouse.store.imports import imports as store_imports
from warehouse.store.imports.owners import name_owner
from warehouse.store.imports.views import describe_import

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, show and undo imports of past posts.",
)

ImportId = Annotated[str, typer.Argument(help="As `socialflow imports list` shows it.")]


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List imports, newest first."""
    with open_workspace() as opened:
        rows, _ = store_imports.list_imports(opened.session, opened.workspace_id, limit=limit)
        shown = [describe_import(row) for row in rows]
    if as_json:
        print_json(shown)
        return
    records = [row | {"loaded": (row["report"] or {}).get("loaded")} for row in shown]
    print_records(records, ["id", "status", "filename", "loaded", "rejected_rows", "created_at"])


@app.command()
def show(*, import_id: ImportId, as_json: JsonOption = False) -> None:
    """Show what an import stored, or why it failed."""
    with open_workspace() as opened:
        shown = describe_import(store_imports.get_import(opened.session, opened.workspace_id, import_id))
    if as_json:
        print_json(shown)
    else:
        print_details({name: value for name, value in shown.items() if name not in {"preview", "rejected"}})


@app.command()
def start(*, import_id: ImportId, as_json: JsonOption = False) -> None:
    """Start an uploaded import, or continue a failed one."""
    _run(import_id, store_imports.start_import, as_json=as_json)


@app.command()
def undo(*, import_id: ImportId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Remove exactly what an import stored, and restore what it changed."""
    confirm(f"Undo the import {import_id}? Its posts and measurements are removed.", yes=yes)
    _run(import_id, store_imports.begin_undo, as_json=as_json)


@app.command()
def delete(*, import_id: ImportId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete an unstarted upload, or the record of an undone import."""
    confirm(f"Delete the import {import_id}?", yes=yes)
    from warehouse.media_files import open_media_files  # noqa: PLC0415 (only here)
    from warehouse.settings import WarehouseSettings  # noqa: PLC0415 (same)

    settings = WarehouseSettings()
    with open_workspace(settings) as opened:
        row = store_imports.delete_import(opened.session, opened.workspace_id, import_id, opened.now)
        shown = describe_import(row)
    open_media_files(settings).remove(import_id)
    if as_json:
        print_json(shown)
    else:
        say(f"{import_id} is deleted.")


def _run(import_id: str, begin: Any, *, as_json: bool) -> None:  # noqa: ANN401 (start_import or begin_undo)
    from flows.resources import Resources  # noqa: PLC0415 (DuckDB, which the other commands do not need)
    from warehouse.lake.import_.jobs import run_next  # noqa: PLC0415 (same)
    from warehouse.media_files import open_media_files  # noqa: PLC0415 (same)
    from warehouse.store.access.workspaces import ensure_default_workspace  # noqa: PLC0415 (same)

    def clock() -> datetime:
        return datetime.now(UTC)

    with Resources.open() as resources:
        with resources.store.write() as session:
            workspace_id = ensure_default_workspace(session, clock()).id
            begin(session, workspace_id, import_id, clock())
        run_next(
            resources.store,
            resources.lake,
            open_media_files(resources.warehouse),
            owner=name_owner(),
            clock=clock,
            import_id=import_id,
        )
        with resources.store.read() as session:
            shown = describe_import(store_imports.get_import(session, workspace_id, import_id))
    if as_json:
        print_json(shown)
    else:
        say(f"{import_id} is {shown['status']}" + (f": {shown['error']}" if shown["error"] else "."))
    if shown["error"]:
        raise typer.Exit(1)
