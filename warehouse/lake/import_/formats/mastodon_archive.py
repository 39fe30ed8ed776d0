"""Mastodon archive: `outbox.json` (ActivityStreams), alone, in a zip or in a tar.gz. It has no counts."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.content.text import strip_html
from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format
from warehouse.lake.import_.json_items import read_items
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.lake.import_.archives import Archive

_HEADER = ["id", "account", "published", "content", "kind", "url", "what"]
_ACTOR = re.compile(r"https?://([^/]+)/(?:users/|@)([\w.-]+)")


def _open(archive: Archive, _folder: Path) -> list[Table]:
    names = [
        name
        for name in (archive.members if archive.is_plain else archive.find("outbox.json"))
        if _is_outbox(archive.head(name, 8192))
    ]
    if not names:
        return []

    def read() -> Iterator[Record]:
        yield Record(0, _HEADER)
        for number, item in enumerate(read_items(archive, names[0], "orderedItems.item"), 1):
            yield Record(number, _cells(item))

    return [Table(name="", source="json", head=list(islice(read(), HEAD_RECORDS)), read=read)]


def _is_outbox(head: bytes) -> bool:
    return b'"orderedItems"' in head and b"OrderedCollection" in head


def _cells(item: dict[str, Any]) -> list[str]:
    post = item.get("object")
    if item.get("type") != "Create" or not isinstance(post, dict):
        return ["", "", "", "", "", "", "boost"]
    attached = [part for part in post.get("attachment") or () if isinstance(part, dict)]
    types = {str(part.get("mediaType") or "").partition("/")[0] for part in attached}
    text = strip_html(str(post.get("content") or ""))
    kind = (
        "video" if "video" in types else "photo" if "image" in types else "link" if "http" in text else "text"
    )
    actor = _ACTOR.match(str(item.get("actor") or post.get("attributedTo") or ""))
    url = str(post.get("url") or post.get("id") or "")
    what = "reply" if post.get("inReplyTo") else ""
    if not what and not _is_public(post):
        what = "private"
    return [
        str(post.get("id") or "").rstrip("/").rpartition("/")[2],
        f"{actor[2]}@{actor[1]}" if actor else "",
        str(post.get("published") or ""),
        text,
        kind,
        url,
        what,
    ]


def _is_public(post: dict[str, Any]) -> bool:
    """Return whether the post is for everybody or for followers, not a direct message."""
    audience = [*_listed(post.get("to")), *_listed(post.get("cc"))]
    return not audience or any(str(one).endswith(("#Public", ":Public", "/followers")) for one in audience)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value] if value else []


FORMAT = Format(
    name="mastodon_archive",
    title="Mastodon archive",
    platform=Platform.MASTODON,
    fields={
        "external_id": ("id",),
        "account": ("account",),
        "published_at": ("published",),
        "text": ("content",),
        "kind": ("kind",),
        "permalink": ("url",),
        "what": ("what",),
    },
    left_out={
        "boosts and other activities": "{what} = 'boost'",
        "replies": "{what} = 'reply'",
        "direct messages": "{what} = 'private'",
    },
    open=_open,
    zone="UTC",
    notes=("the archive has no counts",),
)
