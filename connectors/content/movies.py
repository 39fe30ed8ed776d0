"""Length and shape of a video file, read from its header. MP4 and QuickTime only; nothing is decoded.

Source: ISO/IEC 14496-12 (boxes moov, mvhd, trak, tkhd). Sizes come from the file, so each is checked against
what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_MOST_HEADER = 16_000_000
"""Largest movie header that is read, in bytes; that of a film of hours has a few millions."""
_MOST_BOXES = 1000
_FIXED = 65_536  # 16.16 fixed point


@dataclass(frozen=True, slots=True)
class MovieShape:
    """What a player shows: after rotation, in pixels and seconds."""

    width: int
    height: int
    seconds: float


def read_movie(file: IO[bytes]) -> MovieShape | None:
    """Return the shape of a video; None = not an MP4 or QuickTime file, or its header cannot be read."""
    file.seek(0, 2)
    end = file.tell()
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return None
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        skipped = 8
        if size == 1:
            size, skipped = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - at
        if size < skipped or at + size > end:
            return None
        if kind == b"moov":
            if size > _MOST_HEADER:
                return None
            file.seek(at + skipped)
            return _read_header(file.read(size - skipped))
        at += size
    return None


def _read_header(moov: bytes) -> MovieShape | None:
    seconds, shapes = 0.0, []
    for kind, body in _split(moov):
        if kind == b"mvhd":
            seconds = _read_seconds(body)
        elif kind == b"trak":
            shapes += [_read_shape(box) for name, box in _split(body) if name == b"tkhd"]
    shown = max(shapes, default=(0, 0))
    return MovieShape(*shown, seconds) if all(shown) and seconds > 0 else None


def _split(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if size < 8 or at + size > len(content):
            return
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


def _read_seconds(mvhd: bytes) -> float:
    """Read timescale and duration; version 1 has 64-bit times."""
    start, width = (20, 8) if mvhd[:1] == b"\x01" else (12, 4)
    scale = int.from_bytes(mvhd[start : start + 4], "big")
    duration = int.from_bytes(mvhd[start + 4 : start + 4 + width], "big")
    return duration / scale if scale else 0.0


def _read_shape(tkhd: bytes) -> tuple[int, int]:
    """Read width and height; a matrix that turns by a quarter swaps them."""
    start = 52 if tkhd[:1] == b"\x01" else 40
    matrix, size = tkhd[start : start + 36], tkhd[start + 36 : start + 44]
    if len(size) < 8:
        return 0, 0
    width, height = (int.from_bytes(size[at : at + 4], "big") // _FIXED for at in (0, 4))
    turned = not any(matrix[:4]) and any(matrix[4:8])
    return (height, width) if turned else (width, height)
