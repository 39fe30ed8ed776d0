"""Read a page of posts as raw column values, for lists that are rendered once per state of a post.

Two statements, no objects and no conversions: the values of a post and its publications are the key under which its
rendering is kept, so that it is made again exactly when one of them changed.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import JSON, Text, bindparam, cast, select, type_coerce
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.types import NullType

from warehouse.store.models import Post, Publication
from warehouse.store.posts.reads import list_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

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


class RawPost(NamedTuple):
    """One post of a list: the driver's values of `_POST`, and of `_PUBLICATION` for each publication. Hashable."""

    post: Values
    publications: tuple[Values, ...]

    @property
    def id(self) -> str:
        """The post's id."""
        return str(self.post[0])


class Loaded:
    """Values of a row under their columns' names, as in an object of the model."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


def list_raw_posts(
    session: Session, workspace_id: str, wanted: PostFilter, *, before_id: str | None, limit: int
) -> tuple[list[RawPost], bool]:
    """Return one page of posts like `list_posts`, with their publications, and whether more follow."""
    connection = session.connection()
    values = {"workspace_id": workspace_id, "before_id": before_id, "limit": limit + 1}
    if before_id is None:
        del values["before_id"]
    query = _page(wanted, has_before=before_id is not None)
    found = [tuple(row) for row in connection.execute(query, values)]
    page, has_more = found[:limit], len(found) > limit
    publications: dict[str, list[Values]] = {row[0]: [] for row in page}
    if page:
        for row in connection.execute(_of_posts(), {"ids": list(publications)}):
            publications[row[_POST_ID]].append(tuple(row))
    return [RawPost(row, tuple(publications[row[0]])) for row in page], has_more


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
def _page(wanted: PostFilter, *, has_before: bool) -> Select[Any]:
    # Kept: building a statement and its cache key takes longer than running it.
    ids = Post.__table__.c.id
    query = select(*_columns(Post, _POST)).where(
        Post.__table__.c.workspace_id == bindparam("workspace_id"), *list_conditions(wanted)
    )
    if has_before:
        query = query.where(ids < bindparam("before_id"))
    return query.order_by(ids.desc()).limit(bindparam("limit"))


@cache
def _of_posts() -> Select[Any]:
    table = Publication.__table__.c
    wanted = table.post_id.in_(bindparam("ids", expanding=True))
    return select(*_columns(Publication, _PUBLICATION)).where(wanted).order_by(table.id)


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
