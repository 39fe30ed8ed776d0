"""YouTube: videos by resumable upload, one-hour Google OAuth tokens, a daily quota per app.

Sources: youtube/youtube.v3.json (methods, schemas), developers.google.com/youtube/v3 (uploads, limits,
quota). The upload session reports the outcome of an ambiguous upload. YouTube's data API reports plays, likes
and comments; it does not report impressions, reach, shares, saves and clicks, which stay None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import IO, Any, ClassVar

from connectors.base import PublishRequest
from connectors.candidates import Candidate, choose, window_start
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.content.movies import read_movie
from connectors.deletion import delete_parts, ignore
from connectors.editing import list_edited_parts
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    UnavailableError,
)
from connectors.http.client import BearerAuth, Refusal
from connectors.http.context import ConnectorContext
from connectors.listings import read_items
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    EditRequest,
    HistoryPage,
    MetricsBatch,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)
from connectors.youtube.capabilities import CAPABILITIES, LABEL, MAX_VIDEO_BYTES
from connectors.youtube.editing import edit_video
from connectors.youtube.finishing import finish, lacks_steps, load_video, save_video, steps_of
from connectors.youtube.options import YouTubeOptions
from connectors.youtube.tokens import LIFETIME, renew
from connectors.youtube.upload import ask_session, explain_session, open_session, send_bytes
from connectors.youtube.videos import (
    NO_PLAYLIST,
    Channel,
    Page,
    explain,
    list_recent,
    parse_account_metrics,
    parse_candidate,
    parse_channel,
    parse_listed,
    parse_metrics,
    parse_page,
    parse_sent,
    write_video,
)

_PAGE = 50
_SHORT_SECONDS = 180  # support.google.com/youtube, "Understand three-minute YouTube Shorts"


class YouTubeConnector:
    """One YouTube channel."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._channel: Channel | None = None
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        settings, auth = self._context.settings, BearerAuth(account.credentials.access_token)
        self._api = self._context.api(
            account, label=LABEL, base_url=settings.youtube_base_url, auth=auth, explain=self._explain
        )
        # A session has its own URL.
        self._sessions = self._context.api(
            account, label=f"{LABEL} (upload)", base_url="", auth=auth, explain=self._explain
        )
        self._oauth = self._context.api(
            account, label=LABEL, base_url=settings.youtube_oauth_base_url, auth=None, explain=self._explain
        )

    async def verify(self) -> VerifiedAccount:
        """GET channels?mine=true.

        A token with unknown expiry is taken to expire in an hour, Google's lifetime.
        """
        channel = await self._read_channel()
        credentials = self.account.credentials
        if credentials.expires_at is None and credentials.refresh_token is not None:
            credentials = replace(credentials, expires_at=self._context.clock() + LIFETIME)
        return VerifiedAccount(
            external_id=channel.id,
            handle=channel.handle,
            display_name=channel.title,
            credentials=credentials,
            followers=channel.subscribers,
        )

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Upload the video, continuing the open session of an earlier attempt."""
        return await publish_parts(request, self._send)

    async def _send(self, _part: Part, progress: Progress) -> SentPart:
        sent = load_video(progress)
        if sent is None:
            sent = await self._upload(progress)
            if steps_of(progress.request.content):
                await save_video(sent, progress)
        await finish(self._api, self._context, sent, progress)
        if YouTubeOptions.of(progress.request.content).short:
            return replace(sent, permalink=f"https://www.youtube.com/shorts/{sent.id}")
        return sent

    async def _upload(self, progress: Progress) -> SentPart:
        content = progress.request.content
        asked = await self._ask(progress)
        if isinstance(asked, SentPart):
            return asked
        async with self._context.media.fetch(
            content.media[0], kind="video", max_bytes=MAX_VIDEO_BYTES
        ) as media:
            if YouTubeOptions.of(content).short:
                _require_short(media.file)
            session = progress.extra.get("session")
            if session is None or asked is None or progress.extra["size"] != media.size:
                # No session yet, or it is gone, or the file behind the URL has changed.
                base_url = self._context.settings.youtube_base_url
                notify = YouTubeOptions.of(content).notify_subscribers
                resource = write_video(content)
                session = await open_session(self._api, resource, media, base_url, notify=notify)
                asked = 0
                await progress.save(session=session, size=media.size)
            return await send_bytes(self._sessions, session, media, asked, self._read_receipt)

    async def _ask(self, progress: Progress) -> SentPart | int | None:
        """Return the video of the saved session, or the next byte it waits for, or None without a session."""
        session = progress.extra.get("session")
        if session is None:
            return None
        return await ask_session(self._sessions, session, progress.extra["size"], self._read_receipt)

    def _read_receipt(self, body: Any) -> SentPart:  # noqa: ANN401 - JSON
        return parse_sent(body, self._context.clock())

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Check the saved session; if YouTube forgot it, read the uploads since the first attempt."""
        return await find_parts(request, self._look)

    async def _look(self, part: Part, progress: Progress) -> SentPart | None:
        sent = load_video(progress) or await self._look_for_video(part, progress)
        if sent is not None and lacks_steps(progress):
            await save_video(sent, progress)
            return None  # `publish` continues with the steps that are missing
        return sent

    async def _look_for_video(self, part: Part, progress: Progress) -> SentPart | None:
        elsewhere = progress.request.sent_elsewhere
        if progress.extra.get("session") is None and not elsewhere:
            return None  # the session is saved before any byte is sent: without one, nothing was uploaded
        asked = await self._ask(progress)
        if asked is None or (elsewhere and not isinstance(asked, SentPart)):
            return choose(LABEL, part, progress, await self._list_uploads(window_start(progress.request)))
        return asked if isinstance(asked, SentPart) else None

    async def _list_uploads(self, since: datetime) -> list[Candidate]:
        uploads: list[Candidate] = []
        token: str | None = None
        while True:
            page = await self._list_page(token)
            recent = list_recent(page.items, since)
            uploads += map(parse_candidate, recent)
            if page.following is None or not recent:
                return uploads
            token = page.following

    async def _list_page(self, token: str | None, odd: list[str] | None = None) -> Page:
        uploads = (self._channel or await self._read_channel()).uploads
        params = {
            "part": "snippet,contentDetails",
            "playlistId": uploads,
            "maxResults": str(_PAGE),
            **({"pageToken": token} if token else {}),
        }
        try:
            page = await self._api.read(
                "/youtube/v3/playlistItems", lambda body: parse_page(body, odd), params=params
            )
        except GiveUpError as error:
            if error.platform_code != NO_PLAYLIST:
                raise
            return Page([], None)  # the playlist of a channel without uploads does not exist
        if page.following is not None and page.following == token:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        return page

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """DELETE videos?id=."""

        async def delete(video_id: str) -> None:
            await self._api.prepare("DELETE", "/youtube/v3/videos", ignore, params={"id": video_id})

        await delete_parts([external_id], delete)

    async def edit(self, request: EditRequest) -> None:
        """PUT videos with the parts that change, each as a whole."""
        for _part, video_id in list_edited_parts(request):
            await edit_video(self._api, video_id, request)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET videos, 50 ids per request. A missing id is requested once more before it counts as deleted."""
        metrics: dict[str, PostMetrics] = {}
        left_out: list[str] = []
        for ids in split_batches(external_ids, self.capabilities.metrics_batch):
            metrics |= await self._fetch_batch(ids)
            left_out += [video_id for video_id in ids if video_id not in metrics]
        for ids in split_batches(left_out, self.capabilities.metrics_batch):
            metrics |= await self._fetch_batch(ids)
        deleted = frozenset(left_out) - metrics.keys()
        return MetricsBatch(tuple(metrics.values()), deleted)

    async def _fetch_batch(self, ids: Sequence[str]) -> dict[str, PostMetrics]:
        captured_at = self._context.clock()
        params = {"part": "statistics", "id": ",".join(ids)}
        found = await self._api.read(
            "/youtube/v3/videos", lambda body: parse_metrics(body, captured_at), params=params
        )
        return {item.external_id: item for item in found if item.external_id in ids}

    async def fetch_followers(self) -> AccountMetrics:
        """GET channels?mine=true."""
        captured_at = self._context.clock()
        return parse_account_metrics(await self._read_channel(), captured_at)

    async def _read_channel(self) -> Channel:
        params = {"part": "snippet,statistics,contentDetails", "mine": "true"}
        self._channel = await self._api.read("/youtube/v3/channels", parse_channel, params=params)
        return self._channel

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 50 uploads."""
        odd: list[str] = []
        page = await self._list_page(cursor, odd)
        recent = list_recent(page.items, since)
        posts = tuple(read_items(recent, parse_listed, odd))
        return HistoryPage(posts, page.following if recent or odd else None, tuple(odd))

    async def refresh_token(self) -> Credentials | None:
        """POST /token at Google's OAuth server."""
        new = await renew(
            self._oauth, self._context.settings, self.account.credentials, now=self._context.clock()
        )
        if new is not None:
            self._use(replace(self.account, credentials=new))
        return new

    def _explain(self, refusal: Refusal) -> ConnectorError | None:
        may_refresh = self.account.credentials.refresh_token is not None
        return explain_session(refusal) or explain(refusal, may_refresh=may_refresh)


def _require_short(file: IO[bytes]) -> None:
    """Raise ContentRejectedError for a file of which YouTube would make an ordinary video. Others are not judged."""
    shape = read_movie(file)
    file.seek(0)
    if shape is None:
        return
    if shape.width > shape.height or shape.seconds > _SHORT_SECONDS:
        raise ContentRejectedError(
            f"the video is {shape.width} x {shape.height} and {shape.seconds:.0f} seconds long, and a Short is upright "
            f"or square and at most {_SHORT_SECONDS} seconds long: give another file, or leave the option short out"
        )
