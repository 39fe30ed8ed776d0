"""Read many posts from one body: a JSON array, JSON lines, or CSV; each row keeps the line it stands on."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from api.http.errors import ApiError, problem_at

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ROWS = 200
"""One transaction for all: on SQLite a publisher waits for it, about a second for so many."""
JSON = "application/json"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/ndjson")
CSV = "text/csv"
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
"""A column such as `content.mastodon`: what that platform gets instead."""

_LISTS = ("platforms", "account_ids")
_SEPARATORS = re.compile(r"[\s,;]+")
_THREAD_BREAK = re.compile(r"^---\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PostRow:
    """One post of a body, not checked yet."""

    line: int
    """Where it begins, from 1; in a JSON array its place in it."""
    fields: object
    """As in the body of POST /posts; `problem` says why there are none."""
    problem: str | None = None


def read_post_rows(body: bytes, content_type: str) -> list[PostRow]:
    """Return the rows of a body. Raises an ApiError for another type, no rows, too many, or no text at all."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {JSON, *JSON_LINES, CSV}:
        raise ApiError(
            415,
            "unsupported_media_type",
            f"posts come as {JSON_LINES[0]} (one a line), {JSON} (an array) or {CSV}, not as {kind or 'nothing'}",
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise problem_at("", "not_utf8", f"the body is no UTF-8 (at byte {error.start})") from None
    if kind == CSV:
        rows = list(_read_csv(text))
    elif kind == JSON and text.lstrip().startswith("["):
        rows = _read_array(text)
    else:
        rows = list(_read_lines(text))
    if not rows:
        raise problem_at("", "no_rows", "the body holds no posts")
    if len(rows) > MAX_ROWS:
        raise problem_at(
            "", "too_many_rows", f"{len(rows)} posts, at most {MAX_ROWS} at once: split them", limit=MAX_ROWS
        )
    return rows


def _read_lines(text: str) -> Iterator[PostRow]:
    # Not splitlines: it would also cut at separators that may stand inside a JSON string.
    for line, written in enumerate(text.split("\n"), start=1):
        if written.strip():
            try:
                yield PostRow(line, orjson.loads(written))
            except orjson.JSONDecodeError as error:
                yield PostRow(line, None, f"no JSON: {error}")


def _read_array(text: str) -> list[PostRow]:
    try:
        return [PostRow(line, fields) for line, fields in enumerate(orjson.loads(text), start=1)]
    except orjson.JSONDecodeError as error:
        raise problem_at("", "json_invalid", f"the body is no JSON array: {error}") from None


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
        raise problem_at("", "csv_invalid", f"line {line} is no CSV: {error}") from None


def _require_known(header: list[str]) -> None:
    for name in header:
        if name not in CSV_COLUMNS and not name.startswith(VARIANT_PREFIX):
            raise problem_at(
                "",
                "unknown_column",
                f"unknown column {name!r}: use {', '.join(CSV_COLUMNS)} or {VARIANT_PREFIX}<platform>",
            )
    if "content" not in header:
        raise problem_at("", "missing_column", "the first line names the columns: content is missing")
    if len(set(header)) != len(header):
        raise problem_at("", "repeated_column", "a column stands twice in the first line")


def _from_cells(line: int, header: list[str], cells: list[str]) -> PostRow:
    if len(cells) != len(header):
        return PostRow(line, None, f"{len(cells)} cells, the first line names {len(header)} columns")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
    fields: dict[str, Any] = {"content": ""}
    variants: dict[str, Any] = {}
    for name, cell in given.items():
        if name in _LISTS:
            fields[name] = _SEPARATORS.split(cell.strip(" \t\r\n,;"))
        elif name == "thread":
            fields[name] = [part.strip() for part in _THREAD_BREAK.split(cell)]
        elif name.startswith(VARIANT_PREFIX):
            variants[name.removeprefix(VARIANT_PREFIX)] = {"content": cell}
        elif name not in {"media", "media_kind", "alt_text"}:
            fields[name] = cell if name in {"content", "first_comment"} else cell.strip()
    if variants:
        fields["variants"] = variants
    if "media" in given:
        fields["media"] = _media(given)
    elif "media_kind" in given or "alt_text" in given:
        return PostRow(line, None, "media_kind and alt_text describe media: give media too")
    return PostRow(line, fields)


def _media(given: dict[str, str]) -> list[dict[str, str]]:
    """Return media from addresses set apart by spaces, and alt texts set apart by `|` in the same order."""
    texts = [text.strip() for text in given.get("alt_text", "").split("|")]
    media = []
    for place, url in enumerate(given["media"].split()):
        item = {"url": url, "kind": given.get("media_kind", "image").strip()}
        if place < len(texts) and texts[place]:
            item["alt_text"] = texts[place]
        media.append(item)
    return media
