"""The same wishes through HTTP and through the command line: the same rows are stored, or the same error is given."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from connectors.types import Credentials, Platform, VerifiedAccount
from flows.cli import app
from tests.api.harness import PNG, RunningServer, SettableClock, Tenant, make_tenant
from warehouse.lake.connect import Lake
from warehouse.settings import WarehouseSettings
from warehouse.store.access.workspaces import ensure_default_workspace
from warehouse.store.accounts.accounts import connect_account
from warehouse.store.database import Store
from warehouse.store.posts.reads import get_post, list_publications

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.store.models import Post, Publication

PLATFORMS = (
    *("twitter", "mastodon", "bluesky", "instagram", "facebook", "linkedin"),
    *("threads", "telegram", "youtube", "pinterest"),
)
QUEUED = ("mastodon", "bluesky", "linkedin")
"""Platforms whose account has queue slots; LinkedIn's are at other times than the two others'."""
ADVISED = ("mastodon", "twitter")
"""Platforms whose account has advice in the lake."""
LATER = "2031-03-05T10:00:00Z"
IMAGE = {"url": "https://example.com/a.jpg"}
VIDEO = {"url": "https://example.com/a.mp4", "kind": "video"}


class PresentClock(SettableClock):
    """The time of this machine, which commands go by."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Wish:
    """A post that somebody wants. `body` is what HTTP is sent; the command's options are made from it."""

    name: str
    body: dict[str, Any]
    error: str | None = None
    """The expected code; None = it is saved."""
    key: str | None = None
    """An Idempotency-Key."""
    after: tuple[dict[str, Any], ...] = field(default=())
    """Wishes that are sent before, each with the same key."""


def _wish(name: str, error: str | None = None, **fields: Any) -> Wish:
    body = {"content": f"wish: {name}", "platforms": ["mastodon"], "scheduled_at": LATER, **fields}
    return Wish(name, {key: value for key, value in body.items() if value is not None}, error)


def _long(length: int) -> str:
    return ("long words " * 400)[:length]


WISHES = [
    # targets
    _wish("one platform"),
    _wish("two platforms", platforms=["mastodon", "twitter"]),
    _wish(
        "every platform that takes text", platforms=["mastodon", "twitter", "bluesky", "linkedin", "threads"]
    ),
    _wish("x is an alias of twitter", platforms=["x"]),
    _wish("a platform twice", platforms=["mastodon", "mastodon"]),
    _wish("one account", platforms=None, account_ids=["account:bluesky"]),
    _wish("an account and its platform", platforms=["bluesky"], account_ids=["account:bluesky"]),
    _wish("unknown platform", "unknown_platform", platforms=["myspace"]),
    _wish("second platform unknown", "unknown_platform", platforms=["mastodon", "myspace"]),
    _wish("platform without account", "platform_not_connected", platforms=["tiktok"]),
    _wish("unknown account", "unknown_account", platforms=None, account_ids=["acct_none"]),
    _wish("nobody", "no_target", platforms=None),
    # text
    _wish("empty text", "ANY", content=""),
    _wish("too long for X", "ANY", content=_long(281), platforms=["twitter"]),
    _wish("fits X exactly", content="x" * 280, platforms=["twitter"]),
    _wish("too long for one of two", "ANY", content=_long(400), platforms=["mastodon", "twitter"]),
    _wish("longer than any post", "content_too_long", content=_long(2001), platforms=["linkedin"]),
    _wish(
        "emoji and joined characters", content="wish 👩‍👩‍👧‍👦 é ü 日本語", platforms=["bluesky", "twitter"]
    ),
    _wish("several lines", content="wish\n\nsecond paragraph\n\tindented"),
    # variants
    _wish(
        "variant rescues the short platform",
        content=_long(390),
        platforms=["mastodon", "twitter"],
        variants={"twitter": {"content": "short for X"}},
    ),
    _wish("variant too long", "ANY", variants={"mastodon": {"content": _long(501)}}),
    _wish("variant of no target", variants={"twitter": {"content": "nobody reads it"}}),
    _wish("variant of unknown platform", "unknown_platform", variants={"myspace": {"content": "hello"}}),
    # links and media
    _wish("a link", link="https://example.com/page"),
    _wish("a link that is none", "ANY", link="javascript:alert(1)"),
    _wish("an image by address", media=[{**IMAGE, "alt_text": "a view"}]),
    _wish("an uploaded image", media=[{"url": "upload:PNG"}]),
    _wish(
        "four images",
        media=[{"url": f"https://example.com/{n}.jpg"} for n in range(4)],
        platforms=["twitter"],
    ),
    _wish(
        "five images on X",
        "ANY",
        media=[{"url": f"https://example.com/{n}.jpg"} for n in range(5)],
        platforms=["twitter"],
    ),
    _wish("a video", media=[VIDEO]),
    _wish("image and video on X", "ANY", media=[IMAGE, VIDEO], platforms=["twitter"]),
    _wish("instagram without media: may come until it is due", platforms=["instagram"]),
    _wish("instagram with an image", platforms=["instagram"], media=[IMAGE]),
    _wish(
        "instagram cannot fetch uploads",
        "no_public_address",
        platforms=["instagram"],
        media=[{"url": "upload:PNG"}],
    ),
    _wish("youtube without video: may come until it is due", platforms=["youtube"]),
    _wish("unknown upload", "unknown_upload", media=[{"url": "upload:med_none"}]),
    _wish("media that is no address", "ANY", media=[{"url": "ftp://example.com/a.jpg"}]),
    _wish("instagram without media at once", "ANY", platforms=["instagram"], scheduled_at=None),
    # threads and first comments
    _wish("a thread", thread=["second", "third"]),
    _wish("a thread on three platforms", thread=["second"], platforms=["mastodon", "bluesky", "twitter"]),
    _wish("a thread where there is none", "ANY", thread=["second"], platforms=["linkedin"]),
    _wish("a thread with a long part", "ANY", thread=["second", _long(501)]),
    _wish("a thread with an empty part", "ANY", thread=["second", ""]),
    _wish("a first comment", first_comment="more in the comment", platforms=["linkedin"]),
    _wish("a first comment where there is none", "ANY", first_comment="more", platforms=["telegram"]),
    # times
    _wish("at once", scheduled_at=None),
    _wish("with offset", scheduled_at="2031-03-05T10:00:00+05:30"),
    _wish("local in the workspace's zone", scheduled_at="2031-03-05T10:00:00"),
    _wish("local in its own zone", scheduled_at="2031-03-05T10:00:00", timezone="America/New_York"),
    _wish("in the gap of spring", scheduled_at="2031-03-30T02:30:00", timezone="Europe/Berlin"),
    _wish("in the doubled hour of autumn", scheduled_at="2031-10-26T02:30:00", timezone="Europe/Berlin"),
    _wish("unknown zone", "unknown_timezone", scheduled_at="2031-03-05T10:00:00", timezone="Mars/Olympus"),
    _wish("in the past", "in_the_past", scheduled_at="2001-01-01T00:00:00Z"),
    _wish("no time at all", "invalid_time", scheduled_at="tomorrow at nine"),
    _wish("a day that does not exist", "invalid_time", scheduled_at="2031-02-30T10:00:00Z"),
    _wish("a time without minutes", "invalid_time", scheduled_at="2031-02-03"),
    _wish("the year 2500", "invalid_time", scheduled_at="2500-01-01T00:00:00Z"),
    # queue and advice
    _wish("next in the queue", scheduled_at="queue"),
    _wish("queue shared by two accounts", scheduled_at="queue", platforms=["mastodon", "bluesky"]),
    _wish("queue without slots", "no_queue_slots", scheduled_at="queue", platforms=["twitter"]),
    _wish(
        "queues without a common slot",
        "no_common_slot",
        scheduled_at="queue",
        platforms=["mastodon", "linkedin"],
    ),
    _wish("queue of nobody", "no_target", scheduled_at="queue", platforms=None, status="draft"),
    _wish("the best time", scheduled_at="optimal"),
    _wish("the best time for several", scheduled_at="optimal", platforms=["mastodon", "twitter"]),
    _wish("the best time without advice", "no_advised_time", scheduled_at="optimal", platforms=["telegram"]),
    # drafts
    _wish("a draft", status="draft"),
    _wish("a draft without time", status="draft", scheduled_at=None),
    _wish("a draft without target", status="draft", scheduled_at=None, platforms=None),
    _wish("a draft in the past", "in_the_past", status="draft", scheduled_at="2001-01-01T00:00:00Z"),
    _wish("a draft in the queue", status="draft", scheduled_at="queue", platforms=["bluesky"]),
    # references, duplicates, repetition
    _wish("with a reference", client_ref="order-4711"),
    _wish("a reference that is too long", "invalid_request", client_ref="r" * 201),
    Wish(
        "a duplicate",
        {"content": "said twice", "platforms": ["mastodon"], "scheduled_at": LATER},
        "duplicate",
        after=({"content": "said twice", "platforms": ["mastodon"], "scheduled_at": LATER},),
    ),
    Wish(
        "a duplicate that is wanted",
        {
            "content": "wanted twice",
            "platforms": ["mastodon"],
            "scheduled_at": LATER,
            "allow_duplicate": True,
        },
        after=({"content": "wanted twice", "platforms": ["mastodon"], "scheduled_at": LATER},),
    ),
    Wish(
        "the same request again",
        {"content": "once only", "platforms": ["mastodon"], "scheduled_at": LATER},
        key="key-1",
        after=({"content": "once only", "platforms": ["mastodon"], "scheduled_at": LATER},),
    ),
    Wish(
        "a key for another request",
        {"content": "other words", "platforms": ["mastodon"], "scheduled_at": LATER},
        "idempotency_key_reused",
        key="key-2",
        after=({"content": "first words", "platforms": ["mastodon"], "scheduled_at": LATER},),
    ),
    Wish(
        "a key with spaces",
        {"content": "key with spaces", "platforms": ["mastodon"], "scheduled_at": LATER},
        "invalid_idempotency_key",
        key="two words",
    ),
]
"""ANY = some error: which one is the platforms' affair; both sides have to give the same."""


@dataclass
class Outcome:
    """What came of a wish: the stored rows, or the code and places of an error."""

    rows: dict[str, Any] | None = None
    code: str | None = None
    places: list[tuple[str, str]] = field(default_factory=list)
    posts: int = 0


class Side:
    """One of the two ways in, with its own store."""

    accounts: dict[str, str]
    upload_id: str

    def send(self, wish: Wish) -> Outcome:
        raise NotImplementedError

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        """Put this side's ids in the place of the names."""
        text = json.dumps(body).replace("upload:PNG", f"upload:{self.upload_id}")
        for platform, account_id in self.accounts.items():
            text = text.replace(f"account:{platform}", account_id)
        filled: dict[str, Any] = json.loads(text)
        return filled

    def describe(self, store: Store, workspace_id: str, post_id: str) -> dict[str, Any]:
        """Return the stored rows of a post, without ids and without the times that hang on the present."""
        with store.read() as session:
            post = get_post(session, workspace_id, post_id)
            rows = list_publications(session, [post.id])[post.id]
            described = {"post": _post(post), "publications": [_publication(row, post) for row in rows]}
        text = json.dumps(described, default=str)
        for platform, account_id in self.accounts.items():
            text = text.replace(account_id, f"account:{platform}")
        plain: dict[str, Any] = json.loads(re.sub(r"upload:med_\w+", "upload:PNG", text))
        return plain


def _is_fixed(post: Post) -> bool:
    scheduling = post.details.get("scheduling") or {}
    return scheduling.get("resolution") not in {"now", "optimal"}


def _post(post: Post) -> dict[str, Any]:
    details = dict(post.details)
    placement = details.pop("placement", None)
    scheduling = dict(details.pop("scheduling", None) or {})
    if not _is_fixed(post):
        scheduling.pop("note", None)
    return {
        "content": post.content,
        "status": post.status,
        "client_ref": post.client_ref,
        "origin": post.origin,
        "approval": post.approval_state,
        "scheduled_at": post.scheduled_at if _is_fixed(post) else post.scheduled_at is not None,
        "scheduling": scheduling,
        "placement": placement and placement["kind"],
        "details": details,
    }


def _publication(row: Publication, post: Post) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "status": row.status,
        "reason_code": row.reason_code,
        "content": row.content,
        "scheduled_at": row.scheduled_at if _is_fixed(post) else row.scheduled_at is not None,
    }


class Http(Side):
    """The API over a real connection."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.accounts = {platform: tenant.add_account(platform) for platform in PLATFORMS}
        for weekday, at, platform in _slots():
            tenant.create_slot(self.accounts[platform], weekday, at)
        self.upload_id = tenant.upload(PNG)["id"]
        _advise(tenant.server.services.lake, tenant.workspace_id, self.accounts)

    def send(self, wish: Wish) -> Outcome:
        for body in (*wish.after, wish.body):
            headers = {} if wish.key is None else {"Idempotency-Key": wish.key}
            answer = self.tenant.client.post("/api/v1/posts", json=self.fill(body), headers=headers)
        count = len(self.tenant.client.get("/api/v1/posts", params={"limit": 100}).json()["data"])
        if answer.is_error:
            problem = answer.json()
            places = [(one["pointer"], one["code"]) for one in problem["errors"]]
            return Outcome(code=problem["code"], places=places, posts=count)
        store = self.tenant.server.services.store
        return Outcome(self.describe(store, self.tenant.workspace_id, answer.json()["id"]), posts=count)


class Command(Side):
    """`socialflow`, as a person types it, on a store of its own."""

    def __init__(self, home: Path) -> None:
        self.settings = WarehouseSettings(home=home)
        self.environment = {"SOCIALFLOW_HOME": str(home)}
        now = datetime.now(UTC)
        with Store.open(self.settings) as store, store.write() as session:
            self.workspace_id = ensure_default_workspace(session, now).id
            self.accounts = {}
            for platform in PLATFORMS:
                name = f"{platform}-user"
                verified = VerifiedAccount(name, name, name.title(), Credentials(SecretStr("token")))
                row = connect_account(
                    session, store.cipher, self.workspace_id, verified, Platform(platform), now
                )
                self.accounts[platform] = row.id
        with Lake.open(self.settings) as lake:
            _advise(lake, self.workspace_id, self.accounts)
        for weekday, at, platform in _slots():
            self.call(
                "queue", "add", self.accounts[platform], "--weekday", str(weekday), "--time", at, "--json"
            )
        picture = home / "a.png"
        picture.write_bytes(PNG)
        self.upload_id = self.call("media", "upload", str(picture), "--json")[1]["id"]

    def call(self, *arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(app, list(arguments), env=self.environment)
        assert result.exit_code in {0, 1}, result.output
        assert result.exit_code == 0 or result.stderr.startswith("error: "), result.stderr
        return result.exit_code, json.loads(result.stdout)

    def send(self, wish: Wish) -> Outcome:
        for body in (*wish.after, wish.body):
            key = [] if wish.key is None else ["--idempotency-key", wish.key]
            code, told = self.call("posts", "create", *_options(self.fill(body)), *key, "--json")
        count = len(self.call("posts", "list", "--limit", "100", "--json")[1])
        if code:
            places = [(one["pointer"], one["code"]) for one in told["errors"]]
            return Outcome(code=told["code"], places=places, posts=count)
        with Store.open(self.settings) as store:
            return Outcome(self.describe(store, self.workspace_id, told["id"]), posts=count)


def _options(body: dict[str, Any]) -> list[str]:
    """Return the options of `socialflow posts create` that say the same as a body."""
    options: list[str] = []
    for name, value in body.items():
        match name:
            case "platforms" | "account_ids" | "thread":
                option = {"platforms": "--platform", "account_ids": "--account", "thread": "--thread"}[name]
                options += [word for one in value for word in (option, one)]
            case "scheduled_at" if value == "queue":
                options.append("--queue")
            case "scheduled_at":
                options += ["--at", value]
            case "status":
                options.append("--draft")
            case "allow_duplicate":
                options.append("--allow-duplicate")
            case "variants":
                options += [
                    word for key, one in value.items() for word in ("--variant", f"{key}={one['content']}")
                ]
            case "media":
                for one in value:
                    options += [f"--{one.get('kind', 'image')}", one["url"]]
                    options += ["--alt-text", one["alt_text"]] if "alt_text" in one else []
            case _:
                options += [f"--{name.replace('_', '-')}", value]
    return options


def _advise(lake: Lake, workspace_id: str, accounts: dict[str, str]) -> None:
    """Write advice for some accounts, as the nightly computation does: 18:00 UTC is best on every day."""
    now = datetime.now(UTC).isoformat()
    values = ", ".join(
        f"('{workspace_id}', '{accounts[platform]}', '{platform}', 'UTC', {weekday}, {hour}, {lift}, {lift - 0.1}, "
        f"{lift + 0.1}, 0.99, 3, 20, 'own', 'medium', 50, 120, 'test', TIMESTAMPTZ '{now}')"
        for platform in ADVISED
        for weekday in range(7)
        for hour in range(24)
        for lift in [0.4 - abs(hour - 18) / 20 - weekday / 1000]
    )
    with lake.write() as cursor:
        cursor.execute(f"INSERT INTO marts.optimal_times VALUES {values}")  # noqa: S608 (our own values)


def _slots() -> list[tuple[int, str, str]]:
    """Return slots at least a day from now, so that both sides see the same ones however long a test takes."""
    first = (datetime.now(UTC) + timedelta(days=2)).weekday()
    common = [(first, "09:00"), (first, "17:00"), ((first + 1) % 7, "09:00")]
    return [
        (weekday, "12:00" if platform == "linkedin" else at, platform)
        for platform in QUEUED
        for weekday, at in (common[:1] if platform == "linkedin" else common)
    ]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Http, Command]]:
    with RunningServer(tmp_path_factory.mktemp("api"), PresentClock()) as server:
        tenant = make_tenant(server)
        yield Http(tenant), Command(tmp_path_factory.mktemp("cli"))
        tenant.client.close()


def test_there_are_at_least_sixty_wishes_each_with_a_name_of_its_own() -> None:
    assert len({wish.name for wish in WISHES}) == len(WISHES) >= 60
    assert sum(wish.error is not None for wish in WISHES) >= 25


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name.replace(" ", "-"))
def test_both_ways_in_store_the_same(sides: tuple[Http, Command], wish: Wish) -> None:
    by_http, by_command = (side.send(wish) for side in sides)
    assert by_http == by_command
    if wish.error is None:
        assert by_http.rows is not None, by_http.code
        return
    assert by_http.rows is None, "it was expected to be refused"
    assert wish.error in {"ANY", by_http.code}


def _fields(value: Any) -> Any:
    """Return the names in a JSON value, of a list those of its first entry."""
    if isinstance(value, dict):
        return {name: _fields(one) for name, one in value.items()}
    return [_fields(value[0])] if isinstance(value, list) and value else None


def _name_case(value: Any) -> str:
    return "-".join(value) if isinstance(value, list) else ""


LISTS = (
    ("/accounts", ["accounts", "list"], {"history_read"}),
    ("/media", ["media", "list"], set()),
    ("/posts", ["posts", "list"], set()),
    ("/calendar-feeds", ["calendar-feeds", "list"], set()),
    ("/webhooks", ["webhooks", "list"], set()),
    ("/api-keys", ["keys", "list"], set()),
    ("/recurrences", ["recurrences", "list"], set()),
)
"""Address, command, and what the command tells beyond the API."""
ANSWERS = (
    ("/workspace", ["workspace", "show"], set()),
    ("/schedules", ["schedules", "show"], {"has_more", "next_cursor"}),
    ("/analytics/overview", ["analytics", "overview"], set()),
    ("/analytics/posts", ["analytics", "posts"], {"next_cursor"}),
    ("/analytics/accounts", ["analytics", "accounts"], {"has_more", "next_cursor"}),
    ("/analytics/timing-lift", ["analytics", "timing-lift"], set()),
    ("/schedules/score", ["times", "score"], {"has_more", "next_cursor"}),
)
"""Address, command, and what only one of them tells."""


@pytest.fixture(scope="module")
def filled(sides: tuple[Http, Command]) -> tuple[Any, Command]:
    """Both sides with one of each thing, and a client that may see all of them."""
    http, command = sides
    client = http.tenant.client_with("admin")
    rule = {
        "rrule": "FREQ=DAILY",
        "starts_at": "2026-03-03T09:00:00",
        "content": "daily",
        "platforms": ["telegram"],
    }
    for path, body in (
        ("/calendar-feeds", {"name": "Ada"}),
        ("/webhooks", {"url": "http://127.0.0.1:9/x", "events": ["post.failed"]}),
        ("/recurrences", rule),
        ("/posts", {"content": "one of each", "platforms": ["mastodon"]}),
    ):
        assert client.post(f"/api/v1{path}", json=body).is_success
    command.environment["SOCIALFLOW_WEBHOOK_ALLOW_PRIVATE"] = "true"
    for words in (
        ["calendar-feeds", "create", "--name", "Ada"],
        ["webhooks", "create", "--url", "http://127.0.0.1:9/x", "--event", "post.failed"],
        [
            "recurrences",
            "create",
            "--rule",
            rule["rrule"],
            "--starts-at",
            rule["starts_at"],
            "--content",
            "daily",
        ],
        ["posts", "create", "--content", "one of each", "--platform", "mastodon"],
        ["keys", "create", "--name", "ci"],
    ):
        more = ["--platform", "telegram"] if words[0] == "recurrences" else []
        code, told = command.call(*words, *more, "--json")
        assert code == 0, told
    return client, command


@pytest.mark.parametrize(("path", "words", "beyond"), LISTS, ids=_name_case)
def test_lists_tell_the_same_fields(
    filled: tuple[Any, Command], path: str, words: list[str], beyond: set[str]
) -> None:
    client, command = filled
    by_http = client.get(f"/api/v1{path}").json()["data"][0]
    by_command = command.call(*words, "--json")[1][0]
    assert _fields(by_command) == _fields(by_http) | dict.fromkeys(beyond)


@pytest.mark.parametrize(("path", "words", "aside"), ANSWERS, ids=_name_case)
def test_answers_tell_the_same_fields(
    filled: tuple[Any, Command], path: str, words: list[str], aside: set[str]
) -> None:
    client, command = filled
    by_http, by_command = client.get(f"/api/v1{path}").json(), command.call(*words, "--json")[1]
    told = [
        {name: _fields(one) for name, one in side.items() if name not in aside}
        for side in (by_http, by_command)
    ]
    assert told[0] == told[1]


def test_common_times_are_the_same(filled: tuple[Any, Command]) -> None:
    client, command = filled
    by_http = client.get("/api/v1/schedules/optimal-times").json()["combined"]
    by_command = command.call("times", "together", "--json")[1]
    assert [one["next_at"][:19] for one in by_http["data"]] == [
        one["next_at"][:19] for one in by_command["data"]
    ]
    assert by_http["data"]
