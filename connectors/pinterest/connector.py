"""Pinterest pins on a board: images by URL, videos uploaded first; 30-day OAuth tokens.

Sources: pinterest/openapi.json 5.23.0 (paths, limits, metrics), developers.pinterest.com. A pin needs a
board: that of the options, or else the first public board that Pinterest lists, the account's own before
shared ones. Pinterest has no idempotency key, and reports no reach, shares or views of images.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from connectors.base import PublishRequest
from connectors.candidates import choose, window_start
from connectors.content.capabilities import Capabilities
from connectors.content.counts import read_count
from connectors.deletion import delete_parts, ignore
from connectors.editing import list_edited_parts
from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    UnavailableError,
)
from connectors.http.client import BearerAuth, Refusal
from connectors.http.context import ConnectorContext
from connectors.listings import read_items
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.pinterest.analytics import AnalyticsReader
from connectors.pinterest.capabilities import CAPABILITIES, LABEL
from connectors.pinterest.media import upload_video, wait_for_media
from connectors.pinterest.options import PinterestOptions
from connectors.pinterest.pins import (
    Page,
    default_board,
    list_changes,
    named_item,
    parse_account,
    parse_account_metrics,
    parse_boards,
    parse_candidate,
    parse_listed,
    parse_pin,
    parse_pins,
    parse_sent,
    parse_time,
    write_images,
    write_pin,
)
from connectors.pinterest.tokens import LIFETIME, renew
from connectors.types import (
    Account,
    AccountMetrics,
    Board,
    Credentials,
    EditRequest,
    HistoryPage,
    MetricsBatch,
    PostContent,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

_PAGE = 100
_BOARDS = 250  # the maximum page size of /v5/boards
_BOARD_PAGES = 20
_SHOWN_BOARDS = 20
_COVER_SECOND = 1  # a video needs a cover; its first frame is often black


class PinterestConnector:
    """One Pinterest account."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._analytics = AnalyticsReader()
        self._boards: dict[str | None, str] = {}
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=LABEL,
            base_url=self._context.settings.pinterest_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=self._explain,
        )
        self._storage = self._context.api(
            account, label=f"{LABEL}'s storage", base_url="", auth=None, explain=lambda _refusal: None
        )

    async def verify(self) -> VerifiedAccount:
        """GET /v5/user_account.

        A token with unknown expiry is taken to expire in 30 days, Pinterest's lifetime.
        """
        user = await self._api.read("/v5/user_account", parse_account)
        credentials = self.account.credentials
        if credentials.expires_at is None and credentials.refresh_token is not None:
            credentials = replace(credentials, expires_at=self._context.clock() + LIFETIME)
        return VerifiedAccount(
            external_id=str(user.get("id") or user["username"]),
            handle=str(user["username"]),
            display_name=str(user.get("business_name") or user["username"]),
            credentials=credentials,
            followers=read_count(user.get("follower_count")),
        )

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """POST /v5/pins; a video is uploaded first, and kept in the state so that it is uploaded once."""
        return await publish_parts(request, self._send)

    async def _send(self, _part: Part, progress: Progress) -> SentPart:
        content = progress.request.content
        options = PinterestOptions.of(content)
        board = await self._find_board(options.board)
        section = None if options.section is None else await self._find_section(board, options.section)
        source = await self._prepare_media(content, progress)
        now = self._context.clock()
        pin = write_pin(content, board, source, section_id=section)
        return await self._api.publish("/v5/pins", lambda body: parse_sent(body, now), json=pin)

    async def _find_board(self, name: str | None) -> str:
        """Return the id of the named board; None: the default one. Reads the boards once per name."""
        if name not in self._boards:
            boards = await self._list_all("/v5/boards")
            found = default_board(boards, self.account.handle) if name is None else named_item(boards, name)
            if found is None and name is None:
                raise GiveUpError(
                    f"{LABEL} lists no public board of this account: create one there, then try again"
                )
            if found is None:
                known = ", ".join(sorted(str(board["name"]) for board in boards)[:_SHOWN_BOARDS])
                raise ContentRejectedError(f"{LABEL} has no board {name!r} for this account; it has: {known}")
            self._boards[name] = found
        return self._boards[name]

    async def _find_section(self, board: str, name: str) -> str:
        sections = await self._list_all(f"/v5/boards/{board}/sections")
        found = named_item(sections, name)
        if found is None:
            raise ContentRejectedError(f"{LABEL} has no section {name!r} on the board {board}: name another")
        return found

    async def _list_all(self, path: str) -> list[dict[str, Any]]:
        """Read all pages of boards or sections, at most _BOARD_PAGES."""
        found: list[dict[str, Any]] = []
        bookmark: str | None = None
        for _ in range(_BOARD_PAGES):
            params = {"page_size": str(_BOARDS), **({"bookmark": bookmark} if bookmark else {})}
            page = await self._api.read(path, parse_boards, params=params)
            found += page.items
            if page.bookmark is None or page.bookmark == bookmark:
                break
            bookmark = page.bookmark
        return found

    async def list_boards(self) -> list[Board]:
        """GET /v5/boards: the boards a pin may name, the default one marked."""
        boards = await self._list_all("/v5/boards")
        first = default_board(boards, self.account.handle)
        return [
            Board(
                id=str(board["id"]),
                name=str(board["name"]),
                privacy=str(board.get("privacy", "PUBLIC")).lower(),
                is_default=str(board["id"]) == first,
            )
            for board in boards
        ]

    async def _prepare_media(self, content: PostContent, progress: Progress) -> dict[str, Any]:
        if content.kind != "video":
            return write_images(content)
        media_id = progress.extra.get("media_id")
        if media_id is None:
            media_id = await upload_video(self._api, self._storage, self._context, content.media[0])
            await progress.save(media_id=media_id)
        if not await wait_for_media(self._api, self._context, media_id):
            raise ContentRejectedError(f"{LABEL} could not process the video: try another file or format")
        cover = PinterestOptions.of(content).cover_second
        return {
            "source_type": "video_id",
            "media_id": media_id,
            "cover_image_key_frame_time": _COVER_SECOND if cover is None else cover,
        }

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the account's pins since the first attempt."""
        since = window_start(request)

        async def look(part: Part, progress: Progress) -> SentPart | None:
            # The link is a separate field: the pin's text does not contain it.
            words = replace(part, text=request.content.text)
            pins = [parse_candidate(pin, since) async for pin in self._list_since(since)]
            return choose(LABEL, words, progress, pins)

        return await find_parts(request, look)

    async def _list_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        bookmark: str | None = None
        while True:
            page = await self._list_page(bookmark)
            recent = [pin for pin in page.items if parse_time(pin["created_at"]) >= since]
            for pin in recent:
                yield pin
            # No sort order is documented: only a page without any recent pin counts as the end.
            if page.bookmark is None or not recent:
                return
            bookmark = page.bookmark

    async def _list_page(self, bookmark: str | None, *, odd: list[str] | None = None, **query: str) -> Page:
        params = {"page_size": str(_PAGE), **query, **({"bookmark": bookmark} if bookmark else {})}
        page = await self._api.read("/v5/pins", lambda body: parse_pins(body, odd), params=params)
        if page.bookmark is not None and page.bookmark == bookmark:
            raise UnavailableError(f"{LABEL} gave the same page twice: its listing cannot be trusted now")
        return page

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """DELETE /v5/pins/{id}."""

        async def delete(pin_id: str) -> None:
            await self._api.prepare("DELETE", f"/v5/pins/{pin_id}", ignore)

        await delete_parts([external_id], delete)

    async def edit(self, request: EditRequest) -> None:
        """PATCH /v5/pins/{id} with the fields that change, unless the pin has them already."""
        for _part, pin_id in list_edited_parts(request):
            changes = list_changes(request.before, request.after)
            options = PinterestOptions.of(request.after)
            places = [(options.board, options.section)]
            places += [(old.board, old.section) for old in map(PinterestOptions.of, request.before)]
            if len(set(places)) > 1:
                board = await self._find_board(options.board)
                section = (
                    None if options.section is None else await self._find_section(board, options.section)
                )
                changes |= {"board_id": board, "board_section_id": section}
            path = f"/v5/pins/{pin_id}"
            pin = await self._api.read(path, parse_pin)
            if any((pin.get(name) or None) != value for name, value in changes.items()):
                await self._api.prepare("PATCH", path, ignore, json=changes)

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /v5/pins/{id}/analytics for each; on a rate limit, the rest is reported as missing."""
        metrics: list[PostMetrics] = []
        deleted: set[str] = set()
        for pin_id in dict.fromkeys(external_ids):
            try:
                metrics.append(await self._analytics.fetch(self._api, pin_id, self._context.clock()))
            except RateLimitedError:
                if not metrics and not deleted:
                    raise
                break  # missing pins are requested again, which raises the limit itself
            except GiveUpError as error:
                if error.status != 404 or error.platform_code is None:
                    raise  # without Pinterest's own code it comes from a proxy that does not know the path
                deleted.add(pin_id)
        known = {item.external_id for item in metrics}
        return MetricsBatch(tuple(metrics), frozenset(deleted), frozenset(external_ids) - known - deleted)

    async def fetch_followers(self) -> AccountMetrics:
        """GET /v5/user_account."""
        captured_at = self._context.clock()
        return await self._api.read("/v5/user_account", lambda body: parse_account_metrics(body, captured_at))

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 pins created by the account; pins saved from others are left out."""
        odd: list[str] = []
        page = await self._list_page(cursor, odd=odd, pin_filter="exclude_repins")
        posts = read_items(page.items, parse_listed, odd)
        recent = tuple(post for post in posts if post.published_at >= since)
        return HistoryPage(recent, page.bookmark if recent or odd else None, tuple(odd))

    async def refresh_token(self) -> Credentials | None:
        """POST /v5/oauth/token."""
        new = await renew(
            self._api, self._context.settings, self.account.credentials, now=self._context.clock()
        )
        if new is not None:
            self._use(replace(self.account, credentials=new))
        return new

    def _explain(self, refusal: Refusal) -> ConnectorError | None:
        """Read {code, message}."""
        body = refusal.body if isinstance(refusal.body, dict) else {}
        code = str(body["code"]) if isinstance(body.get("code"), int) else None
        if refusal.status == 401:
            # The same message for expired and revoked tokens; only a refresh can tell.
            may_mend = self.account.credentials.refresh_token is not None
            return ReauthenticateError(refusal.message, expired=may_mend, status=401, platform_code=code)
        if refusal.status == 403:
            return PermissionMissingError(refusal.message, status=403, platform_code=code)
        if refusal.status == 404:
            return GiveUpError(refusal.message, status=404, platform_code=code)
        return None
