"""How commands speak: data on stdout (JSON or a table), words and progress on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def print_json(value: Any) -> None:  # noqa: ANN401 (whatever JSON can say)
    """Print one JSON value; times as ISO 8601 in UTC."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on a terminal, tab-separated lines into a pipe."""
    texts = [[_text(cell) for cell in row] for row in rows]
    if not is_terminal():
        for line in [list(columns), *texts]:
            sys.stdout.write("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in line) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 (a pipe needs none of it)
    from rich.table import Table  # noqa: PLC0415 (same)
    from rich.text import Text  # noqa: PLC0415 (same)

    table = Table(*columns, header_style="bold")
    for line in texts:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


def is_terminal() -> bool:
    """Tell whether a person looks at what is printed, and not a program."""
    return sys.stdout.isatty()


def print_records(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print the named values of each record."""
    print_rows(columns, [[record.get(column) for column in columns] for record in records])


def say(words: str) -> None:
    """Say something to a person: on stderr, so that a pipe holds data alone."""
    sys.stderr.write(words + "\n")


@contextmanager
def show_progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar forward; without a terminal it shows nothing."""
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    from rich.console import Console  # noqa: PLC0415 (a pipe needs none of it)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 (same)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps: progress.advance(task, steps)


def _text(value: Any) -> str:  # noqa: ANN401 (a cell of any type)
    if value is None:
        return ""
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 (json's default hook)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
