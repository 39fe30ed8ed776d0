"""`socialflow posts import`: many posts from one file, with a report on each row.

The API's own rules read the file, in a process of its own: this room does not import the API's, it names it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated, Any

import typer

from flows.commands.output import JsonOption, print_json, print_records, say
from warehouse.errors import InvalidInputError

IMPORTER = "api.import_posts"


def import_(
    *,
    file: Annotated[Path, typer.Argument(help="CSV (.csv), a JSON array (.json), or JSON lines.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, save nothing.")] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Save what is right; default: nothing unless all rows are.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Schedule all posts of a file. Columns and fields: docs/api.md, "Many at once"."""
    command = [sys.executable, "-m", IMPORTER, str(file), "--mode", "each" if each else "all"]
    done = subprocess.run(  # noqa: S603 (our own module, its arguments as a list)
        [*command, "--dry-run"] if dry_run else command, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1} or not done.stdout:
        raise InvalidInputError(_last_line(done.stderr), field="file")
    report: dict[str, Any] = json.loads(done.stdout)
    if as_json:
        print_json(report)
    else:
        _tell(report)
    if report["failed"]:
        raise typer.Exit(1)


def _tell(report: dict[str, Any]) -> None:
    rows = [
        {
            **row,
            "scheduled_at": row["scheduled_at"] or "",
            "what": "; ".join([*row["warnings"], *(error["detail"] for error in row["errors"])]),
        }
        for row in report["rows"]
    ]
    print_records(rows, ["line", "status", "post_id", "scheduled_at", "what"])
    saved = "nothing was saved" if not report["created"] else f"{report['created']} saved"
    say(
        f"{report['total']} rows, {report['failed']} wrong, {saved}{' (dry run)' if report['dry_run'] else ''}"
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "the file could not be imported"
