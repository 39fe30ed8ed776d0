"""Pictures: read their shape, and make them fit a platform's limits.

A converted picture is upright (EXIF orientation applied), carries no EXIF, GPS, XMP or comment of the original, and is
the same for the same bytes and limits. Pillow reads headers lazily, so reading a shape costs no decoding.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from connectors.errors import ContentRejectedError

if TYPE_CHECKING:
    from PIL import Image as PillowImage

    from connectors.types import FitRule

LARGEST_PIXELS: Final = 80_000_000
"""Largest picture that is decoded: 240 MB of memory. A small file may claim far more (a decompression bomb)."""
LARGEST_SOURCE_BYTES: Final = 50_000_000
"""Largest file that is converted."""
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
_QUALITIES: Final = (92, 85, 78, 70)
_SHRINK: Final = 0.8
_ROUNDS: Final = 16
"""How often a picture is made smaller at most: 0.8 ** 16 is a thirtieth of its sides."""
_IN_MEMORY: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class PictureShape:
    """What a picture's header says."""

    width: int
    height: int
    is_animated: bool

    @property
    def pixels(self) -> int:
        """Number of pixels of one frame."""
        return self.width * self.height


def read_shape(file: IO[bytes]) -> PictureShape | None:
    """Return the shape of a picture from its current position; None if its header cannot be read."""
    try:
        with _open(file) as image:
            return PictureShape(image.width, image.height, getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError):  # Pillow's errors for damaged files
        return None


def fit_picture(file: IO[bytes], content_type: str, rule: FitRule) -> tuple[IO[bytes], str] | None:
    """Return a new file that fits and its media type, or None if `file` fits already.

    Raises ContentRejectedError, with the remedy, for what is not converted: an animation, a picture that is damaged or
    larger than LARGEST_PIXELS, a type that this Pillow cannot read.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    shape = read_shape(file)
    file.seek(0)
    if shape is None:
        raise ContentRejectedError(f"a picture ({content_type}) cannot be read: convert it to JPEG or PNG")
    if fits(shape, size, content_type, rule):
        return None
    if shape.is_animated:
        raise ContentRejectedError(
            f"an animated picture ({content_type}) is not converted: the copy would be a still picture: make it smaller"
        )
    if shape.pixels > LARGEST_PIXELS:
        raise ContentRejectedError(
            f"a picture has {shape.width} x {shape.height} pixels, at most {LARGEST_PIXELS:,} are converted: make it "
            "smaller"
        )
    try:
        return _convert(file, shape, rule)
    except (OSError, ValueError, SyntaxError) as error:
        raise ContentRejectedError(
            f"a picture ({content_type}) is damaged ({error}): export it again"
        ) from None


def fits(shape: PictureShape, size: int, content_type: str, rule: FitRule) -> bool:
    """Return whether a picture of `size` bytes can be sent as it is."""
    return (
        content_type in rule.types
        and (rule.max_bytes is None or size <= rule.max_bytes)
        and (rule.max_pixels is None or shape.pixels <= rule.max_pixels)
    )


def _open(file: IO[bytes]) -> PillowImage.Image:
    from PIL import Image  # noqa: PLC0415 (50 ms that a text needs not)

    Image.MAX_IMAGE_PIXELS = None  # bounded by LARGEST_PIXELS, without Pillow's warnings
    return Image.open(file, formats=_FORMATS)


def _convert(file: IO[bytes], shape: PictureShape, rule: FitRule) -> tuple[IO[bytes], str]:
    from PIL import ImageOps  # noqa: PLC0415 (see _open)

    with _open(file) as opened:
        image = ImageOps.exif_transpose(opened)
    profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA"} else None
    if "transparency" in image.info:
        image = image.convert("RGBA")
    image.info = {}
    as_png = "image/png" in rule.types and _is_transparent(image)
    image = image.convert("RGBA") if as_png else _flatten(image)
    scale = min(1.0, (rule.max_pixels / shape.pixels) ** 0.5) if rule.max_pixels else 1.0
    for _ in range(_ROUNDS):
        smaller = _scale(image, scale)
        for quality in (None,) if as_png else _QUALITIES:
            made = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
            if quality is None:
                smaller.save(made, "PNG", icc_profile=profile)
            else:
                smaller.save(made, "JPEG", quality=quality, icc_profile=profile)
            if rule.max_bytes is None or made.tell() <= rule.max_bytes:
                made.seek(0)
                return made, "image/png" if as_png else "image/jpeg"
            made.close()
        scale *= _SHRINK
    raise ContentRejectedError(
        f"a picture cannot be made to fit {rule.max_bytes:,} bytes: choose another one"
    )


def _is_transparent(image: PillowImage.Image) -> bool:
    if "A" not in image.getbands():
        return False
    lowest, _ = image.getchannel("A").getextrema()
    return float(lowest) < 255  # type: ignore[arg-type]  # the extrema of one band


def _flatten(image: PillowImage.Image) -> PillowImage.Image:
    """Return the picture without transparency: on white, as a page would show it."""
    from PIL import Image  # noqa: PLC0415 (see _open)

    if "A" in image.getbands():
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _scale(image: PillowImage.Image, scale: float) -> PillowImage.Image:
    from PIL import Image  # noqa: PLC0415 (see _open)

    if scale >= 1:
        return image
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)
