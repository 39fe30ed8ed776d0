"""Sandbox responses to other clients, and its error responses, validated against the specification."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from connectors.errors import ConnectorError
from connectors.registry import CONNECTORS
from connectors.sandbox.faults import FaultKind, FaultRule
from connectors.types import Platform
from tests.connectors.harness import account_of
from tests.specs.contracts import ABSENT, SPECS, UNSPECIFIED, check_all
from tests.specs.lexicon import LexiconContract

if TYPE_CHECKING:
    import httpx

    from connectors.registry import ConnectorPool
    from connectors.sandbox.accounts import SandboxAccount
    from connectors.sandbox.world import SandboxWorld
    from tests.specs.exchanges import RecordingTransport

pytestmark = [pytest.mark.specs, pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)]

X, IG, M, B = Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY


@pytest.fixture
def owner(platform: Platform, world: SandboxWorld, raw: httpx.AsyncClient) -> SandboxAccount:
    """The first account of the platform; the plain client speaks with its token."""
    account = next(item for item in world.accounts if item.platform is platform)
    raw.headers["authorization"] = f"Bearer {account.access_token}"
    return account


@pytest.mark.parametrize("kind", ["error_500_before", "rate_limited", "unauthorized", "forbidden"])
@pytest.mark.parametrize("platform", [item for item in CONNECTORS if item not in UNSPECIFIED])
async def test_refusals(
    *,
    platform: Platform,
    kind: FaultKind,
    owner: SandboxAccount,
    pool: ConnectorPool,
    world: SandboxWorld,
    wire: RecordingTransport,
) -> None:
    world.faults.add(FaultRule(kind=kind, platform=platform, operation="any", count=None))
    with pytest.raises(ConnectorError):
        await pool.open(account_of(owner)).fetch_followers()
    assert wire.exchanges
    check_all(platform, wire)


@pytest.mark.parametrize("platform", [X])
async def test_x(
    raw: httpx.AsyncClient, owner: SandboxAccount, world: SandboxWorld, wire: RecordingTransport
) -> None:
    specification = json.loads((SPECS / "x" / "openapi.json").read_text())
    parameter = specification["components"]["parameters"]["PostFieldsParameter"]
    everything = {"post.fields": ",".join(parameter["schema"]["items"]["enum"])}
    created = (await raw.post("/2/tweets", json={"text": "hi https://a.example/b #Tea"})).json()["data"]["id"]
    await raw.post("/2/tweets", json={"text": "re", "reply": {"in_reply_to_tweet_id": created}})
    ids = [post.external_id for post in world.timeline(owner)][-40:]
    found = await raw.get("/2/tweets", params={"ids": ",".join([*ids, "12"]), **everything})
    assert found.json()["errors"]
    await raw.get(f"/2/users/{owner.external_id}/tweets", params={"max_results": "100", **everything})
    await raw.delete(f"/2/tweets/{ids[0]}")
    await raw.delete("/2/tweets/12")
    refused = await raw.post("/2/tweets", json={"text": "x" * 300})
    assert refused.status_code == 403
    start = {"media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": 3}
    media = (await raw.post("/2/media/upload/initialize", json=start)).json()["data"]["id"]
    piece = {"segment_index": 0, "media": base64.b64encode(b"abc").decode()}
    await raw.post(f"/2/media/upload/{media}/append", json=piece)
    await raw.post(f"/2/media/upload/{media}/finalize")
    once = {"media_category": "tweet_image", "media": base64.b64encode(b"abc").decode()}
    assert (await raw.post("/2/media/upload", json=once)).status_code == 200
    check_all(X, wire)


@pytest.mark.parametrize("platform", [M])
async def test_mastodon(raw: httpx.AsyncClient, owner: SandboxAccount, wire: RecordingTransport) -> None:
    status = (await raw.post("/api/v1/statuses", json={"status": "hi #Tea https://a.example/b"})).json()
    await raw.get("/api/v2/instance")
    await raw.get(f"/api/v1/accounts/{owner.external_id}/statuses", params={"limit": "40"})
    await raw.delete(f"/api/v1/statuses/{status['id']}")
    assert (await raw.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    assert (await raw.post("/api/v1/statuses", json={"status": "x" * 501})).status_code == 422
    check_all(M, wire)


@pytest.mark.parametrize("platform", [B])
async def test_bluesky(raw: httpx.AsyncClient, owner: SandboxAccount, wire: RecordingTransport) -> None:
    sign_in = {"identifier": owner.handle, "password": owner.app_password}
    await raw.post("/xrpc/com.atproto.server.createSession", json=sign_in)
    target = {"repo": owner.external_id, "collection": "app.bsky.feed.post"}
    link = {"uri": "https://a.example", "title": "A", "description": ""}
    record = {
        "$type": target["collection"],
        "text": "hi",
        "createdAt": "2026-11-24T12:00:00Z",
        "embed": {"$type": "app.bsky.embed.external", "external": link},
    }
    body = {**target, "rkey": "3mabcdefghij2", "record": record}
    written = (await raw.post("/xrpc/com.atproto.repo.putRecord", json=body)).json()
    await raw.get("/xrpc/com.atproto.server.describeServer")
    await raw.get("/xrpc/app.bsky.feed.getPosts", params={"uris": written["uri"]})
    await raw.get("/xrpc/com.atproto.repo.listRecords", params={**target, "limit": "100"})
    gone = {**target, "rkey": body["rkey"]}
    await raw.post("/xrpc/com.atproto.repo.deleteRecord", json=gone)
    assert (await raw.get("/xrpc/com.atproto.repo.getRecord", params=gone)).status_code == 400
    check_all(B, wire)


@pytest.mark.parametrize("platform", [B])
async def test_the_records_of_the_past_hold_every_embed(
    raw: httpx.AsyncClient, owner: SandboxAccount
) -> None:
    contract = LexiconContract(SPECS / "bluesky" / "lexicons")
    params = {"repo": owner.external_id, "collection": "app.bsky.feed.post", "limit": "100"}
    records = (await raw.get("/xrpc/com.atproto.repo.listRecords", params=params)).json()["records"]
    assert [problem for item in records for problem in contract.check_record(item["value"])] == []
    embeds = {item["value"].get("embed", {}).get("$type") for item in records}
    assert {"app.bsky.embed.images", "app.bsky.embed.video", None} <= embeds


@pytest.mark.parametrize("platform", [IG])
async def test_instagram(raw: httpx.AsyncClient, owner: SandboxAccount, wire: RecordingTransport) -> None:
    def all_fields(name: str) -> str:
        fields = json.loads((SPECS / "meta" / f"{name}.json").read_text())["fields"]
        return ",".join(field["name"] for field in fields)

    await raw.get("/me", params={"fields": all_fields("IGUserForIGOnlyAPI")})
    params = {"fields": all_fields("IGMediaForIGOnlyAPI"), "limit": "100"}
    listed = (await raw.get(f"/{owner.external_id}/media", params=params)).json()["data"]
    await raw.get(f"/{listed[0]['id']}", params=params | {"limit": ""})
    assert (await raw.get("/17841400000000000", params={"fields": "id"})).status_code == 400
    wire.exchanges = [item for item in wire.exchanges if item.url.params.get("limit") != ""]
    check_all(IG, wire)
