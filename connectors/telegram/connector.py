"""Telegram: a bot posts to a channel that it administers. One token, which does not expire.

Source: telegram/api.min.json, Bot API 10.1 (methods, fields), core.telegram.org/bots/api (limits, errors).
The Bot API lists no messages and reports no views or reactions: an ambiguous post cannot be looked up, and
every metric stays None. Telegram fetches media from their public URL.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connectors.base import PublishRequest
from connectors.content.capabilities import Capabilities
from connectors.content.handles import read_handle
from connectors.deletion import delete_parts, ignore
from connectors.editing import list_edited_parts
from connectors.errors import (
    CannotFindOutError,
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
)
from connectors.http.client import Refusal
from connectors.http.context import ConnectorContext
from connectors.parts import Part, Progress, SentPart, publish_parts
from connectors.telegram.capabilities import CAPABILITIES, LABEL
from connectors.telegram.options import TelegramOptions
from connectors.types import (
    Account,
    AccountMetrics,
    Credentials,
    EditRequest,
    HistoryPage,
    MetricsBatch,
    Platform,
    PostMetrics,
    PublishedPost,
    VerifiedAccount,
)

_TOKEN = re.compile(
    r"[A-Za-z0-9:._-]+"
)  # the token is part of the URL, so reject characters that would change the path
# Messages for a channel that the bot may not post to; only the channel's owner can fix that.
_OWNER_WORDS = ("chat not found", "not enough rights", "administrator rights", "not a member", "chat_write")


class TelegramConnector:
    """One bot in one channel."""

    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        token = account.credentials.access_token.get_secret_value().strip()
        if not _TOKEN.fullmatch(token):
            raise ReauthenticateError("the bot token is empty or contains characters that no token has")
        self.account = account
        self._context = context
        self._api = context.api(
            account,
            label=LABEL,
            base_url=f"{context.settings.telegram_base_url}/bot{token}",
            auth=None,
            explain=_explain,
        )

    async def verify(self) -> VerifiedAccount:
        """Read the bot and the channel, and check that the bot may post to it."""
        bot = await self._api.read("/getMe", lambda body: int(body["result"]["id"]))
        chat = await self._api.read("/getChat", _parse_chat, params=self._chat)
        query = {**self._chat, "user_id": str(bot)}
        if not await self._api.read("/getChatMember", _may_post, params=query):
            raise PermissionMissingError(
                f"the bot may not post to {chat['title']}: make it an administrator with the right to post"
            )
        return VerifiedAccount(
            external_id=str(chat["id"]),
            handle=str(chat.get("username") or chat["id"]),
            display_name=str(chat["title"]),
            credentials=self.account.credentials,
            followers=(await self.fetch_followers()).followers,
        )

    async def publish(self, request: PublishRequest) -> PublishedPost:
        """Send the text, or the media with the text as their caption."""
        return await publish_parts(request, self._send)

    async def _send(self, part: Part, progress: Progress) -> SentPart:
        method, body = _write_message(part.text, progress)
        album: list[int] = []

        def parse(answer: Any) -> SentPart:  # noqa: ANN401 - JSON
            sent = _parse_sent(answer)
            if isinstance(answer["result"], list):
                album.extend(int(message["message_id"]) for message in answer["result"])
            return sent

        sent = await self._api.publish(f"/{method}", parse, json={**self._chat, **body})
        if album:
            await progress.save(album=album)  # deleting the album later needs the ids of all its messages
        return sent

    async def find_publication(self, request: PublishRequest) -> PublishedPost | None:  # noqa: ARG002 - the protocol's
        """Raise CannotFindOutError: bots cannot read a channel's messages."""
        raise CannotFindOutError(f"{LABEL} tells a bot nothing about the messages of a channel")

    async def delete(self, external_id: str, state: Mapping[str, Any]) -> None:
        """DeleteMessage for each message: an album has several."""
        ids = [external_id, *(str(one) for one in state.get("album") or () if str(one) != external_id)]

        async def delete(message_id: str) -> None:
            body = {**self._chat, "message_id": int(message_id)}
            await self._api.prepare("POST", "/deleteMessage", ignore, json=body)

        await delete_parts(ids, delete, gone=lambda error: "message to delete not found" in error.message)

    async def edit(self, request: EditRequest) -> None:
        """editMessageText, or editMessageCaption of a message with media. "Not modified" means that it is done."""
        for part, message_id in list_edited_parts(request):
            options = TelegramOptions.of(request.after)
            # Buttons that are not sent again are removed.
            body: dict[str, Any] = {**self._chat, "message_id": int(message_id), **_write_buttons(options)}
            if request.after.media:
                method = "editMessageCaption"
                body["caption"] = part.text
            else:
                method = "editMessageText"
                body["text"] = part.text
                if not options.link_preview:
                    body["link_preview_options"] = {"is_disabled": True}
            try:
                await self._api.prepare("POST", f"/{method}", ignore, json=body)
            except ContentRejectedError as error:
                if "message is not modified" not in error.message:
                    raise

    async def fetch_metrics(self, external_ids: Sequence[str]) -> MetricsBatch:
        """Return None for every metric of every post, without a request: Telegram gives bots no metrics."""
        now = self._context.clock()
        return MetricsBatch(tuple(PostMetrics(post_id, now) for post_id in dict.fromkeys(external_ids)))

    async def fetch_followers(self) -> AccountMetrics:
        """GET getChatMemberCount: the channel's subscribers."""
        now = self._context.clock()
        count = await self._api.read(
            "/getChatMemberCount", lambda body: int(body["result"]), params=self._chat
        )
        return AccountMetrics(now, followers=count, raw={"member_count": count})

    async def list_publications(self, *, since: datetime, cursor: str | None = None) -> HistoryPage:  # noqa: ARG002 - the protocol's
        """Return an empty page: there is no list (`capabilities.lists_posts`)."""
        return HistoryPage((), None)

    async def refresh_token(self) -> Credentials | None:
        """A bot's token does not expire."""
        return None

    @property
    def _chat(self) -> dict[str, str]:
        """Use the channel's id if it is known: its public name may change."""
        name = self.account.external_id or read_handle(Platform.TELEGRAM, self.account.handle)
        if not name or name.startswith("+"):  # t.me/+... is an invitation, which names no channel
            raise GiveUpError(f"which {LABEL} channel? Give its public name as the handle, as in @mychannel")
        is_id = name.lstrip("-").isdigit()
        return {"chat_id": name if is_id else f"@{name}"}


def _write_message(text: str, progress: Progress) -> tuple[str, dict[str, Any]]:
    """Return the method and its parameters, without the channel."""
    media, options = progress.request.content.media, TelegramOptions.of(progress.request.content)
    given = _write_options(options)
    given |= _write_buttons(options)
    if not media:
        if not options.link_preview:
            given["link_preview_options"] = {"is_disabled": True}
        return "sendMessage", {"text": text, **given}
    caption = {"caption": text} if text else {}
    spoiler = {"has_spoiler": True} if options.spoiler else {}
    if len(media) == 1:
        is_video = media[0].kind == "video"
        name = "video" if is_video else "photo"
        return ("sendVideo" if is_video else "sendPhoto"), {name: media[0].url, **caption, **spoiler, **given}
    album: list[dict[str, Any]] = [{"type": "photo", "media": item.url, **spoiler} for item in media]
    album[0] |= caption  # a caption on the first item only is shown below the whole album
    return "sendMediaGroup", {"media": album, **given}


def _write_buttons(options: TelegramOptions) -> dict[str, Any]:
    rows = [[button.model_dump() for button in row] for row in options.buttons]
    return {"reply_markup": {"inline_keyboard": rows}} if rows else {}


def _write_options(options: TelegramOptions) -> dict[str, Any]:
    """Return the parameters that every method takes."""
    given: dict[str, Any] = {}
    if options.silent:
        given["disable_notification"] = True
    if options.protect:
        given["protect_content"] = True
    if options.topic is not None:
        given["message_thread_id"] = options.topic
    return given


def _parse_chat(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    chat = body["result"]
    return {"id": chat["id"], "title": chat.get("title") or chat.get("username") or chat["id"], **chat}


def _may_post(body: Any) -> bool:  # noqa: ANN401 - JSON
    member = body["result"]
    return member["status"] == "creator" or (
        member["status"] == "administrator" and bool(member.get("can_post_messages", True))
    )


def _parse_sent(body: Any) -> SentPart:  # noqa: ANN401 - JSON
    """Read the message; an album consists of several messages, and its first is the receipt."""
    result = body["result"]
    message = result[0] if isinstance(result, list) else result
    chat, message_id = message["chat"], int(message["message_id"])
    # A private channel's URL contains its id without the leading -100.
    place = chat.get("username") or f"c/{str(chat['id']).removeprefix('-100')}"
    return SentPart(
        str(message_id), f"https://t.me/{place}/{message_id}", datetime.fromtimestamp(message["date"], UTC)
    )


def _explain(refusal: Refusal) -> ConnectorError | None:
    """Read {ok: false, error_code, description, parameters: {retry_after}}."""
    body = refusal.body if isinstance(refusal.body, dict) else {}
    words = str(body.get("description", "")).lower()
    if refusal.status == 429:
        seconds = (body.get("parameters") or {}).get("retry_after")
        retry_at = refusal.retry_at
        if isinstance(seconds, int) and 0 < seconds <= 86_400:
            retry_at = refusal.received_at + timedelta(seconds=seconds)
        return RateLimitedError(refusal.message, retry_at=retry_at)
    if refusal.status == 404 and "error_code" in body:
        return ReauthenticateError(
            refusal.message, status=404
        )  # Telegram's response to a token in an invalid format
    if refusal.status == 403 or (refusal.status == 400 and any(known in words for known in _OWNER_WORDS)):
        # The token is valid; the bot was removed from the channel, or may not post there.
        return PermissionMissingError(refusal.message, status=refusal.status)
    return None
