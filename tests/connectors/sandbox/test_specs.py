"""Every answer of the sandbox against the platforms' own machine-readable contracts, where those are at hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.types import Platform

if TYPE_CHECKING:
    import httpx

    from connectors.sandbox.world import SandboxWorld
    from tests.connectors.sandbox.surroundings import AccountOf, Auth

SPECS = Path(__file__).parents[4] / "shared" / "reference" / "specs"
jsonschema = pytest.importorskip("jsonschema")
pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the platforms' contracts are not beside the checkout"
)

X, IG, M, B = Platform.TWITTER, Platform.INSTAGRAM, Platform.MASTODON, Platform.BLUESKY


@cache
def load(name: str) -> Any:
    return json.loads((SPECS / name).read_text())


def check_openapi(spec: str, schema: str | dict[str, Any], content: object) -> None:
    document = load(spec)
    pointer = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    validator = jsonschema.Draft202012Validator({**pointer, "components": document["components"]})
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(content)
    ]
    assert errors == []


def check_lexicon(nsid: str, content: object) -> None:
    definition = load(f"bluesky/lexicons/{nsid.replace('.', '/')}.json")["defs"]["main"]
    check_lexicon_value(definition["output"]["schema"], content, nsid, nsid)


def check_lexicon_value(schema: dict[str, Any], value: object, home: str, where: str) -> None:
    kind = schema["type"]
    if kind == "ref":
        home, schema = resolve(schema["ref"], home)
        return check_lexicon_value(schema, value, home, where)
    if kind == "union":
        names = [ref for ref in schema["refs"] if absolute(ref, home).removesuffix("#main") == value["$type"]]
        assert names or not schema.get("closed"), f"{where}: {value['$type']} is not in the union"
        return check_lexicon_value({"type": "ref", "ref": names[0]}, value, home, where) if names else None
    python = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "blob": dict}
    if kind in python:
        assert isinstance(value, python[kind]), f"{where}: {value!r} is no {kind}"
    if kind == "object":
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        for name, item in value.items():
            if name in schema.get("properties", {}):
                check_lexicon_value(schema["properties"][name], item, home, f"{where}/{name}")
            else:
                assert name == "$type", f"{where}: {name} is not in the lexicon"
    if kind == "array":
        assert len(value) <= schema.get("maxLength", len(value))
        for item in value:
            check_lexicon_value(schema["items"], item, home, f"{where}[]")
    return None


def absolute(ref: str, home: str) -> str:
    return f"{home}{ref}" if ref.startswith("#") else ref


def resolve(ref: str, home: str) -> tuple[str, dict[str, Any]]:
    nsid, _, name = absolute(ref, home).partition("#")
    if not (SPECS / "bluesky" / "lexicons" / f"{nsid.replace('.', '/')}.json").exists():
        return nsid, {"type": "unknown"}
    return nsid, load(f"bluesky/lexicons/{nsid.replace('.', '/')}.json")["defs"][name or "main"]


def check_meta(spec: str, content: dict[str, Any]) -> None:
    fields = {field["name"]: field["type"] for field in load(f"meta/{spec}.json")["fields"]}
    python = {"string": str, "int": int, "bool": bool, "datetime": str, "Object": object}
    for name, value in content.items():
        assert name in fields, f"{name} is no field of {spec}"
        assert isinstance(value, python.get(fields[name], object)), f"{spec}.{name}: {value!r}"


async def test_x(client: httpx.AsyncClient, auth: Auth, account_of: AccountOf, world: SandboxWorld) -> None:
    headers, user = auth(X), account_of(X).external_id
    fields = load("x/openapi.json")["components"]["parameters"]["PostFieldsParameter"]["schema"]["items"][
        "enum"
    ]
    everything = ",".join([*fields, "referenced_posts", "author_id"])
    me = await client.get("/2/users/me?user.fields=created_at,public_metrics", headers=headers)
    check_openapi("x/openapi.json", "GetUsersMeResponse", me.json())
    created = await client.post("/2/tweets", headers=headers, json={"text": "hi https://a.example/b #Tea"})
    check_openapi("x/openapi.json", "CreatePostsResponse", created.json())
    reply = {"text": "re", "reply": {"in_reply_to_tweet_id": created.json()["data"]["id"]}}
    await client.post("/2/tweets", headers=headers, json=reply)
    ids = [post.external_id for post in world.timeline(account_of(X))][-40:]
    found = await client.get(
        f"/2/tweets?ids={','.join([*ids, '12'])}&post.fields={everything}", headers=headers
    )
    check_openapi("x/openapi.json", "GetPostsByIdsResponse", found.json())
    assert found.json()["errors"]
    listed = await client.get(
        f"/2/users/{user}/tweets?max_results=100&post.fields={everything}", headers=headers
    )
    check_openapi("x/openapi.json", "GetUsersPostsResponse", listed.json())
    gone = await client.delete(f"/2/tweets/{ids[0]}", headers=headers)
    check_openapi("x/openapi.json", "DeletePostsResponse", gone.json())
    invalid = await client.get("/2/tweets?ids=", headers=headers)
    check_openapi("x/openapi.json", "InvalidRequestProblem", invalid.json())


async def test_x_media(client: httpx.AsyncClient, auth: Auth) -> None:
    headers, spec = auth(X), "x/openapi.json"
    start = {"media_type": "video/mp4", "media_category": "tweet_video", "total_bytes": 3}
    opened = await client.post("/2/media/upload/initialize", headers=headers, json=start)
    check_openapi(spec, "InitializeMediaUploadResponse", opened.json())
    media_id = opened.json()["data"]["id"]
    path = f"/2/media/upload/{media_id}"
    added = await client.post(
        f"{path}/append", headers=headers, data={"segment_index": "0"}, files={"media": b"abc"}
    )
    check_openapi(spec, "AppendMediaUploadResponse", added.json())
    final = await client.post(f"{path}/finalize", headers=headers)
    check_openapi(spec, "FinalizeMediaUploadResponse", final.json())
    status = await client.get(f"/2/media/upload?command=STATUS&media_id={media_id}", headers=headers)
    check_openapi(spec, "GetMediaUploadStatusResponse", status.json())
    alt = {"id": media_id, "metadata": {"alt_text": {"text": "a cup"}}}
    described = await client.post("/2/media/metadata", headers=headers, json=alt)
    check_openapi(spec, "CreateMediaMetadataResponse", described.json())
    once = await client.post(
        "/2/media/upload", headers=headers, data={"media_category": "tweet_image"}, files={"media": b"abc"}
    )
    check_openapi(spec, "MediaUploadResponse", once.json())


async def test_mastodon(client: httpx.AsyncClient, auth: Auth, account_of: AccountOf) -> None:
    headers, spec = auth(M), "mastodon/schema.json"
    media = await client.post("/api/v2/media", headers=headers, files={"file": ("a.png", b"x", "image/png")})
    check_openapi(spec, "MediaAttachment", media.json())
    body = {"status": "hi #Tea https://a.example/b", "media_ids": [media.json()["id"]]}
    status = await client.post("/api/v1/statuses", headers=headers, json=body)
    check_openapi(spec, "Status", status.json())
    many = {"type": "array", "items": {"$ref": "#/components/schemas/Status"}}
    listed = await client.get(
        f"/api/v1/accounts/{account_of(M).external_id}/statuses?limit=40", headers=headers
    )
    assert len(listed.json()) == 40
    check_openapi(spec, many, listed.json())
    batch = await client.get("/api/v1/statuses", headers=headers, params={"id[]": [status.json()["id"]]})
    check_openapi(spec, many, batch.json())
    me = await client.get("/api/v1/accounts/verify_credentials", headers=headers)
    check_openapi(spec, "CredentialAccount", me.json())
    check_openapi(spec, "Instance", (await client.get("/api/v2/instance")).json())
    gone = await client.delete(f"/api/v1/statuses/{status.json()['id']}", headers=headers)
    check_openapi(spec, "Status", gone.json())
    check_openapi(spec, "Error", (await client.get("/api/v1/statuses/1", headers=headers)).json())


async def test_bluesky(client: httpx.AsyncClient, auth: Auth, account_of: AccountOf) -> None:
    account, headers = account_of(B), auth(B)
    sign_in = {"identifier": account.handle, "password": account.app_password}
    session = await client.post("/xrpc/com.atproto.server.createSession", json=sign_in)
    check_lexicon("com.atproto.server.createSession", session.json())
    refresh = {"authorization": f"Bearer {session.json()['refreshJwt']}"}
    renewed = await client.post("/xrpc/com.atproto.server.refreshSession", headers=refresh)
    check_lexicon("com.atproto.server.refreshSession", renewed.json())
    headers = {"authorization": f"Bearer {renewed.json()['accessJwt']}"}
    upload = await client.post(
        "/xrpc/com.atproto.repo.uploadBlob", headers={**headers, "content-type": "image/png"}, content=b"x"
    )
    check_lexicon("com.atproto.repo.uploadBlob", upload.json())
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": upload.json()["blob"]}]}
    link = {"uri": "https://a.example", "title": "A", "description": ""}
    external = {"$type": "app.bsky.embed.external", "external": link}
    target = {"repo": account.external_id, "collection": "app.bsky.feed.post"}
    for rkey, value in (("3a", embed), ("3b", external)):
        record = {
            "$type": target["collection"],
            "text": "hi",
            "createdAt": "2026-03-04T12:00:00Z",
            "embed": value,
        }
        body = {**target, "rkey": rkey, "record": record}
        written = await client.post("/xrpc/com.atproto.repo.putRecord", headers=headers, json=body)
        check_lexicon("com.atproto.repo.putRecord", written.json())
    reads = {
        "com.atproto.server.getSession": {},
        "com.atproto.server.describeServer": {},
        "com.atproto.identity.resolveHandle": {"handle": account.handle},
        "com.atproto.repo.getRecord": {**target, "rkey": "3a"},
        "com.atproto.repo.listRecords": {**target, "limit": "100"},
        "app.bsky.feed.getAuthorFeed": {"actor": account.external_id, "limit": "100"},
        "app.bsky.feed.getPosts": {"uris": written.json()["uri"]},
        "app.bsky.actor.getProfile": {"actor": account.external_id},
    }
    for nsid, params in reads.items():
        answer = await client.get(f"/xrpc/{nsid}", headers=headers, params=params)
        assert answer.status_code == 200
        check_lexicon(nsid, answer.json())
    body = {**target, "rkey": "3a"}
    gone = await client.post("/xrpc/com.atproto.repo.deleteRecord", headers=headers, json=body)
    check_lexicon("com.atproto.repo.deleteRecord", gone.json())


async def test_a_bluesky_record_of_the_past_fits_its_lexicon(
    client: httpx.AsyncClient, account_of: AccountOf
) -> None:
    params = {"repo": account_of(B).external_id, "collection": "app.bsky.feed.post", "limit": "100"}
    records = (await client.get("/xrpc/com.atproto.repo.listRecords", params=params)).json()["records"]
    schema = load("bluesky/lexicons/app/bsky/feed/post.json")["defs"]["main"]["record"]
    embeds = set()
    for item in records:
        check_lexicon_value(schema, item["value"], "app.bsky.feed.post", item["uri"])
        embeds.add(item["value"].get("embed", {}).get("$type"))
    assert {"app.bsky.embed.images", "app.bsky.embed.video", None} <= embeds


async def test_instagram(client: httpx.AsyncClient, auth: Auth, account_of: AccountOf) -> None:
    headers, ig = auth(IG), account_of(IG).external_id
    user = ",".join(field["name"] for field in load("meta/IGUserForIGOnlyAPI.json")["fields"])
    check_meta("IGUserForIGOnlyAPI", (await client.get(f"/me?fields={user}", headers=headers)).json())
    fields = ",".join(field["name"] for field in load("meta/IGMediaForIGOnlyAPI.json")["fields"])
    listed = (await client.get(f"/{ig}/media?fields={fields}&limit=100", headers=headers)).json()
    for item in listed["data"]:
        check_meta("IGMediaForIGOnlyAPI", item)
    names = "views,reach,likes,comments,shares,saved,total_interactions"
    insights = await client.get(f"/{listed['data'][0]['id']}/insights?metric={names}", headers=headers)
    allowed = next(
        item["values"]
        for item in load("meta/enum_types.json")
        if item["name"] == "mediainsights_metric_enum_param"
    )
    for item in insights.json()["data"]:
        check_meta("InstagramInsightsResult", item)
        check_meta("InstagramInsightsValue", item["values"][0])
        assert item["name"] in allowed
    params = {"grant_type": "ig_refresh_token", "access_token": account_of(IG).access_token}
    renewed = await client.get("/refresh_access_token", params=params)
    check_meta("IGRefreshAccessTokenForIGOnlyAPI", renewed.json())
