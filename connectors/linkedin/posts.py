"""Publish posts on LinkedIn and determine their outcome: by reading, or by the URN in a duplicate error.

Sources: learn.microsoft.com/linkedin, "Posts API" and "Comments API" (li-lms-2025-01). The response to a
duplicate, 422 with the URN in its message, is reported by third parties.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from connectors.candidates import Candidate, choose, window_start
from connectors.deletion import ignore
from connectors.errors import ContentRejectedError, GiveUpError, OutcomeUnknownError, UnavailableError
from connectors.http.client import Clock, PlatformApi
from connectors.linkedin.capabilities import LABEL
from connectors.linkedin.media import LinkedInUploads
from connectors.linkedin.options import DEFAULT_TITLE, LinkedInOptions
from connectors.linkedin.responses import (
    DENIED,
    DUPLICATE,
    GONE,
    ORGANIZATION,
    build_permalink,
    find_post_urn,
    modified_at,
    parse_created,
    parse_elements,
    parse_page,
    published_at,
    shows,
    shows_in_comment,
    time_of,
)
from connectors.linkedin.text import escape_little, unescape_little
from connectors.parts import Part, Progress, SentPart
from connectors.types import CLOCK_MARGIN, PostContent

_PAGE = 100
_DURATIONS = {1: "ONE_DAY", 3: "THREE_DAYS", 7: "SEVEN_DAYS", 14: "FOURTEEN_DAYS"}
_DISTRIBUTION = {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []}


def _words(part: Part, content: PostContent) -> str:
    """Return the text of a part. The link of an article is in its card, not in the text."""
    return part.text if part.index else LinkedInOptions.of(content).write_text(content, part.text)


def _write_content(options: LinkedInOptions, content: PostContent) -> dict[str, Any] | None:
    """Return the poll or the article of a post; None: it has neither."""
    if options.poll is not None:
        return {
            "poll": {
                "question": options.poll.question,
                "options": [{"text": choice} for choice in options.poll.choices],
                "settings": {"duration": _DURATIONS[options.poll.duration_days]},
            }
        }
    if options.article is not None:
        return {"article": {"source": content.link, **options.article.model_dump(exclude_none=True)}}
    return None


class LinkedInPosts:
    """Sends, looks up and lists the posts of one author."""

    def __init__(self, api: PlatformApi, uploads: LinkedInUploads, author: str, clock: Clock) -> None:
        """Keep the author's URN; `clock` (UTC) gives the time where LinkedIn gives none."""
        self._api = api
        self._uploads = uploads
        self._author = author
        self._clock = clock

    async def send(self, part: Part, progress: Progress) -> SentPart:
        """POST /rest/posts, or /rest/socialActions/{post}/comments for the first comment."""
        author, post = self._author, progress.parent_of(part)
        if post is not None:
            path = f"/rest/socialActions/{quote(post.id, safe='')}/comments"
            comment: dict[str, Any] = {"actor": author, "object": post.id, "message": {"text": part.text}}
            if part.media:
                images = await self._upload_media(part, progress)
                comment["content"] = [{"entity": {"image": image["id"]}} for image in images]
            urn = await self._api.publish(path, parse_created, json=comment)
            return SentPart(urn, None, self._clock())
        content, options = progress.request.content, LinkedInOptions.of(progress.request.content)
        if options.visibility == "connections" and author.startswith(ORGANIZATION):
            raise ContentRejectedError(
                f"a page's posts on {LABEL} are always public: leave options.linkedin.visibility out"
            )
        body: dict[str, Any] = {
            "author": author,
            "commentary": escape_little(_words(part, content)),
            "visibility": options.visibility.upper(),
            "distribution": _DISTRIBUTION,
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": not options.allow_reshare,
        }
        carried = _write_content(options, content)
        if carried is not None:
            body["content"] = carried
        if part.media:
            media = await self._upload_media(part, progress)
            if part.media[0].kind == "document":
                media[0].setdefault("title", DEFAULT_TITLE)
                media[0] |= {} if options.document is None else {"title": options.document.title}
            body["content"] = {"media": media[0]} if len(media) == 1 else {"multiImage": {"images": media}}
        try:
            urn = await self._api.publish("/rest/posts", parse_created, json=body)
        except OutcomeUnknownError as error:
            if error.platform_code != DUPLICATE:
                raise
            return await self._judge_duplicate(error, progress)
        return self._sent(urn, self._clock())

    async def _upload_media(self, part: Part, progress: Progress) -> list[dict[str, str]]:
        """Upload once: every further attempt at the part reuses the upload."""
        key = f"media_{part.index}" if part.index else "media"
        media: list[dict[str, str]] | None = progress.extra.get(key)
        if media is None:
            media = [await self._uploads.upload(item, self._author) for item in part.media]
            await progress.save(**{key: media})
        return [dict(item) for item in media]

    async def _judge_duplicate(self, error: OutcomeUnknownError, progress: Progress) -> SentPart:
        """Tell our own post from an older one with the same text, by the URN in LinkedIn's error.

        The URN's number contains the creation time. LinkedIn is known to name posts that nobody can see: such
        a post is looked up again, and in the end left to a person.
        """
        request = progress.request
        urn = find_post_urn(error.message)
        made = time_of(urn) if urn else None
        if urn is None or made is None:
            await progress.save(duplicate=True)
            raise error
        if urn in request.taken or made < request.first_attempt_at - CLOCK_MARGIN:
            raise ContentRejectedError(
                f"{LABEL} refuses text that it has already published, at {build_permalink(urn)}: change the text",
                status=error.status,
                platform_code=DUPLICATE,
            )
        if await self.is_gone(urn):
            await progress.save(duplicate=True)
            raise error
        return self._sent(urn, made)

    async def is_gone(self, urn: str) -> bool:
        """Return whether LinkedIn reports the post as unknown. A post that we may not read exists."""
        try:
            await self._api.read(f"/rest/posts/{quote(urn, safe='')}", lambda body: str(body["id"]))
        except GiveUpError as error:
            if error.platform_code == GONE:
                return True
            if error.platform_code != DENIED:
                raise
        return False

    async def edit(self, urn: str, part: Part, content: PostContent) -> None:
        """Replace the commentary, unless it says so already. Where we may not read, it is written again."""
        path, words = f"/rest/posts/{quote(urn, safe='')}", _words(part, content)
        try:
            said = await self._api.read(
                path, lambda body: unescape_little(str({"id": body["id"], **body}.get("commentary") or ""))
            )
        except GiveUpError as error:
            if error.platform_code != DENIED:
                raise
        else:
            if said == words:
                return
        await self._api.prepare(
            "POST",
            path,
            ignore,
            json={"patch": {"$set": {"commentary": escape_little(words)}}},
            headers={"X-RestLi-Method": "PARTIAL_UPDATE"},
        )

    def _sent(self, urn: str, moment: datetime) -> SentPart:
        return SentPart(urn, build_permalink(urn), moment)

    async def look(self, part: Part, progress: Progress) -> SentPart | None:
        """Read the author's posts since the first attempt, and the comments on the post."""
        post = progress.parent_of(part)
        if post is not None:
            return choose(LABEL, part, progress, [item async for item in self._list_comments(post)])
        candidates = [
            Candidate(
                self._sent(str(found["id"]), published_at(found)),
                unescape_little(str(found.get("commentary") or "")),
                partial(shows, found),
            )
            async for found in self._list_since(window_start(progress.request))
            if not found.get("reshareContext")  # a repost of somebody else's post
        ]
        words = replace(part, text=_words(part, progress.request.content))
        sent = choose(LABEL, words, progress, candidates)
        if sent is not None:
            return sent
        if progress.extra.get("duplicate"):
            # Sending again would be rejected the same way: keep looking it up, then let a person decide.
            raise UnavailableError(f"{LABEL} refuses this text as a duplicate but lists no such post yet")
        return None

    async def _list_comments(self, post: SentPart) -> AsyncIterator[Candidate]:
        """Yield the author's comments on the post, however many others commented since."""
        path, start, before = f"/rest/socialActions/{quote(post.id, safe='')}/comments?count={_PAGE}", 0, ""
        while True:
            comments = await self._api.read(f"{path}&start={start}", parse_elements)
            for comment in comments:
                if comment.get("actor") == self._author:
                    words = str((comment.get("message") or {}).get("text", ""))
                    sent = SentPart(str(comment["id"]), None, self._clock())
                    yield Candidate(sent, words, partial(shows_in_comment, comment))
            if len(comments) < _PAGE:
                return
            if str(comments[0]["id"]) == before:
                raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
            start, before = start + len(comments), str(comments[0]["id"])

    async def _list_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        start: int | None = 0
        before = ""
        while start is not None:
            posts, start = await self.list_page(start, before)
            before = str(posts[0]["id"]) if posts else ""
            for post in posts:
                if published_at(post) >= since:
                    yield post
            if posts and modified_at(posts[-1]) < since:
                return

    async def list_page(
        self, start: int, before: str, odd: list[str] | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Read one page, last changed first, and the start of the next.

        `before`: first id of the previous page. `odd`: see `connectors.listings.read_items`.
        """
        author = quote(self._author, safe="")
        path = f"/rest/posts?author={author}&q=author&count={_PAGE}&start={start}&sortBy=LAST_MODIFIED"
        posts, following = await self._api.read(path, lambda body: parse_page(body, start, _PAGE, odd))
        if posts and str(posts[0]["id"]) == before:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        if posts and modified_at(posts[0]) < modified_at(posts[-1]):
            # Stopping at the first old post would miss newer ones, and send one of them again.
            raise UnavailableError(f"{LABEL} lists the oldest posts first: its listing cannot be trusted now")
        return posts, following
