"""A real client talks to `socialflow mcp` over its standard input and output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from api.mcp.server import ApiClient, build_server
from api.settings import McpSettings
from flows.cli import app
from warehouse.store.access.api_keys import create_api_key

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from tests.api.harness import Tenant
    from warehouse.store.access.api_keys import CreatedApiKey

TOOLS = {
    "list_accounts",
    "list_posts",
    "read_post",
    "get_calendar",
    "get_optimal_times",
    "get_overview",
    "get_decay",
    "get_frequency",
    "create_draft",
}


def launch(tenant: Tenant) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "flows.cli", "mcp"],
        env={
            "SOCIALFLOW_MCP_URL": tenant.server.url,
            "SOCIALFLOW_MCP_API_KEY": tenant.key.api_key,
            "SOCIALFLOW_MCP_API_SECRET": tenant.key.api_secret,
        },
    )


def build(url: str, key: CreatedApiKey) -> MCPServer[None]:
    """The same server in this process, which starts faster."""
    values = {"mcp_url": url, "mcp_api_key": key.api_key, "mcp_api_secret": key.api_secret}
    return build_server(ApiClient(McpSettings.model_validate(values)))


def text_of(result: Any) -> str:
    return "".join(part.text for part in result.content)


async def test_a_session_reads_and_drafts(tenant: Tenant) -> None:
    planned = tenant.create_post(content="planned already")
    async with Client(launch(tenant)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS
        writing = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
        assert writing == {"create_draft"}

        async def call(name: str, **arguments: object) -> Any:
            result = await client.call_tool(name, arguments)
            assert not result.is_error, text_of(result)
            return result.structured_content

        assert {one["platform"] for one in (await call("list_accounts"))["data"]} == {"twitter", "mastodon"}
        assert [one["id"] for one in (await call("list_posts"))["data"]] == [planned["id"]]
        story = (await call("read_post", post_id=planned["id"]))["publications"][0]["story"]
        assert "Not sent yet" in story[-1]
        assert (await call("get_calendar"))["data"][0]["entries"][0]["post_id"] == planned["id"]
        assert (await call("get_overview", days=7))["total_engagement"] is None
        assert (await call("get_decay", days=30, reference="30d"))["groups"] == []
        assert (await call("get_frequency", age="7d"))["groups"] == []
        assert (await call("get_optimal_times"))["data"] == []
        draft = await call("create_draft", content="a thought", platforms=["mastodon"])
        assert (draft["status"], draft["content"]) == ("draft", "a thought")
        assert tenant.client.get(f"/api/v1/posts/{draft['id']}").json()["status"] == "draft"

        # What is wrong is said in the API's own words.
        unknown = await client.call_tool("read_post", {"post_id": "post_none/../../accounts"})
        assert unknown.is_error
        assert "no post" in text_of(unknown) or "no such endpoint" in text_of(unknown)
        long = await call("create_draft", content="x" * 600, platforms=["mastodon"])
        assert (long["status"], "500" in long["warnings"][0]) == ("draft", True), (
            "kept, and its problem named"
        )

        # A token that has run out is replaced.
        tenant.server.clock.advance(hours=2)
        assert len((await call("list_posts"))["data"]) == 3


async def test_the_keys_scopes_are_the_tools_scopes(tenant: Tenant) -> None:
    store = tenant.server.services.store
    with store.write() as session:
        key = create_api_key(
            session, store.cipher, tenant.workspace_id, "reader", ["read"], tenant.server.clock()
        )
    async with Client(build(tenant.server.url, key)) as client:
        refused = await client.call_tool("create_draft", {"content": "x", "platforms": ["twitter"]})
        assert refused.is_error
        assert "scope write" in text_of(refused)
        assert not (await client.call_tool("list_posts", {})).is_error


@pytest.mark.parametrize("wrong", ["secret", "address"])
async def test_what_cannot_work_says_why(tenant: Tenant, wrong: str) -> None:
    key = tenant.key._replace(api_secret="wrong") if wrong == "secret" else tenant.key
    url = "http://127.0.0.1:9" if wrong == "address" else tenant.server.url
    async with Client(build(url, key)) as client:
        result = await client.call_tool("list_posts", {})
    assert result.is_error
    assert ("keys create" if wrong == "secret" else "socialflow up") in text_of(result)
    assert tenant.key.api_secret not in text_of(result)


def test_without_a_key_the_command_names_what_is_missing() -> None:
    result = CliRunner().invoke(app, ["mcp"])
    assert result.exit_code == 1
    assert "SOCIALFLOW_MCP_API_KEY is not set" in result.stderr


async def test_a_draft_has_options(tenant: Tenant) -> None:
    async with Client(build(tenant.server.url, tenant.key)) as client:
        said = {"content": "Five teas", "platforms": ["mastodon"]}
        made = await client.call_tool(
            "create_draft", {**said, "options": {"mastodon": {"visibility": "unlisted"}}}
        )
        assert not made.is_error, text_of(made)
        wrong = await client.call_tool(
            "create_draft", {**said, "options": {"mastodon": {"visbility": "unlisted"}}}
        )
        assert wrong.is_error
    (post,) = tenant.client.get("/api/v1/posts").json()["data"]
    assert post["options"] == {"mastodon": {"visibility": "unlisted"}}
