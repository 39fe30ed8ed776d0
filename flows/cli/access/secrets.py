"""`socialflow secrets rotate`: a new master key for everything that is stored encrypted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

import typer

from flows.cli.output import JsonOption, YesOption, confirm, print_json, say
from flows.serving.launcher import is_held
from warehouse.errors import ConflictError, SetupError
from warehouse.settings import WarehouseSettings
from warehouse.store.clock import StoreClock
from warehouse.store.crypto import adopt_next_secret, load_secret, make_next_secret
from warehouse.store.database import Store
from warehouse.store.publishing.heartbeats import get_publishers_state
from warehouse.store.rotation import finish_rotation, is_rotating, rotate_secret

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="The installation's master key."
)


@app.callback()
def secrets() -> None:
    """Keep `rotate` a subcommand, although it is the only one."""


@app.command()
def rotate(
    *,
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            "--new-key-file",
            help="The new key, of at least 32 characters; needed where the key comes from the environment.",
        ),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Encrypt everything that is stored with a new key. Stop SocialFlow first; run it again if interrupted.

    Access tokens and dashboard sessions end; API keys, webhook secrets and addresses go on working. Where the key
    comes from SOCIALFLOW_SECRET_KEY or SOCIALFLOW_SECRET_KEY_FILE, run it once with --new-key-file, set the variable
    to the new key, and run it again to forget the old one.
    """
    settings = WarehouseSettings()
    given = settings.secret_key is not None or settings.secret_key_file is not None
    if given and new_key_file is None:
        raise SetupError(
            "the key comes from SOCIALFLOW_SECRET_KEY or SOCIALFLOW_SECRET_KEY_FILE: give the new one with "
            "--new-key-file, then set the variable to it and run the same command again"
        )
    if not given and new_key_file is not None:
        raise SetupError(
            f"the key is in {settings.home / 'secret.key'}: leave --new-key-file out, a new one is made there"
        )
    if is_held(settings.home):
        raise SetupError("SocialFlow is running in this home: stop `socialflow up` first")
    _rotate(settings, new_key_file, yes=yes, as_json=as_json)


def _rotate(settings: WarehouseSettings, new_key_file: Path | None, *, yes: bool, as_json: bool) -> None:
    with Store.open(settings) as store:
        _require_stopped(store)
        begun = is_rotating(store)
        if not begun:
            confirm("Encrypt everything with a new key? All tokens and dashboard sessions end.", yes=yes)
            new = make_next_secret(settings) if new_key_file is None else read_key(settings, new_key_file)
            rotate_secret(store, new, datetime.now(UTC))
    if new_key_file is not None and not begun:
        _tell(
            "waits_for_new_key",
            "everything is encrypted with the new key: set SOCIALFLOW_SECRET_KEY or SOCIALFLOW_SECRET_KEY_FILE to it "
            "for every process, and run the same command again, which forgets the old key",
            as_json=as_json,
        )
        return
    if new_key_file is None:
        adopt_next_secret(settings)
    with Store.open(settings) as store:
        if new_key_file is not None and read_key(settings, new_key_file) != store.cipher.secret:
            raise ConflictError(
                "a rotation to another key is unfinished: give that key's file", code="unfinished_rotation"
            )
        finish_rotation(store, datetime.now(UTC))
    _tell(
        "rotated", "the key is rotated and the old one is forgotten: start SocialFlow again", as_json=as_json
    )


def read_key(settings: WarehouseSettings, path: Path) -> str:
    """Return the key in the file. Raises SetupError where it is short or unreadable."""
    return load_secret(settings.model_copy(update={"secret_key": None, "secret_key_file": path}))


def _require_stopped(store: Store) -> None:
    clock = StoreClock(store)
    with store.read() as session:
        awake = get_publishers_state(session, clock()).awake
    if awake:
        raise SetupError(
            f"{awake} publisher(s) are awake: stop SocialFlow on every machine first, and wait a minute"
        )


def _tell(state: str, words: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"state": state})
    else:
        say(words)
