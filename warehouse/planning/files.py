"""Read many posts from one file: a JSON array, JSON lines, or CSV. Each row keeps its line number.

CSV files have our own columns, or those of another tool (`warehouse.planning.templates`), with commas, semicolons or
tabs, in UTF-8, UTF-16 or Windows' own encoding.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from warehouse.errors import InvalidInputError
from warehouse.planning.option_texts import add_option
from warehouse.planning.templates import (
    FileOptions,
    TemplateReader,
    fill_in,
    find_template,
    hootsuite,
    hootsuite_header,
    is_hootsuite,
    read_dates,
    schedule_fields,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.planning.templates import Template

MAX_ROWS = 200
"""All rows are one transaction. On SQLite a publisher waits for it: about a second for this many rows."""
FileFormat = Literal["json", "json_lines", "csv"]
CSV_COLUMNS = (
    "content",
    "platforms",
    "account_ids",
    "scheduled_at",
    "timezone",
    "status",
    "link",
    "thread",
    "first_comment",
    "media",
    "media_kind",
    "alt_text",
    "client_ref",
    "allow_duplicate",
)
VARIANT_PREFIX = "content."
"""Prefix of a column such as `content.mastodon`: content for that platform only."""

OPTION_PREFIX = "option."
"""Prefix of a column such as `option.youtube.privacy`: an option of that platform."""

_PART = re.compile(r"(thread\.[1-9][0-9]?|first_comment)\.(media|media_kind|alt_text|after)")
"""A column about one part, such as `thread.1.media` (of the first part of the thread) or `first_comment.after`."""
_LISTS = ("platforms", "account_ids")
_SEPARATORS = re.compile(r"[\s,;]+")
_BETWEEN_MEDIA = re.compile(r"\s*[|;]\s*|\s*,\s*(?=https?://)|\s+")
_NAMED_SEPARATOR = re.compile(r"sep=(\\t|.)", re.IGNORECASE)
_THREAD_BREAK = re.compile(r"^---\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PostRow:
    """One post of a file, not validated yet."""

    line: int
    """Number of its first line, from 1; in a JSON array its position."""
    fields: object
    """The fields of a PostWish as JSON values; None with a `problem`."""
    problem: str | None = None
    warnings: tuple[str, ...] = ()


def read_post_rows(body: bytes, file_format: FileFormat, options: FileOptions | None = None) -> list[PostRow]:
    """Return the rows of a file. `options` are for CSV.

    "json" also accepts JSON lines, because many tools declare them so. Raises InvalidInputError: not UTF-8, no rows,
    too many rows, an invalid header. A row that cannot be read is a PostRow with a `problem`.
    """
    if file_format == "csv":
        rows = list(_read_csv(_decode(body), options or FileOptions()))
        return _require_rows(rows)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"the file is not UTF-8 (at byte {error.start})", field="", code="not_utf8"
        ) from None
    if file_format == "json" and text.lstrip().startswith("["):
        return _require_rows(_read_array(text))
    return _require_rows(list(_read_lines(text)))


def _decode(body: bytes) -> str:
    """Return the text of a CSV file: UTF-8, UTF-16 with its mark, or what Excel on Windows writes (cp1252)."""
    try:
        if body.startswith((b"\xff\xfe", b"\xfe\xff")):
            return body.decode("utf-16")
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = body.decode("cp1252")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"the file is neither UTF-8, UTF-16 nor Windows-1252 (at byte {error.start}): save it as UTF-8",
            field="",
            code="not_utf8",
        ) from None
    if "\x00" in text:
        raise InvalidInputError(
            "the file holds NUL characters: save it as CSV in UTF-8", field="", code="nul_character"
        )
    return text


def _require_rows(rows: list[PostRow]) -> list[PostRow]:
    if not rows:
        raise InvalidInputError("the file contains no posts", field="", code="no_rows")
    if len(rows) > MAX_ROWS:
        raise InvalidInputError(
            f"the file has {len(rows)} posts, the limit is {MAX_ROWS}: split it",
            field="",
            code="too_many_rows",
            limit=MAX_ROWS,
        )
    return rows


def _read_lines(text: str) -> Iterator[PostRow]:
    # Not splitlines: it would also split at separators that may occur inside a JSON string.
    for line, written in enumerate(text.split("\n"), start=1):
        if written.strip():
            try:
                yield PostRow(line, orjson.loads(written))
            except orjson.JSONDecodeError as error:
                yield PostRow(line, None, f"invalid JSON: {error}")


def _read_array(text: str) -> list[PostRow]:
    try:
        return [PostRow(line, fields) for line, fields in enumerate(orjson.loads(text), start=1)]
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(
            f"the file is not a JSON array: {error}", field="", code="json_invalid"
        ) from None


def _read_csv(text: str, options: FileOptions) -> Iterator[PostRow]:
    text, delimiter, skipped = _find_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        first = next(reader, [])
        records: list[tuple[int, list[str]]] = []
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line + skipped, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInputError(
            f"line {line + skipped} is not valid CSV: {error}", field="", code="csv_invalid"
        ) from None
    if is_hootsuite(first):
        header, records = hootsuite_header(len(first)), [(1 + skipped, first), *records]
        return _read_template(hootsuite(), header, records, options)
    own = [_own_name(name) for name in first]
    template = None if _is_own(own) else find_template(first)
    if template is not None:
        return _read_template(template, first, records, options)
    _require_known(own)
    return (_from_cells(line, own, cells, options) for line, cells in records)


def _find_delimiter(text: str) -> tuple[str, str, int]:
    """Return the text, its separator, and the number of lines before it (`sep=;` is one)."""
    first, _, rest = text.partition("\n")
    named = _NAMED_SEPARATOR.fullmatch(first.strip("\r").strip('"'))
    if named:
        return rest, named[1] if named[1] != "\\t" else "\t", 1
    return text, max(",;\t", key=first.count), 0


def _own_name(name: str) -> str:
    """Return one of our own column names in lower case; names of platforms' options stay as they are."""
    stripped = name.strip()
    return stripped.lower() if stripped.lower() in CSV_COLUMNS else stripped


def _is_own(header: list[str]) -> bool:
    return "content" in header and all(
        name in CSV_COLUMNS or name.startswith((OPTION_PREFIX, VARIANT_PREFIX)) or _PART.fullmatch(name)
        for name in header
    )


def _read_template(
    template: Template, header: list[str], records: list[tuple[int, list[str]]], options: FileOptions
) -> Iterator[PostRow]:
    reader = TemplateReader(template, header, options)
    dates = read_dates([reader.dates_of(cells) for _, cells in records], options)
    for (line, cells), when in zip(records, dates, strict=True):
        if len(cells) > len(header):
            yield PostRow(line, None, f"{len(cells)} cells, the header has {len(header)} columns")
            continue
        fields, warnings = reader.read(cells, when)
        yield PostRow(line, fields, warnings=tuple(warnings))


def _require_known(header: list[str]) -> None:
    for name in header:
        if name.startswith(OPTION_PREFIX):
            add_option({}, name.removeprefix(OPTION_PREFIX), "")
        elif name not in CSV_COLUMNS and not name.startswith(VARIANT_PREFIX) and not _PART.fullmatch(name):
            raise InvalidInputError(
                f"unknown column {name!r}: use {', '.join(CSV_COLUMNS)}, {VARIANT_PREFIX}<platform>, "
                f"{OPTION_PREFIX}<platform>.<name>, or thread.<number>.<name> and first_comment.<name> with media, "
                "media_kind, alt_text or after",
                field="",
                code="unknown_column",
            )
    if "content" not in header:
        raise InvalidInputError("the header has no column content: add it", field="", code="missing_column")
    if len(set(header)) != len(header):
        raise InvalidInputError(
            "the header has a repeated column: keep one", field="", code="repeated_column"
        )


def _from_cells(line: int, header: list[str], cells: list[str], chosen: FileOptions) -> PostRow:
    if len(cells) != len(header):
        return PostRow(line, None, f"{len(cells)} cells, the header has {len(header)} columns")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
    fields = _own_fields(given)
    if "media" in given:
        fields["media"] = _media(given)
    elif "media_kind" in given or "alt_text" in given:
        return PostRow(line, None, "media_kind and alt_text need media: add the column media")
    if (problem := _add_parts(fields, given)) is not None:
        return PostRow(line, None, problem)
    if "scheduled_at" in header and "scheduled_at" not in given and "status" not in given:
        fields |= schedule_fields(None, chosen)
    return PostRow(line, fill_in(fields, chosen))


def _own_fields(given: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a row without its media."""
    fields: dict[str, Any] = {"content": ""}
    variants: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, cell in [(name, cell) for name, cell in given.items() if not _PART.fullmatch(name)]:
        if name.startswith(OPTION_PREFIX):
            add_option(options, name.removeprefix(OPTION_PREFIX), cell.strip())
        elif name.startswith(VARIANT_PREFIX):
            variants[name.removeprefix(VARIANT_PREFIX)] = {"content": cell}
        elif name in _LISTS:
            fields[name] = _SEPARATORS.split(cell.strip(" \t\r\n,;"))
        elif name == "thread":
            fields[name] = [part.strip() for part in _THREAD_BREAK.split(cell)]
        elif name not in {"media", "media_kind", "alt_text"}:
            fields[name] = cell if name in {"content", "first_comment"} else cell.strip()
    return fields | {name: value for name, value in (("variants", variants), ("options", options)) if value}


def _add_parts(fields: dict[str, Any], given: dict[str, str]) -> str | None:
    """Add media and delays to the parts; return what is wrong, or None."""
    columns: dict[str, dict[str, str]] = {}
    for name, cell in given.items():
        if _PART.fullmatch(name):
            part, _, what = name.rpartition(".")
            columns.setdefault(part, {})[what] = cell
    for part, cells in columns.items():
        place, _, number = part.partition(".")
        thread = fields.get("thread", [])
        if place == "first_comment":
            said = fields.get("first_comment")
        else:
            said = thread[int(number) - 1] if int(number) <= len(thread) else None
        if said is None:
            return f"there is no part for the column {part}.{next(iter(cells))}: give its text first"
        more: dict[str, Any] = {"media": _media(cells)} if "media" in cells else {}
        if "after" in cells:
            more["after"] = cells["after"].strip()
        if place == "first_comment":
            fields["first_comment"] = {"text": said, **more}
        else:
            thread[int(number) - 1] = {"text": said, **more}
    return None


def _media(given: dict[str, str]) -> list[dict[str, str]]:
    """Return media from URLs (separated by spaces, commas, `|` or `;`) and alt texts in the same order (by `|`)."""
    texts = [text.strip() for text in given.get("alt_text", "").split("|")]
    media = []
    for place, url in enumerate(_BETWEEN_MEDIA.split(given["media"].strip())):
        item = {"url": url, "kind": given.get("media_kind", "image").strip()}
        if place < len(texts) and texts[place]:
            item["alt_text"] = texts[place]
        media.append(item)
    return media
