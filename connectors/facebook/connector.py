"""Facebook Pages: text, links, photos and videos through the Graph API, with the Page's own token.

Sources: meta/Page.json, PagePost.json, Photo.json, AdVideo.json (edges, parameters, fields),
developers.facebook.com (error codes, field expansion, reads of many ids). There is no idempotency key, so the
outcome of an ambiguous publish is determined by reading the Page. Personal profiles cannot be posted to.
Since November 2025 Facebook counts views (displays and plays together) instead of impressions: impressions
stay None, and views stay in `raw`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

import orjson
from pydantic import SecretStr

from connectors.base import PublishRequest
from connectors.candidates import choose, window_start
from connectors.content.batches import split_batches
from connectors.content.capabilities import Capabilities
from connectors.content.counts import read_count
from connectors.deletion import delete_parts, ignore
from connectors.editing import list_edited_parts
from connectors.errors import GiveUpError, OutcomeUnknownError, PermissionMissingError, UnavailableError
from connectors.facebook.capabilities import CAPABILITIES, LABEL, VERSION
from connectors.facebook.listings import list_comments, list_page, list_since
from connectors.facebook.metrics import INSIGHTS, PROMOTION, measure_many, measure_one
from connectors.facebook.options import FacebookOptions
from connectors.facebook.pages import take_page_token
from connectors.facebook.posts import (
    DUPLICATE,
    POST_FIELDS,
    build_permalink,
    explain,
    parse_account_metrics,
    parse_candidate,
    parse_listed,
    parse_page,
)
from connectors.facebook.reels import (
    confirm_story,
    find_reel,
    find_story,
    finish_upload,
    publish_photo_story,
    upload_video,
)
from connectors.facebook.videos import VideoFailedError, find_video, wait_for_video
from connectors.http.client import BearerAuth
from connectors.http.context import ConnectorContext
from connectors.listings import page_since, read_items
from connectors.meta.api import NO_SUCH_FIELD, InsightsReader, is_gone, measure_each, parse_id
from connectors.parts import Part, Progress, SentPart, find_parts, publish_parts
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    EditRequest,
    HistoryPage,
    Media,
    MetricsBatch,
    PostContent,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

Answer = TypeVar("Answer")

_PAGE_FIELDS = "id,name,username,followers_count,fan_count"


class _UploadAuth(BearerAuth):
    """`Authorization: OAuth ...`, as Facebook's upload host wants it."""

    def __init__(self, token: SecretStr) -> None:
        super().__init__(token)
        self._header = f"OAuth {self._header.removeprefix('Bearer ')}"


class FacebookConnector:
    """One Facebook Page. A post's id is {page}_{post}."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self._context = context
        self._insights = InsightsReader(VERSION, INSIGHTS)
        self._asks_promotion = True
        self._use(account)

    def _use(self, account: Account) -> None:
        self.account = account
        self._api = self._context.api(
            account,
            label=LABEL,
            base_url=self._context.settings.facebook_base_url,
            auth=BearerAuth(account.credentials.access_token),
            explain=explain,
        )
        # An upload has its own address, and its host takes the token in another form.
        self._uploads = self._context.api(
            account,
            label=LABEL,
            base_url="",
            auth=_UploadAuth(account.credentials.access_token),
            explain=explain,
        )

    async def verify(self) -> VerifiedAccount:
        """GET /me, which is the Page; a user token is exchanged for the token of the one matching Page."""
        try:
            page = await self._read_page()
        except GiveUpError as error:
            if error.platform_code != NO_SUCH_FIELD:
                raise
            token = await take_page_token(self._api, self.account)
            self._use(replace(self.account, credentials=Credentials(token)))
            page = await self._read_page()
        return VerifiedAccount(
            external_id=page["id"],
            handle=str(page.get("username") or page["id"]),
            display_name=page["name"],
            credentials=self.account.credentials,
            followers=read_count(page.get("followers_count")),
        )

    async def _read_page(self) -> dict[str, Any]:
        return await self._api.read(f"{VERSION}/me", parse_page, params={"fields": _PAGE_FIELDS})

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Publish the post, then its first comment."""
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        post, content, now = progress.parent_of(part), progress.request.content, self._context.clock()
        if post is not None:
            path, form = f"{VERSION}/{post.id}/comments", {"message": part.text} if part.text else {}
            if part.media:
                form["attachment_url"] = part.media[0].url
            return SentPart(await self._api.publish(path, parse_id, data=form), None, now)
        kind = FacebookOptions.of(content).kind
        if kind == "reel":
            return await self._send_reel(content.media[0], part, progress)
        if kind == "story":
            return await self._send_story(content.media[0], progress)
        if content.kind == "video":
            return await self._send_video(content.media[0], part, progress)
        page = f"{VERSION}/{await self._page_id()}"
        form = await self._build_form(page, part, content)
        try:
            post_id = await self._api.publish(f"{page}/feed", parse_id, data=form)
        except OutcomeUnknownError as error:
            if error.platform_code == DUPLICATE:
                await progress.save(duplicate=part.index)
            raise
        return SentPart(post_id, build_permalink(post_id), self._context.clock())

    async def _build_form(self, page: str, part: Part, content: PostContent) -> dict[str, str]:
        """Upload the photos unpublished, then create the post with them attached."""
        photos = [
            await self._api.prepare("POST", f"{page}/photos", parse_id, data=_photo_form(item))
            for item in content.media
        ]
        form = {"message": part.text} if part.text else {}
        if photos:
            form["attached_media"] = orjson.dumps([{"media_fbid": photo} for photo in photos]).decode()
        elif content.link:
            form["link"] = content.link
        return form | _write_options(FacebookOptions.of(content))

    async def _send_video(self, item: Media, part: Part, progress: Progress) -> SentPart:
        page_id, video_id = await self._page_id(), progress.extra.get("video_id")
        if video_id is None:
            form = {"file_url": item.url, "description": part.text}
            form |= _write_options(FacebookOptions.of(progress.request.content))
            video_id = await self._api.publish(f"{VERSION}/{page_id}/videos", parse_id, data=form)
            # Accepted: Facebook publishes it by itself, so no attempt may send it again.
            await progress.save(video_id=video_id)
        try:
            return await wait_for_video(self._api, self._context, str(video_id), page_id)
        except VideoFailedError:
            await progress.save(video_id=None)
            raise

    async def _send_reel(self, item: Media, part: Part, progress: Progress) -> SentPart:
        page_id = await self._page_id()
        edge, video_id = f"{page_id}/video_reels", progress.extra.get("video_id")
        if video_id is None:
            home = self._context.settings.facebook_base_url
            video_id = await upload_video(self._api, self._uploads, edge, item, progress, home=home)
            form = {"description": part.text} if part.text else {}
            form |= _write_options(FacebookOptions.of(progress.request.content))
            await finish_upload(self._api, edge, video_id, form)
            # Accepted: Facebook publishes it by itself, so no attempt may send it again.
            await progress.save(video_id=video_id)
        try:
            return await wait_for_video(self._api, self._context, str(video_id), page_id)
        except VideoFailedError:
            await progress.save(video_id=None, short_video=None, short_uploaded=None)
            raise

    async def _send_story(self, item: Media, progress: Progress) -> SentPart:
        page_id = await self._page_id()
        if item.kind == "image":
            post_id = await publish_photo_story(self._api, f"{VERSION}/{page_id}", item, progress)
        else:
            edge, home = f"{page_id}/video_stories", self._context.settings.facebook_base_url
            video_id = await upload_video(self._api, self._uploads, edge, item, progress, home=home)
            post_id = await finish_upload(self._api, edge, video_id, {})
        return await confirm_story(self._api, page_id, post_id, self._context.clock(), progress)

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:
        """Read the Page's posts since the first attempt; for a video, check its processing status first."""
        return await find_parts(request, self._look)

    async def _look(self, part: Part, progress: Progress) -> SentPart | None:
        post, request, page_id = progress.parent_of(part), progress.request, await self._page_id()
        if post is not None:
            return choose(LABEL, part, progress, await list_comments(self._api, page_id, post.id))
        kind = FacebookOptions.of(request.content).kind
        if kind == "story":
            return await find_story(self._api, page_id, progress)
        if kind == "reel" and progress.extra.get("video_id") is None and not request.sent_elsewhere:
            return await find_reel(self._api, page_id, progress)
        if request.content.kind == "video" and (
            found := await find_video(self._api, page_id, part, progress)
        ):
            return found
        listed = list_since(self._api, f"{page_id}/published_posts", POST_FIELDS, window_start(request))
        found = choose(LABEL, part, progress, [parse_candidate(item) async for item in listed])
        if found is not None:
            return found
        if progress.extra.get("duplicate") == part.index:
            # Sending again would be rejected the same way: keep looking it up, then let a person decide.
            raise UnavailableError(
                f"{LABEL} refuses this text as a duplicate but lists no post of this publication: the same "
                "words went out before or by another publication"
            )
        return None

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """DELETE /{post}; its comments go with it."""

        async def delete(post_id: str) -> None:
            await self._api.prepare("DELETE", f"{VERSION}/{post_id}", ignore)

        await delete_parts([external_id], delete, gone=is_gone)

    async def edit(self, request: EditRequest) -> None:
        """POST /{post} {message}, or /{video} {description}, unless it says so already."""
        for part, post_id in list_edited_parts(request):
            node, field = post_id, "message"
            if request.after.kind == "video" and (video_id := request.state.get("video_id")):
                node, field = str(video_id), "description"
            path = f"{VERSION}/{node}"
            said = await self._api.read(path, partial(_read_words, field), params={"fields": field})
            if said.strip() != part.text.strip():
                await self._api.prepare("POST", path, ignore, data={field: part.text})

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """GET /?ids=, 50 per request, with insights; if one post fails a request, read each post alone."""
        measured: dict[str, PostMetrics] = {}
        deleted: set[str] = set()
        missing: set[str] = set()
        for ids in split_batches(external_ids, self.capabilities.metrics_batch):
            try:
                found = await self._ask_with_promotion(partial(self._measure_many, ids))
            except GiveUpError:
                batch = await measure_each(ids, self._measure_one)
                found, deleted = list(batch.metrics), deleted | batch.deleted
            measured |= {item.external_id: item for item in found}
            missing |= set(ids) - set(measured) - deleted
        if deleted:
            # "Does not exist" may also mean "no permission": believe it only if the token can still read its
            # Page.
            await self._read_page()
        return MetricsBatch(tuple(measured.values()), frozenset(deleted), frozenset(missing))

    async def _measure_many(self, ids: Sequence[str], *, with_promotion: bool) -> list[PostMetrics]:
        return await measure_many(
            self._api, self._insights, ids, self._context.clock(), with_promotion=with_promotion
        )

    async def _ask_with_promotion(self, ask: Callable[..., Awaitable[Answer]]) -> Answer:
        """Ask with the promotion's status; if it is refused and the rest is not, never ask for it again."""
        if not self._asks_promotion:
            return await ask(with_promotion=False)
        try:
            return await ask(with_promotion=True)
        except (GiveUpError, PermissionMissingError) as error:
            if isinstance(error, GiveUpError) and PROMOTION not in error.message:
                raise
            answer = await ask(with_promotion=False)
            self._asks_promotion = False
            return answer

    async def _measure_one(self, post_id: str) -> PostMetrics:
        return await measure_one(self._api, self._insights, post_id, self._context.clock())

    async def fetch_followers(self) -> AccountMetrics:
        """GET /me."""
        captured_at = self._context.clock()
        return parse_account_metrics(await self._read_page(), captured_at)

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:
        """One page of up to 100 posts, without metrics."""
        edge = f"{await self._page_id()}/published_posts"
        odd: list[str] = []

        async def ask(*, with_promotion: bool) -> tuple[list[dict[str, Any]], str | None]:
            fields = f"{POST_FIELDS},{PROMOTION}" if with_promotion else POST_FIELDS
            return await list_page(self._api, edge, fields, cursor, odd=odd)

        items, following = await self._ask_with_promotion(ask)
        posts = read_items(items, parse_listed, odd)
        return page_since(posts, since, following, odd)

    async def refresh_token(self) -> Credentials | None:
        """A Page token derived from a long-lived user token does not expire."""
        return None

    async def _page_id(self) -> str:
        if not self.account.external_id:
            self.account = replace(self.account, external_id=(await self.verify()).external_id)
        return self.account.external_id


def _read_words(field: str, body: Any) -> str:  # noqa: ANN401 - JSON
    """Read one text of an object; Facebook leaves an empty one out."""
    return str({"id": body["id"], **body}.get(field) or "")


def _write_options(options: FacebookOptions) -> dict[str, str]:
    """Return the fields of a post or video that options stand for."""
    form = {}
    if options.place is not None:
        form["place"] = options.place
    if options.countries:
        where = {"geo_locations": {"countries": list(options.countries)}}
        form["targeting"] = orjson.dumps(where).decode()
    if options.video_title is not None:
        form["title"] = options.video_title
    return form


def _photo_form(item: Media) -> dict[str, str]:
    alt_text = {"alt_text_custom": item.alt_text} if item.alt_text else {}
    return {"url": item.url, "published": "false", **alt_text}
