"""Bulk-scheduling files of other tools, recognised by their headers, as rows with our own fields.

Sources: the tools' public CSV templates (Buffer, Publer, Hootsuite, HighLevel, Ayrshare, SocialPilot, Metricool,
Postiz), which exist in several versions, so columns are compared in lower case and by their beginnings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from warehouse.errors import InvalidInputError
from warehouse.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BlankDate = Literal["draft", "queue", "now"]
"""What a row without a date becomes: a draft, a post in the queue, or a post that is published now."""
DateOrder = Literal["dmy", "mdy", "ymd"]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the user decides about a bulk file; it fills what a row does not say."""

    blank_date: BlankDate = "draft"
    date_order: DateOrder | None = None
    """Order of day and month in dates such as 03/04/2026; None = the file must show it."""
    timezone: str | None = None
    platforms: Sequence[str] = ()
    account_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A tool's template. Column names are in lower case; a trailing `*` stands for any ending."""

    name: str
    title: str
    marks: frozenset[str]
    """Columns that together tell the template from all others."""
    fields: Mapping[str, str]
    """Our field by column: content, date, time, media, link, first_comment, alt_text, platforms, draft."""
    ignored: frozenset[str] = frozenset()
    """Columns without a counterpart: a value in them is named in the report."""
    networks: Mapping[str, str] = field(default_factory=dict)
    """Platform by the column that says yes or no to it."""


_NETWORKS = {
    "facebook": "facebook",
    "twitter": "twitter",
    "twitter/x": "twitter",
    "x": "twitter",
    "linkedin": "linkedin",
    "instagram": "instagram",
    "pinterest": "pinterest",
    "tiktok": "tiktok",
    "youtube": "youtube",
    "threads": "threads",
    "bluesky": "bluesky",
}

TEMPLATES = (
    Template(
        "buffer",
        "Buffer",
        frozenset({"text", "posting time"}),
        {"text": "content", "image url": "media", "posting time": "date", "link": "link"},
        frozenset({"tags"}),
    ),
    Template(
        "publer",
        "Publer",
        frozenset({"date", "text", "media url(s)*"}),
        {
            "date": "date",
            "text": "content",
            "link(s)*": "link",
            "media url(s)*": "media",
            "alt text(s)*": "alt_text",
            "comment(s)*": "first_comment",
        },
        frozenset(
            {"title*", "label(s)*", "board*", "post subtype*", "pin board*", "cta*", "reminder*", "album*"}
        ),
    ),
    Template(
        "highlevel",
        "HighLevel",
        frozenset({"postatspecifictime*", "content*"}),
        {
            "postatspecifictime*": "date",
            "content*": "content",
            "link*": "link",
            "ogmetaurl*": "link",
            "imageurls*": "media",
            "gifurl*": "media",
            "videourls*": "media",
            "followupcomment*": "first_comment",
        },
        frozenset({"*"}),
    ),
    Template(
        "ayrshare",
        "Ayrshare",
        frozenset({"post", "platforms"}),
        {
            "post": "content",
            "platforms": "platforms",
            "mediaurls": "media",
            "scheduledate": "date",
            "firstcomment": "first_comment",
        },
        frozenset({"*"}),
    ),
    Template(
        "metricool",
        "Metricool",
        frozenset({"text", "date", "time"}),
        {
            "text": "content",
            "date": "date",
            "time": "time",
            "draft": "draft",
            "picture url*": "media",
            "video url*": "media",
            "alt text picture*": "alt_text",
            "first comment text": "first_comment",
        },
        frozenset({"*"}),
        _NETWORKS,
    ),
    Template(
        "socialpilot",
        "SocialPilot",
        frozenset({"post content*"}),
        {
            "post content*": "content",
            "post description*": "content",
            "date & time*": "date",
            "date*": "date",
            "time": "time",
            "schedule*": "date",
            "image url*": "media",
            "image/video url*": "media",
            "media url*": "media",
            "video url*": "media",
            "link*": "link",
            "url*": "link",
            "first comment*": "first_comment",
        },
        frozenset({"*"}),
    ),
    Template(
        "postiz",
        "Postiz",
        frozenset({"content", "date"}),
        {
            "content": "content",
            "date": "date",
            "time": "time",
            "media*": "media",
            "image*": "media",
            "video*": "media",
            "link": "link",
            "comment*": "first_comment",
            "platform*": "platforms",
            "provider*": "platforms",
        },
        frozenset({"*"}),
    ),
    Template(
        "auto_postit",
        "Auto-PostIt",
        frozenset({"scheduled_date", "content"}),
        {
            "platform": "platforms",
            "scheduled_date": "date",
            "content": "content",
            "media_urls": "media",
            "link": "link",
        },
        frozenset({"*"}),
    ),
)
_HOOTSUITE = Template(
    "hootsuite",
    "Hootsuite",
    frozenset(),
    {"date": "date", "text": "content", "link": "link", "media": "media"},
)
"""Its file has no header row: date, text, link, and in newer versions media."""
_HOOTSUITE_COLUMNS = ("date", "text", "link", "media")

_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[T ,]+\d{1,2}:\d{2}.*)?")
_BETWEEN_MEDIA = re.compile(r"\s*[|;\n]\s*|\s*,\s*(?=https?://)|\s+(?=https?://)")
_VIDEO = re.compile(r"\.(?:mp4|mov|m4v|webm|avi|mkv)(?:$|[?#])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s,;|]+")
_NETWORK = "network:"
_YES = frozenset({"true", "yes", "1", "x"})
_MODES = frozenset({"draft", "queue", "optimal", "now"})


def find_template(header: Sequence[str]) -> Template | None:
    """Return the template with this header; None = none is known."""
    names = [_plain(name) for name in header]
    found = [
        template
        for template in TEMPLATES
        if all(any(_fits(mark, name) for name in names) for mark in template.marks)
    ]
    return max(found, key=lambda template: len(template.marks), default=None)


def is_hootsuite(first: Sequence[str]) -> bool:
    """Return whether a file without a header begins like Hootsuite's: a date, then the text."""
    return 2 <= len(first) <= 4 and _DATE.fullmatch(first[0].strip()) is not None and bool(first[1].strip())


def hootsuite_header(width: int) -> list[str]:
    """Return the names of the columns of Hootsuite's file."""
    return list(_HOOTSUITE_COLUMNS[:width])


def hootsuite() -> Template:
    """Return the template of Hootsuite."""
    return _HOOTSUITE


class TemplateReader:
    """Turns rows of one template's file into fields of our own."""

    def __init__(self, template: Template, header: Sequence[str], options: FileOptions) -> None:
        self._template = template
        self._options = options
        self._columns = [self._find_field(_plain(name)) for name in header]
        self._names = list(header)
        if not any(found == "content" for found in self._columns):
            raise InvalidInputError(
                f"the {template.title} file has no column with the text", field="", code="missing_column"
            )

    def _find_field(self, name: str) -> str | None:
        exact = self._template.fields.get(name)
        if exact is not None:
            return exact
        for pattern, found in self._template.fields.items():
            if _fits(pattern, name):
                return found
        if name in self._template.networks:
            return _NETWORK + self._template.networks[name]
        if not name or any(_fits(pattern, name) for pattern in self._template.ignored):
            return None
        raise InvalidInputError(
            f"the {self._template.title} file has an unknown column {name!r}: remove it",
            field="",
            code="unknown_column",
        )

    def dates_of(self, cells: Sequence[str]) -> str:
        """Return the date of a row as written, with its time of day; empty = none."""
        parts = dict.fromkeys(("date", "time"), "")
        for found, cell in zip(self._columns, cells, strict=False):
            if found in parts and cell.strip():
                parts[found] = cell.strip()
        return " ".join(part for part in parts.values() if part)

    def read(self, cells: Sequence[str], when: str | None) -> tuple[dict[str, Any], list[str]]:
        """Return the fields of a row and its warnings. `when`: its date in our form; None = it has none."""
        cells_of: dict[str, list[str]] = {}
        left_out: list[str] = []
        platforms: list[str] = []
        for found, name, cell in zip(self._columns, self._names, cells, strict=False):
            value = cell.strip()
            if not value:
                continue
            if found is None:
                left_out.append(name)
            elif found.startswith(_NETWORK):
                platforms += [found.removeprefix(_NETWORK)] if value.casefold() in _YES else []
            else:
                cells_of.setdefault(found, []).append(cell if found == "content" else value)
        fields: dict[str, Any] = {"content": "".join(cells_of.get("content", [])[:1])}
        fields |= {name: cells_of[name][0] for name in ("link", "first_comment") if name in cells_of}
        media = [url for value in cells_of.get("media", ()) for url in _BETWEEN_MEDIA.split(value) if url]
        alts = [text.strip() for value in cells_of.get("alt_text", ()) for text in value.split("|")]
        if media:
            fields["media"] = [_medium(url, alts, place) for place, url in enumerate(media)]
        for value in cells_of.get("platforms", ()):
            platforms += [part for part in _SEPARATORS.split(value) if part]
        if platforms:
            fields["platforms"] = list(dict.fromkeys(platforms))
        is_draft = any(value.casefold() in _YES for value in cells_of.get("draft", ()))
        fields |= schedule_fields(when, self._options) | ({"status": "draft"} if is_draft else {})
        warnings = [f"not used: {', '.join(left_out)} ({self._template.title})"] if left_out else []
        return fill_in(fields, self._options), warnings


def schedule_fields(when: str | None, options: FileOptions) -> dict[str, Any]:
    """Return the fields of a row's time: a blank date is a draft unless the user says otherwise, never "now"."""
    chosen = when or options.blank_date
    match chosen:
        case "draft":
            return {"status": "draft"}
        case "now":
            return {}
        case _:
            return {"scheduled_at": chosen}


def fill_in(fields: dict[str, Any], options: FileOptions) -> dict[str, Any]:
    """Add what the user named for all rows and this row does not say."""
    if options.timezone is not None:
        fields.setdefault("timezone", options.timezone)
    if "platforms" not in fields and "account_ids" not in fields:
        if options.platforms:
            fields["platforms"] = [parse_platform(name).value for name in options.platforms]
        if options.account_ids:
            fields["account_ids"] = list(options.account_ids)
    return fields


def read_dates(values: Sequence[str], options: FileOptions) -> list[str | None]:
    """Return each date in our form (ISO 8601, local unless it has an offset); None = blank.

    The order of day and month is decided for the whole column. Raises InvalidInputError if it allows two readings.
    A value that is no date is returned as it is: its row is refused where the post is planned.
    """
    from warehouse.lake.import_.times import TimeProblem, decide, parse  # noqa: PLC0415 (Arrow, for these files only)

    written = [value for value in values if value and value.casefold() not in _MODES]
    try:
        style = decide(written, column="date", option=options.date_order)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), field=error.field, code="ambiguous_date") from None
    told: list[str | None] = []
    for value in values:
        if not value:
            told.append(None)
            continue
        if value.casefold() in _MODES:
            told.append(value.casefold())
            continue
        moment = parse(value, style)
        if isinstance(moment, TimeProblem):
            told.append(value)
        elif moment.day_only:
            told.append(f"{value} (no time of day)"[:64])
        else:
            told.append(moment.clock.isoformat())
    return told


def _medium(url: str, alts: Sequence[str], place: int) -> dict[str, str]:
    item = {"url": url, "kind": "video" if _VIDEO.search(url) else "image"}
    if place < len(alts) and alts[place]:
        item["alt_text"] = alts[place]
    return item


def _plain(name: str) -> str:
    return " ".join(name.replace("﻿", "").strip().casefold().split())


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
