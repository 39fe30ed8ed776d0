"""Bluesky repository (CAR): every record of an account; posts without counts. The DID names the account.

A CAR is a list of CBOR blocks named by their hash. The records' keys stand in the nodes of a tree (atproto's
documentation of repositories): a node's keys share their beginnings with the key before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libipld

from connectors.types import Platform
from warehouse.lake.import_.archives import shown
from warehouse.lake.import_.formats.base import Format
from warehouse.lake.import_.json_items import dump
from warehouse.lake.import_.tables import HEAD_RECORDS, Record, Table
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.lake.import_.archives import Archive

MAX_CAR_BYTES = 1 << 30
"""All blocks are held in memory: a repository of a million records has about 500 MB."""
_COLLECTION = "app.bsky.feed.post/"
_HEADER = ["uri", "account", "createdAt", "text", "kind", "permalink", "what", "record"]


def read_tables(archive: Archive, name: str) -> list[Table]:
    """Return the posts of a repository. Raises FileRefusedError for a file that ends early or lies."""
    with archive.open(name) as file:
        data = file.read(MAX_CAR_BYTES + 1)
    if len(data) > MAX_CAR_BYTES:
        raise FileRefusedError(f"{shown(name)} is a repository of more than 1 GB: it does not fit in memory")
    blocks, root = _read_blocks(data, name)
    commit = _decode(blocks.get(root), name)
    did = str(commit.get("did") or "")
    if not did.startswith("did:") or not isinstance(commit.get("data"), bytes):
        raise FileRefusedError(
            f"{shown(name)} is a CAR, but not the repository of an account: download it again"
        )
    rows = [
        Record(number, _cells(did, key, _decode(blocks.get(cid), name)))
        for number, (key, cid) in enumerate(_walk(blocks, commit["data"], name), 1)
        if key.startswith(_COLLECTION)
    ]

    def read() -> Iterator[Record]:
        yield Record(0, _HEADER)
        yield from rows

    return [Table(name="", source="json", head=[Record(0, _HEADER), *rows[: HEAD_RECORDS - 1]], read=read)]


def _read_blocks(data: bytes, name: str) -> tuple[dict[bytes, bytes], bytes]:
    try:
        header, blocks = _split(data)
        roots = libipld.decode_dag_cbor(header)["roots"]
        return blocks, bytes(roots[0])
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(name) from error


def _split(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the header and the blocks by their binary CID (version 1, SHA-256, as atproto requires)."""
    length, start = _varint(data, 0)
    header = data[start : start + length]
    place = start + length
    blocks: dict[bytes, bytes] = {}
    while place < len(data):
        length, start = _varint(data, place)
        place = start + length
        if place > len(data):
            raise ValueError("the file ends early")
        if data[start : start + 1] != b"\x01" or data[start + 2 : start + 4] != b"\x12\x20":
            raise ValueError("a block has no CID that atproto knows")
        blocks[data[start : start + 36]] = data[start + 36 : place]
    return header, blocks


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a length is too long")


def _decode(block: bytes | None, name: str) -> dict[str, Any]:
    if block is None:
        raise FileRefusedError(f"{shown(name)} is incomplete (a block is missing): download it again")
    try:
        value = libipld.decode_dag_cbor(block)
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        raise _damaged(name) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3's class, which it does not export
            raise
        raise _damaged(name) from error
    return value if isinstance(value, dict) else {}


def _damaged(name: str) -> FileRefusedError:
    return FileRefusedError(f"{shown(name)} is a damaged or incomplete repository (CAR): download it again")


def _walk(blocks: dict[bytes, bytes], root: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield each key and the CID of its record, in order. Each node is visited once, so a cycle ends."""
    seen: set[bytes] = set()
    stack: list[tuple[str, bytes] | bytes] = [root]
    while stack:
        top = stack.pop()
        if isinstance(top, tuple):
            yield top
            continue
        if top in seen:
            raise _damaged(name)
        seen.add(top)
        stack.extend(reversed(_parts(_decode(blocks.get(top), name), name)))


def _parts(node: dict[str, Any], name: str) -> list[tuple[str, bytes] | bytes]:
    parts: list[tuple[str, bytes] | bytes] = []
    if isinstance(node.get("l"), bytes):
        parts.append(node["l"])
    key = b""
    for entry in node.get("e") or ():
        try:
            key = key[: entry["p"]] + entry["k"]
            parts.append((key.decode("ascii"), entry["v"]))
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise _damaged(name) from error
        if isinstance(entry.get("t"), bytes):
            parts.append(entry["t"])
    return parts


def _cells(did: str, key: str, record: dict[str, Any]) -> list[str]:
    embed = record.get("embed") if isinstance(record.get("embed"), dict) else {}
    media = embed.get("media") if isinstance(embed, dict) and isinstance(embed.get("media"), dict) else {}
    types = f"{(embed or {}).get('$type', '')} {(media or {}).get('$type', '')}"
    facets = [facet for facet in record.get("facets") or () if isinstance(facet, dict)]
    linked = any(
        str(feature.get("$type", "")).endswith("#link")
        for facet in facets
        for feature in facet.get("features") or ()
        if isinstance(feature, dict)
    )
    kind = (
        "video"
        if ".video" in types
        else "photo"
        if ".images" in types
        else "link"
        if linked or ".external" in types
        else "text"
    )
    rkey = key.removeprefix(_COLLECTION)
    return [
        f"at://{did}/{key}",
        did,
        str(record.get("createdAt") or ""),
        str(record.get("text") or ""),
        kind,
        f"https://bsky.app/profile/{did}/post/{rkey}",
        "reply" if record.get("reply") else "",
        dump({"langs": record["langs"]}) if record.get("langs") else "",
    ]


FORMAT = Format(
    name="bluesky_repository",
    title="Bluesky repository",
    platform=Platform.BLUESKY,
    fields={
        "external_id": ("uri",),
        "account": ("account",),
        "published_at": ("createdat",),
        "text": ("text",),
        "kind": ("kind",),
        "permalink": ("permalink",),
        "what": ("what",),
    },
    left_out={"replies": "{what} = 'reply'"},
    open=lambda _archive, _folder: [],
    zone="UTC",
    notes=("the repository has no counts",),
)
