"""Simulated Facebook: JSON of Pages and posts, and selection of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.meta.insights import answer_insights
from connectors.sandbox.meta.protocol import graph_error, name_field, read_fields, read_list, write_time
from connectors.sandbox.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_MEDIA_TYPES: Final = {"photo": "photo", "video": "video", "link": "link"}
_STATUS_TYPES: Final = {
    "text": "mobile_status_update",
    "link": "shared_story",
    "photo": "added_photos",
    "video": "added_video",
}


def show_page(account: SandboxAccount, at: float) -> dict[str, object]:
    """Return all fields of a Page."""
    followers = account.followers(at)
    return {
        "id": account.external_id,
        "name": account.display_name,
        "username": account.handle,
        "category": "Shopping & Retail",
        "followers_count": followers,
        "fan_count": followers - followers // 20,
        "link": f"https://www.facebook.com/{account.handle}",
        "verification_status": "not_verified",
        "is_published": True,
    }


def show_post(world: SandboxWorld, post: SandboxPost, at: float, *, comments: int) -> dict[str, object]:
    """Return all fields of a post; expensive fields are functions of the requested field expression."""
    now = world.counters(post, at)
    shares = now.reposts + now.quotes
    fields: dict[str, object] = {
        "id": post.external_id,
        "message": post.text,
        "created_time": write_time(post.created),
        "updated_time": write_time(post.detail("edited_at") or post.created),
        "permalink_url": f"https://www.facebook.com/{post.account.external_id}/posts/{post.number}",
        "from": {"id": post.account.external_id, "name": post.account.display_name},
        "is_published": True,
        "promotion_status": "finished" if post.detail("promoted") else "inactive",
        "status_type": _STATUS_TYPES[post.kind],
        "reactions": {"data": [], "summary": {"total_count": now.likes + now.saves}},
        "comments": {"data": [], "summary": {"total_count": now.comments + comments}},
        "insights": lambda words: _read_insights(world, post, words, at),
    }
    if not post.text:
        del fields["message"]
    if shares:
        # Facebook omits it until somebody has shared.
        fields["shares"] = {"count": shares}
    if post.kind in _MEDIA_TYPES:
        photos = post.detail("photos") or ()
        kind = "album" if len(photos) > 1 else _MEDIA_TYPES[post.kind]
        shown: dict[str, object] = {"media_type": kind}
        if kind == "album":
            shown["subattachments"] = {"data": [{"media_type": "photo"} for _ in photos]}
        fields["attachments"] = {"data": [shown]}
    return fields


_KNOWN: Final = {
    "PagePost": frozenset({"message", "shares", "attachments"}),
    "Page": frozenset[str](),
    "Comment": frozenset({"message", "attachment"}),
    "Video": frozenset({"description", "post_id", "permalink_url"}),
}


def pick(values: Mapping[str, Any], fields: str, node_type: str) -> dict[str, object] | Answer:
    """Return the requested fields and the id; a field that the type lacks is an error."""
    picked: dict[str, object] = {"id": values["id"]}
    for words in read_fields(fields):
        name = name_field(words)
        if name not in values and name not in _KNOWN[node_type]:
            message = f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})"
            return graph_error(message, 100)
        if name not in values:
            continue
        value = values[name]
        if callable(value):
            value = value(words)
        if isinstance(value, Answer):
            return value
        picked[name] = value
    return picked


def _read_insights(
    world: SandboxWorld, post: SandboxPost, words: str, at: float
) -> dict[str, object] | Answer:
    """Return insights.metric(a,b){name,values}."""
    names = words.partition("metric(")[2].partition(")")[0]
    return answer_insights(world, post, read_list(names), at)
