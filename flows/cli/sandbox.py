"""`socialflow sandbox`: run only the simulated platforms, to test a client against."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.sandbox.__main__ import main as serve
from flows.errors import PortInUseError
from flows.serving.ports import is_free
from flows.settings import FlowSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def sandbox(
    *,
    port: Annotated[int | None, typer.Option(help="Default: SOCIALFLOW_SANDBOX_PORT, else 8090.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated accounts and histories.")] = 7,
) -> None:
    """Run the simulated platforms on 127.0.0.1 until Ctrl-C."""
    wanted = port or FlowSettings().sandbox_port
    if not is_free("127.0.0.1", wanted):
        raise PortInUseError("sandbox", "127.0.0.1", wanted, "SOCIALFLOW_SANDBOX_PORT (or --port)")
    arguments = ["--host", "127.0.0.1", "--port", str(wanted), "--seed", str(seed)]
    raise typer.Exit(serve(arguments))
