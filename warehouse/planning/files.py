"""Read many posts from one file: a JSON array, JSON lines, or CSV. Each row keeps its line number."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from warehouse.errors import InvalidInputError
from warehouse.planning.option_texts import add_option

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_THREAD_BREAK = re.compile(r"^---\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PostRow:
    """One post of a file, not validated yet."""

    line: int
    """Number of its first line, from 1; in a JSON array its position."""
    fields: object
    """The fields of a PostWish as JSON values; None with a `problem`."""
    problem: str | None = None


def read_post_rows(body: bytes, file_format: FileFormat) -> list[PostRow]:
    """Return the rows of a file.

    "json" also accepts JSON lines, because many tools declare them so. Raises InvalidInputError: not UTF-8, no rows,
    too many rows, an invalid header. A row that cannot be read is a PostRow with a `problem`.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"the file is not UTF-8 (at byte {error.start})", field="", code="not_utf8"
        ) from None
    if file_format == "csv":
        rows = list(_read_csv(text))
    elif file_format == "json" and text.lstrip().startswith("["):
        rows = _read_array(text)
    else:
        rows = list(_read_lines(text))
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


def _read_csv(text: str) -> Iterator[PostRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        _require_known(header)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _from_cells(line, header, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInputError(
            f"line {line} is not valid CSV: {error}", field="", code="csv_invalid"
        ) from None


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


def _from_cells(line: int, header: list[str], cells: list[str]) -> PostRow:
    if len(cells) != len(header):
        return PostRow(line, None, f"{len(cells)} cells, the header has {len(header)} columns")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
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
    fields |= {name: value for name, value in (("variants", variants), ("options", options)) if value}
    if "media" in given:
        fields["media"] = _media(given)
    elif "media_kind" in given or "alt_text" in given:
        return PostRow(line, None, "media_kind and alt_text need media: add the column media")
    problem = _add_parts(fields, given)
    return PostRow(line, fields) if problem is None else PostRow(line, None, problem)


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
    """Return media from space-separated URLs and, in the same order, alt texts separated by `|`."""
    texts = [text.strip() for text in given.get("alt_text", "").split("|")]
    media = []
    for place, url in enumerate(given["media"].split()):
        item = {"url": url, "kind": given.get("media_kind", "image").strip()}
        if place < len(texts) and texts[place]:
            item["alt_text"] = texts[place]
        media.append(item)
    return media
