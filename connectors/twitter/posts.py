"""Parse X's responses, and match posts with a publication.

Source: specification x/openapi.json 2.167. Older responses use the names `retweet_count`,
`referenced_tweets`, `note_tweet`; both are read.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from connectors.candidates import Candidate
from connectors.content.counts import read_count, sum_counts
from connectors.content.languages import read_language
from connectors.errors import GiveUpError
from connectors.http.messages import platform_message
from connectors.listings import read_id, read_items
from connectors.parts import SentPart
from connectors.twitter.options import TwitterOptions
from connectors.types import (
    AccountMetrics,
    ContentKind,
    Credentials,
    ListedPost,
    Media,
    PostMetrics,
    VerifiedAccount,
)

_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
_MEDIA_LINK = re.compile(r"/status/\d+/(?:photo|video)/\d+$")
_VIDEO_KEYS = ("7_", "13_")
"""Media kind by media key prefix: 7 and 13 are videos, 3 is a photo, 16 an animated GIF."""
_ESCAPED = re.compile(r"&(amp|lt|gt);")
_REPLY_SETTINGS = {"mentioned": "mentionedUsers"}
_PLAIN = {"amp": "&", "lt": "<", "gt": ">"}


def write_options(options: TwitterOptions, *, first: bool) -> dict[str, Any]:
    """Return the fields of POST /2/tweets that options stand for; `first`: whether it is no reply."""
    written: dict[str, Any] = {}
    if options.reply_settings != "everyone":
        written["reply_settings"] = _REPLY_SETTINGS.get(options.reply_settings, options.reply_settings)
    if options.subscribers_only:
        written["for_super_followers_only"] = True
    if options.paid_partnership:
        written["paid_partnership"] = True
    if not first:
        return written
    if options.quote is not None:
        written["quote_tweet_id"] = options.quote
    if options.community is not None:
        written["community_id"] = options.community
    if options.ai_generated:
        written["made_with_ai"] = True
    if options.poll is not None:
        poll = options.poll
        written["poll"] = {"options": list(poll.choices), "duration_minutes": poll.duration_minutes}
    return written


def parse_user(body: Any) -> VerifiedAccount:  # noqa: ANN401 - JSON
    """Read {data: {id, name, username, public_metrics}}; the caller adds the credentials."""
    user = body["data"]
    return VerifiedAccount(
        external_id=str(user["id"]),
        handle=str(user["username"]),
        display_name=str(user.get("name") or user["username"]),
        credentials=Credentials(SecretStr("")),
        followers=read_count((user.get("public_metrics") or {}).get("followers_count")),
    )


def parse_created(body: Any) -> str:  # noqa: ANN401 - JSON
    """Read the id of {data: {id, text}}."""
    return str(body["data"]["id"])


def parse_page(body: Any, odd: list[str] | None = None) -> tuple[list[dict[str, Any]], str | None]:  # noqa: ANN401 - JSON
    """Read a page of posts and the next cursor. `odd`: see `connectors.listings.read_items`.

    A page without posts is empty only if X counts 0 results. Otherwise X failed, and treating the page as
    empty would lead to a second send.
    """
    if not body.get("data") and (body.get("meta") or {}).get("result_count") != 0:
        raise GiveUpError(f"X (Twitter) lists no posts: {platform_message(body) or 'without a reason'}")
    posts = read_items(body.get("data") or (), _parse_post, odd)
    return posts, (body.get("meta") or {}).get("next_token")


def _parse_post(post: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    parse_time(post["created_at"])
    return {**post, "id": read_id(post["id"])}


def parse_metrics(body: Any, captured_at: datetime) -> tuple[list[PostMetrics], set[str]]:  # noqa: ANN401 - JSON
    """Read the metrics, and the ids that X reports as not found; a 200 may contain both."""
    if "data" not in body and "errors" not in body:
        raise KeyError("data")
    errors = body.get("errors") or ()
    gone = {
        str(error.get("resource_id") or error.get("value"))
        for error in errors
        if str(error.get("type", "")).endswith("/resource-not-found")
    }
    return [parse_post_metrics(post, captured_at) for post in body.get("data") or ()], gone


def parse_post_metrics(post: Mapping[str, Any], captured_at: datetime) -> PostMetrics:
    """Read one post's metrics. Shares = reposts + quotes, saves = bookmarks, clicks = clicks on own links."""
    counts = {**(post.get("public_metrics") or {}), **(post.get("non_public_metrics") or {})}
    known = {name: read_count(value) for name, value in counts.items()}
    return PostMetrics(
        external_id=str(post["id"]),
        captured_at=captured_at,
        impressions=known.get("impression_count"),
        likes=known.get("like_count"),
        comments=known.get("reply_count"),
        shares=sum_counts(known.get("repost_count", known.get("retweet_count")), known.get("quote_count")),
        saves=known.get("bookmark_count"),
        clicks=known.get("url_link_clicks"),
        raw={
            name: post[name]
            for name in ("public_metrics", "non_public_metrics", "promoted_metrics")
            if name in post
        },
        promoted=_is_promoted(post) or None,
    )


def _is_promoted(post: Mapping[str, Any]) -> bool:
    """Return whether an advertisement showed the post to anyone.

    Source: x/openapi.json, Post.promoted_metrics; docs.x.com, Metrics ("if a post was promoted as an ad"; own posts of
    the last 30 days). Of a post that never was one, X leaves the field out and names it among the partial errors.
    """
    counts = post.get("promoted_metrics") or {}
    return any(isinstance(value, int) and value > 0 for value in counts.values())


def parse_account_metrics(body: Any, captured_at: datetime) -> AccountMetrics:  # noqa: ANN401 - JSON
    """Read the metrics of {data: {public_metrics}}."""
    counts = body["data"]["public_metrics"]
    return AccountMetrics(
        captured_at=captured_at,
        followers=read_count(counts.get("followers_count")),
        following=read_count(counts.get("following_count")),
        posts=read_count(counts.get("post_count", counts.get("tweet_count"))),
        raw=dict(counts),
    )


def parse_listed(post: Mapping[str, Any], captured_at: datetime, permalink: str) -> ListedPost:
    """Read one post of a listing, with its public metrics."""
    return ListedPost(
        external_id=str(post["id"]),
        published_at=parse_time(post["created_at"]),
        text=readable_text(post),
        kind=_kind(post),
        permalink=permalink,
        metrics=parse_post_metrics(post, captured_at) if "public_metrics" in post else None,
        language=read_language(post.get("lang")),
    )


def parse_time(value: str) -> datetime:
    """Read an ISO 8601 time as aware UTC."""
    return datetime.fromisoformat(value).astimezone(UTC)


def full_text(post: Mapping[str, Any]) -> str:
    """Return the full text: a long post has it in a separate field."""
    note = post.get("note_post") or post.get("note_tweet") or {}
    return str(note.get("text") or post.get("text", ""))


def readable_text(post: Mapping[str, Any]) -> str:
    """Return the text as written: t.co links replaced by their targets, media links and entities removed."""
    text = full_text(post)
    for entity in (post.get("entities") or {}).get("urls") or ():
        shown = str(entity.get("url") or "")
        if shown:
            text = text.replace(shown, "" if _is_media(entity) else _target(entity) or shown)
    # X escapes only these three: an author's own "&copy;" comes as "&amp;copy;".
    return _ESCAPED.sub(lambda match: _PLAIN[match.group(1)], text).strip()


def is_root(post: Mapping[str, Any]) -> bool:
    """Return whether the post is no reply."""
    return str(post.get("conversation_id", post["id"])) == str(post["id"])


def answers(post: Mapping[str, Any], parent: SentPart | None, root: SentPart | None) -> bool:
    """Return whether the post may be the reply to `parent` in the thread of `root` (None: no reply)."""
    if parent is None:
        return is_root(post)
    if root is not None and str(post.get("conversation_id", root.id)) != root.id:
        return False
    named = post.get("referenced_posts") or post.get("referenced_tweets") or ()
    replied = [str(item["id"]) for item in named if item.get("type") == "replied_to"]
    if replied:
        return parent.id in replied
    return not is_root(post)


def parse_candidate(post: Mapping[str, Any], sent: SentPart, quoted: str | None = None) -> Candidate:
    """Return a listed post as a candidate. X shows links as t.co, with the target in another field.

    `quoted`: id of the post that ours quotes; X appends its link to the text.
    """
    entities = (post.get("entities") or {}).get("urls") or ()
    links = tuple(
        _target(item) or str(item.get("url") or "")
        for item in entities
        if not _is_media(item) and not (quoted and _target(item).endswith(f"/status/{quoted}"))
    )

    def shows(media: Sequence[Media]) -> bool:
        keys = (post.get("attachments") or {}).get("media_keys") or ()
        videos = any(str(key).startswith(_VIDEO_KEYS) for key in keys)
        return len(keys) == len(media) and videos == any(item.kind == "video" for item in media)

    return Candidate(sent, readable_text(post), shows, links if entities else None)


def _is_media(entity: Mapping[str, Any]) -> bool:
    """Return whether X appended the link for attached media, rather than the author."""
    return bool(entity.get("media_key")) or bool(_MEDIA_LINK.search(_target(entity)))


def _target(entity: Mapping[str, Any]) -> str:
    return str(entity.get("expanded_url") or "")


def _kind(post: Mapping[str, Any]) -> ContentKind:
    keys = (post.get("attachments") or {}).get("media_keys") or ()
    if any(str(key).startswith(_VIDEO_KEYS) for key in keys):
        return "video"
    if keys:
        return "photo"
    return "link" if (post.get("entities") or {}).get("urls") else "text"


def age_of(post_id: str, now: datetime) -> timedelta:
    """Return the post's age from its id: X's ids contain milliseconds in their upper bits."""
    if not post_id.isdigit() or len(post_id) > 19:
        return timedelta.max
    return now - (_SNOWFLAKE_EPOCH + timedelta(milliseconds=int(post_id) >> 22))
