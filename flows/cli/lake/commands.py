"""`socialflow lake`: direct access to the lake."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from flows.cli.arguments import AsOfOption, parse_as_of
from flows.cli.output import JsonOption, print_json, say
from warehouse.settings import WarehouseSettings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Attach and maintain the lake."
)


@app.callback()
def lake() -> None:
    """Access and maintain the lake."""


class Form(StrEnum):
    """Where the statements will be used."""

    BOTH = "both"
    CLI = "cli"
    PYTHON = "python"
    JSON = "json"


@app.command()
def attach(
    *,
    form: Annotated[
        Form, typer.Option("--format", help="For DuckDB's command line, for Python, or JSON for programs.")
    ] = Form.BOTH,
    as_of: AsOfOption = None,
) -> None:
    """Print SQL that attaches the lake in your own DuckDB. The statements attach it read-only and contain no secret."""
    from warehouse.lake import analyst_access  # noqa: PLC0415 (DuckDB costs 40 MB; `lake --help` needs none of it)

    settings, then = WarehouseSettings(), parse_as_of(as_of)
    if form is Form.JSON:
        print_json(
            {
                "statements": analyst_access.attach_statements(settings, as_of=then),
                "notes": analyst_access.attach_notes(settings),
            }
        )
        return
    parts = []
    if form in {Form.BOTH, Form.CLI}:
        parts.append(analyst_access.show_for_cli(settings, as_of=then))
    if form in {Form.BOTH, Form.PYTHON}:
        parts.append(analyst_access.show_for_python(settings, as_of=then))
    sys.stdout.write("\n\n".join(parts) + "\n")


@app.command("rebuild-marts")
def rebuild(*, as_json: JsonOption = False) -> None:
    """Rebuild every mart from raw data. Only needed for repair; the result is the same."""
    from flows.resources import Resources  # noqa: PLC0415 (as above)
    from warehouse.lake.maintenance import rebuild_marts  # noqa: PLC0415 (as above)

    with Resources.open(all_cores=True) as resources:
        rows = rebuild_marts(resources.lake)
    if as_json:
        print_json(rows)
        return
    for mart, count in rows.items():
        say(f"marts.{mart}: {count} rows")
