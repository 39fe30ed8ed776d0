"""The corpus: bodies, values, queries, cursors, ETags, headers, multipart, raw HTTP and addresses."""

from __future__ import annotations

import base64
import itertools
import json
import random
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.hostile.hosts import addresses
from tests.hostile.target import FORGED, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.target import Target

LATER = "2031-03-05T10:00:00Z"
BODIES: dict[str, bytes] = {
    "empty": b"",
    "space": b"   ",
    "not json": b"<xml/>",
    "cut off": b'{"content": "a',
    "deep arrays": b"[" * 100_000,
    "deep arrays, closed": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 100_000,
    "deep objects, closed": b'{"content":' * 50_000 + b"1" + b"}" * 50_000,
    "null": b"null",
    "number": b"1",
    "text": b'"text"',
    "array": b"[]",
    "array of objects": b"[{}]",
    "infinite number": b'{"content": 1e999999}',
    "NaN": b'{"content": NaN}',
    "long number": b'{"content": ' + b"9" * 100_000 + b"}",
    "UTF-16": '{"content": "a"}'.encode("utf-16"),
    "UTF-8 with mark": b'\xef\xbb\xbf{"content": []}',
    "not UTF-8": b'{"content": "\xff\xfe"}',
    "overlong UTF-8": b'{"content": "\xc0\xaf\xed\xa0\x80"}',
    "raw NUL": b'{"content": "\x00"}',
    "duplicate keys": b'{"content": "a", "content": 1, "content": []}',
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}",
    "strange keys": json.dumps({"__proto__": 1, "__class__": {}, "": 1, "\u0000": 1, "\ud800": 1}).encode(),
    "too large": b'{"content": "' + b"a" * 1_100_000 + b'"}',
    "two documents": b"{}{}",
    "trailing comma": b'{"content": "a",}',
}
"""Bodies that no JSON route takes."""

VALUES: dict[str, bytes] = {
    "NUL": b'"a\\u0000b"',
    "high surrogate": b'"\\ud800"',
    "low surrogate": b'"\\udc00a"',
    "reversed surrogates": b'"\\udc00\\ud800"',
    "long text": b'"' + b"a" * 500_000 + b'"',
    "control characters": b'"\\u0001\\u001b[2J\\u0085\\u2028\\u202e"',
    "forging": json.dumps(f"a\r\n{FORGED} b").encode(),
    "huge number": b"1" + b"0" * 4_400,
    "negative": b"-9223372036854775809",
    "float": b"1.5",
    "infinite": b"1e400",
    "minus zero": b"-0.0",
    "true": b"true",
    "null": b"null",
    "object": b"{}",
    "array": b"[]",
    "array of nulls": b"[null,null]",
    "nested": b"[" * 5000 + b"]" * 5000,
    "array of arrays": b"[[],[[]]]",
    "empty text": b'""',
    "no date": b'"2031-02-31T25:61:61Z"',
    "first date": b'"0001-01-01T00:00:00+23:59"',
    "last date": b'"9999-12-31T23:59:59-23:59"',
    "zone with path": b'"../../etc/passwd"',
    "format": b'"{0.__class__} %s %n ${jndi:ldap://a} \' OR 1=1 --"',
    "many": b"[" + b",".join([b'"a"'] * 20_000) + b"]",
}
"""Values for every field of every body, and as text for every parameter."""

QUERY = (
    "%00", "a%00b", "%ff%fe", "%ed%a0%80", "%", "%zz", "9" * 5000, "-1", "1e999", "NaN", "%0d%0a" + FORGED,
    "..%2f..%2f",
    "%27%20OR%201=1--", "2031-02-31", "0001-01-01", "9999-12-31T23:59:59-23:59", "%F0%9F%98%80",
    "%D9%A1%D9%A2", "[]", "{}",
    "true", "", "a,b,,c", "a" * 3000, "+00:00", "Europe/../../etc/passwd", "%E2%80%AE", "0x10", "1_000",
    "%20", "\u0661",
)  # fmt: skip

ETAGS = (
    b'"', b'W/"', b'W/W/"a"', b"*, *", b'"a", ' * 900 + b'"b"', b'"' + b"a" * 7000 + b'"', b"\xff\xfe", b'"\x01"',
    b"a", b"W/",
    b'"1"', b'"-1"', b'"' + b"9" * 5000 + b'"', b'"1", "2"', b'""', b'"\xc3\xa9"',
)  # fmt: skip


def all_cases(target: Target) -> Iterator[Case]:
    """Yield the whole corpus once, in an order that is the same each time."""
    yield from itertools.chain(
        bodies(target),
        values(target),
        queries(target),
        paths(target),
        cursors(target),
        etags(target),
        headers(target),
        multipart(target),
        raw(target),
        hosts(target),
        bulk(target),
    )


def operations(target: Target) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of every operation."""
    listed: Any = target.document["paths"]
    for path, item in sorted(listed.items()):
        for method, operation in item.items():
            if method in {"get", "post", "patch", "put", "delete"}:
                yield method.upper(), path, operation


def _fill(path: str, value: str = "none_01jt3s5yqf3w1k6vhdq6mt4x2e") -> str:
    filled = path
    while "{" in filled:
        start, _, rest = filled.partition("{")
        filled = start + value + rest.partition("}")[2]
    return filled


def _fields(target: Target, operation: dict[str, Any]) -> list[str]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    components: Any = target.document["components"]
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else schema
        if "$ref" in schema:
            schema = components["schemas"][schema["$ref"].rpartition("/")[2]]
    return list(schema.get("properties", {}))


def _takes_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", {})


def bodies(target: Target) -> Iterator[Case]:
    """Yield bodies that are wrong as a whole, for every route that takes one."""
    # Where all of the body may be left out, an empty one is right.
    free = {"empty", "space", "null"}
    for method, path, operation in operations(target):
        if _takes_json(operation):
            needed = operation["requestBody"].get("required", False)
            for name, body in BODIES.items():
                yield Case(
                    "body",
                    f"{method} {path}: {name}",
                    (target.request(method, _fill(path), body),),
                    may_pass=name in free and not needed,
                )


def values(target: Target) -> Iterator[Case]:
    """Yield one wrong field in an otherwise empty body, for every field of every route."""
    for method, path, operation in operations(target):
        for one in _fields(target, operation) if _takes_json(operation) else ():
            for name, value in VALUES.items():
                body = b'{"' + one.encode() + b'": ' + value + b"}"
                request = target.request(method, _fill(path), body)
                # A field of this type may take this value, and a body without the others may be whole.
                yield Case("value", f"{method} {path}: {one} = {name}", (request,), may_pass=True)
    base = {"content": "a", "platforms": ["mastodon"], "scheduled_at": LATER}
    refused = (
        "NUL",
        "high surrogate",
        "low surrogate",
        "huge number",
        "true",
        "object",
        "nested",
        "infinite",
    )
    for one in (*base, "link", "first_comment", "thread", "media", "timezone", "variants", "account_ids"):
        for name in refused:
            if one == "variants" and name == "object":
                continue
            fields = b", ".join(
                json.dumps(key).encode() + b": " + json.dumps(kept).encode()
                for key, kept in base.items()
                if key != one
            )
            body = b"{" + fields + b', "' + one.encode() + b'": ' + VALUES[name] + b"}"
            yield Case(
                "value", f"whole post: {one} = {name}", (target.request("POST", "/api/v1/posts", body),)
            )


def queries(target: Target) -> Iterator[Case]:
    """Yield odd values of every query parameter of every reading route."""
    for method, path, operation in operations(target):
        if method != "GET":
            continue
        for one in operation.get("parameters", ()):
            if one["in"] == "query":
                for value in QUERY:
                    request = target.request(
                        method, f"{_fill(path)}?{one['name']}={quote(value, safe='%[]{},+')}"
                    )
                    yield Case("query", f"{path}: {one['name']} = {value[:40]}", (request,), may_pass=True)


def paths(target: Target) -> Iterator[Case]:
    """Yield odd ids in every path, and paths that are none."""
    odd = (
        "%00",
        "%ff",
        "%2e%2e%2f",
        "%0d%0a" + FORGED,
        "9" * 5000,
        "%E2%80%A8" + FORGED,
        "%F0%9F%98%80",
        "null",
        "%252e",
    )
    for method, path, _ in operations(target):
        if "{" in path:
            for value in odd:
                yield Case(
                    "path", f"{method} {path}: {value[:40]}", (target.request(method, _fill(path, value)),)
                )
    strange = (
        "//", "/../etc/passwd", "/api/v1/../../secret.key", "/%2e%2e/%2e%2e/secret.key", "/api//v1/posts",
        "/api/v1/posts/%2e%2e",
        "/" + "a" * 60_000, "/dashboard/..%2f..%2fsecret.key", "/\\..\\secret.key", "/%00",
        "/" + "%0a" + FORGED,
        "/media/../secret.key", "/dashboard/static/../../secret.key", "/api/v1/posts;a=b",
    )  # fmt: skip
    for path in strange:
        # Whatever stands behind /dashboard/, a stranger is sent to the sign-in.
        to_sign_in = path.startswith("/dashboard/static/")
        yield Case("path", path[:60], (target.request("GET", path),), may_pass=to_sign_in)
    for verb in ("TRACE", "CONNECT", "PUT", "PROPFIND", "FOO", "get"):
        yield Case("path", f"{verb} /api/v1/posts", (target.request(verb, "/api/v1/posts"),))


def cursors(target: Target) -> Iterator[Case]:
    """Yield cursors that nobody was given."""
    inner: tuple[object, ...] = (
        None, 1, [], {}, ["a"], ["a", "b"], ["a", "b", "c"], ["\u0000", "a"], [{"a": 1}, "b"], [1e300, "a"],
        [["a"], ["b"]],
        ["a" * 400, "b"], [True, None], ["\U0001f600", "a"], "text", ["' OR 1=1 --", ""],
    )  # fmt: skip
    spelled = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in inner]
    spelled += [
        "",
        "=",
        "====",
        "a",
        "%00",
        "!!!!",
        "A" * 499,
        "A" * 501,
        "WyI",
        quote(base64.b64encode(b"[" * 300).decode()),
    ]
    listing = [
        path
        for method, path, one in operations(target)
        if method == "GET" and "cursor" in str(one.get("parameters"))
    ]
    for path, cursor in itertools.product(listing, spelled):
        request = target.request("GET", f"{_fill(path)}?cursor={cursor}")
        yield Case("cursor", f"{path}: {cursor[:40]}", (request,), may_pass=not cursor)


def etags(target: Target) -> Iterator[Case]:
    """Yield conditions that are none, on reads and on changes."""
    reads = [path for method, path, _ in operations(target) if method == "GET" and "{" not in path]
    changes = [(method, path) for method, path, _ in operations(target) if method in {"PATCH", "DELETE"}]
    for value in ETAGS:
        shown = repr(value[:20])
        for path in reads:
            request = target.request("GET", path, headers=[("If-None-Match", value)])
            yield Case("etag", f"GET {path}: {shown}", (request,), may_pass=True)
        for method, path in changes:
            request = target.request(method, _fill(path), b"{}", [("If-Match", value)])
            yield Case("etag", f"{method} {path}: {shown}", (request,), may_pass=path == "/api/v1/workspace")


def headers(target: Target) -> Iterator[Case]:
    """Yield heads that are repeated, oversized, or in no usual encoding."""
    token = f"Bearer {target.token}".encode()
    host = f"127.0.0.1:{target.port}".encode()
    get = "/api/v1/posts"
    post = json.dumps({"content": "a", "platforms": ["myspace"]}).encode()
    twice: dict[str, list[tuple[str, bytes]]] = {
        "two tokens": [("Authorization", token), ("Authorization", b"Bearer other")],
        "same token twice": [("Authorization", token), ("authorization", token)],
        "two hosts": [("Host", host), ("Host", b"evil.example")],
        "two keys": [("Idempotency-Key", b"a"), ("Idempotency-Key", b"b")],
        "two types": [("Content-Type", b"application/json"), ("Content-Type", b"text/plain")],
        "no token": [("Authorization", b"")],
        "token in latin-1": [("Authorization", b"Bearer \xe9\xff")],
        "long token": [("Authorization", b"Bearer " + b"a" * 7000)],
        "digits as key": [("Authorization", b"Bearer " + b"9" * 5000)],
        "basic": [("Authorization", b"Basic " + base64.b64encode(b"a:\x00\xff"))],
        "token with dots": [("Authorization", b"Bearer " + b"." * 500)],
        "token of none": [("Authorization", b"Bearer eyJhbGciOiJub25lIn0.e30.")],
    }
    for name, given in twice.items():
        yield Case("header", f"POST: {name}", (target.request("POST", get, post, given),))
        if name not in {"two types", "two keys"}:
            yield Case("header", f"GET: {name}", (target.request("GET", get, headers=given),))
    odd: dict[str, tuple[str, bytes]] = {
        "long head": ("X-Long", b"a" * 200_000),
        "bare line feed": ("X-A", b"a\nX-B: b"),
        "NUL": ("X-A", b"a\x00b"),
        "folded": ("X-A", b"a\r\n folded"),
        "space in name": ("X A", b"a"),
        "no host": ("Host", b""),
        "gzip body": ("Content-Encoding", b"gzip"),
        "unknown charset": ("Content-Type", b"application/json; charset=utf-99"),
        "type in latin-1": ("Content-Type", b"application/\xff\xfe"),
        "no type": ("Content-Type", b""),
        "long type": ("Content-Type", b"multipart/form-data; boundary=" + b"a" * 5000),
        "long key": ("Idempotency-Key", b"k" * 5000),
        "key in latin-1": ("Idempotency-Key", b"\xff\x01"),
        "forging id": ("X-Request-ID", FORGED.encode() + b"\x1b[2J"),
        "range": ("Range", b"bytes=0-,-1,99999999999999999999-"),
        "expect": ("Expect", b"a-miracle"),
        "upgrade": ("Upgrade", b"websocket"),
        "forwarded": ("X-Forwarded-For", b"::1, 127.0.0.1\xff"),
        "method override": ("X-HTTP-Method-Override", b"DELETE"),
        "origin": ("Origin", b"null\xff"),
        "cookie": ("Cookie", b"session=" + b"\xff" * 100 + b"; =; ;;a"),
    }
    for name, header in odd.items():
        yield Case("header", f"POST: {name}", (target.request("POST", get, post, [header]),))
        yield Case("header", f"GET: {name}", (target.request("GET", get, headers=[header]),), may_pass=True)
    many = [(f"X-{n}", b"a") for n in range(5000)]
    yield Case("header", "5000 headers", (target.request("GET", get, headers=many),), may_pass=True)


def multipart(target: Target) -> Iterator[Case]:
    """Yield uploads whose form is none, whose file is none, or whose length lies."""
    picture = b"\x89PNG\r\n\x1a\n" + b"a" * 50
    begin = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    whole = begin + picture + b"\r\n--b--\r\n"

    def part(disposition: bytes, content: bytes = picture) -> bytes:
        return b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n--b--\r\n"

    form = "multipart/form-data; boundary=b"
    wrong: dict[str, tuple[str, bytes]] = {
        "no boundary": ("multipart/form-data", whole),
        "empty boundary": ("multipart/form-data; boundary=", whole),
        "another boundary": ("multipart/form-data; boundary=c", whole),
        "boundary of 5000": ("multipart/form-data; boundary=" + "b" * 5000, whole),
        "boundary in quotes that do not end": ('multipart/form-data; boundary="b', whole),
        "empty": (form, b""),
        "only the end": (form, b"--b--\r\n"),
        "no end": (form, begin + picture),
        "no file": (form, part(b'form-data; name="file"')),
        "another field": (form, part(b'form-data; name="other"; filename="a.png"')),
        "no name": (form, part(b'form-data; filename="a.png"')),
        "no disposition": (form, b"--b\r\nX: y\r\n\r\n" + picture + b"\r\n--b--\r\n"),
        "two files": (form, begin + picture + b"\r\n" + whole),
        "a thousand fields": (form, part(b'form-data; name="x"', b"1")[:-7] * 1000 + b"--b--\r\n"),
        "long part head": (form, b"--b\r\nX: " + b"a" * 900_000 + b"\r\n\r\n\r\n--b--\r\n"),
        "many part heads": (form, b"--b\r\n" + b"X: y\r\n" * 20_000 + b"\r\n\r\n--b--\r\n"),
        "nothing in it": (form, begin + b"\r\n--b--\r\n"),
        "text": (form, part(b'form-data; name="file"; filename="a.png"', b"not a picture")),
        "html": (form, part(b'form-data; name="file"; filename="a.png"', b"<script>alert(1)</script>")),
        "svg": (form, part(b'form-data; name="file"; filename="a.svg"', b"<svg onload='alert(1)'/>")),
        "json": ("application/json", b"{}"),
        "urlencoded": ("application/x-www-form-urlencoded", b"file=a"),
    }
    path = "/api/v1/media"
    for name, (kind, body) in wrong.items():
        yield Case("multipart", name, (target.request("POST", path, body, content_type=kind),))
    names = {
        "NUL in name": b"a\x00.png",
        "path": b"../../../etc/passwd",
        "windows path": b"C:\\a\\b.png",
        "long name": b"a" * 5000 + b".png",
        "latin-1 name": b"\xff\xfe.png",
        "line feed": b"a\n" + FORGED.encode() + b".png",
        "escape": b"\x1b[2J.png",
        "quotes": b'a\\".png',
        "empty": b"",
        "direction": "\u202egnp.exe".encode(),
    }
    for name, given in names.items():
        body = part(b'form-data; name="file"; filename="' + given + b'"')
        yield Case("multipart", name, (target.request("POST", path, body, content_type=form),), may_pass=True)
    for name, picture_bytes in pictures().items():
        body = part(b'form-data; name="file"; filename="a.png"', picture_bytes)
        yield Case("image", name, (target.request("POST", path, body, content_type=form),), may_pass=True)
    lying = target.request("POST", path, whole, [("Content-Length", b"10")], content_type=form)
    yield Case("multipart", "length too small", (lying,))
    long = target.request("POST", path, whole, [("Content-Length", b"99999")], content_type=form)
    yield Case("multipart", "length too large", (long,), may_stay_silent=True, half=True)
    huge = target.request("POST", path, whole, [("Content-Length", b"9" * 18)], content_type=form)
    yield Case("multipart", "length of petabytes", (huge,), may_stay_silent=True, half=True)


def pictures() -> dict[str, bytes]:
    """Return pictures whose heads claim what no memory holds, or nothing at all."""
    side = (2**31 - 1).to_bytes(4, "big")
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    jpeg = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return {
        "PNG of 2^31 pixels a side": png + side + side + b"\x08\x06\x00\x00\x00aaaa",
        "PNG of no pixels": png + bytes(8) + b"\x08\x06\x00\x00\x00aaaa",
        "PNG that ends": png,
        "JPEG of 65535 pixels": jpeg
        + b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01",
        "JPEG with a segment of no length": jpeg + b"\xff\xe1\x00\x00" * 1000,
        "JPEG of markers": b"\xff\xd8" + b"\xff" * 500_000,
        "GIF of 65535 pixels": b"GIF89a\xff\xff\xff\xff\xf7\x00\x00",
        "WebP with a lying size": b"RIFF\xff\xff\xff\xffWEBPVP8X\xff\xff\xff\xff" + b"\xff" * 16,
        "MP4 with a box of 2^63": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x01moov"
        b"\x7f" + b"\xff" * 7,
        "MP4 with a box of zero": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(8) * 1000,
    }


def raw(target: Target) -> Iterator[Case]:
    """Yield what is no HTTP, or HTTP that two readers would understand differently."""
    host = f"Host: 127.0.0.1:{target.port}\r\n".encode()
    auth = f"Authorization: Bearer {target.token}\r\n".encode()
    post = (
        b"POST /api/v1/posts HTTP/1.1\r\n"
        + host
        + auth
        + b"Content-Type: application/json\r\nConnection: close\r\n"
    )
    hidden = b"DELETE /api/v1/webhooks/a HTTP/1.1\r\n" + host + auth + b"\r\n"
    length = b"Content-Length: "
    chunked = b"Transfer-Encoding: chunked\r\n"
    wrong: dict[str, bytes] = {
        "length and chunks": post + length + b"4\r\n" + chunked + b"\r\n0\r\n\r\n" + hidden,
        "chunks and length": post + chunked + length + b"4\r\n\r\n0\r\n\r\n" + hidden,
        "two lengths": post + length + b"2\r\n" + length + b"20\r\n\r\n{}" + hidden,
        "two lengths in one": post + length + b"2, 20\r\n\r\n{}",
        "same length twice": post + length + b"2\r\n" + length + b"2\r\n\r\n{}",
        "negative length": post + length + b"-1\r\n\r\n{}",
        "length with plus": post + length + b"+2\r\n\r\n{}",
        "length in hex": post + length + b"0x2\r\n\r\n{}",
        "length with line feed": post + length + b"2\n\n{}",
        "length of 5000 digits": post + length + b"9" * 5000 + b"\r\n\r\n{}",
        "unknown coding": post + b"Transfer-Encoding: xchunked\r\n\r\n{}",
        "identity": post + b"Transfer-Encoding: identity\r\n\r\n{}",
        "chunked twice": post + chunked + chunked + b"\r\n2\r\n{}\r\n0\r\n\r\n",
        "obscured coding": post + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "space before colon": post + b"Transfer-Encoding : chunked\r\n" + length + b"2\r\n\r\n{}",
        "chunk size not hex": post + chunked + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
        "chunk size negative": post + chunked + b"\r\n-1\r\n{}\r\n0\r\n\r\n",
        "chunk size too large": post + chunked + b"\r\n" + b"f" * 40 + b"\r\n{}",
        "chunk longer than said": post + chunked + b"\r\n1\r\n{}}}}}\r\n0\r\n\r\n",
        "chunk extension long": post + chunked + b"\r\n2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
        "trailer": post + chunked + b"\r\n2\r\n{}\r\n0\r\nAuthorization: a\r\n\r\n",
        "no version": b"GET /\r\n" + host + b"\r\n",
        "version 9.9": b"GET / HTTP/9.9\r\n" + host + b"\r\n",
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
        "zeros": bytes(5000),
        "random": random.Random(1).randbytes(5000),
        "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
        "long method": b"A" * 100_000 + b" / HTTP/1.1\r\n" + host + b"\r\n",
        "absolute form": b"GET http://evil.example/api/v1/posts HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "star": b"OPTIONS * HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        "line feeds only": b"GET /api/v1/posts HTTP/1.1\n"
        + host.replace(b"\r", b"")
        + b"Connection: close\n\n",
        "carriage returns only": b"GET / HTTP/1.1\r" + host.replace(b"\n", b"") + b"\r",
        "old": b"GET /api/v1/posts HTTP/1.0\r\n\r\n",
    }
    for name, sent in wrong.items():
        # The parser reads HTTP/9.9 as 1.1: harmless, whether or not the answer is seen before the close.
        yield Case("raw", name, (sent,), may_stay_silent=True, half=True, may_pass=name == "version 9.9")
    halves: dict[str, tuple[bytes, ...]] = {
        "nothing": (b"",),
        "half a line": (b"GET /api/v1/po",),
        "half a head": (b"GET / HTTP/1.1\r\n", host),
        "half a body": (post + length + b"100\r\n\r\n", b'{"content"'),
        "half a chunk": (post + chunked + b"\r\n", b"5\r\nhe"),
        "no last chunk": (post + chunked + b"\r\n2\r\n{}\r\n",),
    }
    for name, pieces in halves.items():
        yield Case("raw", name, pieces, may_stay_silent=True, half=True)


def hosts(target: Target) -> Iterator[Case]:
    """Yield addresses for every place where a stranger can give one."""
    for number, address in enumerate(addresses()):
        places: dict[str, tuple[str, object]] = {
            "webhook": ("/api/v1/webhooks", {"url": address, "events": ["post.published"]}),
            "media": (
                "/api/v1/posts",
                {
                    "content": "a",
                    "platforms": ["mastodon"],
                    "scheduled_at": LATER,
                    "media": [{"url": address}],
                },
            ),
            "instance": (
                "/api/v1/accounts/connect",
                {"platform": "mastodon", "access_token": "t", "instance_url": address},
            ),
            "service": (
                "/api/v1/accounts/connect",
                {"platform": "bluesky", "access_token": "p", "instance_url": address},
            ),
            "authorization": ("/api/v1/accounts/connect/mastodon/start", {"instance_url": address}),
            "return": (
                "/api/v1/accounts/connect/mastodon/start",
                {"instance_url": "https://mastodon.social", "return_url": address},
            ),
        }
        for place, (path, body) in places.items():
            request = target.request("POST", path, json.dumps(body).encode())
            yield Case(f"host of {place}", address[:60], (request,), only=(422,))
        if number % 4 == 0:
            yield Case(
                "host of request", address[:60],
                (target.request("GET", "/dashboard/login", headers=[("Host", _plain(address[8:]))]),), may_pass=True,
            )  # fmt: skip


def _plain(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").replace(b"\n", b"").replace(b"\r", b"")


def bulk(target: Target) -> Iterator[Case]:
    """Yield files of posts that lie about themselves."""
    head = b"content,platforms,scheduled_at\n"
    files: dict[str, tuple[str, bytes]] = {
        "empty": ("text/csv", b""),
        "head only": ("text/csv", head),
        "no head": ("text/csv", b"a,b,c\n1,2,3\n"),
        "head twice": ("text/csv", b"content,content,platforms\na,b,mastodon\n"),
        "NUL": ("text/csv", head + b"a\x00b,mastodon,2031-03-05T10:00:00Z\n"),
        # UTF-16 and Windows-1252 are what spreadsheets save; an odd number of bytes is neither.
        "half of UTF-16": ("text/csv", (head + b"a,mastodon,\n").decode().encode("utf-16")[:-1]),
        "open quote": ("text/csv", head + b'"' + b"a" * 300_000),
        "ragged": ("text/csv", head + b"a\nb,c,d,e,f,g\n"),
        "long field": ("text/csv", head + b"a" * 500_000 + b",mastodon,2031-03-05T10:00:00Z\n"),
        "many columns": ("text/csv", b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"," * 19_999),
        "many rows": ("text/csv", head + b"a,mastodon,x\n" * 50_000),
        "JSON named CSV": ("text/csv", b'[{"content": "a"}]'),
        "Parquet named CSV": ("text/csv", b"PAR1" + bytes(500) + b"PAR1"),
        "CSV named JSON": ("application/json", head),
        "JSON lines, one wrong": ("application/x-ndjson", b'{"content": "a"}\n{"content"'),
        "JSON lines, deep": ("application/x-ndjson", b"[" * 50_000 + b"\n"),
        "gzip": ("text/csv", base64.b64decode(b"H4sIAAAAAAAAA0vOzyvOz0nVAQBb1Vb6CAAAAA==")),
    }
    for path in ("/api/v1/posts/bulk", "/api/v1/posts/bulk?mode=each"):
        for name, (kind, body) in files.items():
            # Each row has an answer of its own: 2xx with nothing created is right for wrong rows.
            yield Case(
                "bulk",
                f"{path}: {name}",
                (target.request("POST", path, body, content_type=kind),),
                may_pass="each" in path,
            )


def mutations(target: Target, seed: int) -> Iterator[Case]:
    """Yield cases of the corpus with bytes changed at random, without end."""
    chance = random.Random(seed)
    known = [one for one in all_cases(target) if len(one.pieces) == 1 and 0 < len(one.pieces[0]) < 20_000]
    alphabet = string.printable.encode() + bytes(range(128, 256)) + b"\x00\x01\x1b"
    for number in itertools.count():
        case = chance.choice(known)
        sent = bytearray(case.pieces[0])
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            at = chance.randrange(len(sent))
            match chance.randrange(4):
                case 0:
                    sent[at] = chance.choice(alphabet)
                case 1:
                    del sent[at : at + chance.randrange(1, 20)]
                case 2:
                    sent[at:at] = sent[chance.randrange(len(sent)) :][: chance.randrange(1, 200)]
                case _:
                    sent[at:at] = bytes([chance.choice(alphabet)]) * chance.choice((1, 2, 50))
            if not sent:
                sent = bytearray(b"\n")
        yield Case(
            "mutation", f"seed {seed}, number {number}: {case.kind}: {case.name}", (bytes(sent),),
            may_pass=True, may_stay_silent=True, half=True,
        )  # fmt: skip
