"""Instagram "download your information" as JSON: posts and reels without counts."""

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

_MEMBERS = re.compile(r"(^|/)(posts_\d+|reels)\.json$", re.IGNORECASE)
_PLACES = {"posts": "item", "reels": "ig_reels_media.item"}
_HEADER = ["account", "creation_timestamp", "title", "kind", "media"]
_VIDEO = (".mp4", ".mov", ".webm")


def _open(archive: Archive, _folder: Path) -> list[Table]:
    names = [
        name
        for name in sorted(archive.members)
        if (archive.is_plain or (_MEMBERS.search(name) and "facebook" not in name.lower()))
        and _is_posts(archive.head(name, 8192))
    ]
    if not names:
        return []
    account = _find_account(archive)

    def read() -> Iterator[Record]:
        yield Record(0, _HEADER)
        number = 0
        for name in names:
            place = _PLACES["reels" if b'"ig_reels_media"' in archive.head(name, 256) else "posts"]
            for item in read_items(archive, name, place):
                number += 1
                yield Record(number, _cells(item, account))

    return [Table(name="", source="json", head=list(islice(read(), HEAD_RECORDS)), read=read)]


def _is_posts(head: bytes) -> bool:
    return b'"creation_timestamp"' in head and b'"media"' in head and b'"uri"' in head


def _find_account(archive: Archive) -> str:
    for name in archive.find("personal_information.json"):
        found = re.search(
            rb'"(?:Username|username)"\s*:\s*\{[^}]*"value"\s*:\s*"([\w.]{1,40})"', archive.head(name)
        )
        if found:
            return found[1].decode()
    return ""


def _cells(item: dict[str, Any], account: str) -> list[str]:
    media = [part for part in item.get("media") or () if isinstance(part, dict)]
    first = media[0] if media else {}
    # A post of one medium has its caption and its time there.
    title = item.get("title") or first.get("title") or ""
    moment = item.get("creation_timestamp") or first.get("creation_timestamp") or ""
    uris = [str(part.get("uri") or "") for part in media]
    kind = "video" if any(uri.lower().endswith(_VIDEO) for uri in uris) else "photo"
    return [account, str(moment), mend_text(str(title)), kind, " ".join(mend_text(uri) for uri in uris)]


FORMAT = Format(
    name="instagram_download",
    title="Instagram download (JSON)",
    platform=Platform.INSTAGRAM,
    fields={
        "account": ("account",),
        "published_at": ("creation_timestamp",),
        "text": ("title",),
        "kind": ("kind",),
    },
    open=_open,
    zone="UTC",
    notes=("this download has texts and times only: no ids, links or counts",),
)
