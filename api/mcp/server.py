"""MCP server (Model Context Protocol) for AI assistants: read-only tools, and one that saves drafts.

A separate process that calls the HTTP API like any other client, with its own API key; the key's scopes limit
the tools. No tool publishes, changes or deletes anything. Started by `socialflow mcp`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote
from uuid import uuid4

import httpx
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from api.settings import McpSettings
from connectors.http.encoding import NO_COMPRESSION, bound_decoding
from connectors.logs import configure_logs
from connectors.options import PostOptions  # noqa: TC001 (the tools are built from their annotations)
from connectors.types import FollowUp, Media  # noqa: TC001 (the same)
from warehouse.planning.wish import MAX_CONTENT

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTRUCTIONS = (
    "Plan and understand social media posts. Times are UTC. A null figure was not measured: do not treat it as "
    "0. An expected lift has an 80 % range; 'no reliable timing effect' means the hour does not matter much. "
    "A draft is never published by itself: a person schedules it."
)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_DRAFTS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

Answer = dict[str, Any]
Platform = Annotated[str, Field(description="twitter, instagram, mastodon, ...", max_length=40)]
AccountId = Annotated[str, Field(description="Id from list_accounts: acct_...", max_length=40)]
PostId = Annotated[str, Field(description="Id from list_posts: post_...", max_length=40)]
Time = Annotated[str, Field(description="ISO 8601, such as 2026-04-15T14:30:00Z", max_length=64)]


class ApiClient:
    """HTTP API client for one key; an expired token is replaced."""

    def __init__(self, settings: McpSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            base_url=settings.mcp_url,
            timeout=60,
            transport=transport,
            headers=NO_COMPRESSION,
            event_hooks={"response": [bound_decoding]},
        )
        self._token: str | None = None

    async def get(self, path: str, **params: object) -> Answer:
        """Return the response of a GET; parameters that are None are left out.

        Raises ToolError with the reason.
        """
        given = {name: value for name, value in params.items() if value is not None}
        return await self._ask("GET", path, params=given)

    async def post(self, path: str, body: Answer) -> Answer:
        """Return the response of a POST that may be repeated. Raises ToolError with the reason."""
        return await self._ask("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())})

    async def _ask(self, method: str, path: str, **request: Any) -> Answer:  # noqa: ANN401 (httpx's own)
        headers = request.pop("headers", {})
        try:
            for last in (False, True):
                token = self._token or await self._exchange()
                answer = await self._http.request(
                    method,
                    f"/api/v1{path}",
                    headers={**headers, "Authorization": f"Bearer {token}"},
                    **request,
                )
                if answer.status_code != 401 or last:
                    return _read(answer)
                self._token = None
        except httpx.TransportError as error:
            raise ToolError(
                f"SocialFlow does not respond at {self._settings.mcp_url}: is `socialflow up` running? ({error})"
            ) from None
        raise AssertionError("unreachable")

    async def _exchange(self) -> str:
        body = {
            "api_key": self._settings.mcp_api_key.get_secret_value(),
            "api_secret": self._settings.mcp_api_secret.get_secret_value(),
        }
        self._token = str(_read(await self._http.post("/api/v1/auth/token", json=body))["access_token"])
        return self._token


def _read(answer: httpx.Response) -> Answer:
    if answer.is_success:
        data: Answer = answer.json()
        return data
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        raise ToolError(str(answer.json()["detail"]))
    raise ToolError(f"SocialFlow answered {answer.status_code}")


def _write(value: BaseModel | Sequence[BaseModel]) -> Any:  # noqa: ANN401 - JSON
    """Return a tool's argument as JSON, without what was not given."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    return [_write(item) for item in value]


def build_server(client: ApiClient) -> MCPServer[None]:
    """Return the server with its tools."""
    server: MCPServer[None] = MCPServer("socialflow", instructions=INSTRUCTIONS, log_level="WARNING")

    @server.tool(annotations=_READS)
    async def list_accounts() -> Answer:
        """List the connected accounts with their health."""
        return await client.get("/accounts")

    @server.tool(annotations=_READS)
    async def list_posts(
        status: Literal["draft", "scheduled", "published", "partially_published", "failed", "canceled"]
        | None = None,
        platform: Platform | None = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Field(description="next_cursor of the previous page")] = None,
    ) -> Answer:
        """List posts, newest first."""
        return await client.get("/posts", status=status, platform=platform, limit=limit, cursor=cursor)

    @server.tool(annotations=_READS)
    async def read_post(post_id: PostId) -> Answer:
        """Read a post with the history of each publication: when it was sent, or why it was not."""
        return await client.get(f"/posts/{quote(post_id, safe='')}")

    @server.tool(annotations=_READS)
    async def get_calendar(start: Time | None = None, end: Time | None = None) -> Answer:
        """Show planned posts by day; 30 days from today by default."""
        return await client.get("/schedules", **{"from": start, "to": end})

    @server.tool(annotations=_READS)
    async def get_optimal_times(
        platform: Platform | None = None, limit: Annotated[int, Field(ge=1, le=100)] = 10
    ) -> Answer:
        """Recommend posting times from the accounts' own history, with ranges and the evidence."""
        return await client.get("/schedules/optimal-times", platform=platform, limit=limit)

    _add_analytics(server, client)

    @server.tool(annotations=_DRAFTS)
    async def create_draft(
        content: Annotated[
            str, Field(description=f"Scheduled: at most {MAX_CONTENT} characters.", min_length=1)
        ],
        platforms: Annotated[list[Platform], Field(min_length=1, max_length=20)],
        *,
        scheduled_at: Annotated[Time | None, Field(description="Intended publishing time.")] = None,
        options: Annotated[
            PostOptions | None, Field(description="What can be said on one platform only, by platform.")
        ] = None,
        media: Annotated[
            list[Media] | None, Field(description="Public URLs, or upload:ID.", max_length=20)
        ] = None,
        thread: Annotated[
            list[FollowUp] | None,
            Field(description="Posts that follow the first, as replies.", max_length=100),
        ] = None,
        first_comment: Annotated[FollowUp | None, Field(description="A comment below the post.")] = None,
    ) -> Answer:
        """Save a draft; it is not published. `warnings` lists what breaks a platform's limits."""
        body: Answer = {
            "content": content,
            "platforms": platforms,
            "scheduled_at": scheduled_at,
            "status": "draft",
        }
        given = {"options": options, "media": media, "thread": thread, "first_comment": first_comment}
        body |= {name: _write(value) for name, value in given.items() if value is not None}
        return await client.post("/posts", body)

    return server


def _add_analytics(server: MCPServer[None], client: ApiClient) -> None:
    """Add the tools about figures."""

    @server.tool(annotations=_READS)
    async def get_overview(
        days: Annotated[int, Field(ge=1, le=365)] = 30, platform: Platform | None = None
    ) -> Answer:
        """Summarize the last days: posts, engagement, new followers, top posts, per day and platform."""
        return await client.get("/analytics/overview", period=f"{days}d", platform=platform)

    @server.tool(annotations=_READS)
    async def get_decay(
        days: Annotated[int, Field(ge=1, le=365)] = 90,
        reference: Annotated[
            Literal["7d", "30d"], Field(description="The engagement at this age counts as the whole.")
        ] = "7d",
        platform: Platform | None = None,
        account_id: AccountId | None = None,
    ) -> Answer:
        """Say how fast posts earn their engagement: half-life, and the share reached at each age, with ranges."""
        return await client.get(
            "/analytics/decay",
            period=f"{days}d",
            reference=reference,
            platform=platform,
            account_id=account_id,
        )

    @server.tool(annotations=_READS)
    async def get_frequency(
        days: Annotated[int, Field(ge=1, le=365)] = 90,
        age: Annotated[
            Literal["1h", "24h", "7d", "30d"], Field(description="Posts are compared at this age.")
        ] = "24h",
        platform: Platform | None = None,
        account_id: AccountId | None = None,
    ) -> Answer:
        """Compare posts per day with engagement per post, with ranges. An association, not proof."""
        return await client.get(
            "/analytics/frequency", period=f"{days}d", age=age, platform=platform, account_id=account_id
        )


def main() -> None:
    """Serve the tools over standard input and output until the client disconnects."""
    # Standard output is reserved for the protocol.
    configure_logs(level=logging.WARNING)
    build_server(ApiClient(McpSettings())).run("stdio")
