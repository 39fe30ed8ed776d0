"""The type of a media file by its first bytes: a declared type is often wrong or missing.

puremagic names most types. Of three families it does not, so their headers are read here (measured with puremagic
1.30): of the ISO base media files it knows some brands only (an ordinary MP4 of brand iso5 or avc1 has no answer, an
AVIF may be "video/mp4" and a JPEG 2000 "image/jpeg"); a QuickTime file without a brand is an icon to it; and a
Matroska file may be audio.
"""

from connectors.types import UPLOAD_TYPES

SNIFFED_BYTES = 256
"""How many bytes from the start of a file `sniff_type` needs: room for 60 brands."""

_FEWEST_BYTES = 3
"""So many bytes of a signature must match, as many as JPEG's has: two match by chance too often."""

# Brands of ISO base media files (ISO/IEC 14496-12, 23008-12; the AVIF specification; mp4ra.org). A brand that is not
# here is one of the many of MP4: isom, iso2 to iso9, mp41, mp42, avc1, dash, M4V, 3gp4 ...
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    b"qt  ": "video/quicktime",
    b"crx ": "image/x-canon-cr3",
    **dict.fromkeys((b"M4A ", b"M4B ", b"F4A "), "audio/mp4"),
}
_ANY_IMAGE = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})
"""Brands that say "an image" and leave its coding to the further brands."""

# Boxes that a file without a brand may begin with: QuickTime before 2001, JPEG 2000, JPEG XL.
_FIRST_BOXES = {
    **dict.fromkeys((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"), "video/quicktime"),
    b"jP  ": "image/jp2",
    b"JXL ": "image/jxl",
}
UNSENT_TYPES = frozenset({"image/heic", "image/heif", "image/avif", "image/jp2", "image/jxl"})
"""Images that are refused by address as well: most platforms would refuse the post at its due time."""

_EBML = b"\x1a\x45\xdf\xa3"


def sniff_type(head: bytes) -> str:
    """Return the media type that the first bytes show, "" where they show none."""
    head = head[:SNIFFED_BYTES]
    box = head[4:8]
    if box == b"ftyp":
        return _read_brands(head)
    if box in _FIRST_BOXES:
        # The first byte is the highest of the box's size: a text that says "wide" has a letter there.
        return "" if head[0] else _FIRST_BOXES[box]
    if head.startswith(_EBML):
        return "video/x-matroska" if b"matroska" in head else "video/webm"
    return _ask_puremagic(head)


def name_remedy(content_type: str) -> str:
    """Return what the author can do about a file of a type that is not accepted."""
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
    except (puremagic.PureError, ValueError):  # unknown; empty
        return ""
    best = matches[0]
    return best.mime_type if len(best.byte_match) >= _FEWEST_BYTES else ""
