"""`socialflow prefect-auth`: credentials of the embedded Prefect server."""

from __future__ import annotations

import sys

import typer

from flows.serving.prefect_environment import read_auth_string
from warehouse.errors import SetupError
from warehouse.settings import WarehouseSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def prefect_auth() -> None:
    """Print 'user:password' of Prefect's server, for its UI and for PREFECT_API_AUTH_STRING of its CLI."""
    settings = WarehouseSettings()
    if not settings.home.is_dir():
        raise SetupError(f"{settings.home} does not exist yet: start `socialflow up` first")
    sys.stdout.write(read_auth_string(settings.home) + "\n")
