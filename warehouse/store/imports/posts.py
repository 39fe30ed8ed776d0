"""Record the posts of a file: each once, whether the file, an earlier file or the platform named it first."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update

from warehouse.store.bulk import insert_missing
from warehouse.store.imports.models import ImportedPublication
from warehouse.store.models import Post, Publication
from warehouse.store.posts.external_posts import (
    ACTIVITY,
    DERIVED_ID,
    adopt_idless,
    content_of,
    find_in_flight,
    find_twin,
    floor_minute,
    insert_external_posts,
    is_derived_id,
    same_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from connectors.types import ListedPost
    from warehouse.store.models import AccountRow

_SHIFT_STEP = timedelta(minutes=15)
_LONGEST_SHIFT = timedelta(hours=27)
"""Between the two zones that are farthest apart, with an hour of summer time."""
_FEWEST_SHIFTED = 3
_DIFFERENT_GAPS = 5
_TWIN_WITHIN = timedelta(minutes=1)


class Known(NamedTuple):
    """A publication as the store has it."""

    id: str
    post_id: str
    external_id: str
    origin: str
    kind: str
    published_at: datetime
    permalink: str | None
    text: str
    of_platform: bool
    """SocialFlow published it, or its platform listed it: a file does not change its time."""


@dataclass(slots=True)
class FiledPosts:
    """What became of the rows of one account, by their position."""

    known: dict[int, Known] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    """Ids of publications that this call created."""
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Earlier values of changed publications, by id."""
    moved: dict[str, datetime] = field(default_factory=dict)
    """New times of publications whose time was corrected, by id."""
    shifted: list[int] = field(default_factory=list)
    """Rows without ids that are stored posts but for a constant shift: left out."""
    shift: timedelta | None = None
    differing: list[tuple[int, timedelta]] = field(default_factory=list)
    """Rows whose time differs from what the platform says, and by how much."""
    waiting: list[int] = field(default_factory=list)
    """Rows that may be a post that is being sent now."""


def file_posts(
    session: Session,
    import_id: str,
    account: AccountRow,
    items: Sequence[ListedPost],
    now: datetime,
    *,
    exact_times: Sequence[bool],
) -> FiledPosts:
    """Record the posts of rows of one account, and note that the import contained them.

    `exact_times`: whether the row's time may correct a stored one (false for rows that have only a day).
    """
    filed = FiledPosts()
    stored = _find(session, account.id, {item.external_id for item in items})
    open_rows = [place for place, item in enumerate(items) if item.external_id not in stored]
    idless = [place for place in open_rows if is_derived_id(items[place].external_id)]
    if idless:
        by_place = _match_idless(session, account.id, items, idless)
        filed.known |= by_place
        idless = [place for place in idless if place not in by_place]
    activities = [place for place in open_rows if items[place].external_id.startswith(ACTIVITY)]
    if activities:
        filed.known |= _match_activities(session, account.id, items, activities)
    if len(idless) >= _FEWEST_SHIFTED:
        filed.shift, filed.shifted = _find_shift(session, account.id, items, idless)
    left_out = {*filed.known, *filed.shifted}
    fresh = [items[place] for place in open_rows if place not in left_out]
    adopted = adopt_idless(session, account.id, fresh, now) if fresh else {}
    filed.before |= {was.publication_id: was.before for was in adopted.values()}
    fresh = [item for item in fresh if item.external_id not in adopted]
    if fresh:
        stored |= _insert(session, account, fresh, now, filed)
    if adopted:
        stored |= _find(session, account.id, set(adopted))
    left_out |= set(filed.known)
    for place, item in enumerate(items):
        if place in left_out:
            continue
        if item.external_id in stored:
            filed.known[place] = stored[item.external_id]
        else:
            filed.waiting.append(place)
    _mend(session, items, exact_times, filed, now)
    _note(session, import_id, filed)
    return filed


def _insert(
    session: Session, account: AccountRow, items: Sequence[ListedPost], now: datetime, filed: FiledPosts
) -> dict[str, Known]:
    """Insert posts that the store does not have, except those that may be one of ours that is being sent now."""
    in_flight_since = find_in_flight(session, account.id)
    by_id: dict[str, ListedPost] = {}
    for item in items:
        if in_flight_since is None or item.published_at < in_flight_since:
            by_id.setdefault(item.external_id, item)
    fresh = list(by_id.values())
    inserted = insert_external_posts(session, account, fresh, now)
    filed.created |= set(inserted.ids)
    if inserted.inserted < len(fresh):  # another process has just listed some of them
        return _find(session, account.id, set(by_id))
    return {
        item.external_id: Known(
            publication_id,
            post_id,
            item.external_id,
            "external",
            item.kind,
            item.published_at,
            item.permalink,
            item.text,
            of_platform=False,
        )
        for publication_id, post_id, item in zip(inserted.ids, inserted.post_ids, fresh, strict=True)
    }


def _find(session: Session, account_id: str, external_ids: set[str]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    wanted = sorted(external_ids)
    for start in range(0, len(wanted), 5_000):  # SQLite allows at most 32,766 parameters per statement
        query = _columns().where(
            Publication.account_id == account_id, Publication.external_id.in_(wanted[start : start + 5_000])
        )
        for row in session.execute(query):
            found[row.external_id] = _known(row)
    return found


def _columns() -> Any:  # noqa: ANN401 (a Select of ten columns)
    return select(
        Publication.id,
        Publication.post_id,
        Publication.external_id,
        Publication.origin,
        Publication.content_kind,
        Publication.published_at,
        Publication.permalink,
        Publication.content["text"].as_string().label("text"),
        Publication.snapshot_count,
        Publication.next_snapshot_at,
    )


def _known(row: Any) -> Known:  # noqa: ANN401 (a row of _columns)
    return Known(
        row.id,
        row.post_id,
        row.external_id,
        row.origin,
        row.content_kind,
        row.published_at,
        row.permalink,
        row.text or "",
        row.origin == "socialflow" or bool(row.snapshot_count) or row.next_snapshot_at is not None,
    )


def _match_idless(
    session: Session, account_id: str, items: Sequence[ListedPost], places: Sequence[int]
) -> dict[int, Known]:
    """Return the stored posts with ids that rows without ids are: the same minute, and no two different texts."""
    times = [items[place].published_at for place in places]
    query = _columns().where(
        Publication.account_id == account_id,
        Publication.external_id.not_like(f"{DERIVED_ID}%"),
        Publication.published_at >= floor_minute(min(times)),
        Publication.published_at < floor_minute(max(times)) + timedelta(minutes=1),
    )
    by_minute: dict[datetime, list[Known]] = {}
    for row in session.execute(query.order_by(Publication.published_at, Publication.id)):
        known = _known(row)
        by_minute.setdefault(floor_minute(known.published_at), []).append(known)
    matched: dict[int, Known] = {}
    for place in sorted(places, key=lambda place: items[place].published_at):
        item = items[place]
        to_the_minute = item.published_at == floor_minute(item.published_at)
        candidates = by_minute.get(floor_minute(item.published_at), [])
        for known in candidates:
            same_second = known.published_at.replace(microsecond=0) == item.published_at.replace(
                microsecond=0
            )
            if (to_the_minute or same_second) and same_text(known.text, item.text):
                matched[place] = known
                candidates.remove(known)
                break
    return matched


def _match_activities(
    session: Session, account_id: str, items: Sequence[ListedPost], places: Sequence[int]
) -> dict[int, Known]:
    """Return the stored posts that LinkedIn's API has named, of rows that name their activity (`find_twin`)."""
    times = [items[place].published_at for place in places]
    query = _columns().where(
        Publication.account_id == account_id,
        Publication.external_id.like("urn:li:%"),
        Publication.external_id.not_like(f"{ACTIVITY}%"),
        Publication.published_at >= min(times) - _TWIN_WITHIN,
        Publication.published_at <= max(times) + _TWIN_WITHIN,
    )
    stored = [(known.published_at, known.text, known) for known in map(_known, session.execute(query))]
    matched: dict[int, Known] = {}
    for place in places:
        known = find_twin(stored, items[place])
        if known is not None:
            matched[place] = known
            stored = [one for one in stored if one[2] is not known]
    return matched


def _find_shift(
    session: Session, account_id: str, items: Sequence[ListedPost], places: Sequence[int]
) -> tuple[timedelta | None, list[int]]:
    """Return the constant shift between rows without ids and stored ones, and the rows that it explains.

    A file that was read in another zone: at least three rows, and nine of ten, are stored posts after the shift. Their
    texts agree, and the gaps between them differ: posts of every hour are shifted posts of every hour.
    """
    times = [items[place].published_at for place in places]
    query = select(Publication.published_at, Publication.content["text"].as_string()).where(
        Publication.account_id == account_id,
        Publication.external_id.like(f"{DERIVED_ID}%"),
        Publication.published_at >= min(times) - _LONGEST_SHIFT,
        Publication.published_at <= max(times) + _LONGEST_SHIFT,
    )
    stored = {at: text or "" for at, text in session.execute(query)}
    steps = _LONGEST_SHIFT // _SHIFT_STEP
    shifts = [_SHIFT_STEP * step for step in range(-steps, steps + 1) if step]
    sample = times[:: max(len(times) // 50, 1)]
    votes = Counter({shift: sum(at - shift in stored for at in sample) for shift in shifts})
    for shift, _ in votes.most_common(3):
        explained = [
            place
            for place in places
            if items[place].published_at - shift in stored
            and same_text(stored[items[place].published_at - shift], items[place].text)
        ]
        found = sorted({items[place].published_at for place in explained})
        gaps = [later - earlier for earlier, later in pairwise(found)]
        irregular = len(set(gaps)) >= min(len(gaps), _DIFFERENT_GAPS)
        if len(found) >= _FEWEST_SHIFTED and len(explained) >= 0.9 * len(places) and irregular:
            return shift, explained
    return None, []


def _mend(
    session: Session,
    items: Sequence[ListedPost],
    exact_times: Sequence[bool],
    filed: FiledPosts,
    now: datetime,
) -> None:
    """Add what the store does not know, and correct times that only files have told."""
    for place, known in filed.known.items():
        if known.id in filed.created:
            continue
        item = items[place]
        changes: dict[str, Any] = {}
        finer = known.published_at.replace(second=0, microsecond=0) == item.published_at or (
            item.external_id.startswith(ACTIVITY) and not known.external_id.startswith(ACTIVITY)
        )
        if exact_times[place] and item.published_at != known.published_at and not finer:
            if known.of_platform:
                filed.differing.append((place, item.published_at - known.published_at))
            elif not is_derived_id(item.external_id):
                changes["published_at"] = item.published_at
                filed.moved[known.id] = item.published_at
        if item.text and not known.text:
            changes["content"], changes["payload_hash"] = content_of(item.text)
            session.execute(update(Post).where(Post.id == known.post_id).values(content=item.text))
        if item.permalink and not known.permalink:
            changes["permalink"] = item.permalink
        if not changes:
            continue
        filed.before.setdefault(
            known.id,
            {
                "external_id": known.external_id,
                "published_at": known.published_at.isoformat(),
                "permalink": known.permalink,
                "text": known.text,
            },
        )
        session.execute(
            update(Publication).where(Publication.id == known.id).values(**changes, updated_at=now)
        )
        if "published_at" in changes:
            session.execute(update(Post).where(Post.id == known.post_id).values(created_at=item.published_at))
        filed.known[place] = known._replace(
            published_at=changes.get("published_at", known.published_at),
            permalink=changes.get("permalink", known.permalink),
            text=item.text if "content" in changes else known.text,
        )


def _note(session: Session, import_id: str, filed: FiledPosts) -> None:
    rows = {known.id: filed.before.get(known.id) for known in filed.known.values()}
    for created in (True, False):
        plain = [key for key, before in rows.items() if before is None and (key in filed.created) is created]
        insert_missing(
            session,
            ImportedPublication.__table__,
            {"publication_id": plain},
            {"import_id": import_id, "created": created},
        )
    # A repeated row of the file, or the import continued: what it first found is the earlier state.
    changed = {key: before for key, before in rows.items() if before is not None}
    insert_missing(
        session,
        ImportedPublication.__table__,
        {
            "publication_id": list(changed),
            "created": [key in filed.created for key in changed],
            "before": [json.dumps(before) for before in changed.values()],
        },
        {"import_id": import_id},
    )
