"""Detect the type of a media file from its first bytes: a declared type is often wrong or missing.

puremagic detects most types. Three families are parsed here, because puremagic 1.30 gets them wrong: it knows
only some brands of ISO base media files (an ordinary MP4 of brand iso5 or avc1 is not detected, an AVIF may
be "video/mp4" and a JPEG 2000 "image/jpeg"); a QuickTime file without a brand is detected as an icon; and a
Matroska file may be audio.
"""

from connectors.types import UPLOAD_TYPES

SNIFFED_BYTES = 256
"""Number of leading bytes that `sniff_type` needs: enough for 60 brands."""

_FEWEST_BYTES = 3
"""Minimum length of a signature match, the length of JPEG's signature: two bytes match by chance too often.
"""

# Brands of ISO base media files (ISO/IEC 14496-12, 23008-12; the AVIF specification; mp4ra.org). Every other
# brand is taken as MP4: isom, iso2 to iso9, mp41, mp42, avc1, dash, M4V, 3gp4 ...
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    b"qt  ": "video/quicktime",
    b"crx ": "image/x-canon-cr3",
    **dict.fromkeys((b"M4A ", b"M4B ", b"F4A "), "audio/mp4"),
}
_ANY_IMAGE = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})
"""Generic image brands; the further brands name the coding."""

# Boxes that may start a file without a brand: QuickTime before 2001, JPEG 2000, JPEG XL.
_FIRST_BOXES = {
    **dict.fromkeys((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"), "video/quicktime"),
    b"jP  ": "image/jp2",
    b"JXL ": "image/jxl",
}
UNSENT_TYPES = frozenset({"image/heic", "image/heif", "image/avif", "image/jp2", "image/jxl"})
"""Image types rejected even when given by URL: most platforms would reject the post at publish time."""

_EBML = b"\x1a\x45\xdf\xa3"


def sniff_type(head: bytes) -> str:
    """Return the media type that the first bytes show, or "" if unknown."""
    head = head[:SNIFFED_BYTES]
    box = head[4:8]
    if box == b"ftyp":
        return _read_brands(head)
    if box in _FIRST_BOXES:
        # The first byte is the most significant byte of the box size. Text that contains "wide" has a letter
        # there.
        return "" if head[0] else _FIRST_BOXES[box]
    if head.startswith(_EBML):
        return "video/x-matroska" if b"matroska" in head else "video/webm"
    return _ask_puremagic(head)


def name_remedy(content_type: str) -> str:
    """Return the remedy for a file whose type is not accepted."""
    if content_type in {"image/heic", "image/heif"}:
        return (
            "convert it to JPEG or PNG (phones take such pictures; on an iPhone, Settings > Camera > Formats > Most "
            "Compatible takes JPEG instead)"
        )
    if content_type == "image/avif":
        return "convert it to JPEG or PNG, or upload it and set options.media.fit to have it converted"
    if content_type.startswith("image/"):
        return "convert it to JPEG or PNG"
    if content_type.startswith("video/"):
        return "convert it to MP4"
    return f"choose a file of one of these types: {', '.join(UPLOAD_TYPES)}"


def _read_brands(head: bytes) -> str:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, further = head[8:12], [head[start : start + 4] for start in range(16, end, 4)]
    if major not in _ANY_IMAGE:
        return _BRANDS.get(major, "video/mp4")
    known = (_BRANDS[brand] for brand in further if _BRANDS.get(brand, "").startswith("image/"))
    return next(known, "image/heif")


def _ask_puremagic(head: bytes) -> str:
    import puremagic  # noqa: PLC0415 (reads a table of 3 MB, 70 ms: loaded with the first file)

    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):  # unknown type or empty file
        return ""
    best = matches[0]
    return best.mime_type if len(best.byte_match) >= _FEWEST_BYTES else ""
