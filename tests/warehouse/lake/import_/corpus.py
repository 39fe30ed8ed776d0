"""Files in the shape of real exports: headers, quirks and encodings are theirs, the rows are invented.

Each case has the bytes of a file, the options it is read with, and what reading it must give, as data: `expected`
holds the fields of each row that are not None (without line, derived_id and day_only where they are ordinary).
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zipfile
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(frozen=True)
class Case:
    """One file and what it holds."""

    name: str
    data: bytes
    sentence: str
    expected: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def zip_of(**members: str | bytes) -> bytes:
    """Return a zip; `__` in a keyword stands for a slash and `_DOT_` for a point."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_DOT_", ".").replace("_SPACE_", " "), content)
    return written.getvalue()


def tar_gz_of(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return written.getvalue()


def xlsx_of(*sheets: tuple[str, list[list[Any]]], date_1904: bool = False) -> bytes:
    """Return a workbook with texts as inline strings and numbers as numbers."""
    book, links, parts = [], [], {}
    for number, (title, rows) in enumerate(sheets, 1):
        book.append(f'<sheet name="{title}" sheetId="{number}" r:id="rId{number}"/>')
        links.append(
            f'<Relationship Id="rId{number}" Target="worksheets/sheet{number}.xml" Type="http://schemas.openxmlformats.org'
            '/officeDocument/2006/relationships/worksheet"/>'
        )
        lines = []
        for line, row in enumerate(rows, 1):
            cells = "".join(_cell(f"{chr(65 + place)}{line}", value) for place, value in enumerate(row))
            lines.append(f'<row r="{line}">{cells}</row>')
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
            + "".join(lines)
            + "</sheetData></worksheet>"
        )
    properties = '<workbookPr date1904="1"/>' if date_1904 else ""
    parts["xl/workbook.xml"] = (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        f"{properties}<sheets>{''.join(book)}</sheets></workbook>"
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f"{''.join(links)}</Relationships>"
    )
    parts["_rels/.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Target="xl/workbook.xml" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument"/></Relationships>'
    )
    parts["[Content_Types].xml"] = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return written.getvalue()


def _cell(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        escaped = value.replace("&", "&amp;").replace("<", "&lt;")
        return f'<c r="{place}" t="inlineStr"><is><t>{escaped}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


class Cid(bytes):
    """A link in CBOR."""


def xls_of(*sheets: tuple[str, list[list[Any]]], password: bool = False) -> bytes:
    """Return a workbook of old Excel (BIFF8 in an OLE file); with `password` it says that it is encrypted."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def text(value: str) -> bytes:
        return struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0, 6))

    end = record(0x0A, b"")
    bodies = []
    for _, rows in sheets:
        body = begin(0x10)
        for row, cells in enumerate(rows):
            for column, value in enumerate(cells):
                place = struct.pack("<HHH", row, column, 0)
                if isinstance(value, int | float):
                    body += record(0x203, place + struct.pack("<d", value))
                elif value is not None:
                    body += record(0x204, place + text(value))
        bodies.append(body + end)
    lock = record(0x2F, struct.pack("<HHH", 1, 1, 1) + bytes(48)) if password else b""
    head = begin(0x05) + lock + record(0x42, struct.pack("<H", 1200))
    names = [struct.pack("<BB", len(name), 1) + name.encode("utf-16-le") for name, _ in sheets]
    start = len(head) + sum(4 + 6 + len(name) for name in names) + len(end)
    for name, body in zip(names, bodies, strict=True):
        head += record(0x85, struct.pack("<IBB", start, 0, 0) + name)
        start += len(body)
    return _ole_of("Workbook", head + end + b"".join(bodies))


def _ole_of(name: str, stream: bytes) -> bytes:
    """Return an OLE file with one stream: a sector of allocation, one of the directory, then the stream."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 2 + sectors), 0xFFFFFFFE]
    allocation = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)

    def entry(title: str, kind: int, child: int, first: int, size: int) -> bytes:
        encoded = title.encode("utf-16-le")
        links = struct.pack("<HBB3I", len(encoded) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
        return encoded.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", first, size)

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(name, 2, 0xFFFFFFFF, 2, len(stream))
    return header + allocation + directory.ljust(512, b"\0") + stream


def ods_of(*sheets: tuple[str, list[list[Any]]], password: bool = False) -> bytes:
    """Return a workbook of LibreOffice; with `password` its manifest says that it is encrypted."""
    tables = []
    for name, rows in sheets:
        lines = []
        for cells in rows:
            line = []
            for value in cells:
                if value is None:
                    line.append("<table:table-cell/>")
                elif isinstance(value, int | float):
                    line.append(f'<table:table-cell office:value-type="float" office:value="{value}"/>')
                else:
                    shown = f"<text:p>{escape(str(value))}</text:p>"
                    line.append(f'<table:table-cell office:value-type="string">{shown}</table:table-cell>')
            lines.append(f"<table:table-row>{''.join(line)}</table:table-row>")
        tables.append(f'<table:table table:name="{escape(name)}">{"".join(lines)}</table:table>')
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    lock = "<manifest:encryption-data/>" if password else ""
    return zip_of(
        mimetype=kind,
        content_DOT_xml=f'<office:document-content {spaces} office:version="1.2"><office:body><office:spreadsheet>'
        f"{''.join(tables)}</office:spreadsheet></office:body></office:document-content>",
        **{
            "META-INF/manifest_DOT_xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:'
            f'manifest:1.0"><manifest:file-entry manifest:full-path="content.xml">{lock}</manifest:file-entry>'
            "</manifest:manifest>"
        },
    )


def cbor(value: Any) -> bytes:
    """Return DAG-CBOR of a value."""
    if isinstance(value, Cid):
        return b"\xd8\x2a" + cbor(b"\0" + bytes(value))
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _cbor_head(0, value)
    if isinstance(value, bytes):
        return _cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return _cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _cbor_head(4, len(value)) + b"".join(map(cbor, value))
    ordered = sorted(value.items(), key=lambda item: (len(item[0]), item[0]))
    return _cbor_head(5, len(ordered)) + b"".join(cbor(key) + cbor(part) for key, part in ordered)


def _cbor_head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    for code, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << (8 * length):
            return bytes([kind << 5 | code]) + size.to_bytes(length, "big")
    raise AssertionError(size)


def car_of(did: str, records: dict[str, dict[str, Any]]) -> bytes:
    """Return a repository: a commit, one node of the tree, and the records by key."""
    blocks: dict[Cid, bytes] = {}

    def add(value: Any) -> Cid:
        data = cbor(value)
        cid = Cid(b"\x01\x71\x12\x20" + hashlib.sha256(data).digest())
        blocks[cid] = data
        return cid

    entries, last = [], b""
    for key, record in sorted(records.items()):
        name = key.encode()
        shared = next(
            (n for n, (a, b) in enumerate(zip(last, name, strict=False)) if a != b), min(len(last), len(name))
        )
        entries.append({"p": shared, "k": name[shared:], "v": add(record), "t": None})
        last = name
    root = add(
        {
            "did": did,
            "version": 3,
            "data": add({"l": None, "e": entries}),
            "rev": "3k",
            "prev": None,
            "sig": b"s",
        }
    )
    header = cbor({"roots": [root], "version": 1})
    body = b"".join(_varint(36 + len(data)) + cid + data for cid, data in blocks.items())
    return _varint(len(header)) + header + body


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def meta(text: str) -> str:
    """Return a text as Meta's downloads write it: UTF-8 bytes as Latin-1 characters."""
    return text.encode().decode("latin-1")


_X = (
    '"Tweet id","Tweet permalink","Tweet text","time","impressions","engagements","engagement rate","retweets",'
    '"replies","likes","user profile clicks","url clicks","hashtag clicks","detail expands","permalink clicks",'
    '"app opens","app installs","follows","email tweet","dial phone","media views","media engagements",'
    '"promoted impressions","promoted likes"\n'
    '"815220123456789012","https://twitter.com/anna_b/status/815220123456789012","Happy new year,\nall","2016-12-31 14:05 '
    '+0000","1204.0","12.0","0.00996677740863787","1.0","2.0","3.0","0.0","4.0","0.0","0.0","0.0","0","0","1","0","0",'
    '"7","0","-","-"\n'
    '"815225623456789013","https://twitter.com/anna_b/status/815225623456789013","=2+3 is a text","2016-12-31 14:27 +0000",'
    '"80.0","0.0","0.0","0.0","0.0","0.0","0.0","0.0","0.0","0.0","0.0","0","0","0","0","0","0","0","-","-"\n'
)
_X_NEW = (
    "Post id,Date,Post text,Post Link,Impressions,Likes,Engagements,Bookmarks,Shares,New follows,Replies,Reposts,"
    "Profile visits,Detail Expands,URL Clicks,Hashtag Clicks,Permalink Clicks\n"
    '1790012345678901234,"Mon, May 13, 2024",Hi,https://x.com/anna_b/status/1790012345678901234,"1,100",5,9,1,0,0,2,1,0,0,3,0,0\n'
)
_TWEETS = (
    'window.YTD.tweets.part0 = [ {"tweet" : {"id_str" : "1582822222222222222", "created_at" : "Wed Oct 19 20:07:25 +0000 '
    '2022", "full_text" : "Look https://t.co/a \\ud83d\\ude00", "favorite_count" : "3", "retweet_count" : "1", "lang" : "en", '
    '"entities" : {"urls" : [ {"url" : "https://t.co/a", "expanded_url" : "https://example.com/"} ]} } },\n'
    '{"tweet" : {"id_str" : "1582822222222222223", "created_at" : "Wed Oct 19 20:08:25 +0000 2022", "full_text" : "RT @bob: x",'
    ' "favorite_count" : "0", "retweet_count" : "9"} },\n'
    '{"tweet" : {"id_str" : "1582822222222222224", "created_at" : "Wed Oct 19 20:09:25 +0000 2022", "full_text" : "@bob yes", '
    '"favorite_count" : "0", "retweet_count" : "0", "in_reply_to_status_id_str" : "1"} } ]'
)
_ACCOUNT = 'window.YTD.account.part0 = [ {"account" : {"username" : "anna_b", "accountId" : "1"} } ]'
_FACEBOOK = (
    "Post ID,Page ID,Page name,Title,Description,Duration (sec),Publish time,Caption type,Permalink,Is crosspost,Post "
    'type,Date,Views,Reach,"Reactions, comments and shares",Reactions,Comments,Shares,Total clicks\n'
    "122100000000451,100064000000021,Caf\u00e9 Nord,,Neu im Sortiment \u2013 h\u00fcbsch,0,05/31/2024 08:30,,"
    'https://www.facebook.com/nord/posts/1,0,Photos,Lifetime,"1,234",900,30,20,5,5,12\n'
    "122100000000452,100064000000021,Caf\u00e9 Nord,Ein Titel,,14,06/02/2024 18:00,,https://www.facebook.com/nord/posts/2,"
    "0,Videos,Lifetime,80,70,0,0,0,0,\n"
)
_INSTAGRAM = (
    "Beitrags-ID,Konto-ID,Benutzername des Kontos,Name des Kontos,Beschreibung,Dauer (Sek.),Ver\u00f6ffentlichungszeit,"
    "Permalink,Beitragstyp,Datenkommentar,Datum,Aufrufe,Reichweite,\u201eGef\u00e4llt mir\u201c-Angaben,Geteilte Inhalte,"
    "Kommentare,Gespeicherte Beitr\u00e4ge\n"
    "17890000000000451,17841400000000021,cafe.nord,Caf\u00e9 Nord,Text,0,06/13/2024 10:00,https://www.instagram.com/p/abc/,"
    "IG-Karussell,,Lebenszeit,300,200,20,3,4,6\n"
)
_OUTBOX = {
    "@context": "https://www.w3.org/ns/activitystreams",
    "id": "outbox.json",
    "type": "OrderedCollection",
    "totalItems": 3,
    "orderedItems": [
        {
            "type": "Create",
            "actor": "https://m.example/users/anna",
            "object": {
                "id": "https://m.example/users/anna/statuses/111222333",
                "type": "Note",
                "published": "2024-01-01T10:00:00Z",
                "content": '<p>Hi <a href="https://x.example">there</a></p>',
                "inReplyTo": None,
                "url": "https://m.example/@anna/111222333",
                "to": ["https://www.w3.org/ns/activitystreams#Public"],
                "attachment": [{"type": "Document", "mediaType": "image/jpeg"}],
            },
        },
        {"type": "Announce", "object": "https://m.example/x"},
        {
            "type": "Create",
            "actor": "https://m.example/users/anna",
            "object": {
                "id": "https://m.example/users/anna/statuses/5",
                "content": "secret",
                "to": ["https://m.example/bob"],
            },
        },
    ],
}
_YOUTUBE = (
    "Content,Video title,Video publish time,Views,Watch time (hours),Subscribers,Impressions,Impressions click-through rate "
    "(%),Likes,Comments added,Shares,Average view duration\n"
    "Total,,,1230,2.5,3,100,5.1,4,1,0,0:01:00\n"
    'dQw4w9WgX-_,"My video, part 1","Dec 15, 2023",1200,2.5,-1,100,5.1,4,1,,0:01:00\n'
    "abcdefghijz,Draft,,30,0,,0,,,,,\n"
)
_HOOTSUITE = (
    'Post performance,,,,,,,,,,,,,\n"Mar 1, 2024 - Mar 31, 2024",,,,,,,,,,,,,\n'
    "Date (GMT),Post ID,Post Message,Post Permalink,Post Type,Social Network,Impressions,Reach,Engagement,Likes,Comments,"
    "Shares,Post Link Clicks,Video Views\n"
    '2024-03-01 14:30,111_222,Spring,https://facebook.com/111/posts/222,Photo,Facebook,"1,200",900,85,60,15,10,30,\n'
    "2024-03-02 09:00,333,Behind,https://instagram.com/p/abc,Reel,Instagram,5000,4000,300,250,40,10,,4800\n"
)
_SPROUT = (
    "Date,Post ID,Network,Post Type,Content Type,Profile,Sent by,Link,Post,Impressions,Reach,Engagements,Engagement Rate (per "
    "Impression),Reactions,Comments,Shares,Saves,Post Link Clicks,Video Views\n"
    "03/15/2024 10:05 am,17890000000000551,Instagram,Post,Reel,Acme,Jane,https://www.instagram.com/reel/xyz,New,2000,1500,130,"
    "6.5%,100,20,5,5,,1800\n"
)
_BUFFER = (
    "\ufeffDate,Update,Service,Service Link,Type,Impressions,Reach,Engagements,Likes,Comments,Shares,Clicks\n"
    "2024-04-02T08:00:00Z,Read our post,twitter,https://x.com/acme/status/1775000123456789012,text,800,,25,15,4,6,12\n"
)
_METRICOOL = (
    "Content;Type;Date;URL;Impressions;Reach;Interactions;Likes;Comments;Shares;Saved\n"
    "Neu;REEL;2024-04-02 08:00;https://www.instagram.com/p/a/;1.200;900;45;30;4;6;5\n"
)
_PINTEREST = (
    "Report,Pins\nAccount,anna\nDate range,2024-01-01 to 2024-03-31\n\n"
    "Pin ID,Title,Link,Impressions,Engagements,Pin clicks,Outbound clicks,Saves,Created date\n"
    "810000000000000451,A pin,https://e.example,100,5,4,1,2,2024-03-01\n"
)
_TIKTOK = (
    "Time,Video title,Video link,Post time,Total likes,Total comments,Total shares,Total views\n"
    "2024-09-10,My video,https://www.tiktok.com/@anna/video/7412300000012345678,September 8,10,2,1,1000\n"
)
_LINKEDIN_PAGE = [
    ["All posts analytics for Acme, 1 May 2024 to 31 May 2024"],
    [
        "Post title",
        "Post link",
        "Post type",
        "Posted by",
        "Created date",
        "Audience",
        "Impressions",
        "Views",
        "Clicks",
    ]
    + [
        "Click through rate (CTR)",
        "Likes",
        "Comments",
        "Reposts",
        "Follows",
        "Engagement rate",
        "Content Type",
    ],
    [
        "We hire",
        "https://www.linkedin.com/feed/update/urn:li:activity:7201923456789012480",
        "Organic",
        "Jo",
        "05/30/2024",
    ]
    + ["All followers", 500, None, 25, 0.05, 12, 3, 2, 1, 0.084, "Image"],
]
_LINKEDIN_TOP = [
    ["Maximum of 50 posts available to include in this list"],
    [],
    ["Post URL", "Post publish date", "Engagements", None, "Post URL", "Post publish date", "Impressions"],
    ["https://www.linkedin.com/feed/update/urn:li:activity:7201923456789012480", "5/30/2024", 40, None]
    + ["https://www.linkedin.com/feed/update/urn:li:activity:7201923456789012480", "5/30/2024", 900],
]
_BLUESKY = {
    "app.bsky.feed.like/3kaa": {"createdAt": "2024-01-01T00:00:00Z"},
    "app.bsky.feed.post/3kabcdefghij2": {
        "$type": "app.bsky.feed.post",
        "createdAt": "2024-05-01T08:00:00.123Z",
        "text": "Hello sky",
        "langs": ["en"],
        "embed": {"$type": "app.bsky.embed.images", "images": []},
    },
    "app.bsky.feed.post/3kabcdefghik2": {
        "createdAt": "2024-05-01T09:00:00Z",
        "text": "yes",
        "reply": {"root": {}},
    },
}
_DID = "did:plc:abcdefghijklmnopqrstuvwx"

CASES = [
    Case(
        "x-analytics.csv",
        _X.encode(),
        "X analytics export, 2 posts, 2016-12-31, times in UTC",
        [
            {
                "line": 2,
                "account": "anna_b",
                "external_id": "815220123456789012",
                "permalink": "https://twitter.com/anna_b/status/815220123456789012",
                "text": "Happy new year,\nall",
                "published_at": "2016-12-31T14:05:00+00:00",
                "impressions": 1204,
                "likes": 3,
                "comments": 2,
                "shares": 1,
                "clicks": 4,
                "follows": 1,
                "engagement_rate": 0.00996677740863787,
                "raw.media views": "7",
            },
            {"line": 4, "text": "=2+3 is a text", "likes": 0},
        ],
    ),
    Case(
        "x-analytics-of-2024.csv",
        ("\ufeff" + _X_NEW).encode(),
        "X analytics export, 1 post, 2024-05-13, times in UTC (assumed: the file does not say)",
        [
            {
                "external_id": "1790012345678901234",
                "published_at": "2024-05-13T13:32:54.688000+00:00",
                "day_only": False,
                "impressions": 1100,
                "saves": 1,
                "shares": 1,
                "comments": 2,
                "clicks": 3,
            }
        ],
        decisions=("Impressions (1,100): thousands with commas",),
    ),
    Case(
        "x-archive.zip",
        zip_of(data__tweets_DOT_js=_TWEETS, data__account_DOT_js=_ACCOUNT, data__x_DOT_jpg=b"\xff\xd8"),
        "X data archive, 1 post, 2022-10-19, times in UTC",
        [
            {
                "account": "anna_b",
                "external_id": "1582822222222222222",
                "text": "Look https://example.com/ \U0001f600",
                "kind": "link",
                "published_at": "2022-10-19T20:07:25+00:00",
                "likes": 3,
                "shares": 1,
                "raw.lang": "en",
            }
        ],
        notes=("left out: 1 reposts of other people's posts, 1 replies",),
    ),
    Case(
        "tweets.js", _TWEETS.encode(), "X data archive, 1 post, 2022-10-19, times in UTC", [{"account": None}]
    ),
    Case(
        "facebook-utf16.csv",
        _FACEBOOK.encode("utf-16"),
        "Meta Business Suite export (Facebook), 2 posts, 2024-05-31 to 2024-06-02, times in Europe/Berlin (--timezone)",
        [
            {
                "account": "Caf\u00e9 Nord",
                "external_id": "100064000000021_122100000000451",
                "text": "Neu im Sortiment \u2013 h\u00fcbsch",
                "kind": "photo",
                "published_at": "2024-05-31T06:30:00+00:00",
                "views": 1234,
                "reach": 900,
                "likes": 20,
                "comments": 5,
                "shares": 5,
                "clicks": 12,
                "impressions": None,
                "raw.Date": "Lifetime",
            },
            {"text": "Ein Titel", "kind": "video", "likes": 0, "clicks": None},
        ],
        {"timezone": "Europe/Berlin"},
        decisions=("text read as UTF-16", "Publish time: month/day/year, as 05/31/2024 08:30 shows"),
    ),
    Case(
        "instagram-german.csv",
        ("\ufeff" + _INSTAGRAM).encode(),
        "Meta Business Suite export (Instagram), 1 post, 2024-06-13, times in America/New_York (the account's zone)",
        [
            {
                "account": "cafe.nord",
                "external_id": "17890000000000451",
                "kind": "photo",
                "published_at": "2024-06-13T14:00:00+00:00",
                "views": 300,
                "likes": 20,
                "shares": 3,
                "saves": 6,
            }
        ],
        {"account_timezone": "America/New_York"},
    ),
    Case(
        "instagram-download.zip",
        zip_of(
            your_instagram_activity__content__posts_1_DOT_json=_json(
                [
                    {
                        "media": [
                            {
                                "uri": "a.jpg",
                                "creation_timestamp": 1700000000,
                                "title": meta("Caf\u00e9 \U0001f600"),
                            }
                        ]
                    },
                    {
                        "media": [
                            {"uri": "a.mp4", "creation_timestamp": 1700000100, "title": ""},
                            {"uri": "b.jpg"},
                        ],
                        "title": "two",
                        "creation_timestamp": 1700000200,
                    },
                ]
            ),
            media__posts__a_DOT_jpg=b"\xff\xd8\xff",
        ),
        "Instagram download (JSON), 2 posts, 2023-11-14, times in UTC",
        [
            {"text": "Caf\u00e9 \U0001f600", "kind": "photo", "derived_id": True, "likes": None},
            {"text": "two", "kind": "video", "published_at": "2023-11-14T22:16:40+00:00"},
        ],
    ),
    Case(
        "your_posts_1.json",
        _json(
            [
                {"timestamp": 1700000000, "data": [{"post": meta("Gr\u00fc\u00dfe")}], "title": "x"},
                {
                    "timestamp": 1700000500,
                    "attachments": [{"data": [{"media": {"uri": "a.jpg"}}]}],
                    "title": "y",
                },
                {"timestamp": 1700000600, "title": "z", "data": [{}]},
            ]
        ),
        "Facebook download (JSON), 2 posts, 2023-11-14, times in UTC",
        [{"text": "Gr\u00fc\u00dfe", "kind": "text"}, {"kind": "photo", "text": None}],
        notes=("left out: 1 entries without text and attachment",),
    ),
    Case(
        "linkedin-page.xlsx",
        xlsx_of(("Metrics", [["Date", "Impressions"], ["05/30/2024", 4]]), ("All posts", _LINKEDIN_PAGE)),
        "LinkedIn page export, 1 post, 2024-05-30, times in UTC (assumed: the file does not say)",
        [
            {
                "line": 3,
                "external_id": "urn:li:activity:7201923456789012480",
                "published_at": "2024-05-30T12:32:37.365000+00:00",
                "kind": "photo",
                "impressions": 500,
                "video_views": None,
                "clicks": 25,
                "likes": 12,
                "comments": 3,
                "shares": 2,
                "follows": 1,
                "engagement_rate": 0.084,
            }
        ],
    ),
    Case(
        "ids-with-apostrophes.csv",
        b"account,post_id,published_at,likes,comments,shares\na,'1057692345678901248,2024-05-31 10:00,1,2,3\n",
        "History file, 1 post, 2024-05-31, times in UTC (assumed: the file does not say)",
        [{"external_id": "1057692345678901248"}],
    ),
    Case(
        "linkedin-page.xls",
        xls_of(("Metrics", [["Date", "Impressions"], ["05/30/2024", 4]]), ("All posts", _LINKEDIN_PAGE)),
        "LinkedIn page export, 1 post, 2024-05-30, times in UTC (assumed: the file does not say)",
        [
            {
                "line": 3,
                "external_id": "urn:li:activity:7201923456789012480",
                "impressions": 500,
                "engagement_rate": 0.084,
            }
        ],
    ),
    Case(
        "linkedin-page.ods",
        ods_of(("Metrics", [["Date", "Impressions"], ["05/30/2024", 4]]), ("All posts", _LINKEDIN_PAGE)),
        "LinkedIn page export, 1 post, 2024-05-30, times in UTC (assumed: the file does not say)",
        [
            {
                "line": 3,
                "external_id": "urn:li:activity:7201923456789012480",
                "impressions": 500,
                "engagement_rate": 0.084,
            }
        ],
    ),
    Case(
        "linkedin-creator.xlsx",
        xlsx_of(("DISCOVERY", [["Overall Performance", "x"]]), ("TOP POSTS", _LINKEDIN_TOP)),
        "LinkedIn creator export, 1 post, 2024-05-30, times in UTC (assumed: the file does not say)",
        [{"external_id": "urn:li:activity:7201923456789012480", "impressions": 900}],
    ),
    Case(
        "tiktok.csv",
        _TIKTOK.encode(),
        "TikTok Studio export, 1 post, 2024-09-08, times in UTC (assumed: the file does not say)",
        [
            {
                "account": "anna",
                "external_id": "7412300000012345678",
                "kind": "video",
                "published_at": "2024-09-08T15:49:39+00:00",
                "video_views": 1000,
                "likes": 10,
            }
        ],
    ),
    Case(
        "youtube.zip",
        zip_of(
            Table_SPACE_data_DOT_csv=_YOUTUBE,
            Chart_SPACE_data_DOT_csv="Date,Content,Video title,Video publish time,Views\n2024-01-01,a,b,c,3\n",
            Totals_DOT_csv="Date,Views\n2024-01-01,3\n",
        ),
        "YouTube Studio export, 1 post, 2023-12-15, times in UTC (assumed: the file does not say)",
        [
            {
                "external_id": "dQw4w9WgX-_",
                "permalink": "https://www.youtube.com/watch?v=dQw4w9WgX-_",
                "text": "My video, part 1",
                "day_only": True,
                "published_at": "2023-12-15T00:00:00+00:00",
                "video_views": 1200,
                "watch_seconds": 9000.0,
                "shares": None,
                "impressions": None,
                "raw.Subscribers": "-1",
            }
        ],
        notes=("left out: 1 totals, 1 videos without a time of publishing",),
    ),
    Case(
        "pinterest.csv",
        _PINTEREST.encode(),
        "Pinterest analytics export, 1 post, 2024-03-01, times in UTC (assumed: the file does not say)",
        [{"line": 6, "external_id": "810000000000000451", "clicks": 1, "saves": 2, "raw.Pin clicks": "4"}],
    ),
    Case(
        "mastodon.tar.gz",
        tar_gz_of("outbox.json", _json(_OUTBOX)),
        "Mastodon archive, 1 post, 2024-01-01, times in UTC",
        [
            {
                "account": "anna@m.example",
                "external_id": "111222333",
                "permalink": "https://m.example/@anna/111222333",
                "text": "Hi there",
                "kind": "photo",
                "published_at": "2024-01-01T10:00:00+00:00",
            }
        ],
        notes=("left out: 1 boosts and other activities, 1 direct messages",),
    ),
    Case(
        "outbox.json",
        _json(_OUTBOX),
        "Mastodon archive, 1 post, 2024-01-01, times in UTC",
        [{"text": "Hi there"}],
    ),
    Case(
        "bluesky.car",
        car_of(_DID, _BLUESKY),
        "Bluesky repository, 1 post, 2024-05-01, times in UTC",
        [
            {
                "account": _DID,
                "external_id": f"at://{_DID}/app.bsky.feed.post/3kabcdefghij2",
                "permalink": f"https://bsky.app/profile/{_DID}/post/3kabcdefghij2",
                "text": "Hello sky",
                "kind": "photo",
                "published_at": "2024-05-01T08:00:00.123000+00:00",
            }
        ],
        notes=("left out: 1 replies",),
    ),
    Case(
        "reddit.csv",
        b"id,title,score,num_comments,created_utc,subreddit,ups,downs\nabc,Hi,10,2,1345107919.0,pics,12,2\n",
        "Reddit set, 1 post, 2012-08-16, times in UTC",
        [{"external_id": "abc", "published_at": "2012-08-16T09:05:19+00:00", "likes": 10, "comments": 2}],
        decisions=("created_utc: epoch seconds, UTC (1345107919.0)",),
    ),
    Case(
        "hacker-news.csv",
        b"id,title,url,num_points,num_comments,author,created_at\n10975351,A story,https://e.example,52,10,ann,8/16/2016 9:55\n",
        "Hacker News set, 1 post, 2016-08-16, times in UTC (assumed: the file does not say)",
        [{"account": "ann", "external_id": "10975351", "likes": 52}],
    ),
    Case(
        "buffer.csv",
        _BUFFER.encode(),
        "Buffer export, 1 post, 2024-04-02, times in UTC",
        [
            {
                "external_id": "1775000123456789012",
                "text": "Read our post",
                "likes": 15,
                "reach": None,
                "clicks": 12,
            }
        ],
    ),
    Case(
        "hootsuite.csv",
        _HOOTSUITE.encode(),
        "Hootsuite export, 1 post, 2024-03-01, times in UTC",
        [{"line": 4, "external_id": "111_222", "impressions": 1200, "video_views": None, "kind": "photo"}],
        {"platform": "facebook"},
        notes=("left out: 1 rows of other platforms",),
    ),
    Case(
        "sprout.csv",
        _SPROUT.encode(),
        "Sprout Social export, 1 post, 2024-03-15, times in UTC (assumed: the file does not say)",
        [{"account": "Acme", "engagement_rate": 0.065, "saves": 5, "video_views": 1800, "kind": "video"}],
    ),
    Case(
        "metricool.csv",
        _METRICOOL.encode("cp1252"),
        "Metricool export, 1 post, 2024-04-02, times in UTC (assumed: the file does not say)",
        [{"impressions": 1200, "likes": 30, "saves": 5, "kind": "video"}],
        decisions=("Impressions (1.200): thousands with points",),
    ),
    Case(
        "postiz.csv",
        b"content,publishDate,state,releaseURL,provider\nHi,2024-04-02T08:00:00Z,PUBLISHED,https://x.com/a/status/1775000123456789012,x\n"
        b"No,2024-04-03T08:00:00Z,DRAFT,,x\n",
        "Postiz export, 1 post, 2024-04-02, times in UTC",
        [{"external_id": "1775000123456789012", "text": "Hi", "likes": None}],
        notes=("left out: 1 posts that were not published",),
    ),
    Case(
        "by-hand.csv",
        "Date,Impressions,From Home,From Hashtags,From Explore,Saves,Comments,Shares,Likes,Profile Visits,Follows,Caption,"
        "Hashtags\n2021-12-10,3920,2586,1028,619,98,9,5,162,35,2,Caf\u00e9,#a\n".encode("cp1252"),
        "Instagram sheet kept by hand, 1 post, 2021-12-10, times in UTC (assumed: the file does not say)",
        [{"text": "Caf\u00e9", "day_only": True, "saves": 98, "follows": 2, "raw.From Home": "2586"}],
    ),
    Case(
        "mapped.csv",
        "sep=;\nDatum;Aufrufe;Rate;Was\n31.05.2024 10:00;1.234;12,5 %;x\n01.06.2024 11:30;1'234'567;3 %;y\n".encode(
            "cp1252"
        ),
        "Mapped file, 2 posts, 2024-05-31 to 2024-06-01, times in +02:00 (--timezone)",
        [
            {
                "line": 3,
                "impressions": 1234,
                "engagement_rate": 0.125,
                "published_at": "2024-05-31T08:00:00+00:00",
            },
            {"line": 4, "impressions": 1234567, "engagement_rate": 0.03, "raw.Was": "y"},
        ],
        {
            "mapping": {"Datum": "published_at", "Aufrufe": "impressions", "Rate": "engagement_rate"},
            "timezone": "+02:00",
        },
        decisions=("Datum: day/month/year, as 31.05.2024 10:00 shows",),
    ),
    Case(
        "mapped.jsonl",
        b'{"when":1700000000000,"n":{"likes":5},"id":1057692345678901248,"tags":["a"]}\n{"when":1700000001000,"n":{"likes":7}}\n',
        "Mapped file, 2 posts, 2023-11-14, times in UTC",
        [
            {"external_id": "1057692345678901248", "likes": 5, "raw.tags": '["a"]'},
            {"derived_id": True, "published_at": "2023-11-14T22:13:21+00:00"},
        ],
        {"mapping": {"when": "published_at", "n.likes": "likes", "id": "post_id"}},
    ),
    Case(
        "mapped.xlsx",
        xlsx_of(
            ("Notes", [["nothing here"]]),
            ("Posts", [["My posts"], ["Day", "Likes", "Id"], [45443.5, 12, "a1"], [45444.25, 3.0, "a2"]]),
        ),
        "Mapped file, 2 posts, 2024-05-31 to 2024-06-01, times in UTC (assumed: the file does not say)",
        [
            {"line": 3, "external_id": "a1", "published_at": "2024-05-31T12:00:00+00:00", "likes": 12},
            {"line": 4, "published_at": "2024-06-01T06:00:00+00:00"},
        ],
        {"mapping": {"Day": "published_at", "Likes": "likes", "Id": "external_id"}},
    ),
    Case(
        "from-1904.xlsx",
        xlsx_of(("Posts", [["Day", "Likes"], [43981.5, 12]]), date_1904=True),
        "Mapped file, 1 post, 2024-05-31, times in UTC (assumed: the file does not say)",
        [{"published_at": "2024-05-31T12:00:00+00:00"}],
        {"mapping": {"Day": "published_at", "Likes": "likes"}},
        decisions=("Day: Excel serial dates from 1904 (43981.5)",),
    ),
    Case(
        "formula-ids.csv",
        b'post_id,published_at,likes,comments,shares\n"=""1057692345678901248""",2024-05-31 10:00,1,1,1\n',
        "History file, 1 post, 2024-05-31, times in UTC (assumed: the file does not say)",
        [{"external_id": "1057692345678901248"}],
    ),
]

REFUSALS: list[tuple[str, bytes, dict[str, Any], str, str]] = [
    # name, bytes, options, field, words of the sentence
    ("locked.xls", xls_of(("Posts", _LINKEDIN_PAGE), password=True), {}, "path", "protected with a password"),
    ("locked.ods", ods_of(("Posts", _LINKEDIN_PAGE), password=True), {}, "path", "protected with a password"),
    (
        "x.csv",
        _X_NEW.replace("1790012345678901234,", "1.79001E+18,", 1).replace("/status/", "/s/").encode(),
        {},
        "external_id",
        "1.79001E+18",
    ),
    (
        "float.csv",
        b"post_id,published_at,likes,comments,shares\n312.0,2024-05-31 10:00,1,1,1\n",
        {},
        "external_id",
        "312.0",
    ),
    (
        "formula.csv",
        b'post_id,published_at,likes,comments,shares\n"=A1+1",2024-05-31 10:00,1,1,1\n',
        {},
        "external_id",
        "=A1",
    ),
    (
        "zeros.csv",
        b"post_id,published_at,likes,comments,shares\n1057692345678900000,2024-05-31 10:00,1,1,1\n",
        {},
        "external_id",
        "fifteenth",
    ),
    ("page.csv", _FACEBOOK.replace("100064000000021", "1.00064E+14").encode(), {}, "account", "Page ID"),
    (
        "dates.csv",
        b"published_at,likes,comments,shares\n03/04/2024 10:00,1,1,1\n",
        {},
        "date_order",
        "3 April 2024 or 4 March 2024",
    ),
    (
        "both.csv",
        b"published_at,likes,comments,shares\n31/01/2024 10:00,1,1,1\n01/31/2024 10:00,1,1,1\n",
        {},
        "date_order",
        "contradict",
    ),
    (
        "mixed.csv",
        b"published_at,likes,comments,shares\n1700000000,1,1,1\n45443.5,1,1,1\n",
        {},
        "published_at",
        "mixes",
    ),
    ("tt.csv", _TIKTOK.replace("/video/7412300000012345678", "/x").encode(), {}, "year", "September 8"),
    (
        "numbers.csv",
        b"published_at,likes,comments,shares\n2024-05-31 10:00,1.000,1,1\n",
        {},
        "decimal_mark",
        "1.000",
    ),
    (
        "contra.csv",
        b'published_at,likes,comments,shares\n2024-05-31 10:00,1.5,1,1\n2024-05-31 11:00,"1,5",1,1\n',
        {},
        "decimal_mark",
        "contradict",
    ),
    ("two.csv", _HOOTSUITE.encode(), {}, "platform", "facebook and instagram"),
    ("wrong.csv", _X.encode(), {"platform": "facebook"}, "platform", "twitter"),
    ("none.csv", b"a,b\n1,2\n", {}, "published_at", "--map"),
    ("map.csv", b"a,b\n1,2\n", {"mapping": {"c": "published_at"}}, "map", "no column c"),
    ("map.csv", b"a,b\n1,2\n", {"mapping": {"a": "when"}}, "map", "not a field"),
    ("map.csv", b"a,b\n1,2\n", {"mapping": {"a": "likes"}}, "map", "published_at"),
    ("sheet.xlsx", xlsx_of(("A", [["a", "b"]])), {"sheet": "B"}, "sheet", "no sheet B"),
    ("a.pdf", b"%PDF-1.7 x", {}, "path", "a PDF"),
    ("page.xls", b"<html><table><tr><td>1</td></tr></table></html>", {}, "path", "web page"),
    ("a.docx", zip_of(word__document_DOT_xml="<x/>"), {}, "path", "Word document"),
    ("a.numbers", zip_of(Index__Document_DOT_iwa=b"x"), {}, "path", "Numbers"),
    ("html.zip", zip_of(posts__posts_1_DOT_html="<html>"), {}, "path", "format JSON"),
    ("a.zip", zip_of(x_DOT_png=b"x"), {}, "path", "no file of posts"),
    (
        "bomb.zip",
        zip_of(a_DOT_csv=b"published_at,likes\n" + b"\n" * (200 << 20)),
        {},
        "path",
        "unpacks to more than",
    ),
    ("a.db", b"SQLite format 3\0" + bytes(100), {}, "path", "SQLite"),
    ("zone.csv", _X.encode(), {"timezone": "+25:00"}, "timezone", "time zone"),
    ("\x1b[2J.csv", b"", {}, "path", r"\x1b[2J.csv is empty"),
]
"""Files that are refused: each sentence names what the file is and what to do."""
