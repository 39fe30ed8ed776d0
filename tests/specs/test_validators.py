"""Each specification format in miniature: valid exchanges pass, and every single error is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.specs.bot_api import BotApiContract
from tests.specs.discovery import DiscoveryContract
from tests.specs.exchanges import Exchange, RecordingTransport
from tests.specs.lexicon import LexiconContract
from tests.specs.meta import MetaContract
from tests.specs.openapi import OpenApiContract
from tests.specs.postman import PostmanContract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Send = Callable[..., Exchange]


async def exchange(answer: Any, method: str, path: str, *, status: int = 200, **body: Any) -> Exchange:
    def reply(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=answer)

    wire = RecordingTransport(httpx.MockTransport(reply))
    async with httpx.AsyncClient(transport=wire, base_url="http://a.test") as client:
        await client.request(method, path, **body)
    (only,) = wire.exchanges
    return only


def write(folder: Path, name: str, content: Any) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


POST = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "at": {"type": "string", "format": "date-time", "nullable": True},
        "counts": {"type": "object", "properties": {"likes": {"type": "integer"}}},
    },
}
OPENAPI = {
    "openapi": "3.0.0",
    "servers": [{"url": "https://api.a.test/v1"}],
    "paths": {
        "/posts/{id}": {
            "get": {
                "parameters": [
                    {"name": "id", "in": "path", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                    {
                        "name": "fields",
                        "in": "query",
                        "required": True,
                        "explode": False,
                        "schema": {"type": "array", "items": {"type": "string", "enum": ["id", "text"]}},
                    },
                ],
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Post"}}}
                    }
                },
            }
        },
        "/posts": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["text"],
                                "properties": {"text": {"type": "string"}},
                            }
                        },
                        "multipart/form-data": {
                            "schema": {"type": "object", "properties": {"file": {"type": "string"}}}
                        },
                    },
                },
                "responses": {"201": {"content": {}}},
            }
        },
    },
    "components": {
        "schemas": {"Post": POST},
        "securitySchemes": {"a": {"flows": {"code": {"tokenUrl": "https://api.a.test/v1/token"}}}},
    },
}
GET_POST = {"params": {"fields": "id,text", "limit": "5"}}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c"}
TOKEN = {"access_token": "a", "token_type": "bearer", "expires_in": 5}


@pytest.mark.parametrize(
    ("found", "request_", "answer", "status", "body"),
    [
        ("", "GET /v1/posts/1", {"id": "1", "at": None, "counts": {"likes": 1}}, 200, GET_POST),
        ("no such path", "GET /v1/post/1", {"id": "1"}, 200, GET_POST),
        ("no such path", "GET /posts/1", {"id": "1"}, 200, GET_POST),
        ("no such method", "DELETE /v1/posts/1", {"id": "1"}, 200, {}),
        ("does not match", "GET /v1/posts/x", {"id": "1"}, 200, GET_POST),
        ("fields is missing", "GET /v1/posts/1", {"id": "1"}, 200, {}),
        ("is not one of", "GET /v1/posts/1", {"id": "1"}, 200, {"params": {"fields": "id,name"}}),
        ("greater than the maximum", "GET /v1/posts/1", {"id": "1"}, 200, {"params": {"fields": "id", "limit": "101"}}),
        ("is not of type 'integer'", "GET /v1/posts/1", {"id": "1"}, 200, {"params": {"fields": "id", "limit": "x"}}),
        ("no query parameter size", "GET /v1/posts/1", {"id": "1"}, 200, {"params": {"fields": "id", "size": "1"}}),
        ("'id' is a required property", "GET /v1/posts/1", {}, 200, GET_POST),
        ("counts/shares: no such name", "GET /v1/posts/1", {"id": "1", "counts": {"shares": 1}}, 200, GET_POST),
        ("likes: '1' is not of type", "GET /v1/posts/1", {"id": "1", "counts": {"likes": "1"}}, 200, GET_POST),
        ("is not a 'date-time'", "GET /v1/posts/1", {"id": "1", "at": "2026-01-01T00:00:00"}, 200, GET_POST),
        ("knows no answer 404", "GET /v1/posts/1", {}, 404, GET_POST),
        ("", "POST /v1/posts", {}, 201, {"json": {"text": "hi"}}),
        ("", "POST /v1/posts", {}, 201, {"files": {"file": b"x"}}),
        ("file: no such name", "POST /v1/posts", {}, 201, {"files": {"files": b"x"}}),
        ("'text' is a required property", "POST /v1/posts", {}, 201, {"json": {}}),
        ("media: no such name", "POST /v1/posts", {}, 201, {"json": {"text": "hi", "media": []}}),
        ("the body is missing", "POST /v1/posts", {}, 201, {}),
        ("takes application/json", "POST /v1/posts", {}, 201, {"data": {"text": "hi"}}),
        ("", "POST /v1/token", TOKEN, 200, {"data": REFRESH}),
        ("grant_type and refresh_token", "POST /v1/token", TOKEN, 200, {"data": {"client_id": "c"}}),
        ("is no field of a refresh", "POST /v1/token", TOKEN, 200, {"data": {**REFRESH, "user": "u"}}),
        ("access_token is None", "POST /v1/token", {**TOKEN, "access_token": None}, 200, {"data": REFRESH}),
        ("takes a form", "POST /v1/token", TOKEN, 200, {"json": REFRESH}),
    ],
)  # fmt: skip
async def test_openapi(
    *, found: str, request_: str, answer: Any, status: int, body: dict[str, Any], tmp_path: Path
) -> None:
    contract = OpenApiContract(write(tmp_path, "openapi.json", OPENAPI))
    wrong = contract.check(await exchange(answer, *request_.split(), status=status, **body))
    _judge(found.replace("file: no such", "files: no such"), wrong)


LEXICONS: dict[str, Any] = {
    "a.b.getPosts": {
        "type": "query",
        "parameters": {
            "required": ["uris"],
            "properties": {
                "uris": {"type": "array", "maxLength": 2, "items": {"type": "string", "format": "at-uri"}},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            },
        },
        "output": {
            "schema": {
                "type": "object",
                "required": ["posts"],
                "properties": {"posts": {"type": "array", "items": {"type": "unknown"}}},
            }
        },
    },
    "a.b.putRecord": {
        "type": "procedure",
        "input": {
            "encoding": "application/json",
            "schema": {
                "type": "object",
                "required": ["rkey", "record"],
                "nullable": ["swap"],
                "properties": {
                    "rkey": {"type": "string", "format": "record-key"},
                    "record": {"type": "unknown"},
                    "swap": {"type": "string", "format": "cid"},
                },
            },
        },
        "output": {"schema": {"type": "object", "properties": {"uri": {"type": "string"}}}},
    },
    "a.b.post": {
        "type": "record",
        "record": {
            "type": "object",
            "required": ["text", "createdAt"],
            "properties": {
                "text": {"type": "string", "maxLength": 40, "maxGraphemes": 4},
                "createdAt": {"type": "string", "format": "datetime"},
                "embed": {"type": "union", "refs": ["a.b.images"]},
                "by": {"type": "string", "format": "did"},
            },
        },
    },
    "a.b.images": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "blob", "accept": ["image/*"], "maxSize": 10}},
    },
}
GET, PUT = "GET /xrpc/a.b.getPosts", "POST /xrpc/a.b.putRecord"
LONG = [{"record": {"$type": "a.b.post", "text": "hello", "createdAt": "2026-01-01T00:00:00Z"}}]
RECORD = {"$type": "a.b.post", "text": "hey", "createdAt": "2026-01-01T00:00:00.000Z"}
BLOB = {"$type": "blob", "ref": {"$link": "bafy"}, "mimeType": "image/png", "size": 10}
URI = "at://did:plc:abc/a.b.post/3k"


@pytest.fixture
def lexicons(tmp_path: Path) -> LexiconContract:
    for nsid, main in LEXICONS.items():
        write(tmp_path, f"{nsid.replace('.', '/')}.json", {"defs": {"main": main}})
    return LexiconContract(tmp_path)


@pytest.mark.parametrize(
    ("found", "change"),
    [
        ("", {}),
        ("", {"text": "👩‍👩‍👧‍👦é"}),
        ("5 graphemes, at most 4", {"text": "hello"}),
        ("50 bytes, at most 40", {"text": "👩‍👩‍👧‍👦👩‍👩‍👧‍👦"}),
        ("text is missing", {"text": None}),
        ("is no datetime", {"createdAt": "2026-01-01 00:00:00Z"}),
        ("is no datetime", {"createdAt": "2026-01-01T00:00:00"}),
        ("is no did", {"by": "alice.example"}),
        ("no such name", {"langs": ["en"]}),
        ("", {"embed": {"$type": "a.b.images", "image": BLOB}}),
        ("names its $type", {"embed": {"image": BLOB}}),
        ("is not in the union", {"embed": {"$type": "a.b.video"}}),
        ("11 bytes, at most 10", {"embed": {"$type": "a.b.images", "image": {**BLOB, "size": 11}}}),
        ("takes ['image/*']", {"embed": {"$type": "a.b.images", "image": {**BLOB, "mimeType": "video/mp4"}}}),
        ("is no blob", {"embed": {"$type": "a.b.images", "image": {"size": 1}}}),
        ("is no record type", {"$type": "a.b.images"}),
    ],
)
def test_lexicon_records(found: str, change: dict[str, Any], lexicons: LexiconContract) -> None:
    record = {name: value for name, value in {**RECORD, **change}.items() if value is not None}
    _judge(found, lexicons.check_record(record))


@pytest.mark.parametrize(
    ("found", "request_", "answer", "body"),
    [
        ("", GET, {"posts": [{"record": RECORD}]}, {"params": {"uris": [URI, URI]}}),
        ("3 items, at most 2", GET, {"posts": []}, {"params": {"uris": [URI] * 3}}),
        ("is no at-uri", GET, {"posts": []}, {"params": {"uris": "https://a"}}),
        ("uris is missing", GET, {"posts": []}, {}),
        ("101 , at most 100", GET, {"posts": []}, {"params": {"uris": URI, "limit": 101}}),
        ("no such parameter", GET, {"posts": []}, {"params": {"uris": URI, "size": 1}}),
        ("posts is missing", GET, {}, {"params": {"uris": URI}}),
        ("5 graphemes", GET, {"posts": LONG}, {"params": {"uris": URI}}),
        ("takes GET", "POST /xrpc/a.b.getPosts", {"posts": []}, {"params": {"uris": URI}}),
        ("no such lexicon", "GET /xrpc/a.b.getPost", {}, {}),
        ("", PUT, {}, {"json": {"rkey": "3k", "record": RECORD, "swap": None}}),
        ("is no record-key", PUT, {}, {"json": {"rkey": "3/k", "record": RECORD}}),
        ("text is missing", PUT, {}, {"json": {"rkey": "3k", "record": {"$type": "a.b.post"}}}),
        ("takes application/json", PUT, {}, {"data": {"rkey": "3k"}}),
    ],
)  # fmt: skip
async def test_lexicon_calls(
    *, found: str, request_: str, answer: Any, body: dict[str, Any], lexicons: LexiconContract
) -> None:
    _judge(found, lexicons.check(await exchange(answer, *request_.split(), **body)))


@pytest.fixture
def meta(tmp_path: Path) -> MetaContract:
    metric = {"name": "metric", "required": True, "type": "list<metric_enum>"}
    edges = [
        {"method": "GET", "endpoint": "media", "return": "Media", "params": []},
        {
            "method": "POST",
            "endpoint": "mediapublish",
            "return": "Object",
            "params": [{"name": "creation_id", "required": True, "type": "unsigned int"}],
        },
    ]
    user = {"apis": [*edges, {"name": "#get", "method": "GET", "return": "User", "params": []}],
            "fields": [{"name": "id", "type": "string"}, {"name": "followers_count", "type": "int"}]}  # fmt: skip
    media = {
        "apis": [
            {"method": "GET", "endpoint": "insights", "return": "Insight", "params": [metric]},
            {"name": "#get", "method": "GET", "return": "Media", "params": []},
        ],
        "fields": [{"name": "id", "type": "string"}, {"name": "timestamp", "type": "datetime"}],
    }
    write(tmp_path, "User.json", user)
    write(tmp_path, "Media.json", media)
    write(tmp_path, "enum_types.json", [{"name": "metric_enum", "values": ["likes", "views"]}])
    return MetaContract(tmp_path, account="User", objects=("Media",))


TIME = "2026-01-01T00:00:00+0000"


@pytest.mark.parametrize(
    ("found", "request_", "answer", "status", "body"),
    [
        ("", "GET /v23.0/me", {"id": "1", "followers_count": 3}, 200, {"params": {"fields": "id,followers_count"}}),
        ("no field name", "GET /v23.0/me", {"id": "1"}, 200, {"params": {"fields": "id,name"}}),
        ("is no int", "GET /v23.0/me", {"followers_count": "3"}, 200, {}),
        ("no field likes", "GET /v23.0/me", {"likes": 3}, 200, {}),
        ("", "GET /1/media", {"data": [{"id": "1", "timestamp": TIME}]}, 200, {"params": {"fields": "id", "limit": 5}}),
        ("a list is in `data`", "GET /1/media", [], 200, {}),
        ("is no time", "GET /1/media", {"data": [{"timestamp": "2026-01-01T00:00:00"}]}, 200, {}),
        ("no parameter size", "GET /1/media", {"data": []}, 200, {"params": {"size": 5}}),
        ("no such edge", "GET /1/medias", {"data": []}, 200, {}),
        ("", "POST /1/media_publish", {"id": "2"}, 200, {"data": {"creation_id": "5"}}),
        ("creation_id is missing", "POST /1/media_publish", {"id": "2"}, 200, {}),
        ("is no whole number", "POST /1/media_publish", {"id": "2"}, 200, {"data": {"creation_id": "c"}}),
        ("neither id nor success", "POST /1/media_publish", {}, 200, {"data": {"creation_id": "5"}}),
        ("", "GET /9/insights", {"data": []}, 200, {"params": {"metric": "likes,views"}}),
        ("is none of likes, views", "GET /9/insights", {"data": []}, 200, {"params": {"metric": "likes,reach"}}),
        ("", "GET /", {"9": {"id": "9", "timestamp": TIME}}, 200, {"params": {"ids": "9", "fields": "id"}}),
        ("no field text", "GET /", {"9": {"text": "9"}}, 200, {"params": {"ids": "9", "fields": "id"}}),
        ("no field text", "GET /", {"9": {"id": "9"}}, 200, {"params": {"ids": "9", "fields": "text"}}),
        ("no error object", "GET /9", {"message": "no"}, 400, {}),
        ("", "GET /9", {"error": {"message": "no", "type": "OAuthException", "code": 190}}, 400, {}),
    ],
)  # fmt: skip
async def test_meta(
    *, found: str, request_: str, answer: Any, status: int, body: dict[str, Any], meta: MetaContract
) -> None:
    _judge(found, meta.check(await exchange(answer, *request_.split(), status=status, **body)))


@pytest.fixture
def postman(tmp_path: Path) -> PostmanContract:
    def item(method: str, path: list[str], query: dict[str, str], body: Any) -> dict[str, Any]:
        shown = [{"key": name, "value": value} for name, value in query.items()]
        url = {"path": path, "query": shown}
        return {"request": {"method": method, "url": url}, "response": [{"body": json.dumps(body)}]}

    listed = {"data": [{"id": "string", "is_quote_post": False}]}
    items = [
        item("POST", ["me", "threads"], {"media_type": "TEXT", "text": "Hi"}, {"id": "string"}),
        {"item": [item("GET", ["me", "threads"], {"fields": "{{fields}}"}, listed)]},
        item("GET", ["{{thread_id}}"], {}, {"id": "string"}),
        item("GET", ["refresh_access_token"], {}, {"access_token": "string"}),
        item("GET", ["{{thread_id}}", "insights"], {"metric": "{{metrics}}"}, {"data": []}),
    ]
    variables = [{"key": "fields", "value": "id,text"}, {"key": "metrics", "value": "views,likes"}]
    return PostmanContract(write(tmp_path, "a.json", {"variable": variables, "item": items}))


@pytest.mark.parametrize(
    ("found", "request_", "answer", "body"),
    [
        ("", "POST /v1.0/me/threads", {"id": "1"}, {"data": {"media_type": "TEXT", "text": "x"}}),
        ("", "POST /v1.0/178/threads", {"id": "1"}, {"data": {"media_type": "TEXT"}}),
        ("'VIDEO' is none of TEXT", "POST /me/threads", {"id": "1"}, {"params": {"media_type": "VIDEO"}}),
        ("no parameter caption", "POST /me/threads", {"id": "1"}, {"data": {"caption": "x"}}),
        ("1 where the example has", "POST /me/threads", {"id": 1}, {}),
        ("has nothing of", "POST /me/threads", {"ok": True}, {}),
        ("", "GET /me/threads", {"data": [{"id": "1", "is_quote_post": True}]}, {"params": {"fields": "id,text"}}),
        ("'shares' is none of", "GET /me/threads", {"data": []}, {"params": {"fields": "id,shares"}}),
        ("where the example has False", "GET /me/threads", {"data": [{"id": "1", "is_quote_post": "no"}]}, {}),
        ("", "GET /99/insights", {"data": []}, {"params": {"metric": "views"}}),
        ("'reach' is none of", "GET /99/insights", {"data": []}, {"params": {"metric": "reach"}}),
        ("", "GET /refresh_access_token", {"access_token": "a"}, {}),
        ("has nothing of", "GET /refresh_access_token", {"id": "a"}, {}),
        ("", "GET /99", {"id": "a"}, {}),
        ("no such request", "GET /99/likes", {"data": []}, {}),
    ],
)  # fmt: skip
async def test_postman(
    *, found: str, request_: str, answer: Any, body: dict[str, Any], postman: PostmanContract
) -> None:
    _judge(found, postman.check(await exchange(answer, *request_.split(), **body)))


@pytest.fixture
def discovery(tmp_path: Path) -> DiscoveryContract:
    listing = {
        "id": "youtube.videos.list",
        "httpMethod": "GET",
        "flatPath": "youtube/v3/videos",
        "parameters": {
            "part": {"type": "string", "location": "query", "required": True, "repeated": True},
            "max": {"type": "integer", "location": "query", "maximum": "50"},
        },
        "response": {"$ref": "List"},
    }
    insert = {
        "id": "youtube.videos.insert",
        "httpMethod": "POST",
        "flatPath": "youtube/v3/videos",
        "mediaUpload": {"protocols": {"simple": {"path": "/upload/youtube/v3/videos"}}},
        "request": {"$ref": "Video"},
        "response": {"$ref": "Video"},
    }
    schemas = {
        "List": {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "Video"}}}},
        "Video": {
            "id": "Video",
            "type": "object",
            "properties": {"id": {"type": "string"}, "views": {"type": "string", "format": "uint64"}},
        },
    }
    document = {
        "parameters": {"uploadType": {"type": "string", "location": "query"}},
        "resources": {"videos": {"methods": {"list": listing, "insert": insert}}},
        "schemas": schemas,
    }
    return DiscoveryContract(write(tmp_path, "youtube.json", document))


VIDEOS = "GET /youtube/v3/videos"
CHUNK = "PUT /upload/youtube/v3/videos?upload_id=1"
PART, BAD_PART = {"content-range": "bytes 0-0/1"}, {"content-range": "0-0/1"}
UPLOAD = "POST /upload/youtube/v3/videos?uploadType=resumable"


@pytest.mark.parametrize(
    ("found", "request_", "answer", "status", "body"),
    [
        ("", VIDEOS, {"items": [{"id": "a", "views": "12"}]}, 200, {"params": {"part": "id,statistics", "max": 50}}),
        ("part is missing", VIDEOS, {"items": []}, 200, {}),
        ("greater than the maximum", VIDEOS, {"items": []}, 200, {"params": {"part": "id", "max": 51}}),
        ("no parameter ids", VIDEOS, {"items": []}, 200, {"params": {"part": "id", "ids": "1"}}),
        ("is not of type 'string'", VIDEOS, {"items": [{"views": 12}]}, 200, {"params": {"part": "id"}}),
        ("does not match", VIDEOS, {"items": [{"views": "many"}]}, 200, {"params": {"part": "id"}}),
        ("no such name", VIDEOS, {"items": [{"likes": "1"}]}, 200, {"params": {"part": "id"}}),
        ("no error object", VIDEOS, {"error": "no"}, 403, {"params": {"part": "id"}}),
        ("", VIDEOS, {"error": {"code": 403, "message": "no"}}, 403, {"params": {"part": "id"}}),
        ("no such method", "GET /youtube/v3/video", {}, 200, {}),
        ("header Location", UPLOAD, {}, 200, {"json": {"id": "a"}}),
        ("takes JSON", UPLOAD, {}, 200, {"data": {"id": "a"}}),
        ("title: no such name", UPLOAD, {}, 200, {"json": {"title": "a"}}),
        ("", CHUNK, {"id": "a"}, 200, {"content": b"x", "headers": PART}),
        ("Content-Range", CHUNK, {"id": "a"}, 200, {"content": b"x", "headers": BAD_PART}),
        ("no such name", CHUNK, {"name": "a"}, 200, {"content": b"x"}),
        ("", "POST /token", TOKEN, 200, {"data": REFRESH}),
    ],
)  # fmt: skip
async def test_discovery(
    *, found: str, request_: str, answer: Any, status: int, body: dict[str, Any], discovery: DiscoveryContract
) -> None:
    _judge(found, discovery.check(await exchange(answer, *request_.split(), status=status, **body)))


@pytest.fixture
def bot_api(tmp_path: Path) -> BotApiContract:
    def field(name: str, *kinds: str, required: bool = True) -> dict[str, Any]:
        return {"name": name, "types": list(kinds), "required": required}

    photo = field("photo", "InputFile", "String", required=False)
    entities = field("entities", "Array of Entity", required=False)
    method = {"fields": [field("chat_id", "Integer", "String"), photo, entities], "returns": ["Message"]}
    types = {
        "Message": {"fields": [field("message_id", "Integer"), field("text", "String", required=False)]},
        "Entity": {"fields": [field("offset", "Integer")]},
        "InputFile": {},
    }
    document = {"methods": {"sendPhoto": method}, "types": types}
    return BotApiContract(write(tmp_path, "api.json", document))


SEND = "POST /bot1:a/sendPhoto"
SENT = {"ok": True, "result": {"message_id": 1}}


@pytest.mark.parametrize(
    ("found", "request_", "answer", "body"),
    [
        ("", SEND, SENT, {"json": {"chat_id": 5, "photo": "https://a", "entities": [{"offset": 1}]}}),
        ("", SEND, SENT, {"data": {"chat_id": "5", "entities": '[{"offset": 1}]'}, "files": {"photo": b"x"}}),
        ("chat_id is missing", SEND, SENT, {"json": {"photo": "https://a"}}),
        ("no field caption", SEND, SENT, {"json": {"chat_id": 5, "caption": "x"}}),
        ("5.5 is no", SEND, SENT, {"json": {"chat_id": 5.5}}),
        ("is no Integer", SEND, SENT, {"json": {"chat_id": 5, "entities": [{"offset": "x"}]}}),
        ("a file is no", SEND, SENT, {"data": {"photo": "a"}, "files": {"chat_id": b"x"}}),
        ("message_id is missing", SEND, {"ok": True, "result": {}}, {"json": {"chat_id": 5}}),
        ("no field id", SEND, {"ok": True, "result": {"message_id": 1, "id": 2}}, {"json": {"chat_id": 5}}),
        ("no `ok`", SEND, {"result": {}}, {"json": {"chat_id": 5}}),
        ("has error_code", SEND, {"ok": False}, {"json": {"chat_id": 5}}),
        ("no such method", "POST /bot1:a/sendPicture", SENT, {"json": {"chat_id": 5}}),
        ("no such method", "POST /sendPhoto", SENT, {"json": {"chat_id": 5}}),
    ],
)
async def test_bot_api(
    *, found: str, request_: str, answer: Any, body: dict[str, Any], bot_api: BotApiContract
) -> None:
    _judge(found, bot_api.check(await exchange(answer, *request_.split(), **body)))


def _judge(found: str, wrong: list[str]) -> None:
    if found:
        assert any(found in problem for problem in wrong), wrong
    else:
        assert wrong == []
