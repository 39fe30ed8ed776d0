"""`socialflow sql`: query the lake, read-only, while everything else runs."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import IO, TYPE_CHECKING, Annotated

import typer

from flows.cli.arguments import AsOfOption, parse_as_of
from flows.cli.lake.settings import read_lake_settings
from flows.cli.output import TerminalBytes, is_terminal, print_rows, say
from warehouse.atomic_files import write_beside
from warehouse.errors import InvalidInputError
from warehouse.lake.console import LONGEST_SECONDS, ask
from warehouse.lake.export.result_files import write_csv, write_json, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.lake.console import Answer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SHOWN_ROWS = 100
LONGEST = 1_000_000
"""Characters of a statement."""


class Format(StrEnum):
    """Output format of rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


_WRITERS = {Format.CSV: write_csv, Format.JSON: write_json, Format.PARQUET: write_parquet}


@app.command()
def sql(
    *,
    statement: Annotated[
        str,
        typer.Argument(help='For example "select * from marts.publication_latest"; - reads it from stdin.'),
    ],
    chosen: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the ending of --output, else table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write a file instead of printing; it appears when it is complete.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most this many rows; table: {SHOWN_ROWS}.")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option("--timeout", min=1, max=86_400, help="Stop the statement after this many seconds."),
    ] = LONGEST_SECONDS,
    as_of: AsOfOption = None,
) -> None:
    """Run one statement on the lake and print its rows. docs/warehouse.md describes the tables."""
    kind = chosen or _format_of(output)
    if kind is Format.TABLE and output is not None:
        raise InvalidInputError(
            f"a table is for reading: name --output {output.stem}.csv, .json or .parquet, or give --format",
            field="format",
        )
    if kind is Format.PARQUET and output is None and is_terminal():
        raise InvalidInputError("Parquet cannot be printed to a terminal: give --output FILE", field="output")
    text = sys.stdin.read(LONGEST + 1) if statement == "-" else statement
    if len(text) > LONGEST:
        raise InvalidInputError(f"the statement is longer than {LONGEST:,} characters", field="sql")
    with ask(read_lake_settings(), text, as_of=parse_as_of(as_of), seconds=seconds) as answer:
        if answer.snapshot is not None:
            say("the lake as it was after commit {} of {:%Y-%m-%d %H:%M:%S} UTC".format(*answer.snapshot))
        if kind is Format.TABLE:
            _print_table(answer, limit or SHOWN_ROWS)
            return
        with _open(output) as stream:
            rows = _WRITERS[kind](answer, stream, limit=limit)
    if output is not None:
        say(f"{rows} rows in {output}")


def _print_table(answer: Answer, limit: int) -> None:
    rows = list(answer.rows(limit + 1))
    print_rows(answer.columns, rows[:limit])
    if len(rows) > limit:
        say(f"the first {limit} rows; --limit shows more, --output FILE takes all")


def _format_of(output: Path | None) -> Format:
    ending = output.suffix.lstrip(".").lower() if output else ""
    return Format(ending) if ending in {"csv", "json", "parquet"} else Format.TABLE


@contextmanager
def _open(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None and is_terminal():
        with io.BufferedWriter(TerminalBytes()) as terminal:
            yield terminal
        return
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with write_beside(output.absolute()) as path, path.open("wb") as stream:
        yield stream
