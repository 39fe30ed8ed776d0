"""The type of a media file by its first bytes: a declared type is often wrong or missing."""

SNIFFED_BYTES = 16
"""How many bytes from the start of a file `sniff_type` needs."""

_IMAGES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n", "image/png"), (b"GIF8", "image/gif"))
_WEBM = b"\x1a\x45\xdf\xa3"


def sniff_type(head: bytes) -> str:
    """Return the media type that the first bytes show, "" where they show none."""
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:10] == b"qt" else "video/mp4"
    return "video/webm" if head.startswith(_WEBM) else ""
