"""Requests per minute for each API key, counted in this process, or in PostgreSQL or Redis for all API processes.

In this process and in PostgreSQL each key has a token bucket: bursts of up to one minute's quota, refilled evenly.
`limits` has no token bucket and no PostgreSQL, and its in-memory storage has neither an injectable clock nor a size
limit, so it is used with Redis only, with a sliding window of one minute: after a full burst nothing is allowed until
the burst leaves the window.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from warehouse.store.access.rate_buckets import RateBucketsError, open_rate_buckets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from limits.storage import RedisStorage

    from api.settings import ApiSettings
    from warehouse.settings import WarehouseSettings
    from warehouse.store.access.rate_buckets import RateBuckets

_log = logging.getLogger(__name__)

_MOST_BUCKETS = 10_000
"""Maximum number of buckets; the least recently used is dropped, as it would be full again."""


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """Values of the RateLimit-* headers. Seconds are whole and rounded up."""

    limit: int
    remaining: int
    reset_seconds: int
    """Seconds until the bucket is full."""
    retry_after_seconds: int
    """Seconds until the next request is allowed; 0 = now."""
    allowed: bool


class RateLimiter:
    """Allow `per_minute` requests a minute per key. Thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._rate = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, now: datetime) -> RateLimitState:
        """Consume one request of `key`, if one is left."""
        return self._update(key, now, cost=1)

    def look(self, key: str, now: datetime) -> RateLimitState:
        """Return the state of `key` without consuming a request."""
        return self._update(key, now, cost=0)

    async def take_async(self, key: str, now: datetime) -> RateLimitState:
        """Like `take`, for callers in an event loop."""
        return self.take(key, now)

    def _update(self, key: str, now: datetime, *, cost: int) -> RateLimitState:
        at = now.timestamp()
        with self._lock:
            tokens, since = self._buckets.pop(key, (float(self._limit), at))
            tokens = min(float(self._limit), tokens + max(0.0, at - since) * self._rate)
            allowed = tokens >= 1
            if allowed:
                tokens -= cost
            self._buckets[key] = (tokens, at)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        return self._describe(tokens, allowed=allowed)

    def _describe(self, tokens: float, *, allowed: bool) -> RateLimitState:
        return RateLimitState(
            limit=self._limit,
            remaining=math.floor(tokens),
            reset_seconds=math.ceil((self._limit - tokens) / self._rate),
            retry_after_seconds=0 if allowed else math.ceil((1 - tokens) / self._rate),
            allowed=allowed,
        )


_WINDOW = 60.0
_TIMEOUT = 0.25
"""Timeout in seconds to connect to Redis, and for its response; every request waits for it."""
_PAUSE = timedelta(seconds=5)
"""Time without requests to a server after an error."""


class SharedRateLimiter(RateLimiter, ABC):
    """Count on a server for all API processes, with the server's clock.

    While the server is unavailable, each process counts on its own and logs a warning: the outage neither stops
    the API nor removes its limits, as each process allows `per_minute`.
    """

    server: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, per_minute: int, errors: tuple[type[Exception], ...], namespace: str) -> None:
        super().__init__(per_minute)
        self._errors = errors
        self._namespace = namespace
        self._away_until: datetime | None = None

    async def take_async(self, key: str, now: datetime) -> RateLimitState:
        """Like `take`, in a thread, so that the server does not block the event loop."""
        return await asyncio.to_thread(self.take, key, now)

    def _update(self, key: str, now: datetime, *, cost: int) -> RateLimitState:
        if self._away_until is None or now >= self._away_until:
            try:
                state = self._update_shared(self._name_of(key), cost)
            except self._errors as error:
                self._away_until = now + _PAUSE
                _log.warning(
                    "rate limits: %s does not respond (%s), so this process counts on its own for %d s: %s",
                    self.server,
                    getattr(error, "storage_error", error),
                    _PAUSE.total_seconds(),
                    self.remedy,
                )
            else:
                self._away_until = None
                return state
        return super()._update(key, now, cost=cost)

    def _name_of(self, key: str) -> str:
        """Return the key's name on the server, hashed: of bounded length, and without personal IP addresses."""
        name = f"{self._namespace}|{key}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(name).hexdigest()

    @abstractmethod
    def _update_shared(self, name: str, cost: int) -> RateLimitState:
        """Count `cost` (1, or 0 to look) on the server. Raises one of `errors`."""


class RedisRateLimiter(SharedRateLimiter):
    """Count in Redis."""

    server = "Redis"
    remedy = "check SOCIALFLOW_API_RATE_LIMIT_STORAGE"

    def __init__(self, per_minute: int, storage: RedisStorage, namespace: str) -> None:
        from limits import RateLimitItemPerMinute  # noqa: PLC0415 (only an API with Redis needs it)
        from limits.errors import StorageError  # noqa: PLC0415 (same)
        from limits.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415 (same)

        super().__init__(per_minute, (StorageError,), namespace)
        self._storage = storage
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute, namespace=namespace)

    def _update_shared(self, name: str, cost: int) -> RateLimitState:
        taken = self._window.hit(self._item, name) if cost else None
        window = Window(*self._storage.get_sliding_window(self._item.key_for(name), self._item.get_expiry()))
        allowed = window.used < self._limit if taken is None else taken
        return RateLimitState(
            limit=self._limit,
            remaining=max(0, self._limit - window.used),
            reset_seconds=math.ceil(window.current_ends_in if window.current else window.previous_ends_in),
            retry_after_seconds=0 if allowed else window.wait(self._limit),
            allowed=allowed,
        )


class _Turn:
    """Requests of one key that are counted together."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.requests = 1
        self.states: list[RateLimitState] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class PostgresRateLimiter(SharedRateLimiter):
    """Count in the store's PostgreSQL, with token buckets as in a single process."""

    server = "PostgreSQL"
    remedy = "check SOCIALFLOW_DATABASE_URL"

    def __init__(self, per_minute: int, buckets: RateBuckets, namespace: str) -> None:
        super().__init__(per_minute, (RateBucketsError,), namespace)
        self._shared = buckets
        self._gathering: dict[str, _Turn] = {}
        self._counting: dict[str, _Turn] = {}

    async def take_async(self, key: str, now: datetime) -> RateLimitState:
        """Like `take`. Requests of a key that arrive while others of it are being counted share the next statement."""
        turn, place = self._gathering.get(key), 0
        if turn is None:
            turn = self._gathering[key] = _Turn(now)
            await self._count(key, turn)
        else:
            turn.requests += 1
            place = turn.requests - 1
            # Shielded: a request that is canceled must not cancel what others wait for.
            await asyncio.shield(turn.ended)
        if turn.states is None:  # the request that counted for all was canceled
            return await super().take_async(key, now)
        return turn.states[place]

    async def _count(self, key: str, turn: _Turn) -> None:
        try:
            while (before := self._counting.get(key)) is not None:
                await asyncio.shield(before.ended)
            del self._gathering[key]
            self._counting[key] = turn
            turn.states = await asyncio.to_thread(self._take_together, key, turn.now, turn.requests)
        finally:
            for turns in (self._gathering, self._counting):
                if turns.get(key) is turn:
                    del turns[key]
            turn.ended.set_result(None)

    def _take_together(self, key: str, now: datetime, count: int) -> list[RateLimitState]:
        """Consume `count` requests, if as many are left; else one after another, as far as they go."""
        if 1 < count <= self._limit and (self._away_until is None or now >= self._away_until):
            with suppress(RateBucketsError):  # `take` below meets it too, and handles it
                bucket = self._shared.take(self._name_of(key), self._limit, count)
                if bucket.is_allowed:
                    left = range(count - 1, -1, -1)
                    return [self._describe(bucket.tokens + more, allowed=True) for more in left]
        return [self.take(key, now) for _ in range(count)]

    def _update_shared(self, name: str, cost: int) -> RateLimitState:
        bucket = (self._shared.take if cost else self._shared.look)(name, self._limit)
        return self._describe(bucket.tokens, allowed=bucket.is_allowed)


class Window(NamedTuple):
    """Counts that `limits` stores per key: of the current and the previous minute, and when each expires."""

    previous: int
    previous_ends_in: float
    current: int
    current_ends_in: float

    @property
    def used(self) -> int:
        """Requests of the last 60 seconds.

        The previous minute counts by the share of it that is within the last 60 seconds.
        """
        return math.floor(self.previous * self.previous_ends_in / _WINDOW) + self.current

    def wait(self, limit: int) -> int:
        """Return the whole seconds until a request is allowed."""
        if self.current >= limit:
            seconds = self.current_ends_in - _WINDOW  # by then this minute is the previous one
        elif self.previous:
            seconds = self.previous_ends_in - (limit - self.current) * _WINDOW / self.previous
        else:
            seconds = 0.0
        return math.floor(max(0.0, seconds)) + 1


class RateLimiters(NamedTuple):
    """Rate limiters of an API process."""

    keys: RateLimiter
    """Requests of each API key, calendar feed and dashboard session."""
    failures: RateLimiter
    """Failed sign-ins, per address and per key."""


@contextmanager
def open_rate_limiters(
    settings: ApiSettings, warehouse: WarehouseSettings | None = None
) -> Iterator[RateLimiters]:
    """Yield the limiters for these settings. The server that counts may be unavailable at this point.

    `warehouse`: names the store, in whose PostgreSQL "auto" counts; None = "auto" counts in this process.
    """
    storage = settings.rate_limit_storage.get_secret_value()
    if storage not in {"auto", "memory"}:
        with _open_redis(settings, storage) as limiters:
            yield limiters
        return
    with ExitStack() as stack:
        buckets = None
        if storage == "auto" and warehouse is not None:
            buckets = stack.enter_context(open_rate_buckets(warehouse))
        if buckets is None:
            yield RateLimiters(RateLimiter(settings.rate_limit), RateLimiter(settings.auth_failures))
        else:
            yield RateLimiters(
                PostgresRateLimiter(settings.rate_limit, buckets, "requests"),
                PostgresRateLimiter(settings.auth_failures, buckets, "failures"),
            )


@contextmanager
def _open_redis(settings: ApiSettings, url: str) -> Iterator[RateLimiters]:
    import redis  # noqa: PLC0415 (only an API with Redis needs it)
    from limits.storage import RedisStorage  # noqa: PLC0415 (same)
    from redis.backoff import NoBackoff  # noqa: PLC0415 (same)
    from redis.retry import Retry  # noqa: PLC0415 (same)

    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), retries=0),  # by default a request would make three attempts
    )
    try:
        storage = RedisStorage(url, connection_pool=pool, key_prefix="socialflow", wrap_exceptions=True)
        yield RateLimiters(
            RedisRateLimiter(settings.rate_limit, storage, "requests"),
            RedisRateLimiter(settings.auth_failures, storage, "failures"),
        )
    finally:
        pool.disconnect()
