"""`socialflow import-history`: import past posts from a file, also for accounts that are not connected."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connectors.printable import printable
from flows.cli.output import JsonOption, YesOption, confirm, print_json, print_rows, say, show_progress
from flows.resources import Resources
from flows.timing.refresh import compute_all_optimal_times
from warehouse.errors import InvalidInputError
from warehouse.lake.import_.history import import_history
from warehouse.lake.import_.mappings import forget, load_mappings, remember
from warehouse.lake.import_.read import read_file
from warehouse.lake.import_.types import ReadOptions
from warehouse.platforms import parse_platform
from warehouse.store.access.workspaces import ensure_default_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.lake.import_.history import ImportReport
    from warehouse.lake.import_.types import Detection, RejectedRow

app = typer.Typer(add_completion=False, rich_markup_mode=None)
mappings_app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Mappings of columns that `import-history --map ... --remember NAME` kept.",
)

SHOWN_REJECTIONS = 20
EXIT_REJECTED = 3
"""Exit code where rows were rejected; the valid ones are loaded."""


@app.command("import-history")
def import_file(
    *,
    file: Annotated[Path, typer.Argument(help="An export, an archive, or any table with --map.")],
    platform: Annotated[
        str | None, typer.Option(help="Where the posts were published; needed where the file does not say.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Account of all posts; default: as the file says.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of times without offset: Europe/Berlin, -05:00, ...; default: UTC."),
    ] = None,
    date_order: Annotated[
        Literal["dmy", "mdy", "ymd"] | None,
        typer.Option(help="Order of day and month where both readings fit."),
    ] = None,
    decimal_mark: Annotated[
        Literal["point", "comma"] | None, typer.Option(help="Decimal mark where 1.234 can be read both ways.")
    ] = None,
    year: Annotated[
        int | None, typer.Option(min=1990, max=2099, help="Year of dates that have none.")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of a workbook; default: the one with posts.")
    ] = None,
    column_map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="What a column means; - ignores it. Repeatable."),
    ] = None,
    remember_as: Annotated[
        str | None,
        typer.Option("--remember", help="Keep --map under this name for files with the same header."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what the file is; load nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a file of past posts; invalid rows are reported (exit code 3), all others are loaded once."""
    now = datetime.now(UTC)
    mapping = parse_map(column_map or [])
    if remember_as is not None and mapping is None:
        raise InvalidInputError("--remember needs at least one --map COLUMN=FIELD", field="map")
    options = ReadOptions(
        platform=parse_platform(platform) if platform is not None else None,
        account=account,
        timezone=timezone,
        date_order=date_order,
        decimal_mark={"point": ".", "comma": ",", None: None}[decimal_mark],
        year=year,
        sheet=sheet,
        mapping=mapping,
        now=now,
    )
    with Resources.open() as resources:
        home = resources.warehouse.home
        options = replace(options, remembered=load_mappings(home))
        if dry_run:
            detection, _ = read_file(file, options=options)
            _remember(home, remember_as, mapping, detection)
            _end_dry_run(detection, as_json=as_json)
            return
        with resources.store.write() as session:
            workspace_id = ensure_default_workspace(session, now).id
        with show_progress("importing") as advance:

            def tell(detection: Detection) -> None:
                _remember(home, remember_as, mapping, detection)
                if not as_json:
                    _tell_detection(detection)

            report = import_history(
                resources.store,
                resources.lake,
                file,
                platform=options.platform,
                account_name=account,
                workspace_id=workspace_id,
                now=now,
                progress=_advancing(advance),
                options=options,
                told=tell,
            )
        if report.loaded:
            compute_all_optimal_times(resources)
    if as_json:
        print_json(_show(report))
    else:
        _tell(report)
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


def parse_map(pairs: Sequence[str]) -> dict[str, str] | None:
    """Return the mapping of `COLUMN=FIELD` pairs; None = there are none. Raises InvalidInputError."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        column, sign, target = pair.rpartition("=")
        if not sign or not column.strip() or not target.strip():
            raise InvalidInputError(f"--map {printable(pair)!r} is not COLUMN=FIELD", field="map")
        mapping[column.strip()] = target.strip()
    return mapping or None


def _remember(home: Path, name: str | None, mapping: dict[str, str] | None, detection: Detection) -> None:
    if name is None or mapping is None:
        return
    remember(home, name, mapping, detection.header)


def _advancing(advance: Callable[[int], None]) -> Callable[[str, int, int], None]:
    """Return a progress function that shows rows: first those read, then those stored."""
    last = 0

    def progress(_what: str, done: int, _total: int) -> None:
        nonlocal last
        advance(done - last)
        last = done

    return progress


def _end_dry_run(detection: Detection, *, as_json: bool) -> None:
    if as_json:
        rejected = [row._asdict() for row in detection.rejected]
        print_json({"detection": detection.to_dict(), "rejected": rejected, "loaded": 0})
    else:
        _tell_rejected(detection.rejected)
        say(
            f"{detection.rows:,} rows, {len({row.line for row in detection.rejected}):,} rejected; nothing was loaded"
        )
    if detection.rejected:
        raise typer.Exit(EXIT_REJECTED)


def _show(report: ImportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "loaded": report.loaded,
        "already_there": report.already_there,
        "skipped": report.skipped,
        "rejected": [row._asdict() for row in report.rejected],
        "accounts": report.accounts,
        "notes": report.notes,
    }


def _tell_detection(detection: Detection) -> None:
    say(printable(detection.sentence))


def _tell_rejected(rejected: Sequence[RejectedRow]) -> None:
    for row in rejected[:SHOWN_REJECTIONS]:
        say(printable(f"line {row.line}: {row.field} {row.reason}"))
    if len(rejected) > SHOWN_REJECTIONS:
        say(f"... and {len(rejected) - SHOWN_REJECTIONS} more (--json lists all)")


def _tell(report: ImportReport) -> None:
    _tell_rejected(report.rejected)
    for note in report.notes:
        say(printable(f"note: {note}"))
    bad_lines = len({row.line for row in report.rejected})
    say(
        f"{report.rows} rows: {report.loaded} loaded, {report.already_there} already imported, {bad_lines} rejected, "
        f"{report.skipped} left for later; {len(report.accounts)} account(s)"
    )


@mappings_app.command("list")
def list_mappings(*, as_json: JsonOption = False) -> None:
    """List the remembered mappings of columns."""
    with Resources.open() as resources:
        kept = load_mappings(resources.warehouse.home)
    if as_json:
        print_json(
            [{"name": one.name, "columns": dict(one.columns), "header": list(one.header)} for one in kept]
        )
        return
    shown = [
        (one.name, ", ".join(f"{column}={field}" for column, field in one.columns.items())) for one in kept
    ]
    print_rows(["name", "columns"], shown)


@mappings_app.command("remove")
def remove_mapping(
    *,
    name: Annotated[str, typer.Argument(help="As `socialflow import-maps list` shows it.")],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a mapping; imported posts stay."""
    confirm(f"Forget the mapping {printable(name)}?", yes=yes)
    with Resources.open() as resources:
        gone = forget(resources.warehouse.home, name)
    if as_json:
        print_json({"name": gone.name, "columns": dict(gone.columns), "header": list(gone.header)})
    else:
        say(f"the mapping {printable(name)} is forgotten")
