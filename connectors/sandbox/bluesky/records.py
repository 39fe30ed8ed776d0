"""Simulated Bluesky: the records of the accounts' repositories.

Posts are stored in the world, all others here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import regex  # type: ignore[import-untyped]  # ships no type information

from connectors.sandbox.wire import iso_millis
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

POSTS: Final = "app.bsky.feed.post"
_MAX_GRAPHEMES: Final = 300
_MAX_BYTES: Final = 3000
_MAX_IMAGES: Final = 4
_IMAGE_LIMIT: Final = 2_000_000
_RKEY: Final = re.compile(r"[A-Za-z0-9._:~-]{1,512}")
_LINK: Final = re.compile(rb"https?://\S+")


class RecordError(Exception):
    """The PDS rejects the request; `error` is XRPC's error name."""

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record of a repository."""

    uri: str
    collection: str
    rkey: str
    cid: str
    value: dict[str, Any]
    post: SandboxPost | None = None


def build_cid(content: object) -> str:
    """Return a valid CID (v1, sha-256) that depends only on the content, not on the key order."""
    codec = b"\x01\x55" if isinstance(content, bytes) else b"\x01\x71"
    raw = content if isinstance(content, bytes) else orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    multihash = codec + b"\x12\x20" + hashlib.sha256(raw).digest()
    return "b" + base64.b32encode(multihash).decode().rstrip("=").lower()


class RecordStore:
    """All repositories of one world, and the uploaded blobs (size in bytes by link)."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._others: dict[tuple[str, str, str], StoredRecord] = {}
        self.blobs: dict[str, int] = {}

    def get(self, account: SandboxAccount, collection: str, rkey: str) -> StoredRecord | None:
        """Return the record, or None."""
        if collection != POSTS:
            return self._others.get((account.key, collection, rkey))
        uri = f"at://{account.external_id}/{POSTS}/{rkey}"
        post = self._world.find_post(Platform.BLUESKY, uri, account)
        return None if post is None else self.describe(post)

    def describe(self, post: SandboxPost) -> StoredRecord:
        """Return the record of a post; records of generated history are created on first access."""
        if post.details is None:
            value = _invent_record(post)
            post.details = {"record": value, "cid": build_cid(value)}
        rkey = post.external_id.rpartition("/")[2]
        return StoredRecord(post.external_id, POSTS, rkey, post.details["cid"], post.details["record"], post)

    def list(self, account: SandboxAccount, collection: str, *, reverse: bool) -> list[StoredRecord]:
        """Return the records of a collection by key, highest first; `reverse`: lowest first."""
        if collection == POSTS:
            records = [self.describe(post) for post in self._world.list_posts(account)]
        else:
            records = [
                record
                for (key, name, _), record in self._others.items()
                if key == account.key and name == collection
            ]
        return sorted(records, key=lambda record: record.rkey, reverse=not reverse)

    def put(
        self, account: SandboxAccount, collection: str, rkey: str, *, value: dict[str, Any], at: float
    ) -> StoredRecord:
        """Write the record, replacing an existing one."""
        cid = build_cid(value)
        uri = f"at://{account.external_id}/{collection}/{rkey}"
        if collection != POSTS:
            record = StoredRecord(uri, collection, rkey, cid, value)
            self._others[account.key, collection, rkey] = record
            return record
        details = {"record": value, "cid": cid}
        post = self._world.find_post(Platform.BLUESKY, uri, account)
        if post is None:
            parent = (value.get("reply") or {}).get("parent", {}).get("uri")
            post = self._world.add_post(
                account,
                text=value["text"],
                kind=_kind_of(value),
                at=at,
                external_id=uri,
                idempotency_key=rkey,
                details={**details, "reply_to": parent},
            )
        else:
            edits = int(post.detail("edits") or 0) + 1
            self._world.edit_post(post, text=value["text"], details={**details, "edits": edits})
        return self.describe(post)

    def delete(self, account: SandboxAccount, record: StoredRecord, at: float) -> None:
        """Remove the record."""
        if record.post is not None:
            self._world.delete_post(record.post, at)
        else:
            del self._others[account.key, record.collection, record.rkey]

    def validate_key(self, rkey: object) -> None:
        """Raise RecordError unless this is a valid record key."""
        if not isinstance(rkey, str) or not _RKEY.fullmatch(rkey) or rkey in (".", ".."):
            raise RecordError("InvalidRequest", "Input/rkey must be a valid Record Key")

    def validate(self, collection: str, record: object) -> None:
        """Raise RecordError unless the record matches the lexicon of posts.

        Records of other collections are not checked.
        """
        if not isinstance(record, dict):
            raise RecordError("InvalidRequest", 'Input must have the property "record"')
        if collection != POSTS:
            return
        if record.get("$type", POSTS) != POSTS:
            raise RecordError("InvalidRequest", f"Invalid $type: expected {POSTS}, got {record['$type']}")
        missing = next(
            (name for name in ("text", "createdAt") if not isinstance(record.get(name), str)), None
        )
        if missing is not None:
            message = f'Invalid {POSTS} record: Record must have the property "{missing}"'
            raise RecordError("InvalidRecord", message)
        text = record["text"]
        if len(text.encode()) > _MAX_BYTES:
            raise _too_long(f"text must not be longer than {_MAX_BYTES} bytes")
        # There are never more graphemes than code points.
        if len(text) > _MAX_GRAPHEMES and len(regex.findall(r"\X", text)) > _MAX_GRAPHEMES:
            raise _too_long(f"text must not be longer than {_MAX_GRAPHEMES} graphemes")
        self._validate_embed(record)

    def _validate_embed(self, record: dict[str, Any]) -> None:
        images = (record.get("embed") or {}).get("images", [])
        if len(images) > _MAX_IMAGES:
            raise _too_long(f"embed/images must not have more than {_MAX_IMAGES} elements")
        for blob in _find_blobs(record):
            link = blob["ref"]["$link"]
            if link not in self.blobs:
                raise RecordError("BlobNotFound", f"Could not find blob: {link}")
            size = self.blobs[link]
            if blob.get("mimeType", "").startswith("image/") and size > _IMAGE_LIMIT:
                detail = f"This file is too large. It is {size} bytes but the maximum is {_IMAGE_LIMIT}."
                raise RecordError("BlobTooLarge", detail)


def _too_long(what: str) -> RecordError:
    return RecordError("InvalidRecord", f"Invalid {POSTS} record: Record/{what}")


def _find_blobs(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("$type") == "blob":
            yield value
            return
        for item in value.values():
            yield from _find_blobs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_blobs(item)


def _kind_of(record: dict[str, Any]) -> ContentKind:
    embed = (record.get("embed") or {}).get("$type", "")
    if embed == "app.bsky.embed.images":
        return "photo"
    if embed == "app.bsky.embed.video":
        return "video"
    return "link" if embed == "app.bsky.embed.external" or "https://" in record["text"] else "text"


def _invent_record(post: SandboxPost) -> dict[str, Any]:
    record: dict[str, Any] = {
        "$type": POSTS,
        "text": post.text,
        "langs": ["en"],
        "createdAt": iso_millis(post.created),
    }
    match = _LINK.search(post.text.encode())
    if match is not None:
        feature = {"$type": "app.bsky.richtext.facet#link", "uri": match.group().decode()}
        record["facets"] = [
            {"index": {"byteStart": match.start(), "byteEnd": match.end()}, "features": [feature]}
        ]
    blob = {
        "$type": "blob",
        "ref": {"$link": build_cid(post.external_id.encode())},
        "mimeType": "image/png" if post.kind == "photo" else "video/mp4",
        "size": 1024,
    }
    if post.kind == "photo":
        record["embed"] = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    elif post.kind == "video":
        record["embed"] = {"$type": "app.bsky.embed.video", "video": blob}
    return record
