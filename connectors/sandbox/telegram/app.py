"""Simulated Telegram Bot API: one bot per channel, at /bot<token>/<method>.

A bot cannot read a channel's messages, so there are no listings and no metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Call, Endpoint, Handler, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_TEXT_LIMIT: Final = 4096
_CAPTION_LIMIT: Final = 1024
_ALBUM: Final = range(2, 11)
_OPTIONS: Final = (
    *("disable_notification", "protect_content", "message_thread_id", "reply_markup", "link_preview_options"),
    "has_spoiler",
)
_EDITED: Final = frozenset({"reply_markup", "link_preview_options"})
_METHODS: Final = ("GET", "POST")  # the Bot API accepts both for every method
_BOT_RIGHTS: Final = {
    "can_be_edited": False, "is_anonymous": False, "can_manage_chat": True, "can_delete_messages": True,
    "can_manage_video_chats": False, "can_restrict_members": False, "can_promote_members": False,
    "can_change_info": False, "can_invite_users": True, "can_post_stories": False, "can_edit_stories": False,
    "can_delete_stories": False, "can_edit_messages": True,
}  # fmt: skip


class TelegramProtocol:
    """The token in the path, and {ok, error_code, description} for every error."""

    platform = Platform.TELEGRAM

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token in the path."""
        who = judge_token(call.world, self.platform, call.path["token"], kind=kind, at=call.at)
        return who if isinstance(who, SandboxAccount) else _refuse(401, "Unauthorized")

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response; a rate limit is reported in the body, not in a header."""
        if kind == "rate_limited":
            wait = max(1, round(reset - at))
            return _refuse(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        status, words = {
            "unauthorized": (401, "Unauthorized"),
            "forbidden": (403, "Forbidden: bot was kicked from the channel chat"),
        }.get(kind, (500, "Internal Server Error"))
        return _refuse(status, words)

    def limit_headers(self, state: LimitState) -> dict[str, str]:  # noqa: ARG002  the protocol's form
        """Return none: Telegram does not report the remaining limit."""
        return {}


class Telegram:
    """The methods of the Bot API for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes."""
        protocol = TelegramProtocol()
        methods: dict[str, tuple[str, Handler]] = {
            "sendMessage": ("publish", self.send_message),
            "sendPhoto": ("publish", self.send_photo),
            "sendVideo": ("publish", self.send_video),
            "sendMediaGroup": ("publish", self.send_album),
            "deleteMessage": ("delete", self.delete_message),
            "editMessageText": ("edit", self.edit_text),
            "editMessageCaption": ("edit", self.edit_caption),
            "getMe": ("read", self.get_me),
            "getChat": ("read", self.get_chat),
            "getChatMember": ("read", self.get_member),
            "getChatMemberCount": ("followers", self.count_members),
        }
        return [
            route(
                f"/bot{{token}}/{name}",
                _METHODS,
                Endpoint(self._world, protocol, operation, operation, handler),
            )
            for name, (operation, handler) in methods.items()
        ]

    def send_message(self, call: Call) -> Answer:
        """Send a text."""
        text = call.parameters().get("text", "")
        if not text.strip():
            return _refuse(400, "Bad Request: message text is empty")
        if _units(text) > _TEXT_LIMIT:
            return _refuse(400, "Bad Request: message is too long")
        return self._send(call, text, "link" if "http" in text else "text")

    def send_photo(self, call: Call) -> Answer:
        """Send a photo by URL."""
        return self._send_file(call, "photo", "photo")

    def send_video(self, call: Call) -> Answer:
        """Send a video by URL."""
        return self._send_file(call, "video", "video")

    def send_album(self, call: Call) -> Answer:
        """Send two to ten photos as one album of as many messages."""
        try:
            media = orjson.loads(call.parameters().get("media", ""))
        except orjson.JSONDecodeError:
            return _refuse(400, "Bad Request: can't parse InputMedia: Can't parse JSON")
        if not isinstance(media, list) or len(media) not in _ALBUM:
            return _refuse(400, "Bad Request: there must be 2 to 10 messages in an album")
        if not all(isinstance(item, dict) and _is_address(item.get("media")) for item in media):
            return _refuse(400, "Bad Request: wrong file identifier/HTTP URL specified")
        caption = str(media[0].get("caption") or "")
        if _units(caption) > _CAPTION_LIMIT:
            return _refuse(400, "Bad Request: message caption is too long")
        first = self._send(call, caption, "photo", photos=len(media))
        if first.status != 200:
            return first
        message = orjson.loads(first.body)["result"]
        more = [
            {**message, "message_id": self._world.next_number(Platform.TELEGRAM, call.at), "caption": ""}
            for _ in media[1:]
        ]
        return Answer({"ok": True, "result": [message, *more]})

    def delete_message(self, call: Call) -> Answer:
        """Delete a message."""
        post = self._world.find_post(
            Platform.TELEGRAM, call.parameters().get("message_id", ""), self._channel(call)
        )
        if post is None or post.account is not call.owner:
            return _refuse(400, "Bad Request: message to delete not found")
        self._world.delete_post(post, call.at)
        return Answer({"ok": True, "result": True})

    def edit_text(self, call: Call) -> Answer:
        """editMessageText: of a message without media."""
        text = call.parameters().get("text", "")
        if not text.strip():
            return _refuse(400, "Bad Request: message text is empty")
        if _units(text) > _TEXT_LIMIT:
            return _refuse(400, "Bad Request: MESSAGE_TOO_LONG")
        return self._edit(call, text, with_media=False)

    def edit_caption(self, call: Call) -> Answer:
        """editMessageCaption: of a message with media."""
        caption = call.parameters().get("caption", "")
        if _units(caption) > _CAPTION_LIMIT:
            return _refuse(400, "Bad Request: message caption is too long")
        return self._edit(call, caption, with_media=True)

    def _edit(self, call: Call, text: str, *, with_media: bool) -> Answer:
        """Change a message; the same text and buttons once more are an error, as on Telegram."""
        given = call.parameters()
        post = self._world.find_post(Platform.TELEGRAM, given.get("message_id", ""), self._channel(call))
        if post is None or post.account is not call.owner:
            return _refuse(400, "Bad Request: message to edit not found")
        if with_media != (post.kind in {"photo", "video"}):
            kind = "caption" if with_media else "text"
            return _refuse(400, f"Bad Request: there is no {kind} in the message to edit")
        old = post.detail("options") or {}
        edited = {name: given[name] for name in ("reply_markup", "link_preview_options") if name in given}
        options = {name: value for name, value in old.items() if name not in _EDITED} | edited
        if post.text == text and options == old:
            words = (
                "message is not modified: specified new message content and reply markup are exactly the same "
                "as a current content and reply markup of the message"
            )
            return _refuse(400, f"Bad Request: {words}")
        details = {"options": options, "edited_at": call.at, "edits": int(post.detail("edits") or 0) + 1}
        self._world.edit_post(post, text=text, details=details)
        return Answer({"ok": True, "result": {**_show_message(post), "edit_date": int(call.at)}})

    def get_me(self, call: Call) -> Answer:
        """getMe: the bot."""
        return Answer({"ok": True, "result": _show_bot(call.owner)})

    def get_chat(self, call: Call) -> Answer:
        """getChat: the channel."""
        account = self._channel(call)
        if account is None:
            return _refuse(400, "Bad Request: chat not found")
        full = {
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": {
                "unlimited_gifts": False, "limited_gifts": False, "unique_gifts": False,
                "premium_subscription": False, "gifts_from_channels": False,
            },
        }  # fmt: skip
        return Answer({"ok": True, "result": {**_show_chat(account), **full}})

    def get_member(self, call: Call) -> Answer:
        """getChatMember: the bot's rights in the channel."""
        account = self._channel(call)
        if account is None:
            return _refuse(400, "Bad Request: chat not found")
        if call.parameters().get("user_id") != str(_bot_id(account)):
            return _refuse(400, "Bad Request: user not found")
        may_post = self._world.settings.telegram_may_post
        rights = {**_BOT_RIGHTS, "can_post_messages": may_post}
        return Answer(
            {"ok": True, "result": {"status": "administrator", "user": _show_bot(account), **rights}}
        )

    def count_members(self, call: Call) -> Answer:
        """getChatMemberCount: the number of subscribers."""
        account = self._channel(call)
        if account is None:
            return _refuse(400, "Bad Request: chat not found")
        return Answer({"ok": True, "result": account.followers(call.at)})

    def _send_file(self, call: Call, name: str, kind: ContentKind) -> Answer:
        given = call.parameters()
        if not _is_address(given.get(name)):
            return _refuse(400, "Bad Request: wrong file identifier/HTTP URL specified")
        caption = given.get("caption", "")
        if _units(caption) > _CAPTION_LIMIT:
            return _refuse(400, "Bad Request: message caption is too long")
        return self._send(call, caption, kind)

    def _send(self, call: Call, text: str, kind: ContentKind, *, photos: int = 1) -> Answer:
        account = self._channel(call)
        if account is None:
            return _refuse(400, "Bad Request: chat not found")
        if not self._world.settings.telegram_may_post:
            return _refuse(400, "Bad Request: need administrator rights in the channel chat")
        given = call.parameters()
        details: dict[str, Any] = {"photos": photos}
        details["options"] = {name: given[name] for name in _OPTIONS if name in given}
        post = self._world.add_post(account, text=text, kind=kind, at=call.at, details=details)
        return Answer({"ok": True, "result": _show_message(post)})

    def _channel(self, call: Call) -> SandboxAccount | None:
        """Return the channel that the call names, if the bot is in it."""
        name = call.parameters().get("chat_id", "").removeprefix("@")
        account = self._world.find_account(Platform.TELEGRAM, name)
        return account if account is call.owner else None


def _refuse(status: int, description: str, *, retry_after: int | None = None) -> Answer:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if retry_after is not None:
        body["parameters"] = {"retry_after": retry_after}
    return Answer(body, status)


def _show_message(post: SandboxPost) -> dict[str, Any]:
    message = {
        "message_id": post.number,
        "date": int(post.created),
        "chat": _show_chat(post.account),
        "sender_chat": _show_chat(post.account),
    }
    if post.kind == "photo":
        photo = {"file_id": "AgAD", "file_unique_id": "AQAD", "width": 1, "height": 1}
        return {**message, "photo": [photo], "caption": post.text}
    if post.kind == "video":
        video = {"file_id": "BAAD", "file_unique_id": "AgAD", "width": 1, "height": 1, "duration": 1}
        return {**message, "video": video, "caption": post.text}
    return {**message, "text": post.text}


def _show_chat(account: SandboxAccount) -> dict[str, Any]:
    return {
        "id": int(account.external_id),
        "type": "channel",
        "title": account.display_name,
        "username": account.handle,
    }


def _show_bot(account: SandboxAccount) -> dict[str, Any]:
    return {
        "id": _bot_id(account),
        "is_bot": True,
        "first_name": "Scheduler",
        "username": f"{account.handle}_bot",
    }


def _bot_id(account: SandboxAccount) -> int:
    return 7_000_000_000 + int(account.external_id.removeprefix("-100")) % 10**9


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_address(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://"))
