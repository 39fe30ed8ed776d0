"""Facebook "download your information" as JSON: posts without counts."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format
from warehouse.lake.import_.json_items import mend_text, read_items
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.lake.import_.archives import Archive

_MEMBERS = re.compile(r"(^|/)(your_posts[\w-]*|profile_posts_\d+|page_posts_\d+)\.json$", re.IGNORECASE)
_HEADER = ["timestamp", "post", "kind", "link", "title", "what"]


def _open(archive: Archive, _folder: Path) -> list[Table]:
    names = [
        name
        for name in sorted(archive.members)
        if (archive.is_plain or _MEMBERS.search(name)) and _is_posts(archive.head(name, 8192))
    ]
    if not names:
        return []

    def read() -> Iterator[Record]:
        yield Record(0, _HEADER)
        number = 0
        for name in names:
            for item in read_items(archive, name):
                number += 1
                yield Record(number, _cells(item))

    return [Table(name="", source="json", head=list(islice(read(), HEAD_RECORDS)), read=read)]


def _is_posts(head: bytes) -> bool:
    return (
        b'"timestamp"' in head
        and (b'"data"' in head or b'"attachments"' in head)
        and b'"creation_timestamp"' not in head.partition(b'"timestamp"')[0]
        and (b'"post"' in head or b'"attachments"' in head)
    )


def _cells(item: dict[str, Any]) -> list[str]:
    texts = [part["post"] for part in item.get("data") or () if isinstance(part, dict) and "post" in part]
    parts = [
        part
        for attachment in item.get("attachments") or ()
        if isinstance(attachment, dict)
        for part in attachment.get("data") or ()
        if isinstance(part, dict)
    ]
    link = next(
        (
            str(part["external_context"].get("url") or "")
            for part in parts
            if isinstance(part.get("external_context"), dict)
        ),
        "",
    )
    uris = [
        str(part["media"].get("uri") or "").lower() for part in parts if isinstance(part.get("media"), dict)
    ]
    video = any(uri.endswith((".mp4", ".mov", ".webm")) for uri in uris)
    kind = "video" if video else "photo" if uris else "link" if link else "text"
    return [
        str(item.get("timestamp") or ""),
        mend_text(str(texts[0])) if texts else "",
        kind,
        mend_text(link),
        mend_text(str(item.get("title") or "")),
        "" if texts or parts else "empty",
    ]


FORMAT = Format(
    name="facebook_download",
    title="Facebook download (JSON)",
    platform=Platform.FACEBOOK,
    fields={"published_at": ("timestamp",), "text": ("post",), "kind": ("kind",), "what": ("what",)},
    left_out={"entries without text and attachment": "{what} = 'empty'"},
    open=_open,
    zone="UTC",
    notes=("this download has texts and times only: no ids, links or counts",),
)
