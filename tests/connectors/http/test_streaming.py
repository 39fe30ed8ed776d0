"""A video is streamed in chunks: memory use stays at a few megabytes whatever its size."""

import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import Account, Credentials, Media, Platform, PostContent
from tests.connectors.harness import MP4, SANDBOX, SavedState

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PIECE = 1_000_000
SIZE = 40 * PIECE
# X's pieces of 4 MB are built as one form, and the first 4 MB of a file are kept in memory on purpose.
MOST_IN_MEMORY = 16_000_000
ID = "urn:li:share:7141138937766391808"


class Film(httpx.AsyncByteStream):
    """A video that is made while it is read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield MP4 + bytes(PIECE - len(MP4))
        piece = bytes(PIECE)
        for _ in range(SIZE // PIECE - 1):
            yield piece


class Counting(httpx.AsyncBaseTransport):
    """All platforms in one: counts the bytes that arrive, keeps none, and answers what each of them would."""

    def __init__(self) -> None:
        self.received = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "media.test":
            return httpx.Response(200, stream=Film())
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            self.received += len(piece)
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/upload/youtube/v3/videos":
            return self._answer_youtube(request)
        if path == "/rest/posts":
            return httpx.Response(201, headers={"x-restli-id": ID})
        if path.startswith("/put"):
            return httpx.Response(200, headers={"etag": "tag"})
        body = ANSWERS.get(path)
        return httpx.Response(404 if body is None else 200, json=body)

    def _answer_youtube(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, headers={"location": f"{SANDBOX}{request.url.path}?upload_id=1"})
        end = int(request.headers["content-range"].partition("-")[2].partition("/")[0])
        if end + 1 == SIZE:
            return httpx.Response(200, json={"id": "v"})
        return httpx.Response(308, headers={"range": f"bytes=0-{end}"})


_PARTS = [
    {
        "uploadUrl": f"{SANDBOX}/put/{start}",
        "firstByte": start,
        "lastByte": min(start + 4_194_304, SIZE) - 1,
    }
    for start in range(0, SIZE, 4_194_304)
]
ANSWERS: dict[str, Any] = {
    "/2/media/upload/initialize": {"data": {"id": "1"}},
    "/2/media/upload/1/append": {},
    "/2/media/upload/1/finalize": {"data": {"id": "1"}},
    "/2/tweets": {"data": {"id": "9"}},
    "/api/v2/media": {"id": "1", "url": "https://a.example/1"},
    "/api/v1/statuses": {"id": "9", "created_at": "2026-11-24T12:00:00Z"},
    "/rest/videos": {
        "value": {"video": "urn:li:video:1", "uploadToken": "", "uploadInstructions": _PARTS},
    },
    "/rest/videos/urn:li:video:1": {"status": "AVAILABLE"},
    "/v2/post/publish/creator_info/query/": {
        "data": {"privacy_level_options": ["PUBLIC_TO_EVERYONE"]},
        "error": {"code": "ok"},
    },
    "/v2/post/publish/video/init/": {
        "data": {"publish_id": "1", "upload_url": f"{SANDBOX}/put"},
        "error": {"code": "ok"},
    },
    "/v2/post/publish/status/fetch/": {
        "data": {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": ["9"]},
        "error": {"code": "ok"},
    },
    "/v5/boards": {"items": [{"id": "5"}]},
    "/v5/media": {"media_id": "1", "upload_url": f"{SANDBOX}/put", "upload_parameters": {"key": "a"}},
    "/v5/media/1": {"status": "succeeded"},
    "/v5/pins": {"id": "9"},
}


@pytest.mark.parametrize(
    "platform",
    [
        Platform.TWITTER,
        Platform.LINKEDIN,
        Platform.TIKTOK,
        Platform.YOUTUBE,
        Platform.PINTEREST,
        Platform.MASTODON,
    ],
)
async def test_no_video_is_ever_whole_in_memory(
    platform: Platform, connector_settings: ConnectorSettings
) -> None:
    film = Media(url="https://media.test/film.mp4", kind="video")
    account = Account(
        "acc_1",
        platform,
        Credentials(SecretStr("a-token-of-the-tests")),
        external_id="urn:li:organization:7",
        instance_url=SANDBOX,
    )
    settings = connector_settings.model_copy(update={"request_timeout": 30.0})
    transport = Counting()
    async with ConnectorPool(settings, clock=lambda: NOW, transport=transport) as pool:
        connector = pool.open(account)
        request = SavedState().request(PostContent(text="Long", media=(film,)), NOW)
        tracemalloc.start()
        try:
            await connector.publish(request)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert transport.received >= SIZE, "all of it arrived"
    assert peak < MOST_IN_MEMORY
