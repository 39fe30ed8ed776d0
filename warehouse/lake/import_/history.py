"""Import a file of past posts: first into the operational store as posts of origin external, then into the lake.

Each step is idempotent by its natural key, so an interrupted import continues by running again, and a second import of
a file adds nothing. What an import stored is noted, so that it can be undone. See docs/imports.md for the rules.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.types import ListedPost
from warehouse.errors import InvalidInputError
from warehouse.lake.dimensions import account_dims
from warehouse.lake.import_.accounts import merge_marked_accounts
from warehouse.lake.import_.corrections import align_times
from warehouse.lake.import_.details import Details, read_details
from warehouse.lake.import_.files import read_history
from warehouse.lake.import_.types import COUNTS, MEASURES, ReadOptions, RejectedRow
from warehouse.lake.import_.zones import read_in_account_zone
from warehouse.lake.load import insert_post_snapshots, load_accounts, replace_publications, to_batch
from warehouse.lake.rows import AccountDim, PostSnapshot, PublicationDim
from warehouse.sql import load_sql
from warehouse.store.accounts.accounts import find_or_create_imported_account
from warehouse.store.accounts.identity import AccountIndex
from warehouse.store.bulk import much_memory
from warehouse.store.imports.imports import claim_import, create_import, fail_import, finish_import
from warehouse.store.imports.models import Import
from warehouse.store.imports.owners import name_owner
from warehouse.store.imports.posts import file_posts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from connectors.types import Platform
    from warehouse.lake.connect import Lake
    from warehouse.lake.import_.types import Detection, Reading
    from warehouse.store.database import Store
    from warehouse.store.imports.posts import FiledPosts, Known
    from warehouse.store.models import AccountRow

    Progress = Callable[[str, int, int], None]
    """Called with the current step, the rows done and the total rows."""

__all__ = ["ImportReport", "RejectedRow", "import_history", "load_file", "read_history"]

_TURN_ROWS = 10_000
_LOAD_ROWS = 25_000
"""Rows per commit of the lake: a commit costs the marts of its own rows, and the memory of these."""
_STORED_COUNTS = ("impressions", "reach", "likes", "comments", "shares", "saves", "clicks", "video_views")
_OTHER_COUNTS = tuple(name for name in (*COUNTS, *MEASURES) if name not in _STORED_COUNTS)
"""Counts of files that no column of the lake holds: they stay in the raw payload."""
_NAMED_ROWS = 20
OWN_EXPORT = "socialflow_post_id"
"""Column that tells a file of `posts export`."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import: rows = loaded + already_there + skipped + shifted + rows with problems."""

    rows: int
    """Rows in the file."""
    loaded: int
    """Measurements new to the lake."""
    already_there: int
    """Rows without new data, including repeats within the file."""
    skipped: int
    """Rows of an account on which a post is being sent now: import again later."""
    rejected: list[RejectedRow]
    accounts: list[str]
    """Handles of the accounts in the file."""
    notes: list[str]
    """Notes for the user."""
    import_id: str = ""
    summary: str = ""
    """What the file is, in one sentence."""
    new_posts: int = 0
    """Posts that were not known before."""
    corrected_times: int = 0
    """Posts whose time of publishing was corrected."""
    shifted: int = 0
    """Rows without ids that are known posts but for a constant shift of their times: not imported."""


@dataclass(slots=True)
class _Tally:
    """What the batches of a file added up to."""

    loaded: int = 0
    skipped: int = 0
    new_posts: int = 0
    corrected: int = 0
    shifted: int = 0
    shift: timedelta | None = None
    differing: list[tuple[int, timedelta]] = field(default_factory=list)
    """Line and difference of rows whose time is not the platform's."""
    accounts: dict[str, AccountDim] = field(default_factory=dict)
    nameless: int = 0
    """Rows that name no account, in a file in which others name several."""
    lifetime: bool = False
    """Some counts have no time of measuring."""


def import_history(
    store: Store,
    lake: Lake,
    path: Path,
    *,
    platform: Platform | None = None,
    account_name: str | None = None,
    timezone: str | None = None,
    workspace_id: str,
    now: datetime,
    progress: Progress = lambda _what, _done, _total: None,
    options: ReadOptions | None = None,
    told: Callable[[Detection], None] = lambda _detection: None,
) -> ImportReport:
    """Import a file of past posts: report invalid rows, load valid ones, note what was stored for an undo.

    `told` is called with what the file is before anything is stored. `platform` is needed where the file does not say
    it. Without `account_name` each value of the column `account` is a separate account. 233,000 posts take about half a
    minute. Raises FileRefusedError and InvalidInputError; then nothing is stored. Raises ConflictError while another
    import runs.
    """
    given = options or ReadOptions()
    chosen = replace(
        given,
        platform=platform or given.platform,
        account=account_name or given.account,
        timezone=timezone or given.timezone,
        now=now,
        oldest_first=True,
    )
    progress("reading", 0, 1)
    reading = read_in_account_zone(store, workspace_id, path, chosen)
    told(reading.detection)
    _require_names(reading.detection, chosen)
    if not reading.detection.posts:
        return _report(reading.detection, _Tally(), "")  # there is nothing to import, and nothing to undo
    owner = name_owner()
    with store.write() as session:
        row = create_import(
            session,
            workspace_id,
            now,
            filename=path.name,
            size=path.stat().st_size,
            sha256=hash_file(path),
            options=show_options(chosen),
        )
        row.status = "queued"
        claim_import(session, now, owner, row.id)
        import_id = row.id
    try:
        return load_file(
            store, lake, path, chosen, import_id=import_id, now=now, progress=progress, reading=reading
        )
    except BaseException as error:
        with store.write() as session:
            fail_import(session, import_id, now, str(error) or type(error).__name__)
        raise


def hash_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    import hashlib  # noqa: PLC0415 (only here)

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def show_options(options: ReadOptions) -> dict[str, Any]:
    """Return the options that a user chose, as JSON."""
    shown = {
        "platform": options.platform.value if options.platform else None,
        "account": options.account,
        "timezone": options.timezone,
        "date_order": options.date_order,
        "decimal_mark": options.decimal_mark,
        "year": options.year,
        "sheet": options.sheet,
        "mapping": dict(options.mapping) if options.mapping else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def load_file(
    store: Store,
    lake: Lake,
    path: Path,
    options: ReadOptions,
    *,
    import_id: str,
    now: datetime,
    progress: Progress = lambda _what, _done, _total: None,
    reading: Reading | None = None,
) -> ImportReport:
    """Load the file of a claimed import, and save its report. Running it again continues it.

    `reading`: the file, if it has been read already. Raises FileRefusedError and InvalidInputError, storing nothing.
    """
    merge_marked_accounts(store, lake, now)
    with store.read() as session:
        workspace_id = session.get_one(Import, import_id).workspace_id
    detection, batches = reading or read_in_account_zone(
        store, workspace_id, path, replace(options, oldest_first=True)
    )
    platform = _require_names(detection, options)
    with store.read() as session:
        index = AccountIndex.load(session, workspace_id, platform)
    guarded = OWN_EXPORT in detection.unknown_columns and path.suffix.lower() == ".csv"
    tally = _Tally()
    total = max(detection.rows, 1)
    done = 0
    publications: list[pa.Table] = []
    snapshots: list[pa.Table] = []
    waiting = 0
    for batch in batches:
        read = _unguarded(batch.rows) if guarded else batch.rows
        rows = _with_account(read, detection, options)
        tally.nameless += len(batch.rows) - len(rows)
        tally.lifetime = tally.lifetime or rows["measured_at"].null_count > 0
        for turn in _turns(rows):
            progress("storing posts", done, total)
            with store.write() as session, much_memory(session):
                for name, part in turn:
                    is_new = index.find(name) is None
                    account = find_or_create_imported_account(
                        session, workspace_id, platform, name, now, index
                    )
                    if is_new:
                        _note_created(session.get_one(Import, import_id), account.id)
                    filed = file_posts(
                        session,
                        import_id,
                        account,
                        _listed_posts(part),
                        now,
                        exact_times=[not day_only for day_only in part["day_only"].to_pylist()],
                    )
                    tally.accounts[account.id] = account_dims(session, [account])[0]
                    _count(tally, filed, part)
                    places = sorted(filed.known)
                    found = [filed.known[place] for place in places]
                    stored = part if len(places) == len(part) else part.take(pa.array(places, pa.int64()))
                    publications.append(_publications(account, stored, found, detection.last or now))
                    snapshots.append(_snapshots(account, stored, found, detection.last or now))
                    waiting += len(found)
                    done += len(part)
        if waiting >= _LOAD_ROWS:
            progress("loading the lake", done, total)
            tally.loaded += _load(lake, tally.accounts, publications, snapshots, import_id)
            publications, snapshots, waiting = [], [], 0
    progress("loading the lake", done, total)
    if snapshots:
        tally.loaded += _load(lake, tally.accounts, publications, snapshots, import_id)
    report = _report(detection, tally, import_id)
    with store.write() as session:
        finish_import(session, import_id, now, show_report(report))
    progress("done", total, total)
    return report


def show_report(report: ImportReport) -> dict[str, Any]:
    """Return the report as JSON; of the rejected rows at most the first 1,000."""
    return {
        "rows": report.rows,
        "loaded": report.loaded,
        "already_there": report.already_there,
        "skipped": report.skipped,
        "shifted": report.shifted,
        "new_posts": report.new_posts,
        "corrected_times": report.corrected_times,
        "rejected_rows": len({row.line for row in report.rejected}),
        "rejected": [row._asdict() for row in report.rejected[:1000]],
        "accounts": report.accounts,
        "notes": report.notes,
        "summary": report.summary,
    }


def _require_names(detection: Detection, options: ReadOptions) -> Platform:
    """Return the platform of the posts. Raises InvalidInputError if nothing names it or the account."""
    platform = options.platform or detection.platform
    if platform is None:
        raise InvalidInputError(
            "the file does not say where the posts were published: name the platform (--platform)",
            field="platform",
        )
    if options.account is None and not detection.accounts and detection.posts:
        raise InvalidInputError(
            "the file does not name an account: name the account of all rows (--account)",
            field="account",
            code="missing_account",
        )
    return platform


def _note_created(row: Import, account_id: str) -> None:
    if account_id not in row.created_accounts:
        row.created_accounts = [*row.created_accounts, account_id]


def _report(detection: Detection, tally: _Tally, import_id: str) -> ImportReport:
    bad_lines = {row.line for row in detection.rejected}
    notes = [*detection.notes]
    if tally.lifetime:
        notes.append(
            "the file does not say when its counts were read: they are lifetime counts, without an age"
        )
    if tally.nameless:
        notes.append(
            f"{tally.nameless} rows name no account and were left out: name the account of all rows (--account)"
        )
    if tally.corrected:
        notes.append(
            f"the times of {tally.corrected} posts were corrected: an earlier file said otherwise "
            "(undo this import to restore them)"
        )
    if tally.shifted and tally.shift is not None:
        notes.append(
            f"{tally.shifted} rows without ids are stored posts but for {_hours(tally.shift)}: they were not "
            "imported as new posts. If this file's time zone is the right one, undo the earlier import and import "
            "this file again"
        )
    if tally.differing:
        shift, count = Counter(gap for _, gap in tally.differing).most_common(1)[0]
        lines = ", ".join(str(line) for line, _ in tally.differing[:_NAMED_ROWS])
        more = f" and {len(tally.differing) - _NAMED_ROWS} more" if len(tally.differing) > _NAMED_ROWS else ""
        reason = (
            f"mostly by {_hours(shift)}: check --timezone" if count * 2 > len(tally.differing) else "by hand"
        )
        notes.append(
            f"the times of {len(tally.differing)} posts differ from the platform's, which stay, {reason} "
            f"(lines {lines}{more})"
        )
    return ImportReport(
        rows=detection.rows,
        loaded=tally.loaded,
        already_there=detection.rows
        - len(bad_lines)
        - tally.skipped
        - tally.shifted
        - tally.nameless
        - tally.loaded,
        skipped=tally.skipped,
        rejected=list(detection.rejected),
        accounts=sorted(account.handle for account in tally.accounts.values()),
        notes=notes,
        import_id=import_id,
        summary=detection.sentence,
        new_posts=tally.new_posts,
        corrected_times=tally.corrected,
        shifted=tally.shifted,
    )


def _hours(shift: timedelta) -> str:
    minutes = int(shift.total_seconds() // 60)
    return f"{'+' if minutes >= 0 else '-'}{abs(minutes) // 60}:{abs(minutes) % 60:02} h"


def _count(tally: _Tally, filed: FiledPosts, rows: pa.Table) -> None:
    lines = rows["line"].to_pylist()
    tally.skipped += len(filed.waiting)
    tally.new_posts += len(filed.created)
    tally.corrected += len(filed.moved)
    tally.shifted += len(filed.shifted)
    tally.shift = filed.shift or tally.shift
    tally.differing += [(lines[place], gap) for place, gap in filed.differing]


def _unguarded(rows: pa.Table) -> pa.Table:
    """Take away the apostrophes that our CSV export puts before cells that begin like a formula."""
    for name in ("account", "external_id", "permalink", "text"):
        plain = pc.replace_substring_regex(rows[name], r"^'([=+\-@\t\r])", r"\1")
        rows = rows.set_column(rows.schema.get_field_index(name), name, plain)
    return rows


def _with_account(rows: pa.Table, detection: Detection, options: ReadOptions) -> pa.Table:
    """Return the rows with their account: the one that the user or all other rows name. Others are left out."""
    named = options.account or (detection.accounts[0] if len(detection.accounts) == 1 else None)
    if named is None:
        return rows.filter(pc.is_valid(rows["account"]))
    index = rows.schema.get_field_index("account")
    return rows.set_column(index, "account", pc.fill_null(rows["account"], named))


def _turns(rows: pa.Table) -> Iterator[list[tuple[str, pa.Table]]]:
    """Yield batches of (account name, rows), one per short transaction.

    One transaction for all rows would block the publisher for half a minute; one per account would cost a disk flush
    for each of many small accounts.
    """
    turn: list[tuple[str, pa.Table]] = []
    size = 0
    for name, of_account in _by_account(rows):
        for start in range(0, len(of_account), _TURN_ROWS):
            part = of_account.slice(start, _TURN_ROWS)
            if turn and size + len(part) > _TURN_ROWS:
                yield turn
                turn, size = [], 0
            turn.append((name, part))
            size += len(part)
    if turn:
        yield turn


def _by_account(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    rows = rows.sort_by([("account", "ascending"), ("line", "ascending")])
    names = rows["account"].to_pylist()
    start = 0
    for index in range(1, len(names) + 1):
        if index == len(names) or names[index] != names[start]:
            yield names[start] or "", rows.slice(start, index - start)
            start = index


def _listed_posts(rows: pa.Table) -> list[ListedPost]:
    names = ("external_id", "published_at", "text", "kind", "permalink")
    columns = (rows[name].to_pylist() for name in names)
    return [
        ListedPost(
            external_id=external_id,
            published_at=published_at,
            text=text or "",
            kind=kind or "text",
            permalink=permalink,
        )
        for external_id, published_at, text, kind, permalink in zip(*columns, strict=True)
    ]


def _days_only(rows: pa.Table, found: Sequence[Known]) -> Iterator[bool | None]:
    """Yield whether only the day of a post is known; None where the time is not the file's."""
    columns = (rows[name].to_pylist() for name in ("day_only", "published_at"))
    for day_only, published_at, known in zip(*columns, found, strict=True):
        yield day_only if known.published_at == published_at else None


def _publications(
    account: AccountRow, rows: pa.Table, found: Sequence[Known], file_time: datetime
) -> pa.Table:
    """Return the dimension rows, from the store: it may know more than the file, such as our own exact time.

    Language and tags of posts that SocialFlow did not publish are the file's. Whether a post was promoted or deleted
    afterwards, the file may tell of any; `file_time` is when it tells, where a row has no time of its own.
    """
    instant = pa.timestamp("us", tz="UTC")
    said = [
        details if row.origin == "external" else Details(paid=details.paid, deleted=details.deleted)
        for row, details in zip(found, read_details(rows["raw"].to_pylist()), strict=True)
    ]
    told_at = pc.fill_null(rows["measured_at"], pa.scalar(file_time, instant))
    gone = pa.array([bool(details.deleted) for details in said], pa.bool_())
    columns: dict[str, Any] = {
        "publication_id": [row.id for row in found],
        "post_id": [row.post_id for row in found],
        "workspace_id": [account.workspace_id] * len(found),
        "account_id": [account.id] * len(found),
        "platform": [account.platform] * len(found),
        "origin": [row.origin for row in found],
        "kind": [row.kind for row in found],
        "published_at": pa.array([row.published_at for row in found], pa.timestamp("us", tz="UTC")),
        "permalink": pa.array([row.permalink for row in found], pa.string()),
        "external_id": [row.external_id for row in found],
        "day_only": pa.array(_days_only(rows, found), pa.bool_()),
        "paid": pa.array([details.paid for details in said], pa.bool_()),
        "deleted_at": pc.if_else(gone, told_at, pa.scalar(None, instant)),
        # A file that has no text of a post says nothing about it.
        "text": pa.array([row.text or None for row in found], pa.string()),
        "language": pa.array([details.language for details in said], pa.string()),
        "tags": pa.array([details.tags for details in said], pa.list_(pa.string())),
    }
    return to_batch(pa.table(columns), PublicationDim)


def _snapshots(account: AccountRow, rows: pa.Table, found: Sequence[Known], file_time: datetime) -> pa.Table:
    """Return the measurements. A row that does not say when it was measured has the time of the file's newest post.

    Such a row was written at or after that time, and it depends only on the file's contents.
    """
    instant = pa.timestamp("us", tz="UTC")
    columns: dict[str, Any] = {
        "publication_id": [row.id for row in found],
        "workspace_id": [account.workspace_id] * len(found),
        "account_id": [account.id] * len(found),
        "published_at": pa.array([row.published_at for row in found], instant),
        "captured_at": pc.fill_null(rows["measured_at"], pa.scalar(file_time, instant)),
        "is_lifetime": pc.is_null(rows["measured_at"]),
        "raw": _payload(rows),
    }
    columns |= {name: rows[name] for name in _STORED_COUNTS}
    return to_batch(pa.table(columns), PostSnapshot)


def _payload(rows: pa.Table) -> pa.Array | pa.ChunkedArray:
    """Return each row's unknown columns as JSON, with the counts that the lake has no column for."""
    names = [name for name in _OTHER_COUNTS if rows[name].null_count < len(rows)]
    if not names:
        return rows["raw"]
    import json  # noqa: PLC0415 (few files need it)

    payloads = []
    for raw, *values in zip(*(rows[name].to_pylist() for name in ("raw", *names)), strict=True):
        counted = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        payload = (json.loads(raw) if raw else {}) | counted
        payloads.append(json.dumps(payload, ensure_ascii=False) if payload else None)
    return pa.array(payloads, pa.string())


def _load(
    lake: Lake,
    accounts: dict[str, AccountDim],
    publications: list[pa.Table],
    snapshots: list[pa.Table],
    import_id: str,
) -> int:
    load_accounts(lake, list(accounts.values()))
    posts, counts = pa.concat_tables(publications), pa.concat_tables(snapshots)

    def work(cursor: DuckDBPyConnection) -> int:
        all_new = replace_publications(cursor, posts)
        if not all_new:
            align_times(cursor, posts["publication_id"])
        new = counts if all_new else _select_new(cursor, counts)
        if not len(new):
            return 0
        return insert_post_snapshots(cursor, new, import_id, source="import", any_new=all_new)

    return lake.run_write(work)


def _select_new(cursor: DuckDBPyConnection, snapshots: pa.Table) -> pa.Table:
    cursor.register("batch", snapshots)
    new = cursor.execute(load_sql("load/select_new_imports")).to_arrow_table()
    cursor.unregister("batch")
    return to_batch(new, PostSnapshot)
