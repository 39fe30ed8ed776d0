"""`socialflow demo`: run the whole product against simulated platforms, in a temporary home folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.logs import configure_logs
from flows.cli.output import JsonOption, print_json, say
from flows.errors import DemoError
from flows.serving.launcher import build_specs, build_supervisor, hold_home, prepare
from flows.serving.ports import Ports
from flows.serving.prefect_environment import SERVER_AUTH
from flows.serving.sign_in_link import describe_sign_in
from flows.serving.supervisor import ChildSpec
from flows.settings import FlowSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.serving.supervisor import Supervisor

app = typer.Typer(add_completion=False, rich_markup_mode=None)

LOG_LINES = 15


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Run the demo and exit; exit code 0 only if every step succeeded.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder at the end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything: connect four accounts, read half a year, publish, measure, and recommend times."""
    started = time.time()
    wanted = FlowSettings()
    _forget_own_installation()
    home = Path(tempfile.mkdtemp(prefix="socialflow-demo-")).resolve()
    configure_logs("%(asctime)s %(message)s")
    try:
        with hold_home(home), Ports() as ports:
            result = _run(home, _choose_ports(ports, wanted), started, once=once)
        if result is None:
            say("Stopped before the demo was complete.")
            raise typer.Exit(130)
        if as_json:
            print_json(result)
        elif once:
            say(_summarise(result))
        problems = result["problems"]
        if problems:
            for line in _last_log_lines(home):
                say(line)
            raise DemoError(f"the demo failed: {'; '.join(problems)}")
    finally:
        if keep:
            say(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def _run(home: Path, settings: FlowSettings, started: float, *, once: bool) -> dict[str, Any] | None:
    """Start the child processes and the demo; return its result once all have exited, None after Ctrl-C."""
    outcome = home / "demo.json"
    specs = build_specs(home, settings, with_sandbox=True)
    environment = dict(specs[0].env)
    show = ChildSpec(
        name="demo",
        command=[
            sys.executable,
            "-m",
            "flows.demo.steps",
            "--started",
            str(started),
            "--result",
            str(outcome),
        ],
        env=environment,
        once=True,
    )
    say(f"Starting SocialFlow against simulated platforms in {home} ...")
    prepare(environment)
    supervisor = build_supervisor(home, settings, [*specs, show])
    supervisor.catch_signals()
    result: dict[str, Any] | None = None

    def look() -> None:
        nonlocal result
        if result is not None or supervisor.exit_code("demo") is None:
            return
        result, access = _read(outcome)
        if once or result["problems"]:
            supervisor.ask_to_stop()
        else:
            say(_summarise(result))
            say(_explain(settings, access, environment, supervisor))

    supervisor.run(look)
    return result


def _read(outcome: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        told = json.loads(outcome.read_text())
    except (OSError, ValueError):
        return {"problems": ["the demo ended without a result"]}, {}
    return told["result"], told["access"]


def _summarise(result: dict[str, Any]) -> str:
    if "published" not in result:
        return ""
    overview = result["overview"]
    return (
        f"\n{result['published']} of {result['scheduled']} published, {result['duplicates']} duplicates,\n"
        f"95 % within {result['lateness_p95_s']:.2f} s of their scheduled second; {result['snapshots']} snapshots.\n"
        f"30 days: {overview['total_posts']} posts, {overview['total_engagement']} engagements.\n"
        f"The demo took {result['seconds']} s."
    )


def _explain(
    settings: FlowSettings, access: dict[str, str], environment: dict[str, str], supervisor: Supervisor
) -> str:
    bearer = f'-H "Authorization: Bearer {access["access_token"]}"'
    api = f"{settings.api_url}/api/v1"
    text = json.dumps({"content": "Hello from curl", "platforms": ["mastodon", "bluesky"]})
    return f"""
Dashboard          {describe_sign_in(environment, settings, only_first=False)}
API documentation  {settings.api_url}/docs
Prefect UI         {settings.prefect_url} (sign in with {environment[SERVER_AUTH]})
platforms' record  {settings.sandbox_url}/_sandbox/posts?via=api
API key            {access["api_key"]}
API secret         {access["api_secret"]}

Try (the token lasts an hour; POST {api}/auth/token gives another):

curl -s "{api}/analytics/overview?period=30d" {bearer}

curl -s "{api}/schedules/optimal-times?limit=3" {bearer}

curl -s -X POST "{api}/posts" {bearer} -H "Content-Type: application/json" -d '{text}'

{len(supervisor.pids)} processes run. Ctrl-C stops them and removes everything."""


def _choose_ports(ports: Ports, settings: FlowSettings) -> FlowSettings:
    """Return the settings with free ports instead of ports in use, and every address on loopback."""
    chosen: dict[str, Any] = {"api_host": "127.0.0.1"}
    for name in ("api_port", "prefect_port", "sandbox_port"):
        wanted = getattr(settings, name)
        chosen[name] = wanted if ports.take("127.0.0.1", wanted) else ports.take_any()
    return FlowSettings.model_validate(settings.model_dump() | chosen)


def _forget_own_installation() -> None:
    """Remove every SOCIALFLOW_ variable: the demo must not touch the stores or accounts they refer to."""
    for name in [name for name in os.environ if name.startswith("SOCIALFLOW_")]:
        del os.environ[name]


def _last_log_lines(home: Path) -> Iterator[str]:
    for path in sorted((home / "logs").glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
        if lines:
            yield f"--- {path.name}"
            yield from lines
