"""Understand handles as people give them: with @, or as the address of a profile."""

import re
from urllib.parse import unquote, urlsplit

from connectors.types import Platform

_SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
_FOLDERS = frozenset(
    {"profile", "s", "users", "web", "company", "in", "school", "showcase", "channel", "user"}
)
"""Parts of a profile's path that are not the name: bsky.app/profile/NAME, t.me/s/NAME, linkedin.com/company/NAME."""
_TELEGRAM_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})


def read_handle(platform: Platform, given: str | None) -> str | None:
    """Return the name in a handle: without @, and without the address around it. None or blank = None.

    "@anna.bsky.social" and "https://bsky.app/profile/anna.bsky.social" are anna.bsky.social; "t.me/tea" and "@tea"
    are tea; a private channel's "t.me/c/1234/5" is its id, -1001234. Anything that is not an address stays as it is.
    """
    text = (given or "").strip()
    if not text:
        return None
    address = text if _SCHEME.match(text) else f"https://{text}"
    is_address = _SCHEME.match(text) is not None or "/" in text
    if not is_address:
        return text.removeprefix("@") or None
    if address.startswith("at://"):
        return address.removeprefix("at://").partition("/")[0].removeprefix("@") or None
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return text
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    if (
        platform == Platform.TELEGRAM
        and host in _TELEGRAM_HOSTS
        and segments[:1] == ["c"]
        and len(segments) > 1
    ):
        return f"-100{segments[1]}"
    names = [segment for segment in segments if segment not in _FOLDERS]
    if not names:
        return text
    name = names[0].removeprefix("@")
    if platform == Platform.MASTODON and "@" not in name:
        return f"{name}@{host}"
    return name or text


def read_instance(platform: Platform, handle: str | None, instance_url: str | None) -> str | None:
    """Return the address of the account's server: as given, else the host of a Mastodon handle (anna@tea.example)."""
    if platform != Platform.MASTODON or (instance_url and instance_url.strip()):
        return instance_url
    host = (read_handle(platform, handle) or "").rpartition("@")[2] if _names_host(handle or "") else ""
    return f"https://{host}" if host else instance_url


def _names_host(handle: str) -> bool:
    return "/" in handle or "@" in handle.strip().removeprefix("@")
