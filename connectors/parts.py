"""Publications of several posts: the first post, its thread, and a first comment.

Published parts are saved in the request's state after each accepted part, so that a failure midway never
repeats one. Shape of the state: {"content": fingerprint, "sent_parts": [part, ...], ...extra}.

A part with a delay (`Part.after`) begins a step of its own: one request sends the parts of one step, and a later
request, whose state names the step's first part in STEP, sends the next ones.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.base import PublishRequest
from connectors.content.text import compose_text, fingerprint
from connectors.errors import ContentRejectedError, GiveUpError
from connectors.types import STEP, Media, PostContent, PublishedPost


@dataclass(frozen=True, slots=True)
class Part:
    """One post of the publication. `reply_to` is the index of the part it replies to, None for the first."""

    index: int
    text: str
    reply_to: int | None
    media: tuple[Media, ...] = ()
    after: timedelta | None = None
    """How long after the part before it this part is published; None = at once."""


@dataclass(frozen=True, slots=True)
class SentPart:
    """A published part."""

    id: str
    permalink: str | None
    published_at: datetime
    cid: str | None = None
    """Bluesky's content id, which a reply must include."""


def split_parts(content: PostContent) -> tuple[Part, ...]:
    """Return the parts in sending order: the post, its thread, the comment.

    Each part of the thread replies to the previous one.
    """
    parts = [Part(0, compose_text(content), None, content.media)]
    for index, said in enumerate(content.follow_ups, start=1):
        reply_to = index - 1 if index <= len(content.thread) else 0
        after = None if said.after is None else timedelta(seconds=said.after)
        parts.append(Part(index, said.text, reply_to, said.media, after))
    return tuple(parts)


class Progress:
    """Progress of a request: which parts are published, loaded from its state."""

    def __init__(self, request: PublishRequest) -> None:
        self.request = request
        self.parts = split_parts(request.content)
        self.sent = [_load(item) for item in request.state.get("sent_parts", ())]
        self._fingerprint = fingerprint(request.written or request.content)
        # What was prepared for a different content (a record, a container) must not be sent for this one.
        same = request.state.get("content") in {self._fingerprint, fingerprint(request.content)}
        self.extra = {
            key: value for key, value in request.state.items() if key not in {"content", "sent_parts", STEP}
        }
        self.step = int(request.state.get(STEP, 0))
        later = (part.index for part in self.parts if part.index > self.step and part.after is not None)
        self.end = next(later, len(self.parts))
        """Number of parts that are published when this step is done."""
        if not same:
            self.extra.clear()

    @property
    def complete(self) -> bool:
        """Whether every part up to the end of the step is published."""
        return len(self.sent) >= self.end

    @property
    def next_part(self) -> Part:
        """The first part that is not known to be published."""
        return self.parts[len(self.sent)]

    @property
    def receipt(self) -> PublishedPost:
        """The receipt of the publication, which is that of its first post."""
        root = self.sent[0]
        return PublishedPost(root.id, root.permalink, root.published_at)

    def parent_of(self, part: Part) -> SentPart | None:
        """The part that this one replies to; it is always published first."""
        return None if part.reply_to is None else self.sent[part.reply_to]

    async def save(self, **extra: Any) -> None:  # noqa: ANN401 - any JSON
        """Commit the progress, and what the platform needs to recognise the next part."""
        self.extra.update(extra)
        sent = [{**asdict(item), "published_at": item.published_at.isoformat()} for item in self.sent]
        step = {STEP: self.step} if self.step else {}
        state = {"content": self._fingerprint, "sent_parts": sent, **step, **self.extra}
        await self.request.save_state(state)

    async def add(self, part: SentPart) -> None:
        """Record that the next part is published. A single one is not saved: the receipt follows at once."""
        self.sent.append(part)
        if len(self.parts) > 1:
            await self.save()


async def publish_parts(
    request: PublishRequest, send: Callable[[Part, Progress], Awaitable[SentPart]]
) -> PublishedPost:
    """Send every unpublished part of the step in order, and return the receipt of the first part of all."""
    progress = Progress(request)
    while not progress.complete:
        part = progress.next_part
        try:
            sent = await send(part, progress)
        except (ContentRejectedError, GiveUpError) as error:
            if progress.sent:
                error.message = (
                    f"part {part.index + 1} of {len(progress.parts)} was refused after the part before it "
                    f"went out ({progress.sent[0].permalink or progress.sent[0].id}): {error.message}"
                )
                error.args = (error.message,)
            raise
        await progress.add(sent)
    return progress.receipt


async def find_parts(
    request: PublishRequest, look: Callable[[Part, Progress], Awaitable[SentPart | None]]
) -> PublishedPost | None:
    """Look up every part of the step in order; return the receipt of the first of all if they are published.

    None = some part is not published, and `publish` continues from there. Parts that were found are saved
    first.
    """
    progress = Progress(request)
    known = len(progress.sent)
    while not progress.complete:
        found = await look(progress.next_part, progress)
        if found is None:
            if len(progress.sent) > known:
                await progress.save()
            return None
        progress.sent.append(found)
    if len(progress.sent) > known and len(progress.parts) > 1:
        await progress.save()  # deleting the publication later needs the ids of all its parts
    return progress.receipt


def _load(item: dict[str, Any]) -> SentPart:
    return SentPart(**{**item, "published_at": datetime.fromisoformat(item["published_at"])})
