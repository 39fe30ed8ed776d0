"""The authorization code flow (RFC 6749, 4.1) with PKCE (RFC 7636).

    begin    -> the URL to open in a browser, and the state to keep until the callback
    exchange -> the code for tokens, one candidate per account; the caller verifies each with its platform

Nothing is stored here. Both steps must receive exactly the same redirect URL.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from connectors.errors import ContentRejectedError, GiveUpError, ReauthenticateError, UnsupportedError
from connectors.http.client import BearerAuth, PlatformApi
from connectors.http.messages import platform_message, read_secret
from connectors.http.private_networks import check_instance_url
from connectors.oauth.flows import FLOWS, WITHOUT_FLOW
from connectors.oauth.tokens import parse_expiry
from connectors.types import Account, Credentials, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.errors import ConnectorError
    from connectors.http.client import Clock, Refusal
    from connectors.oauth.flows import Address, AuthorizationFlow, Lengthening
    from connectors.settings import ConnectorSettings

APP_NAME = "SocialFlow"


@dataclass(frozen=True, slots=True)
class Client:
    """Our app's credentials on the platform."""

    id: str
    secret: SecretStr | None


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """State kept, encrypted, until the callback."""

    platform: Platform
    redirect_uri: str
    client: Client
    verifier: SecretStr
    instance_url: str | None = None
    account: str | None = None
    """The account to connect if the person manages several: a page's id, an organization's URN."""


class AuthorizationRefusedError(GiveUpError):
    """The platform rejected the code: already used, expired, or issued for another request. Start again."""

    code = "authorization_refused"


class AppNotConfiguredError(GiveUpError):
    """Our app's id or secret is not set; the message names the settings."""

    code = "app_not_configured"


def get_flow(platform: Platform) -> AuthorizationFlow:
    """Return the platform's flow. Raises UnsupportedError that names the alternative."""
    if platform not in FLOWS:
        raise UnsupportedError(WITHOUT_FLOW.get(platform, f"{platform} has no browser authorization"))
    return FLOWS[platform]


def build_authorization_url(
    flow: AuthorizationFlow, settings: ConnectorSettings, pending: PendingAuthorization, state: str
) -> str:
    """Return the URL to open in a browser."""
    parameters = {
        "response_type": "code",
        flow.client_parameter: pending.client.id,
        "redirect_uri": pending.redirect_uri,
        "scope": flow.scope_separator.join(
            [*flow.scopes, *(flow.organization_scopes if pending.account else ())]
        ),
        "state": state,
        **flow.authorize_parameters,
    }
    if flow.pkce:
        digest = hashlib.sha256(pending.verifier.get_secret_value().encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    base = _base(flow.authorize, settings, pending.instance_url)
    return f"{base}{flow.authorize.path}?{urlencode(parameters)}"


class Authorizer:
    """One platform's flow over one client.

    `client` must be limited to public addresses for user-chosen servers.
    """

    def __init__(
        self, platform: Platform, client: httpx.AsyncClient, settings: ConnectorSettings, clock: Clock
    ) -> None:
        self._platform = platform
        self._flow = get_flow(platform)
        self._client = client
        self._settings = settings
        self._clock = clock

    async def begin(
        self, *, redirect_uri: str, state: str, instance_url: str | None, account: str | None
    ) -> tuple[str, PendingAuthorization]:
        """Return the URL to open and the state to keep. Raises GiveUpError that names a missing setting."""
        server = None
        if not self._flow.client_id:
            allowed = self._settings.allow_private_instances
            server = check_instance_url(instance_url, field="instance_url", allow_private=allowed)
        client = self._own_client() if server is None else await self._register(server, redirect_uri)
        pending = PendingAuthorization(
            self._platform, redirect_uri, client, SecretStr(secrets.token_urlsafe(64)), server, account
        )
        return build_authorization_url(self._flow, self._settings, pending, state), pending

    async def exchange(self, pending: PendingAuthorization, code: SecretStr) -> list[Account]:
        """Return the accounts that the code grants, unverified; one per page if the person manages pages.

        Raises AuthorizationRefusedError if the platform rejects the code, other ConnectorErrors if it cannot
        be reached.
        """
        try:
            credentials = await self._fetch_token(pending, code)
            if self._flow.lengthening is not None:
                credentials = await self._lengthen(self._flow.lengthening, credentials)
            if self._flow.pages is not None:
                return await self._list_pages(self._flow.pages, credentials, pending.account)
        except (ContentRejectedError, ReauthenticateError) as error:
            raise AuthorizationRefusedError(error.message, status=error.status) from None
        return [
            Account(
                "connecting",
                self._platform,
                credentials,
                handle=pending.account,
                instance_url=pending.instance_url,
            )
        ]

    def _own_client(self) -> Client:
        flow = self._flow
        client_id: str | None = getattr(self._settings, flow.client_id)
        secret: SecretStr | None = getattr(self._settings, flow.client_secret)
        missing = [flow.client_id] if not client_id else []
        missing += [flow.client_secret] if flow.secret_required and secret is None else []
        if missing or client_id is None:
            names = " and ".join(f"SOCIALFLOW_{name.upper()}" for name in missing)
            raise AppNotConfiguredError(
                f"{flow.label} knows us by an app of yours: set {names} (docs/platforms)"
            )
        return Client(client_id, secret)

    async def _register(self, server: str, redirect_uri: str) -> Client:
        """POST /api/v1/apps: a new app each time, because Mastodon deletes unused ones."""
        form = {
            "client_name": APP_NAME,
            "redirect_uris": redirect_uri,
            "scopes": self._flow.scope_separator.join(self._flow.scopes),
        }
        return await self._api(server, ()).prepare(
            "POST",
            "/api/v1/apps",
            lambda body: Client(str(body["client_id"]), read_secret(body["client_secret"])),
            data=form,
        )

    async def _fetch_token(self, pending: PendingAuthorization, code: SecretStr) -> Credentials:
        flow, client = self._flow, pending.client
        if flow.client_id:
            client = self._own_client()
        form = {
            "grant_type": "authorization_code",
            "code": code.get_secret_value(),
            "redirect_uri": pending.redirect_uri,
            **flow.token_parameters,
        }
        if flow.pkce:
            form["code_verifier"] = pending.verifier.get_secret_value()
        auth: httpx.Auth = httpx.Auth()
        if flow.basic and client.secret is not None:
            auth = httpx.BasicAuth(client.id, client.secret.get_secret_value())
        else:
            form[flow.client_parameter] = client.id
            if client.secret is not None:
                form["client_secret"] = client.secret.get_secret_value()
        api = self._api(
            _base(flow.token, self._settings, pending.instance_url), (code, pending.verifier, client.secret)
        )
        return await api.prepare("POST", flow.token.path, self._parse_token, auth=auth, data=form)

    async def _lengthen(self, step: Lengthening, short: Credentials) -> Credentials:
        client = self._own_client()
        secret = client.secret
        parameters = {
            "grant_type": step.grant_type,
            step.token_parameter: short.access_token.get_secret_value(),
            "client_secret": "" if secret is None else secret.get_secret_value(),
        }
        api = self._api(_base(step.address, self._settings, None), (short.access_token, secret))
        if not step.by_form:
            return await api.prepare("GET", step.address.path, self._parse_token, params=parameters)
        parameters["client_id"] = client.id
        return await api.prepare("POST", step.address.path, self._parse_token, data=parameters)

    async def _list_pages(self, address: Address, person: Credentials, wanted: str | None) -> list[Account]:
        api = self._api(
            _base(address, self._settings, None), (person.access_token,), BearerAuth(person.access_token)
        )
        pages = await api.read(
            address.path,
            lambda body: [(str(page["id"]), read_secret(page["access_token"])) for page in body["data"]],
            params={"fields": "id,access_token", "limit": "100"},
        )
        known = ", ".join(page_id for page_id, _ in pages) or "none"
        pages = [page for page in pages if wanted in {None, page[0]}]
        if not pages:
            meant = f"page {wanted}" if wanted else "a page"
            raise AuthorizationRefusedError(
                f"{self._flow.label} did not allow {meant}; the pages that you manage and allowed: {known}"
            )
        # A Page token derived from a long-lived user token does not expire.
        return [
            Account("connecting", self._platform, Credentials(token), external_id=page_id)
            for page_id, token in pages
        ]

    def _parse_token(self, body: Any) -> Credentials:  # noqa: ANN401 - JSON
        """Read {access_token, refresh_token, expires_in}, or {data: [it]}.

        TikTok returns errors with HTTP 200 too.
        """
        if isinstance(body.get("data"), list):
            body = body["data"][0]
        if "access_token" not in body and platform_message(body):
            raise ContentRejectedError(f"{self._flow.label} answered: {platform_message(body)}")
        refresh = body.get("refresh_token")
        return Credentials(
            read_secret(body["access_token"]),
            read_secret(refresh) if refresh else None,
            parse_expiry(body, self._clock()),
        )

    def _api(
        self, base_url: str, known: Iterable[SecretStr | None], auth: httpx.Auth | None = None
    ) -> PlatformApi:
        return PlatformApi(
            self._client,
            self._settings,
            label=self._flow.label,
            base_url=base_url,
            auth=auth or httpx.Auth(),
            secrets=[*known, *self._settings.secrets],
            explain=_leave_to_default,
            clock=self._clock,
        )


def _leave_to_default(_refusal: Refusal) -> ConnectorError | None:
    return None


def _base(address: Address, settings: ConnectorSettings, instance_url: str | None) -> str:
    return str(getattr(settings, address.base)) if address.base else str(instance_url)
