"""`socialflow up`: run everything until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.logs import configure_logs
from flows.cli.output import say
from flows.serving.launcher import PUBLISHERS, build_specs, build_supervisor, hold_home, prepare
from flows.serving.ports import Ports, take_ports
from flows.serving.prefect_environment import child_environment
from flows.serving.sign_in_link import describe_sign_in
from flows.settings import FlowSettings
from warehouse.settings import WarehouseSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def up(
    *,
    host: Annotated[
        str | None, typer.Option(help="Where the API listens; default: SOCIALFLOW_API_HOST, else 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The API's port; default: SOCIALFLOW_API_PORT, else 8000."),
    ] = None,
) -> None:
    """Start the API, the scheduled flows and Prefect's server, and keep them running until Ctrl-C."""
    chosen = {
        name: value for name, value in {"api_host": host, "api_port": port}.items() if value is not None
    }
    settings = FlowSettings.model_validate(FlowSettings().model_dump() | chosen)
    home = WarehouseSettings().home
    configure_logs("%(asctime)s %(message)s")
    with hold_home(home), Ports() as ports:
        take_ports(ports, settings)
        environment = child_environment(home, settings)
        if warning := prepare(environment):
            say(f"Warning: {warning}")
        supervisor = build_supervisor(home, settings, build_specs(home, settings))
        supervisor.catch_signals()
        announced = False

        def announce() -> None:
            nonlocal announced
            publishing = any(supervisor.is_ready(name) for name in PUBLISHERS)
            if not announced and publishing and supervisor.is_ready("api", "prefect-server"):
                announced = True
                say(
                    f"SocialFlow is up.\n  dashboard  {describe_sign_in(environment, settings, only_first=True)}\n"
                    f"  API        {settings.api_url} (documentation: {settings.api_url}/docs)\n"
                    f"  Prefect UI {settings.prefect_url} (sign in with what `socialflow prefect-auth` prints)\n"
                    f"  files      {home} (logs in {home / 'logs'})\n"
                    "Ctrl-C stops everything."
                )

        say("Starting SocialFlow ...")
        supervisor.run(announce)
        say("Stopped.")
