"""Bluesky data: record keys, records, sessions and metrics, parsed from plain JSON.

Sources: atproto.com/specs/tid, lexicons app.bsky.feed.{post,defs}, com.atproto.server.createSession.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from connectors.base import PublishRequest
from connectors.bluesky.options import BlueskyOptions
from connectors.content.counts import read_count, sum_counts
from connectors.content.languages import read_language
from connectors.http.messages import read_secret
from connectors.parts import Part, SentPart
from connectors.types import AccountMetrics, ContentKind, Credentials, ListedPost, PostMetrics

COLLECTION = "app.bsky.feed.post"
THREADGATE = "app.bsky.feed.threadgate"
POSTGATE = "app.bsky.feed.postgate"
_RULES = {"mentioned": "mentionRule", "followers": "followerRule", "following": "followingRule"}
_TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_ULID_ALPHABET, _ULID_LENGTH = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26


def build_record_key(request: PublishRequest, part: Part) -> str:
    """Return the TID of a part.

    It is the same for every attempt, so a repeated send overwrites the same record.

    It is derived from the publication id alone, so it stays the same even after a restore from a backup that
    predates the attempt. 13 base-32 characters: 53 bits of microseconds, 10 bits that identify the writer.
    The milliseconds come from the id (a ULID); the rest comes from its hash and increases from part to part,
    so that a thread sorts in order.
    """
    digest = int.from_bytes(hashlib.sha256(request.key.encode()).digest()[:8], "big")
    microsecond = _read_millisecond(request.key, digest) * 1000 + digest % 900 + part.index
    number = microsecond << 10 | (digest >> 32) & 0x3FF
    return "".join(_TID_ALPHABET[(number >> shift) & 31] for shift in range(60, -1, -5))


def _read_millisecond(key: str, digest: int) -> int:
    """Return the id's creation time in milliseconds since 1970.

    For an id that is not a ULID, a number derived from its hash.
    """
    ulid = key.rpartition("_")[2].upper()
    if len(ulid) != _ULID_LENGTH or any(char not in _ULID_ALPHABET for char in ulid):
        return digest % (1 << 40)
    millisecond = 0
    for char in ulid[:10]:
        millisecond = millisecond << 5 | _ULID_ALPHABET.index(char)
    return millisecond & (1 << 43) - 1


def build_record(
    request: PublishRequest,
    part: Part,
    *,
    facets: list[dict[str, Any]],
    images: list[dict[str, Any]],
    root: SentPart | None,
    parent: SentPart | None,
    quoted: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the app.bsky.feed.post record.

    createdAt comes from the first attempt, so the record never changes.
    """
    created_at = request.first_attempt_at.astimezone(UTC) + timedelta(milliseconds=part.index)
    record: dict[str, Any] = {
        "$type": COLLECTION,
        "text": part.text,
        "createdAt": created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if facets:
        record["facets"] = facets
    embed = _write_embed(images, quoted)
    if embed is not None:
        record["embed"] = embed
    options = BlueskyOptions.of(request.content)
    if options.languages:
        record["langs"] = list(options.languages)
    if options.labels:
        values = [{"val": label} for label in options.labels]
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": values}
    if root is not None and parent is not None:
        record["reply"] = {
            "root": {"uri": root.id, "cid": root.cid},
            "parent": {"uri": parent.id, "cid": parent.cid},
        }
    return record


def _write_embed(images: list[dict[str, Any]], quoted: dict[str, str] | None) -> dict[str, Any] | None:
    shown = {"$type": "app.bsky.embed.images", "images": images} if images else None
    if quoted is None:
        return shown
    record = {"$type": "app.bsky.embed.record", "record": quoted}
    return (
        record
        if shown is None
        else {"$type": "app.bsky.embed.recordWithMedia", "record": record, "media": shown}
    )


def build_gates(options: BlueskyOptions, uri: str, created_at: str) -> dict[str, dict[str, Any]]:
    """Return the records, by collection, that limit who may reply to and quote the post at `uri`.

    Each lies under the post's own key. Without them, everybody may.
    """
    gates: dict[str, dict[str, Any]] = {}
    common = {"post": uri, "createdAt": created_at}
    if options.reply_gate != "everyone":
        names = () if options.reply_gate == "nobody" else options.reply_gate
        allow = [{"$type": f"{THREADGATE}#{_RULES[name]}"} for name in names]
        gates[THREADGATE] = {"$type": THREADGATE, **common, "allow": allow}
    if options.quote_gate == "nobody":
        rules = [{"$type": f"{POSTGATE}#disableRule"}]
        gates[POSTGATE] = {"$type": POSTGATE, **common, "embeddingRules": rules}
    return gates


def build_permalink(uri: str, handle: str | None) -> str:
    """Return the bsky.app URL of at://did/collection/key."""
    did, _, path = uri.removeprefix("at://").partition("/")
    return f"https://bsky.app/profile/{handle or did}/post/{path.rpartition('/')[2]}"


def looks_like_session_token(token: str) -> bool:
    """Return whether the token is a session JWT rather than an app password."""
    return token.count(".") == 2 and token.startswith("ey")


def parse_session(body: Any, old: Credentials) -> tuple[Credentials, str, str]:  # noqa: ANN401 - JSON
    """Read {accessJwt, refreshJwt, did, handle} into credentials (app password kept), DID and handle."""
    access = read_secret(body["accessJwt"])
    credentials = replace(
        old,
        access_token=access,
        refresh_token=read_secret(body["refreshJwt"]),
        expires_at=read_expiry(access.get_secret_value()),
    )
    return credentials, str(body["did"]), str(body["handle"])


def read_expiry(token: str) -> datetime | None:
    """Return the `exp` of a JWT without verifying it.

    The server verifies it; we only schedule the refresh by it.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
        return None


def parse_written(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Read the uri and cid of putRecord or getRecord."""
    return str(body["uri"]), str(body["cid"])


def parse_metrics(view: Mapping[str, Any], captured_at: datetime) -> PostMetrics:
    """Read the counters of a postView. Shares = reposts + quotes, saves = bookmarks."""
    names = ("likeCount", "replyCount", "repostCount", "quoteCount", "bookmarkCount")
    raw = {name: view[name] for name in names if name in view}
    likes, comments, reposts, quotes, bookmarks = (read_count(raw.get(name)) for name in names)
    return PostMetrics(
        external_id=str(view["uri"]),
        captured_at=captured_at,
        likes=likes,
        comments=comments,
        shares=sum_counts(reposts, quotes),
        saves=bookmarks,
        raw=raw,
    )


def parse_feed_item(item: Mapping[str, Any], captured_at: datetime, did: str) -> ListedPost | None:
    """Read one item of an author feed; None for a repost, a pinned post or a reply."""
    view = item["post"]
    if item.get("reason") or view["author"]["did"] != did or "reply" in view["record"]:
        return None
    return replace(parse_record(view["uri"], view["record"]), metrics=parse_metrics(view, captured_at))


def parse_record(uri: str, record: Mapping[str, Any]) -> ListedPost:
    """Read a record as a post without metrics. The permalink uses the DID, which never changes."""
    return ListedPost(
        external_id=uri,
        published_at=parse_time(record["createdAt"]),
        text=str(record.get("text", "")),
        kind=_kind(record),
        permalink=build_permalink(uri, None),
        language=read_language(record.get("langs")),
    )


def parse_account_metrics(body: Any, captured_at: datetime) -> AccountMetrics:  # noqa: ANN401 - JSON
    """Read a profileViewDetailed."""
    names = ("followersCount", "followsCount", "postsCount")
    raw = {name: body[name] for name in names if name in body}
    if "did" not in body:
        raise KeyError("did")
    followers, following, posts = (read_count(raw.get(name)) for name in names)
    return AccountMetrics(captured_at, followers, following, posts, raw)


def parse_time(value: str) -> datetime:
    """Read an ISO 8601 time as aware UTC. A time without a zone is taken as UTC."""
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _kind(record: Mapping[str, Any]) -> ContentKind:
    embed = record.get("embed") or {}
    name = f"{embed.get('$type', '')} {(embed.get('media') or {}).get('$type', '')}"
    if ".video" in name:
        return "video"
    if ".images" in name or ".gallery" in name:
        return "photo"
    linked = any(
        str(feature.get("$type", "")).endswith("#link")
        for facet in record.get("facets") or ()
        for feature in facet.get("features") or ()
    )
    return "link" if linked or ".external" in name else "text"
