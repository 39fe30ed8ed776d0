"""uvicorn's HTTP protocol with time limits on receiving a request (protection against slow clients).

uvicorn limits only the pause between two requests. A client that sends half a header, or a byte of a body now
and then, keeps its connection and a file descriptor for as long as it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS = 15.0
"""For the request header, from the first moment it could arrive."""
QUIET_SECONDS = 30.0
"""Between two chunks of a body."""
BODY_SECONDS = 1800.0
"""For a whole body: enough for a large video over a slow line."""
MOST_HEAD_BYTES = 65_536
_TICK_SECONDS = 1.0

_Base: Any = AutoHTTPProtocol


class ImpatientProtocol(_Base):  # type: ignore[misc]  # uvicorn chooses the class when it is imported
    """Closes the connection when a request is not received in time, or its header is too large."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start the timers of the connection."""
        super().connection_made(transport)
        self._watched: object = None
        self._since = self._heard = self.loop.time()
        self._head_bytes = 0
        self.loop.call_later(_TICK_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        """Process received data."""
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
        # Both a request in progress and the wait for the next one are timed from when they were first seen.
        phase = (cycle, answered)
        if phase != self._watched:
            self._watched, self._since = phase, now
        if answered:
            late = now - self._since > HEAD_SECONDS
        elif cycle.more_body:
            late = now - self._heard > QUIET_SECONDS or now - self._since > BODY_SECONDS
        else:
            late = False  # the request is complete: its response has no time limit
        if late:
            self.transport.abort()
        else:
            self.loop.call_later(_TICK_SECONDS, self._look)
