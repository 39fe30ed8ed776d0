"""Against Bluesky's own server (PDS) on loopback: connect, schedule, publish by the flow, read back, repeat.

Run by `make test-pds`; skipped where Node is missing, since the server is a Node program.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from api.app import create_app
from connectors.base import PublishRequest
from connectors.errors import UnavailableError
from connectors.registry import ConnectorPool
from connectors.settings import ConnectorSettings
from connectors.types import PostContent
from flows.publishing.publish_posts import publish_due_posts
from warehouse.settings import WarehouseSettings
from warehouse.store.access.api_keys import create_api_key
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.credentials import open_account
from warehouse.store.database import Store
from warehouse.store.models import AccountRow, Publication

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.pds
HERE = Path(__file__).parent
COLLECTION = "app.bsky.feed.post"


@pytest.fixture(scope="module")
def pds() -> Iterator[dict[str, str]]:
    """A running PDS: {"url", "handle", "password"}."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs Node 20 and npm to run Bluesky's own server: install them and run it again")
    if not (HERE / "node_modules").is_dir():
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=HERE, check=True)
    server = subprocess.Popen(
        [node, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, "the PDS ended before it was ready"
    yield json.loads(line)
    server.communicate(timeout=30)  # closing its standard input ends it


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The API, signed in, on a fresh home."""
    monkeypatch.setenv("SOCIALFLOW_ALLOW_PRIVATE_INSTANCES", "true")
    now = datetime.now(UTC)
    with Store.open(WarehouseSettings()) as store, store.write() as session:
        workspace = ensure_default_workspace(session, now)
        _, key, secret = create_api_key(
            session,
            store.cipher,
            workspace.id,
            "pds test",
            ["read", "write", "analytics", "accounts", "admin"],
            now,
            None,
        )
    with TestClient(create_app()) as opened:
        answer = opened.post("/api/v1/auth/token", json={"api_key": key, "api_secret": secret}).json()
        opened.headers["Authorization"] = f"Bearer {answer['access_token']}"
        yield opened


def connect(client: TestClient, pds: dict[str, str]) -> dict[str, Any]:
    body = {
        "platform": "bluesky",
        "access_token": pds["password"],
        "handle": pds["handle"],
        "instance_url": pds["url"],
    }
    answer = client.post("/api/v1/accounts/connect", json=body)
    assert answer.status_code == 201, answer.text
    account: dict[str, Any] = answer.json()
    assert pds["password"] not in answer.text
    return account


def records(pds: dict[str, str]) -> list[dict[str, Any]]:
    """Return the account's posts as the server has them."""
    query = {"repo": pds["handle"], "collection": COLLECTION, "limit": 100}
    answer = httpx.get(f"{pds['url']}/xrpc/com.atproto.repo.listRecords", params=query)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def test_a_scheduled_post_is_on_the_server_once(client: TestClient, pds: dict[str, str]) -> None:
    connect(client, pds)
    text = "Grüße 🦋 שלום from @tester.test, https://example.com/a?b=1 #hello (@nobody.test)"
    before = len(records(pds))
    due = datetime.now(UTC) + timedelta(seconds=2)
    answer = client.post(
        "/api/v1/posts", json={"content": text, "platforms": ["bluesky"], "scheduled_at": due.isoformat()}
    )
    assert answer.status_code == 201, answer.text

    report = asyncio.run(publish_due_posts.fn(horizon_seconds=4))
    assert report["published"] == 1
    assert report["lateness_max_s"] < 1

    post = client.get(answer.headers["Location"]).json()
    assert post["status"] == "published"
    found = records(pds)
    assert len(found) == before + 1
    record = found[0]
    assert record["uri"] == post["publications"][0]["external_id"]
    assert record["value"]["text"] == text
    raw = text.encode()
    spans = {
        facet["features"][0]["$type"].split("#")[1]: raw[
            facet["index"]["byteStart"] : facet["index"]["byteEnd"]
        ].decode()
        for facet in record["value"]["facets"]
    }
    # Spans of bytes; a handle that nobody has stays plain text.
    assert spans == {"mention": "@tester.test", "link": "https://example.com/a?b=1", "tag": "#hello"}
    (mention,) = [
        facet["features"][0]
        for facet in record["value"]["facets"]
        if facet["features"][0]["$type"].endswith("#mention")
    ]
    assert mention["did"] == record["uri"].removeprefix("at://").partition("/")[0]

    # The same send again, as after a crash between the answer and our record: no second record.
    asyncio.run(repeat_send(post["publications"][0]["id"]))
    assert len(records(pds)) == before + 1


async def repeat_send(publication_id: str) -> None:
    """Send what is already out once more, with all that the first attempt had saved."""
    settings = ConnectorSettings(allow_private_instances=True)
    with Store.open(WarehouseSettings()) as store:
        with store.read() as session:
            row = session.scalars(select(Publication).where(Publication.id == publication_id)).one()
            account = open_account(session.get_one(AccountRow, row.account_id), store.cipher)
        assert row.first_attempt_at is not None
        request = PublishRequest(
            content=PostContent.model_validate(row.content),
            key=row.id,
            first_attempt_at=row.first_attempt_at,
            state=row.send_state,
        )
        async with ConnectorPool(settings) as pool:
            connector = pool.open(account)
            again = await connector.publish(request)
            found = await connector.find_publication(request)
            # And without what was saved: the record key follows from the publication alone.
            fresh = PublishRequest(
                content=request.content, key=request.key, first_attempt_at=request.first_attempt_at, state={}
            )
            found_fresh = await connector.find_publication(fresh)
    assert again.external_id == row.external_id
    assert found is not None
    assert found.external_id == row.external_id
    assert found_fresh is not None
    assert found_fresh.external_id == row.external_id


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f0003870180"
    "5a34eb7a0000000049454e44ae426082"
)


class _Picture(BaseHTTPRequestHandler):
    """Serves one picture, whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_arguments: object) -> None:
        """Stay quiet."""


@pytest.fixture
def picture_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Picture)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/picture.png"
    server.shutdown()


def test_pictures_a_thread_and_a_refresh(client: TestClient, pds: dict[str, str], picture_url: str) -> None:
    account = connect(client, pds)
    before = {record["uri"] for record in records(pds)}
    body = {
        "content": "one",
        "platforms": ["bluesky"],
        "media": [{"url": picture_url, "alt_text": "a dot"}],
        "thread": ["two", "three"],
        "first_comment": "a comment",
    }
    answer = client.post("/api/v1/posts", json=body)
    assert answer.status_code == 201, answer.text
    report = asyncio.run(publish_due_posts.fn(horizon_seconds=1))
    assert report["published"] == 1
    new = {record["value"]["text"]: record for record in records(pds) if record["uri"] not in before}
    assert set(new) == {"one", "two", "three", "a comment"}
    image = new["one"]["value"]["embed"]["images"][0]
    assert (image["alt"], image["image"]["mimeType"]) == ("a dot", "image/png")
    root = new["one"]["uri"]
    assert {record["value"]["reply"]["root"]["uri"] for text, record in new.items() if text != "one"} == {
        root
    }
    assert new["three"]["value"]["reply"]["parent"]["uri"] == new["two"]["uri"]

    refreshed = asyncio.run(refresh_and_read(account["id"], new["one"]["uri"]))
    assert refreshed == "the post is there, the counters are not to be had"


async def refresh_and_read(account_id: str, uri: str) -> str:
    """Refresh the session, find the post with the new one, and ask a server without an AppView for counters."""
    with Store.open(WarehouseSettings()) as store, store.read() as session:
        account = open_account(session.get_one(AccountRow, account_id), store.cipher)
    async with ConnectorPool(ConnectorSettings(allow_private_instances=True)) as pool:
        renewed = await pool.open(account).refresh_token()
        assert renewed is not None
        assert renewed.access_token != account.credentials.access_token
        connector = pool.open(replace(account, credentials=renewed))
        page = await connector.list_publications(since=datetime.now(UTC) - timedelta(hours=1))
        assert uri in {post.external_id for post in page.posts}
        with pytest.raises(UnavailableError):
            await connector.fetch_metrics([uri])
    return "the post is there, the counters are not to be had"


def test_a_post_deleted_on_the_server_is_not_found(client: TestClient, pds: dict[str, str]) -> None:
    connect(client, pds)
    answer = client.post("/api/v1/posts", json={"content": "short-lived", "platforms": ["bluesky"]})
    asyncio.run(publish_due_posts.fn(horizon_seconds=1))
    publication = client.get(answer.headers["Location"]).json()["publications"][0]
    credentials = {"identifier": pds["handle"], "password": pds["password"]}
    session = httpx.post(f"{pds['url']}/xrpc/com.atproto.server.createSession", json=credentials).json()
    record_key = publication["external_id"].rsplit("/", 1)[1]
    httpx.post(
        f"{pds['url']}/xrpc/com.atproto.repo.deleteRecord",
        json={"repo": session["did"], "collection": COLLECTION, "rkey": record_key},
        headers={"Authorization": f"Bearer {session['accessJwt']}"},
    ).raise_for_status()
    assert asyncio.run(look_up(publication["id"])) is None


async def look_up(publication_id: str) -> object:
    """Ask the server for a publication as reconciliation does."""
    with Store.open(WarehouseSettings()) as store:
        with store.read() as session:
            row = session.get_one(Publication, publication_id)
            account = open_account(session.get_one(AccountRow, row.account_id), store.cipher)
        assert row.first_attempt_at is not None
        request = PublishRequest(
            content=PostContent.model_validate(row.content),
            key=row.id,
            first_attempt_at=row.first_attempt_at,
            state=row.send_state,
        )
    async with ConnectorPool(ConnectorSettings(allow_private_instances=True)) as pool:
        return await pool.open(account).find_publication(request)


def test_a_wrong_app_password_saves_nothing(client: TestClient, pds: dict[str, str]) -> None:
    wrong = pds | {"password": "not-the-password"}
    body = {
        "platform": "bluesky",
        "access_token": wrong["password"],
        "handle": wrong["handle"],
        "instance_url": wrong["url"],
    }
    answer = client.post("/api/v1/accounts/connect", json=body)
    assert answer.status_code == 422, answer.text
    assert client.get("/api/v1/accounts").json()["data"] == []


def value_of(pds: dict[str, str], uri: str, collection: str = COLLECTION) -> dict[str, Any] | None:
    """Return a record as the server has it; None = there is none."""
    query = {"repo": pds["handle"], "collection": collection, "rkey": uri.rpartition("/")[2]}
    answer = httpx.get(f"{pds['url']}/xrpc/com.atproto.repo.getRecord", params=query)
    if answer.status_code == 400:
        assert answer.json()["error"] == "RecordNotFound"
        return None
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["value"]
    return found


def publish(client: TestClient, **fields: Any) -> tuple[str, str]:
    """Publish at once; return the post's address in the API and its id on the server."""
    answer = client.post("/api/v1/posts", json={"platforms": ["bluesky"], "allow_duplicate": True, **fields})
    assert answer.status_code == 201, answer.text
    assert asyncio.run(publish_due_posts.fn(horizon_seconds=1))["published"] == 1
    path = answer.headers["Location"]
    return path, client.get(path).json()["publications"][0]["external_id"]


def test_options_are_in_the_records(client: TestClient, pds: dict[str, str]) -> None:
    connect(client, pds)
    options = {
        "languages": ["en", "de"],
        "labels": ["nudity"],
        "reply_gate": ["followers", "mentioned"],
        "quote_gate": "nobody",
    }
    _, uri = publish(client, content="with options", options={"bluesky": options})
    value = value_of(pds, uri)
    assert value is not None
    assert value["langs"] == ["en", "de"]
    assert [one["val"] for one in value["labels"]["values"]] == ["nudity"]
    gate, quotes = (value_of(pds, uri, f"app.bsky.feed.{name}") for name in ("threadgate", "postgate"))
    assert gate is not None
    assert gate["post"] == uri
    assert [one["$type"].rpartition("#")[2] for one in gate["allow"]] == ["followerRule", "mentionRule"]
    assert quotes is not None
    assert [one["$type"].rpartition("#")[2] for one in quotes["embeddingRules"]] == ["disableRule"]


def test_an_edit_replaces_the_record_under_its_key(client: TestClient, pds: dict[str, str]) -> None:
    connect(client, pds)
    path, uri = publish(
        client,
        content="first words https://example.com/a",
        thread=["second"],
        options={"bluesky": {"languages": ["en"], "reply_gate": "nobody"}},
    )
    before, count = value_of(pds, uri), len(records(pds))
    assert before is not None
    change = {
        "content": "other words @tester.test",
        "thread": ["third"],
        "options": {"bluesky": {"languages": ["de"]}},
    }
    shown = client.patch(path, json=change)
    assert shown.status_code == 200, shown.text
    assert shown.json()["warnings"] == []
    assert shown.json()["publications"][0]["edit"]["state"] == "done"
    after = value_of(pds, uri)
    assert after is not None
    assert (after["text"], after["langs"]) == ("other words @tester.test", ["de"])
    assert after["createdAt"] == before["createdAt"]
    assert [one["features"][0]["$type"].rpartition("#")[2] for one in after["facets"]] == ["mention"]
    assert value_of(pds, uri, "app.bsky.feed.threadgate") is None, "everybody may reply again"
    assert len(records(pds)) == count, "an edit adds no record"
    assert {one["value"]["text"] for one in records(pds)} >= {"other words @tester.test", "third"}
    again = client.patch(path, json=change)
    assert (
        again.json()["publications"][0]["edit"]["finished_at"]
        == shown.json()["publications"][0]["edit"]["finished_at"]
    )


def test_unpublishing_removes_every_record_and_an_edit_afterwards_restores_none(
    client: TestClient, pds: dict[str, str]
) -> None:
    connect(client, pds)
    before = len(records(pds))
    path, uri = publish(client, content="short-lived too", thread=["a part"], first_comment="a comment")
    assert len(records(pds)) == before + 3
    for outcome in ("deleted", "already_deleted"):
        answer = client.post(f"{path}/unpublish").json()
        assert [one["outcome"] for one in answer["results"]] == [outcome]
    assert len(records(pds)) == before
    refused = client.patch(path, json={"content": "back again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "deleted")
    assert value_of(pds, uri) is None


def test_an_edit_of_a_record_that_is_gone_makes_no_new_one(client: TestClient, pds: dict[str, str]) -> None:
    connect(client, pds)
    path, uri = publish(client, content="deleted elsewhere")
    credentials = {"identifier": pds["handle"], "password": pds["password"]}
    session = httpx.post(f"{pds['url']}/xrpc/com.atproto.server.createSession", json=credentials).json()
    body = {"repo": session["did"], "collection": COLLECTION, "rkey": uri.rpartition("/")[2]}
    headers = {"Authorization": f"Bearer {session['accessJwt']}"}
    httpx.post(
        f"{pds['url']}/xrpc/com.atproto.repo.deleteRecord", json=body, headers=headers
    ).raise_for_status()
    edit = client.patch(path, json={"content": "back again"}).json()["publications"][0]["edit"]
    assert edit["state"] == "failed"
    assert value_of(pds, uri) is None
