"""`socialflow backup` and `socialflow restore`: a whole installation in one file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.output import JsonOption, print_json, say
from flows.errors import AlreadyRunningError
from flows.maintenance.nightly import BACKUP_LEASE
from flows.publishing.life_lock import find_living
from flows.publishing.publisher import LIVES
from flows.serving.launcher import hold_home
from flows.work_sharing import WorkLeases
from warehouse.backup.create import create_backup
from warehouse.backup.restore import restore_backup
from warehouse.errors import InvalidInputError, WarehouseError
from warehouse.move.failures import explain_failures
from warehouse.settings import WarehouseSettings
from warehouse.store.database import Store
from warehouse.upgrades import plan_upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

backup_app = typer.Typer(add_completion=False, rich_markup_mode=None)
restore_app = typer.Typer(add_completion=False, rich_markup_mode=None)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file (tar).")]


@backup_app.command()
def backup(
    file: FileArgument,
    *,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Leave secret.key out: then keep it elsewhere.")
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Write the key to this file instead of into the backup.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write store, lake, media and key to one file, also while everything runs; it appears when it is complete."""
    if without_key and key_file is not None:
        raise InvalidInputError(
            "--without-key and --key-file exclude each other: use one of them", field="key_file"
        )
    target = file.expanduser().absolute()
    if target.is_dir():
        raise InvalidInputError(f"{target} is a folder: name a file in it", field="file")
    settings = WarehouseSettings()
    with explain_failures("the backup was broken off, and nothing was written"), _keep_files(settings):
        manifest = create_backup(
            settings,
            target,
            with_key=not without_key,
            key_file=key_file and key_file.expanduser(),
            say=say,
        )
    described = _describe(manifest.model_dump(mode="json"), target)
    if as_json:
        print_json({**described, "bytes": target.stat().st_size})
        return
    size = target.stat().st_size / 1e6
    rows = f"{sum(manifest.store_rows.values())} rows of the store, {_count_lake(manifest.lake_rows)}"
    say(f"{target}: {size:.1f} MB, {rows}")
    if manifest.key_included:
        say("It holds the secret key: who can read this file can use the connected accounts.")
    else:
        say("It holds no secret key: without the key it cannot be restored.")


@restore_app.command()
def restore(
    file: FileArgument,
    *,
    force: Annotated[bool, typer.Option("--force", help="Move aside what is in the home already.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the secret key, where the backup has none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a backup and put it into an empty home; what was due since is looked up before it is sent."""
    settings = WarehouseSettings()
    source = file.expanduser().absolute()
    if not source.is_file():
        raise InvalidInputError(f"there is no file {source}", field="file")
    with (
        explain_failures("the restore was broken off: correct it, and restore again"),
        hold_home(settings.home),
    ):
        if find_living(settings.home / LIVES):
            raise AlreadyRunningError(f"a publisher is running on {settings.home}: stop it before restoring")
        restored = restore_backup(
            settings, source, force=force, key_file=key_file and key_file.expanduser(), say=say
        )
    manifest = restored.manifest
    if as_json:
        aside = str(restored.aside) if restored.aside else None
        print_json(
            {
                **_describe(manifest.model_dump(mode="json"), source),
                "home": str(settings.home),
                "aside": aside,
            }
        )
        return
    say(
        f"{settings.home} is as it was at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC; "
        "every file and row count was verified."
    )
    if restored.aside:
        say(f"What was there before is in {restored.aside}.")
    say(
        "Posts due since then are looked up on their platforms before they are sent, once `socialflow up` runs."
    )


@contextmanager
def _keep_files(settings: WarehouseSettings) -> Iterator[None]:
    """Keep the nightly maintenance from deleting files of the lake while the block runs."""
    if plan_upgrade(settings).store_steps:  # what an older version calls its leases is its own matter
        say("the store is of an older version: it is backed up as it is; no upgrade is made")
        yield
        return
    with Store.open(settings, create=False) as store:
        leases = WorkLeases(store, BACKUP_LEASE)
        try:
            leases.take([leases.owner[-60:]], 1)
        except WarehouseError as error:  # a full disk: files that are not used any more stay a day anyway
            say(f"the lake's clean-up is not held back: {error.message}")
            yield
            return
        with leases:
            yield


def _describe(manifest: dict[str, Any], file: Path) -> dict[str, Any]:
    files = manifest.pop("files")
    return {"file": str(file), **manifest, "files": len(files)}


def _count_lake(rows: dict[str, int] | None) -> str:
    return "no lake" if rows is None else f"{sum(rows.values())} rows of the lake"
