"""Uploads: file and row are saved together or not at all."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import pytest
from PIL import Image

from connectors.content.pictures import PictureShape
from warehouse.errors import InvalidInputError, NotFoundError, StorageError
from warehouse.media_files import open_media_files
from warehouse.planning.uploads import check_file, keep_file
from warehouse.store.posts.media import MediaUpload

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouse.conftest import World
    from warehouse.media_files import MediaFiles
    from warehouse.planning.context import PlanningContext
    from warehouse.settings import WarehouseSettings

    Planner = Callable[..., AbstractContextManager[PlanningContext]]

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture, as far as its first bytes tell"


@pytest.fixture
def media(warehouse_settings: WarehouseSettings) -> MediaFiles:
    return open_media_files(warehouse_settings)


def count_uploads(world: World) -> int:
    with world.store.read() as session:
        return session.query(MediaUpload).count()


def is_kept(media: MediaFiles, media_id: str) -> bool:
    try:
        with media.open(media_id):
            return True
    except NotFoundError:
        return False


def test_a_recorded_file_stays(world: World, planner: Planner, media: MediaFiles) -> None:
    checked = check_file(io.BytesIO(PNG), filename="a.png")
    assert (checked.content_type, checked.size) == ("image/png", len(PNG))
    with keep_file(media, checked, io.BytesIO(PNG)) as kept, planner() as context:
        kept.record(context.session, context.workspace_id, context.now)
    assert count_uploads(world) == 1
    with media.open(checked.media_id) as file:
        assert file.read() == PNG


def test_a_file_without_its_row_is_removed(world: World, planner: Planner, media: MediaFiles) -> None:
    unused = check_file(io.BytesIO(PNG), filename="a.png")
    with keep_file(media, unused, io.BytesIO(PNG)):
        assert is_kept(media, unused.media_id)
    failed = check_file(io.BytesIO(PNG), filename="b.png")

    def fail() -> None:
        with keep_file(media, failed, io.BytesIO(PNG)) as kept, planner() as context:
            kept.record(context.session, context.workspace_id, context.now)
            raise ValueError("no post")

    with pytest.raises(ValueError, match="no post"):
        fail()
    assert not is_kept(media, unused.media_id)
    assert not is_kept(media, failed.media_id)
    assert count_uploads(world) == 0


def test_a_file_that_cannot_be_saved_says_why(media: MediaFiles) -> None:
    class Unreadable(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    file: IO[bytes] = Unreadable(PNG)
    checked = check_file(io.BytesIO(PNG), filename="a.png")
    with (
        pytest.raises(StorageError, match=r"a.png cannot be saved now \(Input/output error\)"),
        keep_file(media, checked, file),
    ):
        pass
    assert not is_kept(media, checked.media_id)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "unsupported_media"), (b"text", "unsupported_media"), (PNG * 9, "file_too_large")],
)
def test_a_file_that_may_not_be_uploaded_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_file(io.BytesIO(content), filename="a", max_bytes=200)
    assert (refused.value.field, refused.value.code) == ("file", code)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "is image/heic, which is not accepted: convert it to JPEG or PNG",
        ),
        (b"RIFF\x24\0\0\0AVI LIST", "is video/avi, which is not accepted: convert it to MP4"),
        (
            b"ID3\x04\x00\x00\x00\x00\x00\x00",
            "is audio/mpeg, which is not accepted: choose a file of one of these types: image/jpeg",
        ),
        (b"hello", "is none of image/jpeg"),
        (b"", "is empty"),
    ],
)
def test_a_refused_file_is_called_by_its_type(content: bytes, detail: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_file(io.BytesIO(content), filename="a", name="a.bin")
    assert str(caught.value).startswith(f"a.bin {detail}")
    assert (caught.value.field, caught.value.code) == ("file", "unsupported_media")


def test_a_document_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is a PDF that cannot be read") as caught:
        check_file(io.BytesIO(b"%PDF-1.7 and nothing else"), filename="a", name="a.pdf")
    assert (caught.value.field, caught.value.code) == ("file", "unreadable_document")


def test_a_picture_that_can_be_converted_is_accepted() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(file, "AVIF")
    checked = check_file(file, filename="a.avif")
    assert (checked.content_type, checked.shape) == ("image/avif", PictureShape(64, 48, is_animated=False))
