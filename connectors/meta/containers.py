"""Containers: Instagram and Threads hold a post in one until it is published.

Source: developers.facebook.com, "IG Container" and "Threads: Troubleshooting" (the same five statuses).
Creating a container publishes nothing. For 24 hours it reports whether it was published.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connectors.candidates import Candidate, choose, find_match
from connectors.errors import ConnectorError, ContentRejectedError, GiveUpError, UnavailableError
from connectors.http.client import PlatformApi
from connectors.http.context import ConnectorContext
from connectors.http.messages import shorten
from connectors.meta.api import GONE, NO_SUCH_FIELD
from connectors.parts import Part, Progress, SentPart

# Failures that say "try again": Instagram's subcodes for its own errors and for downloads that took too long, and
# Threads' error_message for the same.
_PASSING_FAILURE = re.compile(r"\b(?:2207001|2207003|2207032|2207052|2207053|FAILED_DOWNLOADING_VIDEO)\b")


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one account.

    `field` is the platform's name of a container's status, `reason` that of the words why it failed.
    """

    api: PlatformApi
    context: ConnectorContext
    label: str
    version: str
    field: str
    reason: str

    async def read_status(self, container: str) -> str:
        """Return EXPIRED, ERROR, FINISHED, IN_PROGRESS or PUBLISHED; EXPIRED also if it is gone."""
        path, params = f"{self.version}/{container}", {"fields": self.field}
        try:
            return await self.api.read(path, lambda body: str(body[self.field]), params=params)
        except GiveUpError as error:
            if error.platform_code == NO_SUCH_FIELD:
                return "PUBLISHED"  # an object without a status is no longer a container, but a post
            if error.platform_code != GONE:
                raise
            return "EXPIRED"

    async def wait(self, container: str) -> str:
        """Return the container's status as soon as it is not IN_PROGRESS.

        Raises UnavailableError after `processing_timeout`; the container stays valid for 24 hours.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.context.settings.processing_timeout
        while (status := await self.read_status(container)) == "IN_PROGRESS":
            if loop.time() > deadline:
                retry_at = self.context.clock() + timedelta(minutes=1)
                raise UnavailableError(f"{self.label} is still processing the media", retry_at=retry_at)
            await asyncio.sleep(self.context.settings.poll_interval)
        return status

    async def wait_for_all(self, containers: list[str]) -> None:
        """Wait for the items of a carousel. Raises ContentRejectedError or UnavailableError if one failed."""
        for container in containers:
            if await self.wait(container) != "FINISHED":
                raise await self._explain_failure(container, "a part of the carousel")

    async def _explain_failure(self, container: str, what: str) -> ConnectorError:
        """Return the error of a container that failed: some failures pass, and a new container may succeed."""
        path, params = f"{self.version}/{container}", {"fields": self.reason}
        try:
            words = await self.api.read(
                path, lambda body: str(body.get(self.reason) or ""), params=params, attempts=1
            )
        except ConnectorError:
            words = ""  # not essential: the status says that it failed
        said = f" ({shorten(words)})" if words else ""
        if _PASSING_FAILURE.search(words):
            return UnavailableError(f"{self.label} could not process {what} this time{said}")
        return ContentRejectedError(
            f"{self.label} could not process {what}{said}: try another file or format"
        )

    async def make_ready(
        self, progress: Progress, create: Callable[[], Awaitable[str]], *, part: Part
    ) -> str | None:
        """Return a container that is ready to be published; None if the saved one is already published.

        A container is created once for a part, and its id is saved before anything is published.
        """
        key = container_key(part)
        container, status = progress.extra.get(key), "EXPIRED"
        if container is not None:
            status = await self.read_status(str(container))
        if container is None or status in {"ERROR", "EXPIRED"}:
            container = await create()
            await progress.save(**{key: container})
        status = await self.wait(str(container))
        if status == "ERROR":
            raise await self._explain_failure(str(container), "the media")
        return None if status == "PUBLISHED" else str(container)


def container_key(part: Part) -> str:
    """Return the key under which the container of a part is saved in the publication's state."""
    return f"container_id_{part.index}" if part.index else "container_id"


def settle(
    status: str | None, label: str, part: Part, progress: Progress, candidates: Sequence[Candidate]
) -> SentPart | None:
    """Return the post of a container, by its status and the account's posts since the first attempt.

    A container that says it is not published yet is a proof that nothing is out: publishing it again is refused if
    that was wrong. One that is expired or unknown (None) proves nothing, nor does one that another installation may
    have replaced: there the account's posts decide.
    """
    if status in {None, "EXPIRED"} or (progress.request.sent_elsewhere and status != "PUBLISHED"):
        return choose(label, part, progress, candidates)
    found = find_match(part, progress, candidates)
    if found is None and status == "PUBLISHED":
        found = choose(label, part, progress, candidates)
        if found is None:
            raise UnavailableError(f"{label} reports the post as published but does not list it yet")
    return found
