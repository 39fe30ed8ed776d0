"""uvicorn's HTTP protocol with an end to its patience: half a request is not waited for without end.

uvicorn bounds only the pause between two requests. A client that sends half a head, or a byte of a body now and then,
keeps its connection and a file descriptor for as long as it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS = 15.0
"""For a request's head, from the first moment it could have come."""
QUIET_SECONDS = 30.0
"""Between two pieces of a body."""
BODY_SECONDS = 1800.0
"""For a whole body: a large video over a slow line."""
MOST_HEAD_BYTES = 65_536
_TICK_SECONDS = 1.0

_Base: Any = AutoHTTPProtocol


class ImpatientProtocol(_Base):  # type: ignore[misc]  # uvicorn chooses the class when it is imported
    """Breaks the connection off when a request is not sent in time, or its head has no end."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._watched: object = None
        self._since = self._heard = self.loop.time()
        self._head_bytes = 0
        self.loop.call_later(_TICK_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        """Take in what was sent."""
        self._heard = self.loop.time()
        before = self.cycle
        super().data_received(data)
        waits_for_head = self.cycle is before and (before is None or before.response_complete)
        self._head_bytes = self._head_bytes + len(data) if waits_for_head else 0
        if self._head_bytes > MOST_HEAD_BYTES:
            self.transport.abort()

    def _look(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        now, cycle = self.loop.time(), self.cycle
        answered = cycle is None or cycle.response_complete
        # A request under way and the wait for the next one are each watched from when they were first seen.
        phase = (cycle, answered)
        if phase != self._watched:
            self._watched, self._since = phase, now
        if answered:
            late = now - self._since > HEAD_SECONDS
        elif cycle.more_body:
            late = now - self._heard > QUIET_SECONDS or now - self._since > BODY_SECONDS
        else:
            late = False  # the request is whole: its answer takes what it takes
        if late:
            self.transport.abort()
        else:
            self.loop.call_later(_TICK_SECONDS, self._look)
