"""X data archive: `data/tweets.js` (older: `tweet.js`) with all posts, `data/account.js` with the account's name."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.types import Platform
from warehouse.lake.import_.formats.base import Format
from warehouse.lake.import_.json_items import read_items
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.lake.import_.archives import Archive

_POSTS = re.compile(r"(^|/)tweets?(-part\d+)?\.js$", re.IGNORECASE)
_HEADER = ["id", "account", "created_at", "full_text", "kind", "likes", "reposts", "what", "lang", "source"]


def _open(archive: Archive, _folder: Path) -> list[Table]:
    names = sorted(name for name in archive.members if _POSTS.search(name.replace("\\", "/")))
    if archive.is_plain:
        (only,) = archive.members
        names = [only] if b"window.YTD.tweet" in archive.head(only, 4096) else []
    if not names:
        return []
    account = _find_account(archive)

    def read() -> Iterator[Record]:
        yield Record(0, _HEADER)
        number = 0
        for name in names:
            for item in read_items(archive, name, "item"):
                number += 1
                tweet = item.get("tweet") if isinstance(item.get("tweet"), dict) else item
                yield Record(number, _cells(tweet or {}, account))

    return [Table(name="", source="json", head=list(islice(read(), HEAD_RECORDS)), read=read)]


def _find_account(archive: Archive) -> str:
    for name in archive.find("data/account.js", "/account.js"):
        for item in read_items(archive, name, "item"):
            account = item.get("account")
            if isinstance(account, dict):
                return str(account.get("username") or "")
    return ""


def _cells(tweet: dict[str, Any], account: str) -> list[str]:
    text = str(tweet.get("full_text") or tweet.get("text") or "")
    entities = tweet.get("entities")
    entities = entities if isinstance(entities, dict) else {}
    extended = tweet.get("extended_entities")
    media = [
        part
        for source in (extended, entities)
        if isinstance(source, dict)
        for part in source.get("media") or ()
        if isinstance(part, dict)
    ]
    links = [link for link in entities.get("urls") or () if isinstance(link, dict)]
    for link in links:  # as the author wrote it, like the connector
        text = text.replace(str(link.get("url") or "\0"), str(link.get("expanded_url") or link.get("url")))
    for part in media:
        text = text.replace(str(part.get("url") or "\0"), "").rstrip()
    types = {str(part.get("type")) for part in media}
    kind = "video" if types & {"video", "animated_gif"} else "photo" if types else "link" if links else "text"
    what = "repost" if text.startswith("RT @") or "retweeted_status" in tweet else ""
    if not what and tweet.get("in_reply_to_status_id_str"):
        what = "reply"
    return [
        str(tweet.get("id_str") or tweet.get("id") or ""),
        account,
        str(tweet.get("created_at") or ""),
        text,
        kind,
        str(tweet.get("favorite_count") or ("" if tweet.get("favorite_count") is None else 0)),
        str(tweet.get("retweet_count") or ("" if tweet.get("retweet_count") is None else 0)),
        what,
        str(tweet.get("lang") or ""),
        str(tweet.get("source") or ""),
    ]


FORMAT = Format(
    name="x_archive",
    title="X data archive",
    platform=Platform.TWITTER,
    fields={
        "external_id": ("id",),
        "account": ("account",),
        "text": ("full_text",),
        "kind": ("kind",),
        "published_at": ("created_at",),
        "likes": ("likes",),
        "shares": ("reposts",),
        "what": ("what",),
    },
    expressions={"permalink": "'https://x.com/i/status/' || {external_id}"},
    left_out={"reposts of other people's posts": "{what} = 'repost'", "replies": "{what} = 'reply'"},
    open=_open,
    zone="UTC",
    notes=("the archive has likes and reposts only: impressions, replies and bookmarks are not in it",),
)
