"""Bulk storage of posts that SocialFlow did not publish: found in an account's history, or imported from a file."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import func, or_, select

from connectors.types import CLOCK_MARGIN, PostContent
from warehouse.errors import InvalidInputError
from warehouse.store.bulk import insert_missing
from warehouse.store.models import Post, Publication
from warehouse.store.publishing.publications import canonical_payload, payload_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from connectors.types import ListedPost
    from warehouse.store.models import AccountRow

Twin = TypeVar("Twin")

DERIVED_ID = "row-"
"""Prefix of the external id of a post for which a file had no id."""
ACTIVITY = "urn:li:activity:"
"""LinkedIn's exports and web addresses name a post by its activity; its API names the same post by its share or
ugcPost, with another number. Both numbers hold the time of their making, which is the same but for seconds."""
_MINUTE = timedelta(minutes=1)
_LINK = re.compile(r"https?://\S+")
_COMPARED = 40
"""Characters of two texts that are compared: files cut texts."""
_CHUNK = 500
"""Rows per statement: below every database's limit of bound values."""
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_BASE32_PAIRS = [first + second for first in _BASE32 for second in _BASE32]
_PAIR_SHIFTS = tuple(range(120, -1, -10))
"""A ULID's 26 characters of 5 bits, two at a time: the library takes ten times as long, a million times."""
_MARK = "the text"
_write_json = json.JSONEncoder().encode


class RecordedPosts(NamedTuple):
    """Result of `record_external_posts`."""

    inserted: int
    existing: int
    """Known before: recorded earlier, or published by SocialFlow itself."""
    skipped: int
    """Skipped until the next run, because one of our own publications may be the same post."""
    publication_ids: dict[str, str]
    """By external id, of inserted and existing posts: the keys for snapshots."""


class Adopted(NamedTuple):
    """A stored post without an id that got one, and its values before: external_id, published_at, permalink, text."""

    publication_id: str
    before: dict[str, Any]


def record_external_posts(
    session: Session,
    account: AccountRow,
    items: Iterable[ListedPost],
    now: datetime,
    *,
    next_snapshot_at: Callable[[datetime], datetime | None] | None = None,
) -> RecordedPosts:
    """Record posts of an account's history, each once by (account, external id).

    Ids consist of the post's own time and a hash, so that two processes that record the same history create
    the same rows, and lists stay in order of publication. `next_snapshot_at` maps a post's published_at to the
    next reading of its metrics. Raises InvalidInputError for a post before 1970.
    """
    idless = _any_idless(session, account.id)
    in_flight_since = find_in_flight(session, account.id)
    inserted = existing = skipped = 0
    publication_ids: dict[str, str] = {}
    for chunk in _chunks(items):
        by_external_id = {item.external_id: item for item in chunk}
        known: dict[str, str] = {
            external_id: publication_id
            for external_id, publication_id in session.execute(
                select(Publication.external_id, Publication.id).where(
                    Publication.account_id == account.id, Publication.external_id.in_(by_external_id)
                )
            )
            if external_id is not None
        }
        if idless and len(known) < len(by_external_id):
            unknown = [item for external_id, item in by_external_id.items() if external_id not in known]
            known |= {
                key: was.publication_id
                for key, was in adopt_idless(session, account.id, unknown, now).items()
            }
        existing += len(known)
        publication_ids |= known
        fresh = []
        for item in by_external_id.values():
            if item.external_id in known:
                continue
            if in_flight_since is not None and item.published_at >= in_flight_since:
                skipped += 1
                continue
            fresh.append(item)
        publication_ids |= dict(
            zip(
                (item.external_id for item in fresh),
                insert_external_posts(session, account, fresh, now, next_snapshot_at=next_snapshot_at).ids,
                strict=True,
            )
        )
        inserted += len(fresh)
    return RecordedPosts(inserted, existing, skipped, publication_ids)


def find_in_flight(session: Session, account_id: str) -> datetime | None:
    """Return since when posts of ours are in flight on an account; None = none is.

    A post listed while one of ours is in flight may be that very post: recording it as external would count it
    twice and use the id that our own publication needs. Platforms tell whole seconds, and their clocks may be
    behind ours: the moment is earlier by that margin.
    """
    first = session.scalar(
        select(func.min(Publication.first_attempt_at)).where(
            Publication.account_id == account_id,
            Publication.status.in_(("sending", "unknown", "needs_review")),
        )
    )
    return None if first is None else first - CLOCK_MARGIN


class InsertedPosts(NamedTuple):
    """Result of `insert_external_posts`, in the order of its items."""

    ids: list[str]
    """Ids of the publications."""
    post_ids: list[str]
    inserted: int
    """Fewer than the items, if another process has just recorded some of them."""


def insert_external_posts(
    session: Session,
    account: AccountRow,
    items: Sequence[ListedPost],
    now: datetime,
    *,
    next_snapshot_at: Callable[[datetime], datetime | None] | None = None,
) -> InsertedPosts:
    """Insert posts that the store does not have, each once by its external id.

    Raises InvalidInputError for a post before 1970.
    """
    ulids = [_deterministic_ulid(account.id, item) for item in items]
    post_ids, ids = [f"post_{ulid}" for ulid in ulids], [f"pub_{ulid}" for ulid in ulids]
    published = [item.published_at for item in items]
    contents = [content_json(item.text) for item in items]
    shared = {
        "workspace_id": account.workspace_id,
        "origin": "external",
        "status": "published",
        "updated_at": now,
    }
    insert_missing(
        session,
        Post.__table__,
        {"id": post_ids, "content": [item.text for item in items], "created_at": published},
        shared | {"version": 1, "details": "{}"},
    )
    columns: dict[str, list[Any]] = {
        "id": ids,
        "post_id": post_ids,
        "content": [content for content, _ in contents],
        "payload_hash": [fingerprint for _, fingerprint in contents],
        "content_kind": [item.kind for item in items],
        "external_id": [item.external_id for item in items],
        "permalink": [item.permalink for item in items],
        "published_at": published,
    }
    if next_snapshot_at is not None:
        columns["next_snapshot_at"] = list(map(next_snapshot_at, published))
    inserted = insert_missing(
        session,
        Publication.__table__,
        columns,
        shared
        | {
            "account_id": account.id,
            "platform": account.platform,
            "send_state": "{}",
            "attempts": 0,
            "ledger_rows": 0,
            "ledger_hash": "",
            "snapshot_count": 0,
            "snapshot_failures": 0,
            "created_at": now,
        },
    )
    return InsertedPosts(ids, post_ids, inserted)


def _any_idless(session: Session, account_id: str) -> bool:
    return session.scalar(_idless(account_id).limit(1)) is not None


def _idless(account_id: str) -> Select[Publication]:
    """Publications of files that name no ids, or ids that the platform's API does not use."""
    return select(Publication).where(
        Publication.account_id == account_id,
        or_(Publication.external_id.like(f"{DERIVED_ID}%"), Publication.external_id.like(f"{ACTIVITY}%")),
    )


def adopt_idless(
    session: Session, account_id: str, items: Sequence[ListedPost], now: datetime
) -> dict[str, Adopted]:
    """Give stored posts without an id (`DERIVED_ID`) the ids of the items that they are; return them by external id.

    The same post: published in the same minute (in the same second, if the file had seconds) on the same account, and
    no two different texts. An activity of LinkedIn is the share or ugcPost within a minute of it, if there is one only.
    An item with a derived id of its own, or an activity's, adopts nothing.
    """
    wanted = [
        item
        for item in items
        if not is_derived_id(item.external_id) and not item.external_id.startswith(ACTIVITY)
    ]
    if not wanted:
        return {}
    stored, activities = _find_adoptable(session, account_id, wanted)
    if not stored and not activities:
        return {}
    adopted: dict[str, Adopted] = {}
    for item in sorted(wanted, key=lambda item: (item.published_at, item.external_id)):
        candidates = stored.get(floor_minute(item.published_at), [])
        match = next((row for row in candidates if _is_same(row, item)), None)
        if match is not None:
            candidates.remove(match)
        elif item.external_id.startswith("urn:li:"):
            match = find_twin(activities, item)
            activities = [one for one in activities if one[2] is not match]
        if match is None:
            continue
        before = {
            "external_id": match.external_id,
            "published_at": match.published_at.isoformat() if match.published_at else None,
            "permalink": match.permalink,
            "text": str(match.content.get("text") or ""),
        }
        match.external_id = item.external_id
        match.published_at = item.published_at
        match.permalink = match.permalink or item.permalink
        match.updated_at = now
        if item.text and not match.content.get("text"):
            match.content, match.payload_hash = content_of(item.text)
            session.get_one(Post, match.post_id).content = item.text
        adopted[item.external_id] = Adopted(match.id, before)
    session.flush()
    return adopted


def _find_adoptable(
    session: Session, account_id: str, wanted: Sequence[ListedPost]
) -> tuple[dict[datetime, list[Publication]], list[tuple[datetime, str, Publication]]]:
    """Return the posts without ids by minute, and the activities of LinkedIn, around the times of some items."""
    first, last = min(item.published_at for item in wanted), max(item.published_at for item in wanted)
    query = _idless(account_id).where(
        Publication.published_at >= first - _MINUTE, Publication.published_at <= last + _MINUTE
    )
    stored: dict[datetime, list[Publication]] = {}
    activities: list[tuple[datetime, str, Publication]] = []
    for row in session.scalars(query.order_by(Publication.published_at, Publication.id)):
        if row.published_at is None:
            continue
        if str(row.external_id).startswith(ACTIVITY):
            activities.append((row.published_at, str(row.content.get("text") or ""), row))
        else:
            stored.setdefault(floor_minute(row.published_at), []).append(row)
    return stored, activities


def find_twin(stored: Sequence[tuple[datetime, str, Twin]], item: ListedPost) -> Twin | None:
    """Return the one post of (time, text, post) that LinkedIn calls by another kind of id; None = none, or several."""
    found = [
        post
        for at, text, post in stored
        if abs(at - item.published_at) <= _MINUTE and same_text(text, item.text)
    ]
    return found[0] if len(found) == 1 else None


def is_derived_id(external_id: str) -> bool:
    """Return whether a file had no id for the post, so that one was made of its account, time and kind."""
    return external_id.startswith(DERIVED_ID)


def floor_minute(at: datetime) -> datetime:
    """Return the start of the minute."""
    return at.replace(second=0, microsecond=0)


def same_text(one: str, other: str) -> bool:
    """Return whether two texts may be of the same post: one is unknown, or they begin alike, apart from links."""
    first, second = (" ".join(_LINK.sub(" ", text).split()).casefold()[:_COMPARED] for text in (one, other))
    shorter = min(len(first), len(second))
    return not shorter or first[:shorter] == second[:shorter]


def _is_same(row: Publication, item: ListedPost) -> bool:
    if row.published_at is None:
        return False
    to_the_minute = row.published_at == floor_minute(row.published_at)
    if not to_the_minute and row.published_at.replace(microsecond=0) != item.published_at.replace(
        microsecond=0
    ):
        return False
    return same_text(str(row.content.get("text") or ""), item.text)


def _chunks(items: Iterable[ListedPost]) -> Iterator[list[ListedPost]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _deterministic_ulid(account_id: str, item: ListedPost) -> str:
    milliseconds = int(item.published_at.timestamp() * 1000)
    if milliseconds < 0:
        raise InvalidInputError(
            f"post {item.external_id} was published at {item.published_at.isoformat()}, before 1970",
            field="published_at",
        )
    randomness = hashlib.sha256(f"{account_id}|{item.external_id}".encode()).digest()[:10]
    value = (milliseconds << 80) | int.from_bytes(randomness)
    return "".join([_BASE32_PAIRS[value >> shift & 1023] for shift in _PAIR_SHIFTS])


@lru_cache(maxsize=1024)
def content_of(text: str) -> tuple[dict[str, Any], str]:
    """Return an external post's content and fingerprint; imported histories have few or no texts."""
    content = PostContent(text=text)
    return content.model_dump(mode="json"), payload_hash(content)


def content_json(text: str) -> tuple[str, str]:
    """Return the same as `content_of`, as JSON: without a model for each of a million posts."""
    before, after, hashed_before, hashed_after = _content_frame()
    written = _write_json(text)
    return (
        f"{before}{written}{after}",
        hashlib.sha256(f"{hashed_before}{written}{hashed_after}".encode()).hexdigest(),
    )


@cache
def _content_frame() -> tuple[str, str, str, str]:
    """Return what stands before and after the text in a content's JSON, and in the JSON that is hashed."""
    content = PostContent(text=_MARK).model_dump(mode="json")
    before, _, after = json.dumps(content).partition(_write_json(_MARK))
    hashed_before, _, hashed_after = canonical_payload(content).partition(_write_json(_MARK))
    return before, after, hashed_before, hashed_after
