"""Converted pictures: they fit, are upright, carry nothing of the original, and are the same each time."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from PIL import Image

from connectors.content.documents import count_pages
from connectors.content.media_types import SNIFFED_BYTES, name_remedy, sniff_type
from connectors.content.pictures import LARGEST_PIXELS, fit_picture, read_shape
from connectors.errors import ContentRejectedError
from connectors.types import FitRule

if TYPE_CHECKING:
    from collections.abc import Sequence

JPEG = frozenset({"image/jpeg"})
BOTH = frozenset({"image/jpeg", "image/png"})


def write(image: Image.Image, form: str, **more: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **more)
    file.seek(0)
    return file


def paint(size: tuple[int, int] = (240, 160), mode: str = "RGB") -> Image.Image:
    """Noise, which does not compress, with a white corner at the top left."""
    image = Image.effect_noise(size, 90).convert(mode)
    image.paste("white", (0, 0, size[0] // 4, size[1] // 4))
    return image


def fit(file: io.BytesIO, rule: FitRule) -> tuple[Image.Image, bytes, str]:
    made = fit_picture(file, sniff_type(file.getvalue()[:SNIFFED_BYTES]), rule)
    assert made is not None
    with made[0] as fitted:
        content = fitted.read()
    return Image.open(io.BytesIO(content)), content, made[1]


def test_a_photo_is_made_smaller_upright_and_anonymous() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    exif.get_ifd(0x8825)[1] = "N"
    file = write(paint(), "JPEG", quality=97, exif=exif, comment=b"where I live", xmp=b"<x:xmpmeta/>")
    rule = FitRule(JPEG, 9_000, None)
    image, content, content_type = fit(file, rule)
    assert (content_type, image.format) == ("image/jpeg", "JPEG")
    assert len(content) <= 9_000
    assert image.height > image.width, "the orientation was applied"
    assert image.convert("L").getpixel((image.width - 3, 3)) > 240, "the corner turned with it"
    assert not image.getexif()
    assert not {"exif", "comment", "xmp"} & image.info.keys()
    for secret in (b"A camera", b"where I live", b"xmpmeta", b"Exif"):
        assert secret not in content
    assert fit(file, rule)[1] == content, "the same bytes each time"


def test_what_fits_is_sent_as_it_is() -> None:
    file = write(paint(), "JPEG")
    assert fit_picture(file, "image/jpeg", FitRule(BOTH, 1_000_000, 38_400)) is None
    assert file.tell() == 0 or file.seek(0) == 0


def test_pixels_are_limited() -> None:
    image, _, _ = fit(write(paint(), "JPEG"), FitRule(BOTH, None, 10_000))
    assert image.width * image.height <= 10_000
    assert abs(image.width / image.height - 1.5) < 0.05


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_transparency_is_kept_or_put_on_white(form: str) -> None:
    source = Image.new("RGBA", (60, 40), (255, 0, 0, 0))
    source.paste((0, 0, 255, 255), (0, 0, 30, 40))
    file = write(source, form)
    flat, _, content_type = fit(file, FitRule(JPEG, None, 600))
    assert content_type == "image/jpeg"
    assert min(flat.getpixel((flat.width - 2, 2))) > 240, "white, not red or black"
    kept, _, content_type = fit(file, FitRule(BOTH, None, 600))
    assert (content_type, kept.mode) == ("image/png", "RGBA")
    assert kept.getpixel((kept.width - 2, 2))[3] < 20


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA", "I;16"])
def test_every_mode_becomes_a_jpeg(mode: str) -> None:
    image = (
        paint().convert("L" if mode == "I;16" else mode) if mode != "LA" else paint(mode="L").convert("LA")
    )
    form = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        image = Image.new("I;16", (60, 40), 40_000)
    made, _, content_type = fit(write(image, form), FitRule(JPEG, None, 600))
    assert (content_type, made.mode) == ("image/jpeg", "RGB")


def animate(form: str) -> io.BytesIO:
    frames = [paint((20, 20)).convert("RGB") for _ in range(3)]
    return write(frames[0], form, save_all=True, append_images=frames[1:], duration=100)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_not_broken_silently(form: str) -> None:
    file = animate(form)
    shape = read_shape(file)
    assert shape is not None
    assert shape.is_animated
    with pytest.raises(ContentRejectedError, match="still picture"):
        fit_picture(file, sniff_type(file.getvalue()[:SNIFFED_BYTES]), FitRule(JPEG, 10, None))


def claim_size(width: int, height: int) -> io.BytesIO:
    """A PNG of a few bytes that claims a size."""
    content = bytearray(write(Image.new("1", (8, 8)), "PNG").getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return io.BytesIO(bytes(content))


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    file = claim_size(60_000, 60_000)
    shape = read_shape(file)
    assert shape is not None
    assert shape.pixels == 3_600_000_000
    with pytest.raises(ContentRejectedError, match=f"{LARGEST_PIXELS:,}"):
        fit_picture(file, "image/png", FitRule(JPEG, 10, None))


DAMAGED: Sequence[bytes] = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0" + b"x" * 50,
    claim_size(300, 200).getvalue()[:60],
)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_picture_is_refused_with_a_remedy(content: bytes) -> None:
    with pytest.raises(ContentRejectedError, match=r"(convert it|export it again)"):
        fit_picture(io.BytesIO(content), "image/png", FitRule(JPEG, 10, None))


@pytest.mark.parametrize(
    ("brands", "content_type"),
    [
        (b"heic", "image/heic"),
        (b"heix", "image/heic"),
        (b"mif1" + b"\0\0\0\0" + b"heic", "image/heic"),
        (b"mif1" + b"\0\0\0\0" + b"avif", "image/avif"),
        (b"avif", "image/avif"),
        (b"avis", "image/avif"),
        (b"mif1", "image/heif"),
    ],
)
def test_pictures_of_phones_are_named_for_what_they_are(brands: bytes, content_type: str) -> None:
    head = (8 + max(len(brands), 8)).to_bytes(4, "big") + b"ftyp" + brands.ljust(8, b"\0")
    assert sniff_type(head) == content_type
    remedy = name_remedy(content_type)
    assert "JPEG" in remedy
    assert ("phone" in remedy) == (content_type != "image/avif")


def test_pages_are_counted() -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(3):
        document.new_page(100, 100)
    file = io.BytesIO()
    document.save(file)
    assert count_pages(file) == 3
    assert sniff_type(file.getvalue()[:SNIFFED_BYTES]) == "application/pdf"
    assert count_pages(io.BytesIO(b"%PDF-1.4\n%%EOF")) is None
