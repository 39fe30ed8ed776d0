"""A TCP proxy before an HTTP server that can be made to fail or to hang, also on connections that are open already."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Literal, Self

Mode = Literal["ok", "error", "hang"]

_REASON = b"<Error><Code>SlowDown</Code><Message>too much</Message></Error>"
REFUSAL = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_REASON), _REASON)
)
PIECE = 65_536


class FaultyProxy:
    """Listens on `host` and passes everything on to `target` (host, port), in a thread of its own."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        self.port = 0
        self.faults = 0
        """Requests that failed or were left hanging."""
        self._host, self._target = host, target
        self._mode: Mode = "ok"
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def set_mode(self, mode: Mode) -> None:
        """Change what happens to requests from now on; what hangs is then cut off."""

        def change() -> None:
            self._mode = mode
            self._changed.set()
            self._changed = asyncio.Event()

        self._loop.call_soon_threadsafe(change)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, self._host, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back: asyncio.Task[None] | None = None
        try:
            source, target = await asyncio.open_connection(*self._target)
            back = asyncio.create_task(self._pass_on(source, writer))
            while piece := await reader.read(PIECE):
                if self._mode == "ok":
                    target.write(piece)
                    await target.drain()
                    continue
                self.faults += 1
                if self._mode == "error":
                    writer.write(REFUSAL)
                    await writer.drain()
                else:
                    await self._changed.wait()
                break
            target.close()
        except OSError:
            pass  # either end went away: so does the other
        finally:
            if back is not None:
                back.cancel()
            with suppress(OSError):
                writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if self._mode == "hang":
                    await self._changed.wait()
                writer.write(piece)
                await writer.drain()
            writer.close()
