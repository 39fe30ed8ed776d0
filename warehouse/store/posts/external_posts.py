"""Bulk storage of posts that SocialFlow did not publish: found in an account's history, or imported from a file."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Table, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from ulid import ULID

from connectors.types import CLOCK_MARGIN, PostContent
from warehouse.errors import InvalidInputError
from warehouse.store.models import Post, Publication
from warehouse.store.publishing.publications import payload_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import FromClause, Select
    from sqlalchemy.orm import Session

    from connectors.types import ListedPost
    from warehouse.store.models import AccountRow

DERIVED_ID = "row-"
"""Prefix of the external id of a post for which a file had no id."""
_MINUTE = timedelta(minutes=1)
_LINK = re.compile(r"https?://\S+")
_COMPARED = 40
"""Characters of two texts that are compared: files cut texts."""
_CHUNK = 500
"""Rows per statement: below every database's limit of bound values."""


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
    next_snapshot_at: Callable[[datetime], datetime | None] = lambda _published_at: None,
) -> RecordedPosts:
    """Record posts of an account's history, each once by (account, external id).

    Ids consist of the post's own time and a hash, so that two processes that record the same history create
    the same rows, and lists stay in order of publication. `next_snapshot_at` maps a post's published_at to the
    next reading of its metrics. Raises InvalidInputError for a post before 1970.
    """
    # A post listed while one of ours is in flight may be that very post: recording it as external would
    # count it twice and use the id that our own publication needs. Platforms tell whole seconds, and their clocks
    # may be behind ours.
    idless = _any_idless(session, account.id)
    in_flight_since = session.scalar(
        select(func.min(Publication.first_attempt_at)).where(
            Publication.account_id == account.id,
            Publication.status.in_(("sending", "unknown", "needs_review")),
        )
    )
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
        posts, publications = [], []
        for item in by_external_id.values():
            if item.external_id in known:
                continue
            if in_flight_since is not None and item.published_at >= in_flight_since - CLOCK_MARGIN:
                skipped += 1
                continue
            ulid = _deterministic_ulid(account.id, item)
            posts.append(_post_row(account, item, ulid, now))
            publications.append(_publication_row(account, item, ulid, now, next_snapshot_at))
            publication_ids[item.external_id] = f"pub_{ulid}"
        if posts:
            _insert_missing(session, Post.__table__, posts, json_column="details")
            _insert_missing(session, Publication.__table__, publications, json_column="send_state")
            inserted += len(posts)
    return RecordedPosts(inserted, existing, skipped, publication_ids)


def _any_idless(session: Session, account_id: str) -> bool:
    return session.scalar(_idless(account_id).limit(1)) is not None


def _idless(account_id: str) -> Select[Publication]:
    """Publications of files that name no ids."""
    return select(Publication).where(
        Publication.account_id == account_id, Publication.external_id.like(f"{DERIVED_ID}%")
    )


def adopt_idless(
    session: Session, account_id: str, items: Sequence[ListedPost], now: datetime
) -> dict[str, Adopted]:
    """Give stored posts without an id (`DERIVED_ID`) the ids of the items that they are; return them by external id.

    The same post: published in the same minute (in the same second, if the file had seconds) on the same account, and
    no two different texts. An item with a derived id of its own adopts nothing.
    """
    wanted = [item for item in items if not is_derived_id(item.external_id)]
    if not wanted:
        return {}
    first, last = min(item.published_at for item in wanted), max(item.published_at for item in wanted)
    query = _idless(account_id).where(
        Publication.published_at >= first - _MINUTE, Publication.published_at <= last
    )
    stored: dict[datetime, list[Publication]] = {}
    for row in session.scalars(query.order_by(Publication.published_at, Publication.id)):
        if row.published_at is not None:
            stored.setdefault(floor_minute(row.published_at), []).append(row)
    adopted: dict[str, Adopted] = {}
    for item in sorted(wanted, key=lambda item: (item.published_at, item.external_id)):
        candidates = stored.get(floor_minute(item.published_at), [])
        match = next((row for row in candidates if _is_same(row, item)), None)
        if match is None:
            continue
        candidates.remove(match)
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


def _insert_missing(
    session: Session,
    table: FromClause,
    rows: list[dict[str, Any]],
    *,
    json_column: str,
) -> None:
    """Insert the missing rows. `json_column` is {} in all of them, as a constant for speed."""
    if not isinstance(table, Table):
        raise TypeError(f"{table} is no table")
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    statement = insert.values({json_column: literal_column("'{}'")}).on_conflict_do_nothing()
    session.connection().execute(statement, rows)


def _deterministic_ulid(account_id: str, item: ListedPost) -> str:
    milliseconds = int(item.published_at.timestamp() * 1000)
    if milliseconds < 0:
        raise InvalidInputError(
            f"post {item.external_id} was published at {item.published_at.isoformat()}, before 1970",
            field="published_at",
        )
    randomness = hashlib.sha256(f"{account_id}|{item.external_id}".encode()).digest()[:10]
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + randomness)).lower()


@lru_cache(maxsize=1024)
def content_of(text: str) -> tuple[dict[str, Any], str]:
    """Return an external post's content and fingerprint; imported histories have few or no texts."""
    content = PostContent(text=text)
    return content.model_dump(mode="json"), payload_hash(content)


def _post_row(account: AccountRow, item: ListedPost, ulid: str, now: datetime) -> dict[str, Any]:
    return {
        "id": f"post_{ulid}",
        "workspace_id": account.workspace_id,
        "origin": "external",
        "content": item.text,
        "status": "published",
        "version": 1,
        "created_at": item.published_at,
        "updated_at": now,
    }


def _publication_row(
    account: AccountRow,
    item: ListedPost,
    ulid: str,
    now: datetime,
    next_snapshot_at: Callable[[datetime], datetime | None],
) -> dict[str, Any]:
    content, content_hash = content_of(item.text)
    return {
        "id": f"pub_{ulid}",
        "post_id": f"post_{ulid}",
        "workspace_id": account.workspace_id,
        "account_id": account.id,
        "platform": account.platform,
        "origin": "external",
        "content": content,
        "content_kind": item.kind,
        "payload_hash": content_hash,
        "status": "published",
        "attempts": 0,
        "ledger_rows": 0,
        "ledger_hash": "",
        "external_id": item.external_id,
        "permalink": item.permalink,
        "published_at": item.published_at,
        "next_snapshot_at": next_snapshot_at(item.published_at),
        "snapshot_count": 0,
        "snapshot_failures": 0,
        "created_at": now,
        "updated_at": now,
    }
