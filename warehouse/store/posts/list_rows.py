"""Read pages of posts for lists that are rendered once per state of a post.

No objects and no conversions. On SQLite the values of a post and its publications are the key under which its
rendering is kept, so that it is made again exactly when one of them changed. On PostgreSQL the key is the post's stamp:
the ids of the transactions that wrote these rows, which the server keeps with each row, and the start of the server,
because one that is restored to an earlier time, or takes over from another, gives the same ids again. A list whose
posts are all known takes one statement there, and reads none of their columns.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import JSON, Text, bindparam, cast, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.types import NullType

from warehouse.store.models import Post, Publication
from warehouse.store.posts.reads import list_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

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
        query = _page(place.wanted, has_before=place.before_id is not None, has_stamps=has_stamps)
        rows = connection.execute(query, values).all()
        found[place] = [row[0] for row in rows]
        if has_stamps:
            is_torn |= any(stamps.setdefault(row[0], row[1]) != row[1] for row in rows)
    pages = []
    for question in questions:
        ids = found[question._replace(limit=0)]
        pages.append(FoundPage(ids[: question.limit], len(ids) > question.limit))
    return FoundPages(pages, stamps if has_stamps else None, is_torn)


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


@lru_cache(maxsize=256)
def _page(wanted: PostFilter, *, has_before: bool, has_stamps: bool) -> Select[Any]:
    # Kept: building a statement and its cache key takes longer than running it.
    ids = Post.__table__.c.id
    stamps = [_POST_AND_PUBLICATIONS] if has_stamps else []
    query = select(type_coerce(ids, NullType()), *stamps).where(
        Post.__table__.c.workspace_id == bindparam("workspace_id"), *list_conditions(wanted)
    )
    if has_before:
        query = query.where(ids < bindparam("before_id"))
    return query.order_by(ids.desc()).limit(bindparam("limit"))


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
