"""Media type detection from the first bytes: accepted types are found, others are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.content.media_types import SNIFFED_BYTES, name_remedy, sniff_type
from connectors.types import UPLOAD_TYPES

BRANDS = {
    "image/heic": ("heic", "heix", "heim", "hevc", "hevx", "mif1 heic", "mif1 miaf heix", "msf1 hevc"),
    "image/avif": ("avif", "avis", "avif mif1 miaf", "mif1 avif", "mif1 miaf avif"),
    "image/heif": ("mif1", "msf1", "mif1 miaf", "mif1 isom"),
    "video/mp4": (
        *(
            "isom",
            "iso2",
            "iso4",
            "iso5",
            "iso6",
            "iso9",
            "mp41",
            "mp42",
            "avc1",
            "dash",
            "M4V ",
            "MSNV",
            "3gp4",
        ),
        *("isom avif", "mp42 isom mp41", "XXXX"),
    ),
    "video/quicktime": ("qt  ", "qt   isom"),
    "audio/mp4": ("M4A ", "M4B "),
    "image/x-canon-cr3": ("crx ",),
}
PNG_HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
WEBM_HEADER = (
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm"
)
MATROSKA_HEADER = WEBM_HEADER[:28] + b"\x42\x82\x88matroska"
HEADS = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", "image/jpeg"),
    (b"\xff\xd8\xff\xe1\x10\x10Exif\x00\x00", "image/jpeg"),
    (b"\xff\xd8\xff\xdb\x00\x43", "image/jpeg"),
    (b"\xff\xd8\xff\xee\x00\x0eAdobe", "image/jpeg"),
    (PNG_HEADER, "image/png"),
    (PNG_HEADER + bytes(17) + b"\x00\x00\x00\x08acTL", "image/png"),
    (b"GIF89a\x01\x00\x01\x00", "image/gif"),
    (b"GIF87a\x01\x00\x01\x00", "image/gif"),
    (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"RIFF\x24\x00\x00\x00WEBPVP8L", "image/webp"),
    (b"RIFF\x24\x00\x00\x00WEBPVP8X", "image/webp"),
    (b"\x00\x00\x00\x08wide\x00\x10\x00\x00mdat", "video/quicktime"),
    (b"\x00\x00\x01\x00moov\x00\x00\x00\x6cmvhd", "video/quicktime"),
    (WEBM_HEADER, "video/webm"),
    (MATROSKA_HEADER, "video/x-matroska"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 ", "image/jp2"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
    (b"%PDF-1.7\n", "application/pdf"),
    (b"RIFF\x24\x00\x00\x00AVI LIST", "video/avi"),
    (b"<svg xmlns=", "image/svg+xml"),
    (b"hello world", ""),
    (b"the wide world", ""),
    (b"for free", ""),
    (b"", ""),
]


def head_of(brands: str) -> bytes:
    """Return a ftyp box with the brands, the first of them the major one, and the start of what follows."""
    major, further = brands[:4].encode(), brands[5:].encode().split()
    size = 16 + 4 * len(further)
    return (
        size.to_bytes(4, "big") + b"ftyp" + major + bytes(4) + b"".join(further) + b"\x00\x00\x00\x08mdatheic"
    )


@pytest.mark.parametrize(
    ("brands", "content_type"), [(item, name) for name, items in BRANDS.items() for item in items]
)
def test_a_brand_tells_the_type(brands: str, content_type: str) -> None:
    assert sniff_type(head_of(brands)) == content_type


@pytest.mark.parametrize(("head", "content_type"), HEADS)
def test_a_signature_tells_the_type(head: bytes, content_type: str) -> None:
    assert sniff_type(head) == content_type
    if head and content_type:
        assert sniff_type(head + b"\x5a" * 4 * SNIFFED_BYTES) == content_type


def test_every_type_that_may_be_uploaded_is_found() -> None:
    found = {name for _head, name in HEADS} | set(BRANDS)
    assert set(UPLOAD_TYPES) <= found


@given(st.binary(max_size=2 * SNIFFED_BYTES))
def test_no_bytes_break_it(head: bytes) -> None:
    content_type = sniff_type(head)
    assert content_type == sniff_type(head[:SNIFFED_BYTES])
    assert name_remedy(content_type)


@given(
    st.binary(min_size=4, max_size=8),
    st.lists(st.sampled_from([b"mif1", b"heic", b"avif", b"isom"]) | st.binary(max_size=4)),
)
def test_no_box_breaks_it(start: bytes, brands: list[bytes]) -> None:
    assert sniff_type((start[:4] + b"ftyp" + start[4:] + b"".join(brands))[:SNIFFED_BYTES])
