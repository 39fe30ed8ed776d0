"""Shape and length of a video from its header: real structure, rotation, and files that hold nonsense."""

from __future__ import annotations

import io

import pytest

from connectors.content.movies import MovieShape, read_movie

UPRIGHT = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
TURNED = (0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000)


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def movie(
    width: int, height: int, seconds: int, *, version: int = 0, matrix: tuple[int, ...] = UPRIGHT
) -> bytes:
    """Return an MP4 file without pictures: its types, data, and a header behind them."""
    wide = 8 if version else 4
    times = bytes([version, 0, 0, 0]) + bytes(2 * wide)
    mvhd = times + (1000).to_bytes(4, "big") + (seconds * 1000).to_bytes(wide, "big") + bytes(80)
    numbers = b"".join(one.to_bytes(4, "big") for one in matrix)
    track = times + bytes(8) + bytes(wide) + bytes(16) + numbers
    tkhd = track + (width << 16).to_bytes(4, "big") + (height << 16).to_bytes(4, "big")
    sound = track + bytes(8)
    moov = box(b"mvhd", mvhd) + box(b"trak", box(b"tkhd", sound)) + box(b"trak", box(b"tkhd", tkhd))
    return box(b"ftyp", b"isom" + bytes(8)) + box(b"mdat", bytes(100)) + box(b"moov", moov)


@pytest.mark.parametrize("version", [0, 1])
def test_the_shape_is_read(version: int) -> None:
    assert read_movie(io.BytesIO(movie(1080, 1920, 42, version=version))) == MovieShape(1080, 1920, 42.0)


def test_a_turned_video_is_measured_as_it_is_shown() -> None:
    assert read_movie(io.BytesIO(movie(1920, 1080, 42, matrix=TURNED))) == MovieShape(1080, 1920, 42.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no movie at all",
        bytes(64),
        movie(1, 1, 1)[:-30],
        movie(0, 0, 1),
        box(b"moov", b""),
        box(b"free", bytes(8)) * 2000,
        b"\xff" * 64,
    ],
)
def test_what_cannot_be_read_is_not_judged(content: bytes) -> None:
    assert read_movie(io.BytesIO(content)) is None
