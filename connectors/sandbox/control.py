"""Control API under /_sandbox, with which tests and the demo query and configure the sandbox."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson
from starlette.requests import Request
from starlette.routing import Route

from connectors.sandbox.engagement import SLOTS
from connectors.sandbox.faults import parse_rule
from connectors.sandbox.tokens import expire_tokens, revoke_tokens
from connectors.sandbox.wire import Answer
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_DOCUMENT: Final = b"%PDF-1.4\n%%EOF\n"
# A one-pixel image, and the first bytes of an MP4, for posts with media.
_PICTURE: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_LONGEST: Final = 64_000_000
_VIDEO: Final = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 488


class Control:
    """The control API of one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            _route("health", ["GET"], self.health),
            _route("accounts", ["GET"], self.accounts),
            _route("posts", ["GET"], self.posts),
            _route("posts", ["DELETE"], self.delete_post),
            _route("promotions", ["POST"], self.promote_post),
            _route("truth", ["GET"], self.truth),
            _route("faults", ["GET"], self.faults),
            _route("faults", ["POST"], self.add_faults),
            _route("faults", ["DELETE"], self.clear_faults),
            _route("requests", ["GET"], self.requests),
            _route("requests", ["DELETE"], self.clear_requests),
            _route("settings", ["GET"], self.settings),
            _route("settings", ["PATCH"], self.change_settings),
            _route("tokens", ["POST"], self.spoil_tokens),
            _route("media/{name}", ["GET"], self.media),
        ]

    async def health(self, _request: Request) -> Answer:
        """GET health."""
        live = len(self._world.published(via="api"))
        return Answer(
            {
                "status": "ok",
                "seed": self._world.seed,
                "accounts": len(self._world.accounts),
                "live_posts": live,
            }
        )

    async def accounts(self, request: Request) -> Answer:
        """GET accounts: connection data of all accounts."""
        base_url = f"{request.url.scheme}://{request.headers.get('host', 'sandbox.test')}"
        return Answer(
            [_show_account(account, base_url, self._world.time()) for account in self._world.accounts]
        )

    async def posts(self, request: Request) -> Answer:
        """GET posts?platform=&account=&via=: all published posts, oldest first."""
        query = request.query_params
        via = query.get("via")
        if via not in (None, "history", "api"):
            raise ValueError(f"via must be history or api, not {via!r}")
        platform = Platform.parse(query["platform"]) if "platform" in query else None
        found = self._world.published(platform, query.get("account"), via="api" if via == "api" else None)
        return Answer([_show_post(post) for post in found if via is None or post.via == via])

    async def delete_post(self, request: Request) -> Answer:
        """DELETE posts?platform=&external_id=: delete a post as its owner would in the platform's own app."""
        post = self._find_post(request)
        if post is None:
            return Answer({"error": "no such post"}, 404)
        self._world.delete_post(post, self._world.time())
        return Answer(_show_post(post))

    async def promote_post(self, request: Request) -> Answer:
        """POST promotions?platform=&external_id=: an advertisement shows the post, as its owner paid for."""
        post = self._find_post(request)
        if post is None:
            return Answer({"error": "no such post"}, 404)
        post.details = {**(post.details or {}), "promoted": True}
        return Answer(_show_post(post))

    def _find_post(self, request: Request) -> SandboxPost | None:
        query = request.query_params
        posts = self._world.published(Platform.parse(query.get("platform", "")))
        return next((post for post in posts if post.external_id == query.get("external_id")), None)

    async def truth(self, request: Request) -> Answer:
        """GET truth?platform=&account=: the hidden curves, and the followers of the last days."""
        query = request.query_params
        platform = Platform.parse(query["platform"]) if "platform" in query else None
        name = query.get("account")
        return Answer(
            [
                _show_truth(account, self._world.time())
                for account in self._world.accounts
                if (platform is None or account.platform is platform)
                and (name is None or name in account.names)
            ]
        )

    async def faults(self, _request: Request) -> Answer:
        """GET faults."""
        plan = self._world.faults
        return Answer({"rules": [rule.describe() for rule in plan.rules], "fired": dict(plan.fired)})

    async def add_faults(self, request: Request) -> Answer:
        """POST faults: one rule or a list; if one is invalid, none is added."""
        body = orjson.loads(await request.body())
        rules = [parse_rule(item) for item in (body if isinstance(body, list) else [body])]
        added = [self._world.faults.add(rule).describe() for rule in rules]
        return Answer(added if isinstance(body, list) else added[0], 201)

    async def clear_faults(self, request: Request) -> Answer:
        """DELETE faults?id=: one rule, or all of them."""
        rule_id = request.query_params.get("id")
        return Answer({"removed": self._world.faults.clear(None if rule_id is None else int(rule_id))})

    async def requests(self, _request: Request) -> Answer:
        """GET requests: request counts by platform and operation."""
        return Answer(dict(self._world.requests))

    async def clear_requests(self, _request: Request) -> Answer:
        """DELETE requests: reset the counts, including those of the rate limits."""
        self._world.requests.clear()
        self._world.limits.clear()
        return Answer({})

    async def settings(self, _request: Request) -> Answer:
        """GET settings."""
        return Answer(self._world.settings.describe())

    async def change_settings(self, request: Request) -> Answer:
        """PATCH settings."""
        self._world.settings.update(orjson.loads(await request.body()))
        return Answer(self._world.settings.describe())

    async def spoil_tokens(self, request: Request) -> Answer:
        """POST tokens {platform, account, action: expire | revoke | issue}."""
        body = orjson.loads(await request.body())
        account = self._world.find_account(
            Platform.parse(str(body.get("platform"))), str(body.get("account"))
        )
        if account is None:
            return Answer({"error": "no such account"}, 404)
        action = body.get("action")
        if action == "expire":
            expire_tokens(account)
        elif action == "revoke":
            revoke_tokens(account)
        elif action == "issue":
            self._world.tokens.issue(account, self._world.time())
        else:
            raise ValueError(f"action must be expire, revoke or issue, not {action!r}")
        return Answer(_show_account(account, str(request.base_url).rstrip("/"), self._world.time()))

    async def media(self, request: Request) -> Answer:
        """GET media/*.png, *.mp4 and *.pdf: media for posts; video-900000.mp4 has that many bytes."""
        name = request.path_params["name"]
        if name.endswith(".mp4"):
            size = name.removesuffix(".mp4").rpartition("-")[2]
            more = max(0, min(int(size), _LONGEST) - len(_VIDEO)) if size.isdigit() else 0
            return Answer(raw=_VIDEO + b"\x00" * more, media_type="video/mp4")
        if name.endswith(".pdf"):
            return Answer(raw=_DOCUMENT, media_type="application/pdf")
        return Answer(raw=_PICTURE, media_type="image/png")


@dataclass(frozen=True, slots=True)
class _ControlEndpoint:
    handler: Callable[[Request], Awaitable[Answer]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self.handler(Request(scope, receive))
        except ValueError as error:
            answer = Answer({"error": str(error)}, 400)
        await answer(scope, receive, send)


def _route(path: str, methods: list[str], handler: Callable[[Request], Awaitable[Answer]]) -> Route:
    return Route(f"/_sandbox/{path}", _ControlEndpoint(handler), methods=methods)


def _show_account(account: SandboxAccount, base_url: str, at: float) -> dict[str, object]:
    needs_instance = account.platform in (Platform.MASTODON, Platform.BLUESKY)
    return {
        "platform": account.platform,
        "handle": account.handle,
        "external_id": account.external_id,
        "display_name": account.display_name,
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
        "app_password": account.app_password,
        "expires_at": account.expires_at,
        "instance_url": base_url if needs_instance else None,
        "timezone": account.timezone,
        "followers": account.followers(at),
    }


def _show_post(post: SandboxPost) -> dict[str, object]:
    return {
        "platform": post.platform,
        "account": post.account.handle,
        "account_id": post.account.external_id,
        "external_id": post.external_id,
        "text": post.text,
        "kind": post.kind,
        "created_at": post.published_at,
        "idempotency_key": post.idempotency_key,
        "options": post.detail("options") or {},
        "reply_to": post.detail("reply_to"),
        "via": post.via,
        "deleted_at": None if post.deleted is None else datetime.fromtimestamp(post.deleted, UTC),
    }


def _show_truth(account: SandboxAccount, at: float) -> dict[str, object]:
    curve = account.audience.curve
    best = sorted(range(SLOTS), key=lambda slot: -curve[slot])[:5]
    return {
        "platform": account.platform,
        "account": account.handle,
        "account_id": account.external_id,
        "timezone": account.timezone,
        "curve": curve,
        "best": [{"weekday": slot // 24, "hour": slot % 24, "log_effect": curve[slot]} for slot in best],
        "followers": [
            {
                "at": datetime.fromtimestamp(at - back * 86_400, UTC),
                "followers": account.followers(at - back * 86_400),
            }
            for back in range(30, -1, -1)
        ],
    }
