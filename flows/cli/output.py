"""Command output: data on stdout (JSON or a table), messages on stderr; control characters are escaped."""

from __future__ import annotations

import codecs
import io
import json
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.printable import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SECRETS = frozenset({"api_key", "api_secret", "secret", "address"})
"""Columns whose value is shown only once."""
_NARROWEST = 10
"""Columns that may wrap are at least this wide."""

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def print_json(value: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Print one JSON value; times as ISO 8601 in UTC."""
    sys.stdout.write(dump_json(value, indent=2) + "\n")


def dump_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 (any JSON value)
    """Return one value as JSON; times as ISO 8601 in UTC."""
    return printable_json(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent))


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to a terminal, tab-separated lines to a pipe."""
    texts = [[printable(_text(cell), keep="\t\n") for cell in row] for row in rows]
    columns = [printable(column) for column in columns]
    if not is_terminal():
        for line in [columns, *texts]:
            sys.stdout.write("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in line) + "\n")
        return
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 (not needed for a pipe)
    from rich.console import Console  # noqa: PLC0415 (not needed for a pipe)
    from rich.table import Table  # noqa: PLC0415 (same)
    from rich.text import Text  # noqa: PLC0415 (same)

    console = Console()
    widths = [max([len(name), *(len(line[place]) for line in texts)]) for place, name in enumerate(columns)]
    kept = [_is_copied(name) for name in columns]
    least = sum(width if whole else min(width, _NARROWEST) for width, whole in zip(widths, kept, strict=True))
    if least + 2 * len(columns) > console.width or _SECRETS & {*columns}:
        _print_records_below(columns, texts, console.width)
        return
    # Without lines between the columns: a list of posts fits into 80 of them.
    table = Table(header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name, width, whole in zip(columns, widths, kept, strict=True):
        table.add_column(name, no_wrap=whole, min_width=width if whole else None)
    for line in texts:
        table.add_row(*(Text(cell) for cell in line))
    console.print(table)


def _is_copied(name: str) -> bool:
    """Return whether a column's values are copied from the screen: they are never cut or wrapped."""
    return name in {"id", "url", "cursor", "key_hint", "occurrence"} or name.endswith("_id")


def _print_records_below(columns: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> None:
    """Print each record as lines of name and value: a value that is too long for its line gets a line of its own.

    Nothing is cut, and no line break is put into a value: the terminal wraps it, and it is copied whole.
    """
    widest = max(len(name) for name in columns)
    for number, line in enumerate(lines):
        if number:
            sys.stdout.write("\n")
        for name, value in zip(columns, line, strict=True):
            copied = _is_copied(name) or name in _SECRETS
            own_line = copied and len(value) + widest + 2 > width
            sys.stdout.write(f"{name}\n{value}\n" if own_line else f"{name:<{widest}}  {value}\n")


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def print_records(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print the named values of each record."""
    print_rows(columns, [[record.get(column) for column in columns] for record in records])


def print_details(record: Mapping[str, Any]) -> None:
    """Print one record, one line per field; nested fields as `outer.inner`."""
    print_rows(["field", "value"], list(_flatten(record)))


def _flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def can_ask() -> bool:
    """Return whether stdin is interactive."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool, only_people: bool = False) -> None:
    """Ask for confirmation unless `yes` is set. Raises InvalidInputError if stdin is not interactive.

    Declining ends the command with exit code 1. `only_people`: skip the question in scripts, for commands
    that scripts used before they asked.
    """
    if yes or (only_people and not can_ask()):
        return
    if not can_ask():
        from warehouse.errors import InvalidInputError  # noqa: PLC0415 (not needed for the overview)

        raise InvalidInputError(f"{question} Add --yes to confirm", field="yes", code="not_confirmed")
    typer.confirm(question, abort=True, err=True)


class TerminalBytes(io.RawIOBase):
    """UTF-8 output to a terminal: control characters except line breaks and tabs are escaped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Return True: the stream is writable."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 (any buffer)
        """Print the text."""
        content = bytes(data)
        sys.stdout.write(printable(self._decoder.decode(content), keep="\n\t"))
        sys.stdout.flush()
        return len(content)


def say(words: str) -> None:
    """Print a message on stderr, so that a pipe gets only data."""
    sys.stderr.write(printable(words, keep="\n\t") + "\n")


@contextmanager
def show_progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a progress bar; without a terminal it shows nothing."""
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    from rich.console import Console  # noqa: PLC0415 (not needed for a pipe)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 (same)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps: progress.advance(task, steps)


def _text(value: Any) -> str:  # noqa: ANN401 (a cell of any type)
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(_text(item) for item in value)
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 (json's default hook)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
