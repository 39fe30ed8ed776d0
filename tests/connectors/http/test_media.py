import io
import resource
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ContentRejectedError, UnavailableError
from connectors.http.media import FetchedMedia, MediaFetcher
from connectors.http.pool import open_client
from connectors.settings import ConnectorSettings
from connectors.types import Media
from tests.connectors.harness import MP4, PNG, Flood

URL = "https://cdn.example/film.mp4"


@given(st.binary(max_size=5000), st.integers(min_value=1, max_value=6000))
def test_the_parts_of_a_file_are_the_file(content: bytes, size: int) -> None:
    media = FetchedMedia(io.BytesIO(content), len(content), "video/mp4")
    parts = list(media.parts(size))
    assert [part.seek(0, io.SEEK_END) for part in parts] == [
        len(content[start : start + size]) for start in range(0, len(content), size)
    ]
    for _ in range(2):  # a form may go back to the start
        pieces = [part.read() for part in parts if part.seek(0) == 0]
        assert b"".join(pieces) == content


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may be longer than 6 MB: as good as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fetcher(answer: httpx.Response, settings: ConnectorSettings) -> MediaFetcher:
    return MediaFetcher(open_client(settings, transport=httpx.MockTransport(lambda _: answer)), settings)


@pytest.mark.usefixtures("small_files")
async def test_a_full_disk_is_a_passing_trouble_of_ours() -> None:
    answer = httpx.Response(200, stream=Flood(MP4, 10_000_000))
    with pytest.raises(UnavailableError, match="could not be kept"):
        async with fetcher(answer, ConnectorSettings()).fetch(
            Media(url=URL), kind="video", max_bytes=90_000_000
        ):
            pass


async def test_no_address_fills_the_disk_whatever_the_platform_takes() -> None:
    flood = Flood(MP4, 10_000_000)
    settings = ConnectorSettings(max_media_bytes=3_000_000)
    with pytest.raises(ContentRejectedError, match=r"3,000,000 bytes that SOCIALFLOW_MAX_MEDIA_BYTES allows"):
        async with fetcher(httpx.Response(200, stream=flood), settings).fetch(
            Media(url=URL, kind="video"), max_bytes=256 * 1024**3
        ):
            pass
    assert flood.sent <= 4_000_000


async def test_a_length_that_is_told_is_believed_before_it_is_read() -> None:
    flood = Flood(PNG, 10_000_000)
    answer = httpx.Response(200, headers={"content-length": "9000000"}, stream=flood)
    with pytest.raises(ContentRejectedError, match="larger than the 5,000,000 bytes that the platform takes"):
        async with fetcher(answer, ConnectorSettings()).fetch(
            Media(url=URL), kind="image", max_bytes=5_000_000
        ):
            pass
    assert flood.sent == 0
