"""Token buckets in PostgreSQL: requests and failed sign-ins that all API processes count together.

One statement for one request, or for several that wait at the same time, by the database's clock. The table is not in
the write-ahead log: after a crash of the database all buckets are full again.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Boolean, Double, String, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from warehouse.store.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Engine, TextClause

    from warehouse.settings import WarehouseSettings

_CONNECTIONS = 4
_WAIT_S = 0.25
"""Seconds to wait for one of the connections; every request waits for it."""
_CONNECT_ARGS = {"connect_timeout": 2, "tcp_user_timeout": 2000}
"""Of libpq, in seconds and in milliseconds: a server that does not respond is given up after two seconds."""
_CLEAN_EVERY_S = 60.0
_MOST_CLEANED = 1000


class RateBucket(Base):
    """What is left for one key or address. Used on PostgreSQL only."""

    __tablename__ = "rate_buckets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    tokens: Mapped[float] = mapped_column(Double)
    """Requests that were left at `at`."""
    is_allowed: Mapped[bool] = mapped_column(Boolean)
    """Whether the last request was allowed."""
    at: Mapped[float] = mapped_column(Double)
    """Seconds since 1970, by the database's clock."""


class Bucket(NamedTuple):
    """State of one bucket."""

    tokens: float
    """Requests left."""
    is_allowed: bool
    """Whether the request was allowed; when only looked at: whether the next one is."""


class RateBucketsError(Exception):
    """PostgreSQL does not respond. The message names no address and no password."""


_NOW = "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
_REFILLED = "LEAST(:most, b.tokens + GREATEST(0, {at} - b.at) * :most / 60)"
_TAKE = text(f"""
    INSERT INTO rate_buckets AS b (name, tokens, is_allowed, at) VALUES (:name, :most - :cost, true, {_NOW})
    ON CONFLICT (name) DO UPDATE SET
        tokens = {_REFILLED.format(at="excluded.at")}
            - CASE WHEN {_REFILLED.format(at="excluded.at")} >= :cost THEN :cost ELSE 0 END,
        is_allowed = {_REFILLED.format(at="excluded.at")} >= :cost,
        at = GREATEST(b.at, excluded.at)
    RETURNING tokens, is_allowed
""")  # noqa: S608 (constants of this module)
_LOOK = text(f"""
    SELECT tokens, tokens >= 1 FROM (
        SELECT {_REFILLED.format(at=_NOW)} AS tokens FROM rate_buckets AS b WHERE name = :name
    ) AS found
""")  # noqa: S608 (same)
# A bucket is full again after a minute, as if it had never been there.
_CLEAN = text(f"""
    DELETE FROM rate_buckets WHERE name IN (
        SELECT name FROM rate_buckets WHERE at < {_NOW} - 120 LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 (same)


class RateBuckets:
    """Buckets that refill evenly within a minute. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clean_at = 0.0

    def take(self, name: str, per_minute: int, count: int = 1) -> Bucket:
        """Consume `count` requests (at most `per_minute`), if as many are left, else none.

        `name` has at most 64 characters. Raises RateBucketsError.
        """
        bucket = self._ask(_TAKE, {"name": name, "most": float(per_minute), "cost": float(count)})
        if bucket is None:
            raise RateBucketsError("no row was returned")
        self._clean()
        return bucket

    def look(self, name: str, per_minute: int) -> Bucket:
        """Return the state without consuming a request. Raises RateBucketsError."""
        found = self._ask(_LOOK, {"name": name, "most": float(per_minute)})
        return found or Bucket(float(per_minute), is_allowed=True)

    def _ask(self, statement: TextClause, values: Mapping[str, object]) -> Bucket | None:
        try:
            with self._engine.connect() as connection:
                row = connection.execute(statement, values).one_or_none()
        except SQLAlchemyError as error:
            raise RateBucketsError(type(error).__name__) from error
        return None if row is None else Bucket(float(row[0]), bool(row[1]))

    def _clean(self) -> None:
        """Delete full buckets: once a minute, at most 1,000 at once, more in the next request."""
        now = time.monotonic()
        if now < self._clean_at:
            return
        self._clean_at = now + _CLEAN_EVERY_S
        try:
            with self._engine.connect() as connection:
                deleted = connection.execute(_CLEAN, {"most": _MOST_CLEANED}).rowcount
        except SQLAlchemyError as error:
            raise RateBucketsError(type(error).__name__) from error
        if deleted == _MOST_CLEANED:
            self._clean_at = now


@contextmanager
def open_rate_buckets(settings: WarehouseSettings) -> Iterator[RateBuckets | None]:
    """Yield the buckets of a store on PostgreSQL; None for SQLite, which several machines cannot share.

    Nothing connects before the first request. The connections are not those of the store: a request waits for one
    only a moment.
    """
    url = make_url(settings.resolved_database_url)
    if url.get_backend_name() != "postgresql":
        yield None
        return
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_S,
        connect_args=_CONNECT_ARGS,
    )
    try:
        yield RateBuckets(engine)
    finally:
        engine.dispose()
