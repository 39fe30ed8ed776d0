"""Simulated authorization servers: a consent page that approves at once, and single-use codes.

The page answers at once, like a signed-in user who agrees: `&decision=deny` in the URL makes the user refuse,
and `&account=` (handle) selects the user. Checked like the real servers: a code's exact redirect URL, its
client, PKCE (S256), its age, and that it is used once. All servers share one host here, so the platform is
determined by the path, the client, or the requested scopes.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.routing import Route

from connectors.sandbox.wire import Answer
from connectors.types import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld

CODE_LIFETIME_S = 60.0
_AUTHORIZE = {
    "/i/oauth2/authorize": Platform.TWITTER,
    "/dialog/oauth": Platform.FACEBOOK,
    "/oauth/v2/authorization": Platform.LINKEDIN,
    "/v2/auth/authorize/": Platform.TIKTOK,
    "/o/oauth2/v2/auth": Platform.YOUTUBE,
    "/oauth/": Platform.PINTEREST,
}
_TOKEN = {
    "/2/oauth2/token": Platform.TWITTER,
    "/oauth/v2/accessToken": Platform.LINKEDIN,
    "/v2/oauth/token/": Platform.TIKTOK,
    "/token": Platform.YOUTUBE,
    "/v5/oauth/token": Platform.PINTEREST,
    "/oauth/token": Platform.MASTODON,
}
_MUST_PROVE = frozenset({Platform.TWITTER})
"""Platforms that reject a request without PKCE; the others verify it if it is sent."""
_SHORT = frozenset({Platform.INSTAGRAM, Platform.THREADS, Platform.FACEBOOK})
"""Platforms whose first token lasts an hour and is only valid for an exchange here (really also for calls).
"""


@dataclass(slots=True)
class _Code:
    platform: Platform
    account: SandboxAccount
    client_id: str
    redirect_uri: str
    challenge: str
    made_at: float
    used: bool = False


class AuthorizationServers:
    """Consent pages and token endpoints of all platforms.

    Refreshes are passed to the platforms' own endpoints.
    """

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._codes: dict[str, _Code] = {}
        self._apps: dict[str, tuple[str, str]] = {}
        """Mastodon's registered apps: client id -> (secret, redirect URL)."""
        self._short: dict[str, SandboxAccount] = {}
        self._people: dict[str, Platform] = {}
        """Long-lived tokens of people who manage pages."""

    def wrap(self, routes: Sequence[Route]) -> list[Route]:
        """Return the routes of consent pages and token endpoints, which precede the platforms' own routes."""
        inner = {route.path: route.app for route in routes if "POST" in (route.methods or ())}
        return [
            *(Route(path, self.authorize, methods=["GET"]) for path in (*_AUTHORIZE, "/oauth/authorize")),
            *(
                Route(path, _TokenEndpoint(self, platform, inner.get(path)), methods=["POST"])
                for path, platform in _TOKEN.items()
            ),
            Route("/oauth/access_token", _TokenEndpoint(self, None, None), methods=["POST"]),
            Route("/access_token", _TokenEndpoint(self, None, None), methods=["GET"]),
            Route("/api/v1/apps", self.register, methods=["POST"]),
            Route("/me/accounts", self.list_pages, methods=["GET"]),
            *routes,
        ]

    async def authorize(self, request: Request) -> Answer:
        """Consent page: redirect with a code, or with access_denied."""
        given = dict(request.query_params)
        platform = self._platform_of(request.url.path, given)
        redirect_uri = given.get("redirect_uri", "")
        client_id = given.get("client_key" if platform is Platform.TIKTOK else "client_id", "")
        if platform is None or not client_id or not redirect_uri.startswith(("http://", "https://")):
            return _page("This app is not known, or its redirect address is wrong.", 400)
        if platform is Platform.MASTODON and self._apps.get(client_id, ("", ""))[1] != redirect_uri:
            return _page("The redirect uri included is not valid.", 400)
        state = {"state": given["state"]} if "state" in given else {}
        if given.get("decision") == "deny":
            denial = {"error": "access_denied", "error_description": "The user denied the request"}
            return _redirect(redirect_uri, denial | state)
        method = given.get("code_challenge_method")
        missing = platform in _MUST_PROVE and method != "S256"
        if given.get("response_type") != "code" or missing or not given.get("scope"):
            return _redirect(redirect_uri, {"error": "invalid_request"} | state)
        account = next(
            (
                one
                for one in self._world.accounts
                if one.platform is platform and given.get("account") in {None, one.handle}
            ),
            None,
        )
        if account is None:
            return _page("Nobody of that name is signed in.", 404)
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(
            platform,
            account,
            client_id,
            redirect_uri,
            given.get("code_challenge", ""),
            self._world.time(),
        )
        return _redirect(redirect_uri, {"code": code} | state)

    async def register(self, request: Request) -> Answer:
        """POST /api/v1/apps: Mastodon's registration of an app."""
        form = dict(parse_qsl((await request.body()).decode()))
        if not form.get("client_name") or not form.get("redirect_uris"):
            return Answer({"error": "Validation failed: Redirect URI can't be blank"}, 422)
        client_id, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(24)
        self._apps[client_id] = (secret, form["redirect_uris"])
        return Answer(
            {"id": "1", "name": form["client_name"], "client_id": client_id, "client_secret": secret}
        )

    async def list_pages(self, request: Request) -> Answer:
        """GET /me/accounts: the pages of a person, with their tokens."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._people:
            return _graph_error("Invalid OAuth access token")
        pages = [one for one in self._world.accounts if one.platform is self._people[token]]
        return Answer(
            {
                "data": [
                    {"id": one.external_id, "name": one.display_name, "access_token": one.access_token}
                    for one in pages
                ]
            }
        )

    def answer(self, platform: Platform | None, form: Mapping[str, str], authorization: str) -> Answer:
        """Answer a token request other than a refresh."""
        if form.get("grant_type") in {"ig_exchange_token", "th_exchange_token", "fb_exchange_token"}:
            return self._lengthen(form)
        code = self._codes.get(form.get("code", ""))
        flaw = self._find_flaw(code, platform, form, authorization)
        if code is None or flaw is not None:
            return _refuse(platform, *(flaw or ("invalid_grant", "The code is not known")))
        code.used = True
        if code.platform in _SHORT:
            short = f"short-{secrets.token_urlsafe(24)}"
            self._short[short] = code.account
            return Answer({"access_token": short, "token_type": "bearer", "expires_in": 3600})
        return Answer(self._issue(code.account))

    def _issue(self, account: SandboxAccount) -> dict[str, object]:
        at = self._world.time()
        self._world.tokens.issue(account, at)
        end = {} if account.expires_at is None else {"expires_in": int(account.expires_at.timestamp() - at)}
        refresh = {} if account.refresh_token is None else {"refresh_token": account.refresh_token}
        return {"access_token": account.access_token, "token_type": "bearer", **end, **refresh}

    def _lengthen(self, form: Mapping[str, str]) -> Answer:
        given = form.get("fb_exchange_token") or form.get("access_token", "")
        account = self._short.pop(given, None)
        if account is None or not form.get("client_secret"):
            return _graph_error("Error validating access token")
        if account.platform is Platform.FACEBOOK:
            person = f"person-{secrets.token_urlsafe(24)}"
            self._people[person] = account.platform
            return Answer({"access_token": person, "token_type": "bearer", "expires_in": 5_184_000})
        return Answer(self._issue(account))

    def _find_flaw(
        self, code: _Code | None, platform: Platform | None, form: Mapping[str, str], authorization: str
    ) -> tuple[str, str] | None:
        if form.get("grant_type", "authorization_code") != "authorization_code":
            return "unsupported_grant_type", "Only authorization_code and refresh_token are known"
        if code is None or (platform is not None and code.platform is not platform):
            return "invalid_grant", "The code is not known"
        if code.used:
            return "invalid_grant", "The code was used before"
        if self._world.time() > code.made_at + CODE_LIFETIME_S:
            return "invalid_grant", "The code has expired"
        if form.get("redirect_uri") != code.redirect_uri:
            return "invalid_grant", "The redirect address is not the one that the code was made for"
        client_id, secret = _read_client(form, authorization)
        if client_id != code.client_id:
            return "invalid_client", "The code was made for another client"
        if code.platform is Platform.MASTODON:
            wrong = self._apps[client_id][0] != secret
        else:
            wrong = not secret and code.platform is not Platform.TWITTER
        if wrong:
            return "invalid_client", "The client's secret is wrong"
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if code.challenge and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            return "invalid_grant", "The code verifier does not match"
        return None

    def _platform_of(self, path: str, given: Mapping[str, str]) -> Platform | None:
        if path in _AUTHORIZE:
            return _AUTHORIZE[path]
        scope = given.get("scope", "")
        if given.get("client_id") in self._apps:
            return Platform.MASTODON
        if scope.startswith("instagram_"):
            return Platform.INSTAGRAM
        return Platform.THREADS if scope.startswith("threads_") else None


class _TokenEndpoint:
    """Handles codes itself and passes refreshes to the platform's own endpoint, including the body."""

    def __init__(
        self, servers: AuthorizationServers, platform: Platform | None, inner: ASGIApp | None
    ) -> None:
        self._servers = servers
        self._platform = platform
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = await request.body()
        form = {**request.query_params, **dict(parse_qsl(body.decode()))}
        if form.get("grant_type") == "refresh_token" and self._inner is not None:
            unread = [body]

            async def replay() -> Message:
                if unread:
                    return {"type": "http.request", "body": unread.pop(), "more_body": False}
                return await receive()  # reports that the client disconnected

            await self._inner(scope, replay, send)
            return
        authorization = request.headers.get("authorization", "")
        await self._servers.answer(self._platform, form, authorization)(scope, receive, send)


def _read_client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        client_id, _, secret = base64.b64decode(value).decode().partition(":")
        return client_id, secret
    return form.get("client_id") or form.get("client_key", ""), form.get("client_secret", "")


def _refuse(platform: Platform | None, code: str, description: str) -> Answer:
    if platform is None:
        return _graph_error(description)
    # TikTok returns errors with 200.
    return Answer(
        {"error": code, "error_description": description}, 200 if platform is Platform.TIKTOK else 400
    )


def _graph_error(message: str) -> Answer:
    return Answer({"error": {"message": message, "type": "OAuthException", "code": 100}}, 400)


def _redirect(address: str, parameters: Mapping[str, str]) -> Answer:
    joint = "&" if "?" in address else "?"
    return Answer(status=302, raw=b"", headers={"location": f"{address}{joint}{urlencode(parameters)}"})


def _page(words: str, status: int) -> Answer:
    return Answer(status=status, raw=f"<!doctype html><p>{words}</p>".encode(), media_type="text/html")
