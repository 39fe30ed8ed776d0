"""What a format is: its columns as data, and what is known about its numbers and times."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from connectors.types import Platform
    from warehouse.lake.import_.archives import Archive
    from warehouse.lake.import_.tables import Table
    from warehouse.lake.import_.types import DateOrder, DecimalMark


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One kind of export."""

    name: str
    title: str
    platform: Platform | None
    """None = the file does not say, or says it in the column of the field `platform`."""
    fields: Mapping[str, tuple[str, ...]]
    """Headers of each field, in lower case as `normalize` returns them; the first one that the file has is read."""
    marks: tuple[frozenset[str], ...] = ()
    """A table is of this format if its header holds all of one of these sets."""
    forbidden: frozenset[str] = frozenset()
    """Headers that this format never has."""
    expressions: Mapping[str, str] = field(default_factory=dict)
    """SQL for fields that are made from other texts of the row: {name} stands for the text of a field."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Rows that are no posts: what they are (plural), and the SQL condition."""
    open: Callable[[Archive, Path], list[Table]] | None = None
    """For archives and JSON: return the tables, or nothing if the file is not of this format."""
    member: str = ""
    """A regular expression for the table's name in an archive that holds several."""
    zone: str | None = None
    """Zone of times without offset, where the format defines it."""
    zone_hint: str = ""
    """What is known about the zone otherwise, for the note that it was assumed."""
    date_order: DateOrder | None = None
    decimal_mark: DecimalMark | None = None
    days: bool = False
    """Rows with a day and no time of day are accepted."""
    id_time: str | None = None
    """SQL for the time that the platform's id holds: it gives the time of day where the file has only the day."""
    percent: frozenset[str] = frozenset()
    """Fields whose values are percent without a sign."""
    scale: Mapping[str, float] = field(default_factory=dict)
    """Factor of a field: hours of watching to seconds."""
    notes: tuple[str, ...] = ()
    """What the format does not have."""


def normalize(header: str) -> str:
    """Return a header as formats write it: lower case, plain spaces, straight quotes."""
    text = unicodedata.normalize("NFKC", header).replace("\ufeff", "").strip().strip('"').casefold()
    text = text.replace("\u2019", "'").replace("\u201e", '"').replace("\u201c", '"')
    return re.sub(r"\s+", " ", text).strip()


X_ID_TIME = (
    "make_timestamptz((((try_cast(external_id AS HUGEINT) // 4194304) + 1288834974657) * 1000)::BIGINT)"
)
"""Ids of X since November 2010 hold milliseconds since its epoch in all but the lowest 22 bits (X's documentation of
snowflake ids)."""

TIKTOK_ID_TIME = "make_timestamptz(((try_cast(external_id AS HUGEINT) // 4294967296) * 1000000)::BIGINT)"
"""The upper 32 bits of TikTok's ids are epoch seconds (seen in public data; used only where the file's day agrees)."""

LINKEDIN_ID_TIME = (
    "make_timestamptz("
    "((try_cast(regexp_extract(external_id, '(\\d{15,20})$', 1) AS HUGEINT) // 4194304) * 1000)::BIGINT)"
)
"""LinkedIn's activity ids hold epoch milliseconds in all but the lowest 22 bits (seen in public data; used only where
the file's day agrees)."""

ID_FROM_LINK = (
    "coalesce({external_id}"
    ", nullif(regexp_extract({permalink}, '(?:twitter|x)\\.com/[^/]+/status(?:es)?/(\\d+)', 1), '')"
    ", nullif(regexp_extract({permalink}, 'tiktok\\.com/@[^/]+/(?:video|photo)/(\\d+)', 1), '')"
    ", nullif(regexp_extract({permalink}, '(urn:li:(?:activity|share|ugcPost):\\d+)', 1), '')"
    ", nullif(regexp_extract({permalink}, 'youtube\\.com/watch\\?v=([\\w-]{{11}})', 1), '')"
    ", nullif(regexp_extract({permalink}, 'youtu\\.be/([\\w-]{{11}})', 1), '')"
    ", nullif(regexp_extract({permalink}, 'pinterest\\.[a-z.]+/pin/(\\d+)', 1), ''))"
)
"""The platform's id from the address of the post, for tools that export only that."""
