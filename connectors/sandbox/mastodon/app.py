"""Simulated Mastodon instance: statuses, media, the account, the instance.

Can imitate a compatible server that ignores Idempotency-Key, lacks the batch read, or answers in plain text.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from connectors.sandbox.mastodon.entities import show_account, show_instance, show_status
from connectors.sandbox.mastodon.media import MastodonMedia
from connectors.sandbox.mastodon.protocol import MastodonProtocol, read_body
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_URL_LENGTH: Final = 23
_KEY_LIFETIME_S: Final = 3600.0
# Mastodon's limit for reading several statuses at once; one more is a 422.
_BATCH: Final = 20
_MAX_PAGE: Final = 40
_URL: Final = re.compile(r"https?://\S+")
_OPTIONS: Final = (
    *("visibility", "spoiler_text", "language", "sensitive", "poll", "content_type", "quote_approval_policy"),
)
_VISIBILITIES: Final = frozenset({"public", "unlisted", "private", "direct"})


def read_id(name: object) -> str | None:
    """Return the number in an id, case-insensitive; None if there is none."""
    return str(name).lower().removeprefix("st") if name else None


class Mastodon:
    """The endpoints of one Mastodon instance for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._protocol = MastodonProtocol(world)
        self._media = MastodonMedia(world, self._protocol)
        self._keys: OrderedDict[tuple[str, str], tuple[SandboxPost, float]] = OrderedDict()

        for post in world.published(Platform.MASTODON, via="api"):
            if post.idempotency_key:
                self._keys[post.account.key, post.idempotency_key] = (post, post.created)

    def routes(self) -> list[Route]:
        """Return the routes, the most used first."""

        def on(operation: str, bucket: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, self._protocol, operation, bucket, handler, auth)

        return [
            route("/api/v1/statuses", ["POST"], on("publish", "statuses", self.create)),
            route("/api/v1/statuses", ["GET"], on("metrics", "calls", self.list_by_ids)),
            route("/api/v1/statuses/{id}", ["GET"], on("metrics", "calls", self.get)),
            route("/api/v1/statuses/{id}/source", ["GET"], on("read", "calls", self.source)),
            route("/api/v1/apps/verify_credentials", ["GET"], on("read", "calls", self.application)),
            route("/api/v1/statuses/{id}", ["PUT"], on("edit", "statuses", self.edit)),
            route("/api/v1/statuses/{id}", ["DELETE"], on("delete", "delete", self.delete)),
            route("/api/v2/media", ["POST"], on("prepare", "media", self._media.upload)),
            route("/api/v1/media/{id}", ["GET"], on("prepare", "calls", self._media.get)),
            route("/api/v1/media/{id}", ["PUT"], on("prepare", "calls", self._media.describe)),
            route("/api/v1/accounts/verify_credentials", ["GET"], on("followers", "calls", self.verify)),
            route("/api/v1/accounts/{id}", ["GET"], on("followers", "calls", self.get_account)),
            route("/api/v1/accounts/{id}/statuses", ["GET"], on("read", "calls", self.list_statuses)),
            route("/api/v2/instance", ["GET"], on("read", "calls", self.instance, "none")),
            route("/api/v1/instance", ["GET"], on("read", "calls", self.instance, "none")),
        ]

    async def create(self, call: Call) -> Answer:
        """POST /api/v1/statuses. A known Idempotency-Key returns its status, for an hour."""
        account = call.owner
        key = call.request.headers.get("idempotency-key")
        honoured = self._world.settings.mastodon_idempotency
        if key and honoured:
            known = self._recall(account, key, call.at)
            if known is not None:
                return Answer(self._show(known, call))
        try:
            body = await read_body(call)
        except ValueError:
            return self._protocol.error(400, "Error occurred while parsing request parameters")
        text = str(body.get("status") or "")
        media_ids = [str(item) for item in body.get("media_ids") or []]
        fault = self._refuse_content(text, media_ids, body, call)
        if fault is not None:
            return fault
        parent = read_id(body.get("in_reply_to_id"))
        if parent and self._world.find_post(Platform.MASTODON, str(parent), account) is None:
            return self._protocol.error(404, "The post you are trying to reply to does not appear to exist.")
        post = self._world.add_post(
            account,
            text=text,
            kind=self._kind_of(text, media_ids),
            at=call.at,
            idempotency_key=key,
            details={
                "media_ids": media_ids,
                "reply_to": parent,
                "visibility": str(body.get("visibility") or "public"),
                "spoiler_text": str(body.get("spoiler_text") or ""),
                "language": body.get("language"),
                "sensitive": body.get("sensitive") in (True, "true", "1") or bool(body.get("spoiler_text")),
                "options": {name: body[name] for name in _OPTIONS if name in body},
            },
        )
        if key and honoured:
            self._keys[account.key, key] = (post, call.at)
        return Answer(self._show(post, call, made=True))

    def list_by_ids(self, call: Call) -> Answer:
        """GET /api/v1/statuses?id[]=: deleted statuses are omitted."""
        if not self._world.settings.mastodon_batch_read:
            # Plain text, as the tested compatible servers answer.
            return Answer(status=405, raw=b"Method Not Allowed", media_type="text/plain; charset=utf-8")
        ids = dict.fromkeys(call.query.getlist("id[]") + call.query.getlist("id"))
        if len(ids) > _BATCH:
            return self._protocol.error(422, "Mastodon::ValidationError")
        found = [self._world.find_post(Platform.MASTODON, read_id(name) or "", call.owner) for name in ids]
        if call.page_fault == "empty_page":
            found = []
        return Answer([self._show(post, call) for post in found if post is not None])

    def get(self, call: Call) -> Answer:
        """GET /api/v1/statuses/{id}."""
        post = self._find(call)
        return (
            self._protocol.error(404, "Record not found") if post is None else Answer(self._show(post, call))
        )

    def delete(self, call: Call) -> Answer:
        """DELETE /api/v1/statuses/{id}: returns the status once more, with its source text."""
        post = self._find(call)
        if post is None or post.account is not call.owner:
            return self._protocol.error(404, "Record not found")
        shown = self._show(post, call)
        self._world.delete_post(post, call.at)
        return Answer({**shown, "text": post.text})

    async def edit(self, call: Call) -> Answer:
        """PUT /api/v1/statuses/{id}: the whole status; media and warning that are not sent again are removed."""
        post = self._find(call)
        if post is None or post.account is not call.owner:
            return self._protocol.error(404, "Record not found")
        try:
            body = await read_body(call)
        except ValueError:
            return self._protocol.error(400, "Error occurred while parsing request parameters")
        text = str(body.get("status") or "")
        media_ids = [str(item) for item in body.get("media_ids") or []]
        fresh = [item for item in media_ids if item not in (post.detail("media_ids") or ())]
        fault = self._refuse_content(text, fresh, body, call) if text.strip() or not media_ids else None
        if fault is not None:
            return fault
        options = {name: body[name] for name in _OPTIONS if name in body}
        spoiler = str(body.get("spoiler_text") or "")
        self._world.edit_post(
            post,
            text=text,
            details={
                "media_ids": media_ids,
                "spoiler_text": spoiler,
                "sensitive": body.get("sensitive") in (True, "true", "1") or bool(spoiler),
                "language": body.get("language") or post.detail("language"),
                "options": {"visibility": (post.detail("options") or {}).get("visibility"), **options},
                "edited_at": call.at,
                "edits": int(post.detail("edits") or 0) + 1,
            },
        )
        return Answer(self._show(post, call))

    def source(self, call: Call) -> Answer:
        """GET /api/v1/statuses/{id}/source: the text as written."""
        post = self._find(call) if self._world.settings.mastodon_source else None
        if post is None:
            return self._protocol.error(404, "Record not found")
        spoiler = post.detail("spoiler_text") or ""
        return Answer({"id": self._name(post.external_id), "text": post.text, "spoiler_text": spoiler})

    def application(self, _call: Call) -> Answer:
        """GET /api/v1/apps/verify_credentials: the application of the token."""
        name = self._world.settings.mastodon_application
        address = "https://sandbox.test/callback"
        return Answer(
            {
                "id": "1",
                "name": name,
                "website": None,
                "scopes": ["read", "write"],
                "redirect_uri": address,
                "redirect_uris": [address],
                "vapid_key": "",
            }
        )

    def verify(self, call: Call) -> Answer:
        """GET /api/v1/accounts/verify_credentials."""
        return Answer(show_account(self._world, call.owner, call.base_url, call.at, own=True))

    def get_account(self, call: Call) -> Answer:
        """GET /api/v1/accounts/{id}."""
        account = self._world.find_account(Platform.MASTODON, call.path["id"])
        if account is None:
            return self._protocol.error(404, "Record not found")
        return Answer(show_account(self._world, account, call.base_url, call.at))

    def list_statuses(self, call: Call) -> Answer:
        """GET /api/v1/accounts/{id}/statuses, newest first, with a Link header."""
        query = call.query
        account = self._world.find_account(Platform.MASTODON, call.path["id"])
        if account is None:
            return self._protocol.error(404, "Record not found")
        try:
            size = min(_MAX_PAGE, max(1, int(query.get("limit", "20"))))
            below, after, newer_than = (
                int(read_id(query[name]) or "") if name in query else None
                for name in ("max_id", "min_id", "since_id")
            )
            above = after if newer_than is None else newer_than
        except ValueError:
            return self._protocol.error(400, "limit, max_id, min_id and since_id must be numbers")
        oldest_first = after is not None
        posts = self._world.list_posts(account, below=below, above=above, oldest_first=oldest_first)
        if query.get("exclude_replies", "") in ("true", "1"):
            posts = (post for post in posts if post.detail("reply_to") is None)
        page = list(islice(posts, size))
        if oldest_first:
            page.reverse()
        if call.page_fault == "empty_page" or not page:
            return Answer([])
        address = f"{call.base_url}{call.request.url.path}"
        kept = {
            name: query[name] for name in ("limit", "exclude_reblogs", "exclude_replies") if name in query
        }
        lowest = page[-1].external_id
        if call.page_fault == "repeated_cursor":
            lowest = query.get("max_id") or str(page[0].number + 1)
        older = urlencode({**kept, "max_id": lowest})
        newer = urlencode({**kept, "min_id": page[0].external_id})
        link = f'<{address}?{older}>; rel="next", <{address}?{newer}>; rel="prev"'
        return Answer([self._show(post, call) for post in page], headers={"link": link})

    def instance(self, call: Call) -> Answer:
        """GET /api/v2/instance."""
        limit = self._world.settings.mastodon_text_limit
        return Answer(show_instance(call.base_url, text_limit=limit, url_length=_URL_LENGTH))

    def _refuse_content(
        self, text: str, media_ids: list[str], body: dict[str, Any], call: Call
    ) -> Answer | None:
        if not text.strip() and not media_ids:
            return self._protocol.error(422, "Validation failed: Text can't be blank")
        counted = len(_URL.sub("x" * _URL_LENGTH, text)) + len(str(body.get("spoiler_text") or ""))
        limit = self._world.settings.mastodon_text_limit
        if counted > limit:
            return self._protocol.error(422, f"Validation failed: Text character limit of {limit} exceeded")
        if (body.get("visibility") or "public") not in _VISIBILITIES:
            return self._protocol.error(422, "Validation failed: Visibility is not included in the list")
        poll = body.get("poll")
        if poll is not None and (media_ids or not 2 <= len(poll.get("options") or ()) <= 4):
            return self._protocol.error(
                422, "Validation failed: Cannot attach a poll with these media or answers"
            )
        return self._media.refuse(media_ids, call)

    def _recall(self, account: SandboxAccount, key: str, at: float) -> SandboxPost | None:
        while self._keys and at - next(iter(self._keys.values()))[1] > _KEY_LIFETIME_S:
            self._keys.popitem(last=False)
        known = self._keys.get((account.key, key))
        return None if known is None or known[0].deleted is not None else known[0]

    def _kind_of(self, text: str, media_ids: list[str]) -> ContentKind:
        if media_ids:
            return self._media.kind_of(media_ids[0])
        return "link" if _URL.search(text) else "text"

    def _find(self, call: Call) -> SandboxPost | None:
        return self._world.find_post(Platform.MASTODON, read_id(call.path["id"]) or "", call.owner)

    def _show(self, post: SandboxPost, call: Call, *, made: bool = False) -> dict[str, Any]:
        media = [self._media.show(media_id, call) for media_id in post.detail("media_ids") or ()]
        shown = show_status(self._world, post, call.base_url, call.at, media=media)
        parent = shown["in_reply_to_id"]
        return {
            **shown,
            "id": self._name(post.external_id, made=made),
            "in_reply_to_id": None if parent is None else self._name(parent, made=made),
        }

    def _name(self, external_id: str, *, made: bool = False) -> str:
        """Return an id in the instance's format."""
        if not self._world.settings.mastodon_letter_ids:
            return external_id
        return f"st{external_id}" if made else f"ST{external_id}"
