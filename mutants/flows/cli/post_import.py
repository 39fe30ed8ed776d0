"""`socialflow posts import`: many posts from one file, with a report on each row.

The API's own rules read the file.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated, Any

import typer

from flows.cli.api_rules import ask_api_rules
from flows.cli.output import JsonOption, print_json, print_records, say

IMPORTER = "api.posts.import_posts"


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
    mode = ("--mode", "each" if each else "all", *(["--dry-run"] if dry_run else []))
    report: dict[str, Any] = ask_api_rules(IMPORTER, str(file), *mode, field="file", answered=(0, 1))
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
