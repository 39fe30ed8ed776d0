"""Simulated Mastodon: API entities, with every field that the specification requires."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.mastodon.rewriting import rewrite, rewrites
from connectors.sandbox.wire import iso_millis

if TYPE_CHECKING:
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_TOKEN: Final = re.compile(r"(https?://[^\s<]+)|(?<![\w/])#(\w*[^\W\d]\w*)")
_BORN: Final = "2023-01-01T00:00:00.000Z"


def show_status(
    world: SandboxWorld, post: SandboxPost, base_url: str, at: float, *, media: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a Status. `media`: its attachments."""
    account, now = post.account, world.counters(post, at)
    profile = f"{base_url}/users/{account.handle}"
    if not media and post.kind in ("photo", "video"):
        media = [_old_media(post, base_url)]
    return {
        "id": post.external_id,
        "created_at": iso_millis(post.created),
        "in_reply_to_id": post.detail("reply_to"),
        "in_reply_to_account_id": account.external_id if post.detail("reply_to") else None,
        "sensitive": bool(post.detail("sensitive")),
        "spoiler_text": post.detail("spoiler_text") or "",
        "visibility": post.detail("visibility") or "public",
        "language": post.detail("language") or "en",
        "uri": f"{profile}/statuses/{post.external_id}",
        "url": f"{base_url}/@{account.handle}/{post.external_id}",
        "replies_count": now.comments,
        "reblogs_count": now.reposts,
        "favourites_count": now.likes,
        "quotes_count": now.quotes,
        "edited_at": None if post.detail("edited_at") is None else iso_millis(post.detail("edited_at")),
        "favourited": False,
        "reblogged": False,
        "muted": False,
        "bookmarked": False,
        "pinned": False,
        "content": rewrite(post.text, base_url, world.settings)
        if rewrites(world.settings)
        else build_html(post.text, base_url),
        "filtered": [],
        "reblog": None,
        "quote": None,
        "application": {
            "name": post.detail("application") or world.settings.mastodon_application,
            "website": None,
        },
        "account": show_account(world, account, base_url, at),
        "media_attachments": media,
        "mentions": [],
        "tags": [
            {"name": tag.lower(), "url": f"{base_url}/tags/{tag.lower()}"}
            for _, tag in _TOKEN.findall(post.text)
            if tag
        ],
        "emojis": [],
        "card": None,
        "poll": None,
    }


def build_html(text: str, base_url: str) -> str:
    """Render a text as Mastodon does: paragraphs, line breaks, shortened links, linked hashtags."""
    paragraphs = re.split(r"\n{2,}", text.replace("\r\n", "\n").strip("\n"))
    return "".join(
        f"<p>{'<br />'.join(_link_up(line, base_url) for line in paragraph.split(chr(10)))}</p>"
        for paragraph in paragraphs
    )


def show_account(
    world: SandboxWorld, account: SandboxAccount, base_url: str, at: float, *, own: bool = False
) -> dict[str, Any]:
    """Return an Account; `own` adds the fields that only its owner sees (CredentialAccount)."""
    picture = f"{base_url}/_sandbox/media/photo.png"
    shown: dict[str, Any] = {
        "id": account.external_id,
        "username": account.handle,
        "acct": account.handle,
        "display_name": account.display_name,
        "locked": False,
        "bot": False,
        "discoverable": True,
        "indexable": True,
        "group": False,
        "created_at": _BORN,
        "note": "<p>A simulated account.</p>",
        "url": f"{base_url}/@{account.handle}",
        "uri": f"{base_url}/users/{account.handle}",
        "avatar": picture,
        "avatar_static": picture,
        "header": picture,
        "header_static": picture,
        "followers_count": account.followers(at),
        "following_count": 180 + account.index,
        "statuses_count": world.count_posts(account),
        "last_status_at": iso_millis(at)[:10],
        "emojis": [],
        "fields": [],
    }
    if own:
        shown["source"] = {
            "privacy": "public",
            "sensitive": False,
            "language": "en",
            "note": "A simulated account.",
            "fields": [],
            "follow_requests_count": 0,
            "indexable": True,
            "discoverable": True,
        }
        shown["role"] = {"id": "-99", "name": "", "permissions": "65536", "color": "", "highlighted": False}
    return shown


def show_instance(base_url: str, *, text_limit: int, url_length: int) -> dict[str, Any]:
    """Return the Instance (v2) with its limits."""
    domain = base_url.partition("://")[2]
    icon = f"{base_url}/_sandbox/media/photo.png"
    return {
        "domain": domain,
        "title": "SocialFlow sandbox",
        "version": "4.5.0",
        "source_url": "https://github.com/mastodon/mastodon",
        "description": "A simulated instance.",
        "usage": {"users": {"active_month": 4}},
        "thumbnail": {"url": icon, "blurhash": None, "description": None, "versions": None},
        "icon": [{"src": icon, "size": "36x36"}],
        "languages": ["en"],
        "configuration": {
            "urls": {"streaming": f"ws://{domain}", "status": None, "about": f"{base_url}/about"},
            "accounts": {"max_featured_tags": 10, "max_pinned_statuses": 5},
            "statuses": {
                "max_characters": text_limit,
                "max_media_attachments": 4,
                "characters_reserved_per_url": url_length,
            },
            "media_attachments": {
                "supported_mime_types": ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4"],
                "description_limit": 1500,
                "image_size_limit": 16_777_216,
                "image_matrix_limit": 33_177_600,
                "video_size_limit": 103_809_024,
                "video_frame_rate_limit": 120,
                "video_matrix_limit": 8_294_400,
            },
            "polls": {
                "max_options": 4,
                "max_characters_per_option": 50,
                "min_expiration": 300,
                "max_expiration": 2_629_746,
            },
            "translation": {"enabled": False},
        },
        "registrations": {"enabled": False, "approval_required": False, "message": None},
        "api_versions": {"mastodon": 7},
        "contact": {"email": "sandbox@sandbox.test", "account": None},
        "rules": [],
    }


def _old_media(post: SandboxPost, base_url: str) -> dict[str, Any]:
    is_video = post.kind == "video"
    return {
        "id": f"9{post.external_id[-17:]}",
        "type": "video" if is_video else "image",
        "url": f"{base_url}/_sandbox/media/{'video.mp4' if is_video else 'photo.png'}",
        "preview_url": f"{base_url}/_sandbox/media/photo.png",
        "remote_url": None,
        "meta": None,
        "description": None,
        "blurhash": None,
    }


def _link_up(line: str, base_url: str) -> str:
    parts, position = [], 0
    for match in _TOKEN.finditer(line):
        parts.append(html.escape(line[position : match.start()]))
        address, tag = match.groups()
        parts.append(_link(address) if address else _hashtag(tag, base_url))
        position = match.end()
    parts.append(html.escape(line[position:]))
    return "".join(parts)


def _link(address: str) -> str:
    scheme, _, rest = address.partition("://")
    shown, hidden = rest[:30], rest[30:]
    return (
        f'<a href="{html.escape(address)}" target="_blank" rel="nofollow noopener noreferrer" translate="no">'
        f'<span class="invisible">{scheme}://</span>'
        f'<span class="{"ellipsis" if hidden else ""}">{html.escape(shown)}</span>'
        f'<span class="invisible">{html.escape(hidden)}</span></a>'
    )


def _hashtag(tag: str, base_url: str) -> str:
    return (
        f'<a href="{base_url}/tags/{tag.lower()}" class="mention hashtag" rel="tag">#<span>{tag}</span></a>'
    )
