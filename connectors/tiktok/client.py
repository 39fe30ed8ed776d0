"""TikTok requests of one account: unwraps the response envelope and maps errors to connector errors."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import httpx

from connectors.http.client import BearerAuth, PlatformApi, Purpose
from connectors.http.context import ConnectorContext
from connectors.tiktok.capabilities import LABEL
from connectors.tiktok.responses import QUERY_PATH, explain, parse_videos, unwrap
from connectors.types import Account

T = TypeVar("T")


class TikTokClient:
    """Requests of one account with one token. `parse` receives the content of `data`."""

    def __init__(self, account: Account, context: ConnectorContext) -> None:
        self.account = account
        self.context = context
        # TikTok returns the same error for expired and revoked tokens; only a refresh can tell.
        self._may_mend = account.credentials.refresh_token is not None
        self.api = self._open(context.settings.tiktok_base_url, BearerAuth(account.credentials.access_token))

    def _open(self, base_url: str, auth: httpx.Auth) -> PlatformApi:
        return self.context.api(
            self.account,
            label=LABEL,
            base_url=base_url,
            auth=auth,
            explain=partial(explain, may_mend=self._may_mend),
        )

    def open_upload(self, url: str) -> PlatformApi:
        """Return a client for an upload URL, which is itself the authorization. It sends no token."""
        return self._open(url, httpx.Auth())

    async def get(self, path: str, parse: Callable[[Any], T], params: Mapping[str, str]) -> T:
        """Read with GET."""
        return await self.api.read(path, self._unwrap(parse, "read"), params=params)

    async def post(self, path: str, parse: Callable[[Any], T], body: Mapping[str, Any]) -> T:
        """POST a request that publishes nothing by itself."""
        return await self.api.prepare("POST", path, self._unwrap(parse, "prepare"), json=body)

    async def publish(self, path: str, parse: Callable[[Any], T], body: Mapping[str, Any]) -> T:
        """POST a request that publishes a post."""
        return await self.api.publish(path, self._unwrap(parse, "publish"), json=body)

    def _unwrap(self, parse: Callable[[Any], T], purpose: Purpose) -> Callable[[Any], T]:
        return unwrap(parse, purpose=purpose, clock=self.context.clock, may_mend=self._may_mend)

    async def query(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """POST /v2/video/query/: returns those of the videos that are the account's own and public."""
        return await self.post(QUERY_PATH, parse_videos, {"filters": {"video_ids": list(ids)}})

    def permalink(self, post_id: str, kind: str = "video") -> str:
        """Return the URL of a post."""
        return f"https://www.tiktok.com/@{(self.account.handle or '').lstrip('@')}/{kind}/{post_id}"
