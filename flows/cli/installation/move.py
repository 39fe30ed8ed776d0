"""`socialflow migrate-to`: move an installation from a home folder to servers, or back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from dotenv import dotenv_values

from flows.cli.output import JsonOption, print_json, say
from flows.errors import AlreadyRunningError
from flows.maintenance.settings_doctor import list_known_settings
from flows.publishing.life_lock import find_living
from flows.publishing.publisher import LIVES
from flows.serving.launcher import hold_home
from warehouse.errors import ConflictError, InvalidInputError
from warehouse.lake.attach import describe_lake
from warehouse.media_files import open_media_files
from warehouse.move.failures import explain_failures
from warehouse.move.lake import move_lake, prepare_lake, read_lake
from warehouse.move.media import move_media
from warehouse.move.store import move_store, require_unchanged, settle
from warehouse.settings import WarehouseSettings
from warehouse.store.clock import read_time
from warehouse.store.crypto import Cipher, load_secret
from warehouse.store.database import Store
from warehouse.store.installation import mark_moved
from warehouse.store.leases.flow_leases import list_flow_states
from warehouse.store.leases.work_leases import count_work
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.upgrades import plan_upgrade

move_app = typer.Typer(add_completion=False, rich_markup_mode=None)
FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="ENV_FILE", help="File with the SOCIALFLOW_* settings of the new place, as in .env.example."
    ),
]
PREFIX = "SOCIALFLOW_"


@move_app.command("migrate-to")
def migrate_to(
    file: FileArgument,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy store, lake and media into an empty new place, and compare everything; nothing is removed here.

    SocialFlow must be stopped. An interrupted move goes on when it is started again. The secret key must be the same
    in both places.
    """
    source = WarehouseSettings()
    target = read_target(file.expanduser(), source)
    with (
        explain_failures("the move was broken off, and goes on with the same command"),
        hold_home(source.home),
    ):
        if find_living(source.home / LIVES):
            raise AlreadyRunningError(f"a publisher is running on {source.home}: stop it before moving")
        with Store.open(source, create=False) as old:
            _require_same_key(old, target)
            _refuse_working(old)
            content = read_lake(source)
            _refuse_older(target)
            with Store.open(target) as new:
                prepare_lake(target, content)
                say("store ...")
                tables = move_store(old, new, say=say)
                say("lake ...")
                lake = move_lake(source, target, say=say)
                say("media ...")
                uploads, missing = move_media(
                    old, open_media_files(source), open_media_files(target), say=say
                )
                # Whoever was started meanwhile may have sent what the new place still has as planned.
                _refuse_working(old)
                require_unchanged(old, tables)
                mark_moved(old, datetime.now(UTC))
                settle(old, new)
    if as_json:
        print_json(
            {
                "store": {table.name: {"rows": table.rows, "sha256": table.sha256} for table in tables},
                "lake": {
                    "snapshot_id": lake.snapshot_id,
                    "files": lake.files,
                    "bytes": lake.bytes,
                    "tables": lake.tables,
                },
                "media": {"files": uploads, "missing": missing},
            }
        )
        return
    say(
        f"Moved: {sum(table.rows for table in tables)} rows of the store, {sum(lake.tables.values())} of the lake "
        f"({lake.bytes / 1e6:.1f} MB in {lake.files} files), {uploads} uploads; each table is equal on both sides."
    )
    say(
        f"Start SocialFlow with the settings of {file}. What is here stays as it was: do not start it again here."
    )


def read_target(path: Path, source: WarehouseSettings) -> WarehouseSettings:
    """Return the settings of a file. Raises InvalidInputError for a file that names no other place."""
    if not path.is_file():
        raise InvalidInputError(f"there is no file {path}", field="file")
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in dotenv_values(path).items()
        if name.startswith(PREFIX) and value
    }
    for name in sorted(given):
        if f"{PREFIX}{name.upper()}" not in list_known_settings():
            raise InvalidInputError(
                f"{path} sets {PREFIX}{name.upper()}, which nothing reads: correct its name, or remove it",
                field=f"{PREFIX}{name.upper()}",
            )
    known = {name: value for name, value in given.items() if name in WarehouseSettings.model_fields}
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in WarehouseSettings.model_fields.items()
    }
    target = WarehouseSettings(**{**defaults, **known})
    for name, here, there in (
        ("SOCIALFLOW_DATABASE_URL", source.resolved_database_url, target.resolved_database_url),
        ("SOCIALFLOW_LAKE_CATALOG", source.resolved_lake_catalog, target.resolved_lake_catalog),
        ("SOCIALFLOW_LAKE_DATA_PATH", source.resolved_lake_data_path, target.resolved_lake_data_path),
    ):
        if here == there:
            shown = describe_lake(target) if "LAKE" in name else "the store"
            raise InvalidInputError(
                f"{name} in {path} is the one of this place ({shown}): name the new place", field=name
            )
    return target


def _require_same_key(store: Store, target: WarehouseSettings) -> None:
    """Compare the keys before anything is created in the new place: a store remembers the key of its creation."""
    given = target.secret_key is not None or target.secret_key_file is not None
    if given or (target.home / "secret.key").exists():
        if Cipher(load_secret(target)).fingerprint == store.cipher.fingerprint:
            return
        problem = "another secret key, which cannot read the accounts' credentials"
    else:
        problem = "no secret key, and a new one cannot read the accounts' credentials"
    raise InvalidInputError(
        f"the new place has {problem}: give it this one's, with SOCIALFLOW_SECRET_KEY_FILE (or SOCIALFLOW_SECRET_KEY) "
        "in the file",
        field="SOCIALFLOW_SECRET_KEY_FILE",
    )


def _refuse_older(target: WarehouseSettings) -> None:
    """Refuse a place that another version has used, before its tables are changed. Raises ConflictError, SetupError."""
    if plan_upgrade(target).is_needed:
        raise ConflictError(
            "the new place has a store or a lake of an older version: move into an empty one",
            code="target_not_empty",
        )


def _refuse_working(store: Store) -> None:
    with store.read() as session:
        now = read_time(session)
        awake = get_publishers_state(session, now).awake
        held = sorted(
            one.name for one in list_flow_states(session) if one.lease_until and one.lease_until > now
        )
        held += sorted(count_work(session))
    if awake:
        raise ConflictError(
            f"{awake} publishers are running on this store: stop them (on all machines), wait 15 s, and move again",
            code="publishers_awake",
        )
    if held:
        raise ConflictError(
            f"{', '.join(held)} are running on this store: stop SocialFlow (on all machines), wait 15 s, and move "
            "again",
            code="flows_at_work",
        )
