"""`socialflow media`: pictures and videos for posts."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from flows.cli.arguments import expand_id
from flows.cli.output import JsonOption, YesOption, confirm, print_details, print_json, print_records, say
from flows.cli.workspace_session import open_workspace
from flows.settings import FlowSettings
from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError
from warehouse.media_files import open_media_files
from warehouse.planning.uploads import check_file, keep_file
from warehouse.settings import WarehouseSettings
from warehouse.store.posts import media as store_media

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Upload, list, download and delete pictures, videos and documents.",
)

MediaId = Annotated[str, typer.Argument(help="As `socialflow media list` shows it.", callback=expand_id)]


@app.command()
def upload(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Picture, video or PDF files.")],
    as_json: JsonOption = False,
) -> None:
    """Upload files, all or none. Pass each `url` to `socialflow posts create --image`."""
    settings = WarehouseSettings()
    most = FlowSettings().api_max_upload_bytes
    with ExitStack() as stack:
        sources = [stack.enter_context(_open(file)) for file in files]
        checked = [
            check_file(source, filename=file.name, max_bytes=most, name=str(file))
            for file, source in zip(files, sources, strict=True)
        ]
        media = open_media_files(settings)
        kept = [
            stack.enter_context(keep_file(media, one, source))
            for one, source in zip(checked, sources, strict=True)
        ]
        with open_workspace(settings) as opened:
            rows = [one.record(opened.session, opened.workspace_id, opened.now) for one in kept]
            shown = [store_media.describe_upload(row) for row in rows]
    if as_json:
        print_json(shown[0] if len(shown) == 1 else shown)
    else:
        print_records(shown, ["id", "url", "kind", "size"])


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List uploads, newest first."""
    with open_workspace() as opened:
        rows, more = store_media.list_uploads(opened.session, opened.workspace_id, limit=limit)
        shown = [store_media.describe_upload(row) for row in rows]
    if as_json:
        print_json(shown)
        return
    print_records(shown, ["id", "filename", "content_type", "size", "created_at"])
    if more:
        say(f"the newest {limit}; --limit shows more")


@app.command()
def show(*, media_id: MediaId, as_json: JsonOption = False) -> None:
    """Show an upload: its type, size and checksum."""
    shown = _read(media_id)
    if as_json:
        print_json(shown)
    else:
        print_details(shown)


@app.command()
def download(
    *,
    media_id: MediaId,
    output: Annotated[Path | None, typer.Option(help="Default: the file's own name, in this folder.")] = None,
) -> None:
    """Download an upload's file."""
    settings = WarehouseSettings()
    shown = _read(media_id)
    # Only the last path component: the name comes from whoever uploaded the file.
    target = (output or Path(Path(shown["filename"]).name or media_id)).absolute()
    if output is None and target.exists():
        raise InvalidInputError(f"{target} exists already: choose another with --output", field="output")
    with (
        open_media_files(settings).open(media_id) as source,
        write_beside(target) as path,
        path.open("wb") as copy,
    ):
        shutil.copyfileobj(source, copy)
    say(f"{shown['size']:,} bytes in {target}")


@app.command()
def delete(*, media_id: MediaId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete an upload. Refused while an unsent post or a recurrence refers to it."""
    settings = WarehouseSettings()
    confirm(f"Delete {media_id} and its file?", yes=yes)
    with open_workspace(settings) as opened:
        row = store_media.remove_upload(opened.session, opened.workspace_id, media_id)
        shown = store_media.describe_upload(row)
    open_media_files(settings).remove(media_id)
    if as_json:
        print_json(shown)
    else:
        say(f"{media_id} is deleted.")


def _open(file: Path) -> IO[bytes]:
    try:
        return file.expanduser().open("rb")
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read ({error.strerror}): give a picture, video or PDF file",
            field="file",
            code="unreadable_file",
        ) from None


def _read(media_id: str) -> dict[str, Any]:
    with open_workspace() as opened:
        return store_media.describe_upload(
            store_media.get_upload(opened.session, opened.workspace_id, media_id)
        )
