"""Read pages of posts for lists that are rendered once per state of a post.

No objects and no conversions. On SQLite the values of a post and its publications are the key under which its
rendering is kept, so that it is made again exactly when one of them changed. On PostgreSQL the key is the post's stamp:
the ids of the transactions that wrote these rows, which the server keeps with each row, and the start of the server,
because one that is restored to an earlier time, or takes over from another, gives the same ids again. A list whose
posts are all known takes one statement there, and reads none of their columns.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import JSON, Text, bindparam, cast, literal_column, select, type_coerce, union_all
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.types import NullType

from warehouse.store.models import Post, Publication
from warehouse.store.posts.reads import list_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select

    from warehouse.store.models import Base
    from warehouse.store.posts.reads import PostFilter

_POST = (
    *("id", "workspace_id", "origin", "content", "details", "status", "scheduled_at", "client_ref"),
    *("approval_state", "approval_at", "approval_by", "approval_reason", "approved_media", "version"),
    *("created_at", "updated_at"),
)
_PUBLICATION = (
    *(
        "id",
        "post_id",
        "account_id",
        "platform",
        "content",
        "status",
        "reason_code",
        "reason",
        "scheduled_at",
    ),
    *("due_at", "attempts", "send_state", "external_id", "permalink", "published_at", "rest", "rest_at"),
    *("platform_deleted_at", "marked_paid", "edit", "edited_at"),
)
"""What lists show, and what it is derived from."""
_FEW = 300
"""Posts of a span that are looked up one by one."""
_ORIGINS = ("socialflow", "external")
_DIALECTS = {"sqlite": pysqlite.dialect(), "postgresql": psycopg.dialect()}  # type: ignore[no-untyped-call]  # of SQLAlchemy
_POST_ID = _PUBLICATION.index("post_id")

Values = tuple[Any, ...]


class PageQuestion(NamedTuple):
    """Which page of a workspace's posts, newest first."""

    workspace_id: str
    wanted: PostFilter
    before_id: str | None
    limit: int


class FoundPage(NamedTuple):
    """The ids of a page's posts, and whether more follow."""

    ids: list[str]
    has_more: bool


class FoundPages(NamedTuple):
    """Pages that were read together."""

    pages: list[FoundPage]
    stamps: dict[str, str] | None
    """Of each post; None on SQLite, which has none."""
    is_torn: bool = False
    """Whether a post changed between the statements."""


class RawPost(NamedTuple):
    """One post of a list: the driver's values of `_POST`, and of `_PUBLICATION` for each publication. Hashable."""

    post: Values
    publications: tuple[Values, ...]
    stamp: str | None = None
    """PostgreSQL: what identifies this state."""


class Loaded:
    """Values of a row under their columns' names, as in an object of the model."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


def find_pages(connection: Connection, questions: Sequence[PageQuestion]) -> FoundPages:
    """Return the posts of several pages. Pages that begin at the same place of the same list are read once."""
    has_stamps = connection.dialect.name == "postgresql"
    longest: dict[PageQuestion, int] = {}
    for question in questions:
        place = question._replace(limit=0)
        longest[place] = max(question.limit, longest.get(place, 0))
    stamps: dict[str, str] = {}
    is_torn = False
    found: dict[PageQuestion, list[str]] = {}
    for place, limit in longest.items():
        values: dict[str, Any] = {"workspace_id": place.workspace_id, "limit": limit + 1}
        if place.before_id is not None:
            values["before_id"] = place.before_id
        if place.wanted.scheduled_from is not None or place.wanted.scheduled_to is not None:
            in_span = _find_in_span(connection, place)
            if in_span is not None:
                values["ids"] = in_span
            if in_span == []:
                found[place] = []
                continue
        query = _page(
            place.wanted,
            has_before=place.before_id is not None,
            has_ids="ids" in values,
            has_stamps=has_stamps,
        )
        rows = connection.execute(query, values).all()
        found[place] = [row[0] for row in rows]
        if has_stamps:
            is_torn |= any(stamps.setdefault(row[0], row[1]) != row[1] for row in rows)
    pages = []
    for question in questions:
        ids = found[question._replace(limit=0)]
        pages.append(FoundPage(ids[: question.limit], len(ids) > question.limit))
    return FoundPages(pages, stamps if has_stamps else None, is_torn)


def _find_in_span(connection: Connection, place: PageQuestion) -> list[str] | None:
    """Return the ids of the posts that are planned in the filter's span, if they are few.

    A database cannot tell beforehand, and would read the workspace's whole list to find out that nothing fits.
    """
    wanted = place.wanted
    query = _span(has_start=wanted.scheduled_from is not None, has_end=wanted.scheduled_to is not None)
    values = {"workspace_id": place.workspace_id, "start": wanted.scheduled_from, "end": wanted.scheduled_to}
    values = {name: value for name, value in values.items() if value is not None}
    ids = list(connection.execute(query, values).scalars().all())
    return ids if len(ids) <= _FEW else None


def read_raw_posts(connection: Connection, post_ids: Sequence[str]) -> dict[str, RawPost]:
    """Return these posts with their publications by id; one that no longer exists is missing."""
    if not post_ids:
        return {}
    has_stamps = connection.dialect.name == "postgresql"
    wanted = {"ids": list(post_ids)}
    posts = {row[0]: tuple(row) for row in connection.execute(_posts(has_stamps=has_stamps), wanted).all()}
    publications: dict[str, list[Values]] = {post_id: [] for post_id in posts}
    for row in connection.execute(_publications(has_stamps=has_stamps), wanted).all():
        if row[_POST_ID] in publications:
            publications[row[_POST_ID]].append(tuple(row))
    if not has_stamps:
        return {post_id: RawPost(post, tuple(publications[post_id])) for post_id, post in posts.items()}
    read = {}
    for post_id, post in posts.items():
        of_post = publications[post_id]
        stamp = ",".join([post[-1], *(one[-1] for one in of_post)])
        read[post_id] = RawPost(post[:-1], tuple(one[:-1] for one in of_post), stamp)
    return read


def load_raw_post(raw: RawPost, dialect_name: str) -> tuple[Any, list[Any]]:
    """Return the post and its publications with the attributes that lists show, converted as by the models."""
    post = _readers(Post, _POST, dialect_name)
    publication = _readers(Publication, _PUBLICATION, dialect_name)
    return _load(_POST, post, raw.post), [
        _load(_PUBLICATION, publication, values) for values in raw.publications
    ]


def _load(
    names: Sequence[str], readers: Sequence[Callable[[Any], Any] | None], values: Sequence[Any]
) -> Loaded:
    return Loaded(
        {
            name: value if reader is None or value is None else reader(value)
            for name, reader, value in zip(names, readers, values, strict=True)
        }
    )


@cache
def _span(*, has_start: bool, has_end: bool) -> Select[Any]:
    posts = Post.__table__.c
    query = select(posts.id).where(posts.workspace_id == bindparam("workspace_id"))
    if has_start:
        query = query.where(posts.scheduled_at >= bindparam("start", type_=posts.scheduled_at.type))
    if has_end:
        query = query.where(posts.scheduled_at < bindparam("end", type_=posts.scheduled_at.type))
    return query.order_by(posts.scheduled_at).limit(_FEW + 1)


@lru_cache(maxsize=256)
def _page(wanted: PostFilter, *, has_before: bool, has_ids: bool, has_stamps: bool) -> Select[Any]:
    """Return the statement for the ids of a page, newest first, each found along an index in the order of ids.

    Kept: building a statement and its cache key takes longer than running it.
    """
    lists = _lists(wanted, has_before=has_before, has_ids=has_ids)
    if len(lists) == 1 and not has_stamps:
        return lists[0]
    found = (lists[0] if len(lists) == 1 else _merge(lists)).subquery()
    post_id = type_coerce(found.c.id, NullType()).label("id")
    page = select(post_id)
    if has_stamps:
        page = select(post_id, _POST_AND_PUBLICATIONS).join_from(found, Post, Post.id == found.c.id)
    return page.order_by(found.c.id.desc()).limit(bindparam("limit"))


def _lists(wanted: PostFilter, *, has_before: bool, has_ids: bool) -> list[Select[Any]]:
    """Return the statements whose ids, merged, are those of the list: each has an index in the order of ids.

    With several statuses or origins in one statement a database sorts all their posts, or reads all others.
    """
    posts, of_posts = Post.__table__.c, Publication.__table__.c
    if wanted.account_id is not None or wanted.platform is not None:
        # Along the publications: an account that has sent little is not looked for in the posts of all others.
        rest = replace(wanted, account_id=None, platform=None)
        is_listed = select(posts.id).where(posts.id == of_posts.post_id, *_conditions(rest)).exists()
        query = select(of_posts.post_id.label("id")).where(is_listed).distinct()
        if wanted.account_id is not None:
            query = query.where(of_posts.account_id == wanted.account_id)
        else:
            query = query.where(of_posts.workspace_id == bindparam("workspace_id"))
        if wanted.platform is not None:
            query = query.where(of_posts.platform == wanted.platform.value)
        return [_first(query, of_posts.post_id, has_before=has_before, has_ids=has_ids)]
    statuses: list[tuple[str, ...]] = [(one,) for one in sorted(set(wanted.statuses))] or [()]
    return [
        _first(select(posts.id).where(*_conditions(one)), posts.id, has_before=has_before, has_ids=has_ids)
        for origin in (_ORIGINS if wanted.origin is None else (wanted.origin,))
        for status in statuses
        for one in [replace(wanted, origin=origin, statuses=status)]
    ]


def _conditions(wanted: PostFilter) -> list[ColumnElement[bool]]:
    return [Post.__table__.c.workspace_id == bindparam("workspace_id"), *list_conditions(wanted)]


def _first(query: Select[Any], ids: ColumnElement[str], *, has_before: bool, has_ids: bool) -> Select[Any]:
    if has_ids:
        query = query.where(ids.in_(bindparam("ids", expanding=True)))
    if has_before:
        query = query.where(ids < bindparam("before_id"))
    return query.order_by(ids.desc()).limit(bindparam("limit"))


def _merge(lists: Sequence[Select[Any]]) -> CompoundSelect[Any]:
    # SQLite allows an order and a limit within a UNION only in subqueries.
    return union_all(*(select(one.subquery().c.id) for one in lists))


# The system column xmin is the id of the transaction that wrote the row.
_STAMP_OF_POST = (
    "CAST(extract(epoch FROM pg_postmaster_start_time()) AS text) || ':' || CAST(posts.xmin AS text)"
)
_STAMPS_OF_PUBLICATIONS = (
    "COALESCE((SELECT string_agg(',' || CAST(q.xmin AS text), '' ORDER BY q.id) FROM publications AS q "
    "WHERE q.post_id = posts.id), '')"
)
_POST_AND_PUBLICATIONS: ColumnElement[Any] = literal_column(
    f"{_STAMP_OF_POST} || {_STAMPS_OF_PUBLICATIONS}"
).label("stamp")


@cache
def _posts(*, has_stamps: bool) -> Select[Any]:
    stamps: list[ColumnElement[Any]] = [literal_column(_STAMP_OF_POST).label("stamp")] if has_stamps else []
    wanted = Post.__table__.c.id.in_(bindparam("ids", expanding=True))
    return select(*_columns(Post, _POST), *stamps).where(wanted)


@cache
def _publications(*, has_stamps: bool) -> Select[Any]:
    stamps: list[ColumnElement[Any]] = (
        [literal_column("CAST(publications.xmin AS text)").label("stamp")] if has_stamps else []
    )
    table = Publication.__table__.c
    wanted = table.post_id.in_(bindparam("ids", expanding=True))
    return select(*_columns(Publication, _PUBLICATION), *stamps).where(wanted).order_by(table.id)


def _columns(model: type[Base], names: Sequence[str]) -> list[ColumnElement[Any]]:
    """Return the columns without conversion: of 20 posts it takes longer than the statement. JSON comes as text."""
    columns: list[ColumnElement[Any]] = []
    for name in names:
        column = model.__table__.c[name]
        value: ColumnElement[Any] = cast(column, Text) if isinstance(column.type, JSON) else column
        columns.append(type_coerce(value, NullType()).label(name))
    return columns


@cache
def _readers(
    model: type[Base], names: tuple[str, ...], dialect_name: str
) -> list[Callable[[Any], Any] | None]:
    """Return for each column what converts the driver's value as the model does; None = nothing."""
    dialect = _DIALECTS[dialect_name]
    types = [model.__table__.c[name].type for name in names]
    return [
        json.loads if isinstance(one, JSON) else one.dialect_impl(dialect).result_processor(dialect, None)
        for one in types
    ]
